"""What a deploy leaves in the storage zone for the next one: which paths are ours, what is proved of each.

The platform's listing has no hashes, and a length alone proves nothing. A manifest has the SHA-256 of what we
sent, with the length and `lastModified` that the platform showed afterwards. As long as the listing shows the
same, the content is the one that has this hash.

Manifests are numbered, and the newest counts alone. Its name says which repository deployed: the listing is
enough to know whose app it is. The name ends in a random part, so nobody guesses it and no cache has it.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MANIFEST_FOLDER = ".zerokie/"
LENGTH_NOT_GIVEN = -1

_NAME = re.compile(
    re.escape(MANIFEST_FOLDER) + r"([0-9]{1,15})-(0|[0-9a-f]{16})-(0|[0-9a-f]{16})-[0-9a-f]{32}\.json"
)

_UNKNOWN = "0"
_DIGITS = 16

Proof = tuple[str, int, str]
"""SHA-256 of a content in hex, its length in bytes, and the listing's own `lastModified`."""


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
    """A manifest as the listing shows it: its number, whose deploy left it, and its remote path."""

    number: int
    owner: Marks
    path: str


class Manifest(BaseModel):
    """A manifest's content.

    Attributes:
        files: the paths that are ours, each with what is proved of it, if anything is.
        count: how many files the zone had after the last deploy that finished.
    """

    model_config = ConfigDict(defer_build=True)

    version: Literal[3] = 3
    files: dict[str, Proof | None] = {}
    count: int = 0

    def render(self) -> bytes:
        """Return it as JSON."""
        return self.__pydantic_serializer__.to_json(self)


def parse(data: bytes) -> Manifest | None:
    """Return the manifest, or `None` for anything else."""
    try:
        return Manifest.model_validate_json(data)
    except ValidationError:
        return None


def new_manifest_path(number: int, owner: Marks) -> str:
    """Return the remote path of the next manifest."""
    return f"{MANIFEST_FOLDER}{number}-{owner.id}-{owner.name}-{os.urandom(16).hex()}.json"


def find_manifests(paths: Iterable[str]) -> list[ManifestName]:
    """Return the manifests among listed paths, the newest last."""
    found = filter(None, map(_NAME.fullmatch, paths))
    return sorted(ManifestName(int(name[1]), Marks(name[2], name[3]), name[0]) for name in found)


def is_anothers(manifests: Sequence[ManifestName], owner: Marks) -> bool:
    """Whether all manifests are of another repository. One that names none is anybody's to go on with."""
    return (
        owner.is_known
        and bool(manifests)
        and all(found.owner.is_known and not found.owner.agree_with(owner) for found in manifests)
    )
