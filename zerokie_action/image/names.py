"""Names of images, and which of them may mean the same image.

A platform may show an image under another name than the requested one: in full, from a mirror, or with its
digest. So a comparison of two names can only exclude that they mean the same image. `ShownImage` compares the
image in a response with the new and the previous one.
"""

from typing import NamedTuple

_DOCKER_HUB = "docker.io"


class ImageName(NamedTuple):
    """The parts of an image's name, with Docker's defaults. An empty part is unknown and fits every other.

    Attributes:
        repository: the registry and the path, such as `docker.io/library/nginx`.
        tag: the tag. Empty if the name has a digest alone.
        digest: the digest, such as `sha256:0123…`.
    """

    repository: str = ""
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, image: str) -> "ImageName":
        """Return the parts of a name. An empty text is an unknown image."""
        if not image or image.startswith("sha256:"):
            return cls(digest=image)
        name, _, digest = image.partition("@")
        folder, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")  # a port's colon is before the last slash
        registry, _, path = f"{folder}{slash}{last}".partition("/")
        if not path or not ({".", ":"} & {*registry} or registry == "localhost"):
            registry, path = _DOCKER_HUB, f"{folder}{slash}{last}"
        if registry == _DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        return cls(f"{registry}/{path}", tag or ("" if digest else "latest"), digest)

    def may_be(self, other: "ImageName") -> bool:
        """Return whether both names may mean the same image of the same repository.

        Equal digests are the same image in every repository.
        """
        if self.digest and other.digest:
            return self.digest == other.digest
        return _fit(self.repository, other.repository) and _fit(self.tag, other.tag)

    def may_be_mirrored_as(self, other: "ImageName") -> bool:
        """Return whether the other name may mean the same image, pulled through another registry."""
        registry, _, path = self.repository.partition("/")
        other_registry, _, other_path = other.repository.partition("/")
        is_elsewhere = registry != other_registry
        has_same_end = path.rpartition("/")[2] == other_path.rpartition("/")[2]
        return is_elsewhere and has_same_end and self._replace(repository="").may_be(other)


def _fit(part: str, other: str) -> bool:
    return part == other or not (part and other)


class ShownImage:
    """The image that an app shows during a deploy, compared with the new and the previous image.

    Attributes:
        previous: the image before the request. Empty if the platform showed none, or if there was no app.
        is_new_certain: whether the app showed an image that may be the new one, and can't be the previous
            one.
    """

    def __init__(self, requested: str | None, previous: str) -> None:
        """Start with the previous image. `requested` is None for a restart, which may get another digest."""
        self.previous = previous
        self.is_new_certain = False
        self._image = previous
        self._name = self._previous = ImageName.parse(previous)
        self._requested = ImageName.parse(requested) if requested else self._previous._replace(digest="")
        self._known = [self._requested]
        """Names of the new image. The first one that the app shows replaces the others."""
        is_same_digest = bool(self._requested.digest) and self._requested.digest == self._previous.digest
        is_same = requested is None or is_same_digest or self._requested == self._previous
        self._is_renamed = bool(previous) and not is_same

    def add_name(self, image: str) -> None:
        """Add a name of the new image, unless it may be the previous one."""
        name = ImageName.parse(image)
        if image and not self._previous.may_be(name):
            self._known.append(name)

    def note(self, image: str) -> None:
        """Note the image in a response, and keep its name if it is the new one.

        A tag can mean any digest, but only one, and a missing tag doesn't stand for every tag anymore.
        """
        self._image, self._name = image, ImageName.parse(image)
        name = self._name
        if not image or name == self._previous or not self.may_be_new:
            return
        known = next((known for known in self._known if known.may_be(name)), self._requested)
        tag = name.tag or known.tag or "latest"
        self._known = [ImageName(name.repository or known.repository, tag, known.digest or name.digest)]
        self.is_new_certain |= not self._previous.may_be(name)

    @property
    def may_be_new(self) -> bool:
        """Whether the image may be the new one.

        The previous image may be the new one under another name, until the app shows the new one.
        """
        if self.is_new_certain and self._name == self._previous:
            return False
        return any(one.may_be(self._name) or one.may_be_mirrored_as(self._name) for one in self._known)

    @property
    def is_another_deploys(self) -> bool:
        """Whether the image is neither the new nor the previous one."""
        return not (self.may_be_new or self._previous.may_be(self._name))

    @property
    def looks_unchanged(self) -> bool:
        """Whether the image is the previous one, although the new one has another name.

        Both names may mean the same image, or the platform went back to the previous one.
        """
        return self._is_renamed and self._image == self.previous

    @property
    def lacks_digest(self) -> bool:
        """Whether the image has a tag instead of the requested digest, which doesn't prove that digest."""
        return bool(self._requested.digest and self._name.repository) and not self._name.digest

    @property
    def why_not_redeployable(self) -> str:
        """Why the previous image can't be deployed again, as a clause. Empty if it can."""
        if not self._previous.repository:
            shown = repr(self.previous) if self.previous else "no image"
            return f"the platform showed {shown}, which doesn't tell which image to deploy"
        has_digest = bool(self._requested.digest or self._previous.digest)
        if self._requested.may_be(self._previous) and not has_digest:
            return f"both versions are named {self.previous!r}, so give each version its own tag"
        return ""

    @property
    def may_be_mirrored(self) -> bool:
        """Whether the previous image may be the new one from another registry, by all that the app showed."""
        has_digest = bool(self._requested.digest or self._previous.digest)
        is_possible = self._requested.may_be_mirrored_as(self._previous)
        return is_possible and not (has_digest or self.is_new_certain)
