"""The manifest: a file in the storage zone that tells the next deploy which paths are ours, with proofs.

The platform's listing has no hashes, and a length alone proves nothing. So a manifest has a proof for each
uploaded file: the SHA-256 of the content, with the length and `lastModified` that the platform listed
afterwards. While the listing shows the same length and time, the file still has this content.

Manifests are numbered, and only the newest counts. A manifest's name has three further parts. The owner says
which repository deployed the app. The digest of the named paths often tells which files are ours, even if the
manifest can't be read. The random part keeps others from guessing the URL, and caches from having it. No part
of the path begins with a dot, because gateways and CDNs may refuse or hide such files.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zerokie_action.platform.models import RemoteFile

MANIFEST_FOLDER = "_zerokie/"

_NAME = re.compile(
    re.escape(MANIFEST_FOLDER)
    + r"([0-9]{1,15})-(0|[0-9a-f]{16})-(0|[0-9a-f]{16})-([0-9a-f]{16})-[0-9a-f]{32}\.json"
)

_UNKNOWN = "0"
_DIGITS = 16

Proof = tuple[str, int, str]
"""SHA-256 of a file's content in hex, its length in bytes, and its `lastModified` in the listing."""
Gone = tuple[int, str]
"""The listed length in bytes and `lastModified` of a file before its deletion."""


class Marks(NamedTuple):
    """A repository in a manifest's name: the hashes of its ID and of its full name; `0` for unknown."""

    id: str = _UNKNOWN
    name: str = _UNKNOWN

    @classmethod
    def of(cls, forge: str, repository_id: str, name: str) -> Marks:
        """The marks of a repository by its forge, its ID there and its full name; empty means unknown."""
        return cls(_mark(forge, repository_id), _mark(forge, name))

    @property
    def is_known(self) -> bool:
        """Whether at least one mark is known."""
        return self != Marks()

    def agree_with(self, other: Marks) -> bool:
        """Whether both mark the same repository: by ID and forge, or by full name."""
        return any(one == another != _UNKNOWN for one, another in zip(self, other, strict=True))


class ManifestName(NamedTuple):
    """A manifest's name, from the listing.

    Attributes:
        number: the manifest's number; the newest manifest has the highest number.
        owner: the repository that deployed.
        digest: the digest of the paths that were ours and listed then, or about to be (`digest_of`).
        path: the manifest's remote path.
    """

    number: int
    owner: Marks
    digest: str
    path: str


class Manifest(BaseModel):
    """A manifest's content.

    Attributes:
        files: the paths that are ours, each with its proof, or None without a proof.
        gone: the paths that the deploy deletes. If a path is still listed with the same length and time, it
            was not deleted and is ours. A path with another length or time has somebody else's new file.
        count: the number of files in the folder of the last finished deploy.
    """

    model_config = ConfigDict(defer_build=True)

    version: Literal[4] = 4
    files: dict[str, Proof | None] = {}
    gone: dict[str, Gone] = {}
    count: int = 0

    def own_paths(self, listed: Mapping[str, RemoteFile]) -> set[str]:
        """The listed paths that are ours."""
        return {
            path
            for path, remote in listed.items()
            if path in self.files or self.gone.get(path) == (remote.length, remote.last_modified)
        }

    def render(self) -> bytes:
        """Return the manifest as JSON."""
        return self.__pydantic_serializer__.to_json(self)


def _mark(forge: str, text: str) -> str:
    return hashlib.sha256(f"{forge}/{text}".encode()).hexdigest()[:_DIGITS] if text else _UNKNOWN


NO_MANIFEST = ManifestName(0, Marks(), "", "")


def parse_manifest(data: bytes) -> Manifest | None:
    """Return the manifest; `None` if the data is not a manifest."""
    try:
        return Manifest.model_validate_json(data)
    except ValidationError:
        return None


def new_manifest_path(number: int, owner: Marks, named: Iterable[str]) -> str:
    """Return the remote path of a new manifest that names these paths."""
    return f"{MANIFEST_FOLDER}{number}-{owner.id}-{owner.name}-{digest_of(named)}-{os.urandom(16).hex()}.json"


def digest_of(paths: Iterable[str]) -> str:
    """Return the digest of a set of paths, for a manifest's name."""
    return hashlib.sha256("\0".join(sorted(paths)).encode()).hexdigest()[:_DIGITS]


def find_manifests(paths: Iterable[str]) -> list[ManifestName]:
    """Return the manifests among listed paths, the newest last."""
    found = filter(None, map(_NAME.fullmatch, paths))
    return sorted(
        ManifestName(int(name[1]), Marks(name[2], name[3]), digest=name[4], path=name[0]) for name in found
    )


def completed_marks(manifests: Sequence[ManifestName], owner: Marks) -> Marks:
    """The owner for the next manifest's name: this run's repository, completed from older manifests.

    A mark that this run does not know is taken from the newest manifest of the same repository. Without such
    a manifest, as after `take-over`, it is taken from the newest manifest: the name then marks both
    repositories, and either may deploy.
    """
    owners = [found.owner for found in manifests]
    known = ([*filter(owner.agree_with, owners)] or owners or [Marks()])[-1]
    return Marks(*(ours if ours != _UNKNOWN else theirs for ours, theirs in zip(owner, known, strict=True)))


def belong_to_another(manifests: Sequence[ManifestName], owner: Marks) -> bool:
    """Whether all manifests name another repository. A manifest without a known owner may be ours."""
    return (
        owner.is_known
        and bool(manifests)
        and all(found.owner.is_known and not found.owner.agree_with(owner) for found in manifests)
    )
