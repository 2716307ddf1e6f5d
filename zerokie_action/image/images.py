"""The images of a deploy: the new and the previous one, and which names stand for the same image."""

from typing import NamedTuple

_BARE_DIGEST = "sha256:"


class Images(NamedTuple):
    """The images of one deploy.

    Attributes:
        requested: the image to deploy; None for a restart.
        previous: the image before the deploy; empty if the platform showed no image, or there was no app.
    """

    requested: str | None
    previous: str

    @property
    def new(self) -> str:
        """The image to deploy; empty if a restarted app shows no image."""
        return self.requested or self.previous

    @property
    def quoted(self) -> str:
        """The image to deploy, in quotation marks; `the image` if a restarted app shows none."""
        return repr(self.new) if self.new else "the image"

    @property
    def _wanted(self) -> str:
        # A restart pulls the image again, and may get another digest.
        return self.requested or self.previous.partition("@")[0]

    def may_be_new(self, image: str) -> bool:
        """Whether an image in an answer may be the image to deploy, by name, tag and digest.

        An empty image or a bare digest may be any image. If both references have a digest, only the digests
        are compared. Otherwise the last part of the name and the tag must be the same, because a platform may
        write `nginx` as `docker.io/library/nginx:latest`, or add a mirror's host. A reference with only a
        digest goes with any tag, but not the other way round.
        """
        if not (image and self._wanted) or image.startswith(_BARE_DIGEST):
            return True
        (name, tag, digest), (wanted_name, wanted_tag, wanted_digest) = _parts(image), _parts(self._wanted)
        if digest and wanted_digest:
            return digest == wanted_digest
        is_name_alone = image.endswith(name)  # without tag and digest: no reason to doubt a wanted digest
        return name == wanted_name and (tag in {"", wanted_tag} or bool(wanted_digest and is_name_alone))

    def may_be_previous(self, image: str) -> bool:
        """Whether an image in an answer may be the previous one: with or without its digest, or a host."""
        (name, tag, digest), (old_name, old_tag, old_digest) = _parts(image), _parts(self.previous)
        return image == self.previous or ((name, tag) == (old_name, old_tag) and not (digest and old_digest))

    @property
    def have_same_name(self) -> bool:
        """Whether the previous image had the same name, and neither name has a digest."""
        return _parts(self.previous) == _parts(self._wanted) and not digest_of(self._wanted)

    @property
    def why_not_redeployable(self) -> str:
        """Why the previous image can't be deployed again, as a clause; empty if it can."""
        if self.have_same_name:
            return f"both versions have the same name, {self.previous!r}; give each version a tag of its own"
        if self.previous and not self.previous.startswith(_BARE_DIGEST):
            return ""
        shown = repr(self.previous) if self.previous else "no image"
        return f"the platform shows {shown}, and nobody can tell which image to deploy for that"


def digest_of(image: str) -> str:
    """The digest of an image reference, such as `sha256:0123…`; empty for a reference without a digest."""
    return image if image.startswith(_BARE_DIGEST) else _parts(image)[2]


def _parts(image: str) -> tuple[str, str, str]:
    """The last part of the name, the tag and the digest. Without both, the tag is `latest`."""
    name, _, digest = image.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")  # a port's colon is before the last slash
    return last, tag or ("" if digest else "latest"), digest
