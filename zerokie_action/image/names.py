"""Names of images, and which of them may mean the same image.

A platform may show an image under another name than the requested one: in full, from a mirror, or with its
digest. So a comparison of two names can only exclude that they mean the same image. `ShownImage` compares the
image in a response with the new and the previous one.
"""

import re
from typing import NamedTuple

_DOCKER_HUB = "docker.io"
_PARTS = re.compile("(?:((?=[^/]*[.:]|localhost/)[^/]*)/)?([^:@]*):?([^@]*)@?(.*)", re.DOTALL)
"""Registry, path, tag and digest. A first part with a dot or a port is a registry."""


class ImageName(NamedTuple):
    """The parts of an image's name, with Docker's defaults. An empty part is unknown and fits every other.

    Attributes:
        registry: the registry's host, such as `docker.io`.
        path: the path in the registry, such as `library/nginx`.
        tag: the tag. Empty if the name has a digest alone.
        digest: the digest, such as `sha256:0123…`.
    """

    registry: str = ""
    path: str = ""
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, image: str) -> "ImageName":
        """Return the parts of a name. An empty text is an unknown image."""
        if not image or image.startswith("sha256:"):
            return cls(digest=image)
        registry, path, tag, digest = _PARTS.findall(image)[0]
        registry = registry or _DOCKER_HUB
        if registry == _DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        return cls(registry, path, tag or ("" if digest else "latest"), digest)

    def may_be(self, other: "ImageName") -> bool:
        """Return whether both names may mean the same image of the same repository."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return all(map(_fit, self[:3], other[:3]))  # registry, path and tag

    def may_be_mirrored_as(self, other: "ImageName") -> bool:
        """Return whether the other name may mean the same image, pulled through another registry."""
        has_same_end = self.path.rpartition("/")[2] == other.path.rpartition("/")[2]
        is_elsewhere = self.registry != other.registry and has_same_end
        return is_elsewhere and self._replace(registry="", path="").may_be(other)


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
        self._name = self._previous = ImageName.parse(previous)
        self._requested = ImageName.parse(requested) if requested else self._previous._replace(digest="")
        self._known = [self._requested]
        """Names of the new image. The first one that the app shows replaces the others."""
        new, old = self._requested, self._previous
        # Equal digests are the same image in every repository.
        self._is_renamed = bool(requested and previous) and (new.digest or new) != (old.digest or old)

    def add_name(self, image: str) -> None:
        """Add a name of the new image, unless it may be the previous one."""
        name = ImageName.parse(image)
        if image and not self._previous.may_be(name):
            self._known.append(name)

    def note(self, image: str) -> None:
        """Note the image in a response, and keep its name if it is the new one.

        A tag can mean any digest, but only one, and a missing tag doesn't stand for every tag anymore.
        """
        self._name = name = ImageName.parse(image)
        if not image or name == self._previous or not self.may_be_new:
            return
        known = next((known for known in self._known if known.may_be(name)), self._requested)
        tag, digest = name.tag or known.tag or "latest", known.digest or name.digest
        self._known = [(name if name.path else known)._replace(tag=tag, digest=digest)]
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
        return self._is_renamed and self._name == self._previous

    @property
    def is_unproven(self) -> bool:
        """Whether the image may be the new one, but would be the same after another deploy.

        It is the previous image, or it has a tag instead of the requested digest.
        """
        lacks_digest = self._requested.digest and self._name.path and not self._name.digest
        return bool(lacks_digest) or self.looks_unchanged

    @property
    def why_not_redeployable(self) -> str:
        """Why the previous image can't be deployed again, as a clause. Empty if it can."""
        new, old = self._requested, self._previous
        if not old.path:
            return "the platform doesn't show the name of the previous image"
        if (new.may_be(old) or new.may_be_mirrored_as(old)) and not (new.digest or old.digest):
            return f"{self.previous!r} may be the new version as well, so give each version its own tag"
        return ""
