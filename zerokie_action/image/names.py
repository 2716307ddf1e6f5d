"""Comparison of the image that an app shows with the new and the previous one.

A platform may show an image under another name than the requested one: in full, from a mirror, or with its
digest. So two different names may mean the same image, and the rows of a table decide.
"""

from enum import Enum, auto

from zerokie_action.inputs.formats import ImageName


class Identity(Enum):
    """The image that an app shows, from the point of view of one deploy."""

    NEW = auto()
    PREVIOUS = auto()
    EITHER = auto()
    """The new or the previous image. It counts as the new one."""
    ANOTHERS = auto()
    """An image of another deploy."""


NEW, PREVIOUS, EITHER, ANOTHERS = Identity
MAY_BE_NEW = frozenset({NEW, EITHER})


def _agree(one: ImageName, other: ImageName) -> bool:
    """Return whether no part that both names have differs."""
    return all(part == its or not (part and its) for part, its in zip(one, other, strict=True))


def _may_be(one: ImageName, other: ImageName) -> bool:
    """Return whether the names agree, or one may be the other's at a mirror."""
    is_elsewhere = one.registry != other.registry and one.path.split("/")[-1] == other.path.split("/")[-1]
    return _agree(one._replace(registry="", path="") if is_elsewhere else one, other)


class ShownImage:
    """The image that an app shows during a deploy.

    Attributes:
        previous: the image before the request. Empty if the platform showed none, or if there was no app.
        identity: the last shown image.
        has_changed: whether the app showed a name that the previous image can't have.
    """

    def __init__(self, requested: str | None, previous: str) -> None:
        """Start with the previous image. `requested` is None for a restart, which may get another digest."""
        self.previous = previous
        self.identity, self.has_changed = EITHER, False
        self._name = self._previous = ImageName.parse(previous)
        self._requested = ImageName.parse(requested) if requested else self._previous._replace(digest="")
        # The name in the response to the run's own POST, unless it still shows the previous image. And the
        # first other name of the new image, with the parts of later ones.
        self._accepted = self._pinned = ImageName()
        self._accepts_old = False

    def note_accepted(self, image: str) -> None:
        """Note the image in the response to the run's own POST."""
        name, old = ImageName.parse(image), self._previous
        self._accepts_old = any(old) and name == old
        if not (any(old) and _agree(old, name)):
            self._accepted = name

    def note(self, image: str) -> None:
        """Note the image in the response to a GET."""
        self._name = name = ImageName.parse(image)
        self.identity = self._identify(name)
        self.has_changed |= not _agree(self._previous, name)
        # A requested tag may still resolve to a digest or a mirror.
        is_requested_tag = name == self._requested and not name.digest
        if self.identity is NEW and not is_requested_tag and _agree(self._pinned, name):
            self._pinned = ImageName(*(pinned or new for pinned, new in zip(self._pinned, name, strict=True)))

    def _identify(self, name: ImageName) -> Identity:
        """Return the first row that fits."""
        new, old, accepted, pinned = self._requested, self._previous, self._accepted, self._pinned
        is_old = name == old or (old.path and name._replace(digest="") == old)
        rows = (
            (not any(name), EITHER),
            # The previous name, also with a digest added
            (name == old and (old == new or (self._accepts_old and not self.has_changed)), EITHER),
            (is_old and self.has_changed, PREVIOUS),
            (is_old and _may_be(new, name), EITHER),
            (is_old, PREVIOUS),
            # The requested name, or the one in the POST's response
            (name in {new, accepted}, NEW),
            (not _agree(ImageName(digest=new.digest or accepted.digest), name), ANOTHERS),
            # A third name
            (any(pinned) and _agree(pinned, name) and (name.digest or not pinned.digest), NEW),
            (any(pinned), ANOTHERS),
            # The first other name
            (_may_be(new, name), NEW),
        )
        return next((identity for fits, identity in rows if fits), ANOTHERS)

    @property
    def is_unproven(self) -> bool:
        """Whether the image counts as the new one, but another deploy would look the same.

        It is the previous image, or it has a tag instead of the requested digest. Or it is at a mirror that
        neither the requested nor the previous image is at.
        """
        new, old, name = self._requested, self._previous, self._name
        if self.identity is EITHER:
            return any(name) and (old.digest or old) != (new.digest or new)
        if new.digest or not any(old) or name == self._accepted:
            return bool(new.digest and not name.digest)
        return name.registry not in {"", new.registry, old.registry}

    @property
    def may_be_anothers(self) -> bool:
        """Whether a rollback from a new image could stop another deploy's, which may have its digest."""
        is_digest = self._name.digest and any(self._previous) and self._name != self._accepted
        is_first = is_digest and not (self._requested.digest or self._previous.digest)
        return self.identity is NEW and bool(is_first or self.is_unproven)

    @property
    def why_not_redeployable(self) -> str:
        """Why the previous image can't be deployed again, as a clause. Empty if it can."""
        new, old = self._requested, self._previous
        if not old.path:
            return "the platform doesn't show the name of the previous image"
        if _may_be(new, old) and not (new.digest or old.digest):
            return f"{self.previous!r} may be the new version as well, so give each version its own tag"
        return ""
