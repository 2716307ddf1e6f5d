"""What a deploy leaves in the storage zone for the next one: which paths are ours, what is proved of each.

The platform's listing has no hashes, and a length alone proves nothing. A manifest has the SHA-256 of what we
sent, with the length and `lastModified` that the platform showed afterwards. As long as the listing shows the
same, the content is the one that has this hash.

Manifests are numbered, and the newest counts alone. The name of a manifest says which repository deployed, so
the listing is enough to know whose app it is. It has a digest of the paths that the manifest names, so the
listing is often enough to know which files are ours, even if the manifest can't be read. The name ends in a
random part, so nobody guesses it and no cache has it. It has no hidden part: gateways and CDNs refuse or hide
those, or do not serve them.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MANIFEST_FOLDER = "_zerokie/"
LENGTH_NOT_GIVEN = -1

_NAME = re.compile(
    re.escape(MANIFEST_FOLDER)
    + r"([0-9]{1,15})-(0|[0-9a-f]{16})-(0|[0-9a-f]{16})-([0-9a-f]{16})-[0-9a-f]{32}\.json"
)

_UNKNOWN = "0"
_DIGITS = 16

Proof = tuple[str, int, str]
"""SHA-256 of a content in hex, its length in bytes, and the listing's own `lastModified`."""
Gone = tuple[int, str]
"""Length in bytes and `lastModified` with which a path was listed before it was deleted."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in the app's storage zone, as the platform lists it ("GET /v1/apps/:name/files").

    Attributes:
        path: relative, `/` between the segments, not encoded.
        length: in bytes; `LENGTH_NOT_GIVEN` when the listing does not say.
        last_modified: the listing's own text, for instance `2026-03-07T17:00:00Z`, or an empty one.
    """

    path: str
    length: int = LENGTH_NOT_GIVEN
    last_modified: str = ""


class Marks(NamedTuple):
    """A repository in a manifest's name: a hash of its ID and one of its full name; `0` is unknown."""

    id: str = _UNKNOWN
    name: str = _UNKNOWN

    @classmethod
    def of(cls, forge: str, number: str, name: str) -> Marks:
        """Those of a repository on a forge, by its ID there and its full name; what is empty is unknown."""
        known = (what and hashlib.sha256(f"{forge}/{what}".encode()).hexdigest() for what in (number, name))
        return cls(*(mark[:_DIGITS] or _UNKNOWN for mark in known))

    @property
    def is_known(self) -> bool:
        """Whether there is anything to compare."""
        return self != Marks()

    def agree_with(self, other: Marks) -> bool:
        """Whether both are the same repository: the same ID on the same forge, or the same full name."""
        return any(one == another != _UNKNOWN for one, another in zip(self, other, strict=True))


class ManifestName(NamedTuple):
    """A manifest as the listing shows it.

    Attributes:
        number: the newest manifest has the highest one.
        owner: whose deploy left it.
        digest: of the paths that it names (`digest_of`).
        path: its remote path.
    """

    number: int
    owner: Marks
    digest: str
    path: str


class Manifest(BaseModel):
    """A manifest's content.

    Attributes:
        files: the paths that are ours, each with what is proved of it, if anything is.
        gone: the paths that the deploy deletes. A path that is listed as it was before was not deleted and is
            still ours; a path that is listed otherwise was put there by somebody else.
        count: how many files the folder of the last deploy that finished had.
    """

    model_config = ConfigDict(defer_build=True)

    version: Literal[4] = 4
    files: dict[str, Proof | None] = {}
    gone: dict[str, Gone] = {}
    count: int = 0

    def own_paths(self, listed: Mapping[str, RemoteFile]) -> set[str]:
        """Those of the listed paths that are ours."""
        return {
            path
            for path, remote in listed.items()
            if path in self.files or self.gone.get(path) == (remote.length, remote.last_modified)
        }

    def render(self) -> bytes:
        """Return it as JSON."""
        return self.__pydantic_serializer__.to_json(self)


NO_MANIFEST = ManifestName(0, Marks(), "", "")


def parse(data: bytes) -> Manifest | None:
    """Return the manifest, or `None` for anything else."""
    try:
        return Manifest.model_validate_json(data)
    except ValidationError:
        return None


def new_manifest_path(number: int, owner: Marks, named: Iterable[str]) -> str:
    """Return the remote path of a new manifest that names these paths."""
    return f"{MANIFEST_FOLDER}{number}-{owner.id}-{owner.name}-{digest_of(named)}-{os.urandom(16).hex()}.json"


def digest_of(paths: Iterable[str]) -> str:
    """Return the digest of a set of paths that a manifest's name has."""
    return hashlib.sha256("\0".join(sorted(paths)).encode()).hexdigest()[:_DIGITS]


def find_manifests(paths: Iterable[str]) -> list[ManifestName]:
    """Return the manifests among listed paths, the newest last."""
    found = filter(None, map(_NAME.fullmatch, paths))
    return sorted(
        ManifestName(int(name[1]), Marks(name[2], name[3]), digest=name[4], path=name[0]) for name in found
    )


def known_marks(manifests: Sequence[ManifestName], owner: Marks) -> Marks:
    """The owner for the name of the next manifest: this run's, completed from the manifests.

    What this run does not know (the repository's ID, or all) stays as in the newest manifest of the same
    repository, or else, after `take-over`, as in the newest manifest.
    """
    agreeing = [found.owner for found in manifests if found.owner.agree_with(owner)]
    known = agreeing[-1] if agreeing else manifests[-1].owner if manifests else Marks()
    return Marks(*(ours if ours != _UNKNOWN else theirs for ours, theirs in zip(owner, known, strict=True)))


def is_anothers(manifests: Sequence[ManifestName], owner: Marks) -> bool:
    """Whether all manifests are of another repository. One that names none is anybody's to go on with."""
    return (
        owner.is_known
        and bool(manifests)
        and all(found.owner.is_known and not found.owner.agree_with(owner) for found in manifests)
    )
