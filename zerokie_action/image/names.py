"""Names of images, and which of them may mean the same image.

A platform may show an image under another name than the requested one: in full, from a mirror, or with its
digest. So a comparison can only exclude that two names mean the same image.
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
