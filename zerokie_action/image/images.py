"""The new and the previous image of a deploy, and which names mean the same image."""

from typing import NamedTuple

_BARE_DIGEST = "sha256:"


class Images(NamedTuple):
    """The images of one deploy.

    Attributes:
        requested: the image to deploy. None for a restart.
        previous: the image before the deploy. Empty if the platform showed none, or if there was no app.
        accepted: the image in the response to the deploy. Empty if that shows none.
    """

    requested: str | None
    previous: str
    accepted: str = ""

    @property
    def new(self) -> str:
        """The image to deploy. Empty if a restarted app shows no image."""
        return self.requested or self.previous

    @property
    def quoted(self) -> str:
        """The image to deploy in quotation marks, or `the image` if a restarted app shows none."""
        return repr(self.new) if self.new else "the image"

    @property
    def _wanted(self) -> str:
        # A restart pulls the image again and may get another digest.
        return self.requested or self.previous.partition("@")[0]

    def may_be_new(self, image: str) -> bool:
        """Whether an image in a response may be the new one, by its name, tag and digest.

        An empty image or a bare digest may be any image. If both names have a digest, only the digests are
        compared. Otherwise, the last part of the name and the tag must match, because a platform may write
        `nginx` as `docker.io/library/nginx:latest` or add a mirror's host. If the new image has a digest, a
        name without tag and digest matches as well.
        """
        if not (image and self._wanted) or image.startswith(_BARE_DIGEST):
            return True
        if image == self.accepted != self.previous:
            return True
        (name, tag, digest), (new_name, new_tag, new_digest) = _parts(image), _parts(self._wanted)
        if digest and new_digest:
            return digest == new_digest
        is_name_alone = image.endswith(name)
        return name == new_name and (tag in {"", new_tag} or bool(new_digest and is_name_alone))

    def may_be_previous(self, image: str) -> bool:
        """Whether an image in a response may be the previous one, with or without its digest or host."""
        (name, tag, digest), (old_name, old_tag, old_digest) = _parts(image), _parts(self.previous)
        return image == self.previous or ((name, tag) == (old_name, old_tag) and not (digest and old_digest))

    @property
    def have_same_name(self) -> bool:
        """Whether the previous image has the name of the new one, and neither name has a digest."""
        return _parts(self.previous) == _parts(self._wanted) and not digest_of(self._wanted)

    @property
    def why_not_redeployable(self) -> str:
        """Why the previous image can't be deployed again, as a clause. Empty if it can."""
        if self.have_same_name:
            return f"both versions are named {self.previous!r}, so give each version its own tag"
        if self.previous and not self.previous.startswith(_BARE_DIGEST):
            return ""
        shown = repr(self.previous) if self.previous else "no image"
        return f"the platform showed {shown}, which doesn't tell which image to deploy"


def digest_of(image: str) -> str:
    """Return the digest of an image name, such as `sha256:0123…`. Empty for a name without a digest."""
    return image if image.startswith(_BARE_DIGEST) else _parts(image)[2]


def _parts(image: str) -> tuple[str, str, str]:
    """Return the last part of the name, the tag and the digest. Without both, the tag is `latest`."""
    name, _, digest = image.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")  # a port's colon is before the last slash
    return last, tag or ("" if digest else "latest"), digest
