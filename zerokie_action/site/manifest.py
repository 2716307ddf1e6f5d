"""The manifest: a file in the storage zone that tells the next deploy which paths are ours, with proofs.

The platform's listing has no hashes, and a length alone proves nothing. So a manifest has a proof for each
uploaded file: the SHA-256 of the content, with the length and `lastModified` that the platform listed
afterwards. While the listing shows the same length and time, the file still has this content.

Manifests are numbered, and only the newest counts. A manifest's name has three further parts. The mark says
which repository deployed the app. The digest of the named paths often tells which files are ours, even if the
manifest can't be read. The random part keeps others from guessing the URL, and caches from having it. No part
of the path begins with a dot, because gateways and CDNs may refuse or hide such files.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from zerokie_action.ci.commits import Source, valid_commit, valid_run, valid_sequence
from zerokie_action.site.local import LONGEST_PATH
from zerokie_action.site.rules import MANIFEST_FOLDER

NO_REPOSITORY = "0"
"""The mark in the name of a manifest whose deploy did not know its repository."""

_NAME = re.compile(
    re.escape(MANIFEST_FOLDER) + r"([0-9]{1,15})-(0|[0-9a-f]{16})-([0-9a-f]{16})-[0-9a-f]{32}\.json"
)

Proof = tuple[str, int, str]
"""SHA-256 of a file's content in hex, its length in bytes, and its `lastModified` in the listing."""


class ManifestName(NamedTuple):
    """A manifest's name, from the listing.

    Attributes:
        number: the manifest's number; the newest manifest has the highest number.
        repository: the mark of the repository that deployed (`mark_repository`).
        digest: the digest of the paths that were ours and listed then, or about to be (`digest_of`).
        path: the manifest's remote path.
    """

    number: int
    repository: str
    digest: str
    path: str


class Manifest(BaseModel):
    """A manifest's content.

    Attributes:
        files: the paths that are ours, each with its proof, or None without a proof.
        count: the number of files in the folder of the last finished deploy; None if it is not known.
        stale: the files that the folder no longer has, each with the time at which its wait began, in seconds
            since 1970.
        types: the version of the table of content types (`content_type.VERSION`) with which files were sent.
        commit: the commit of the last complete deploy; see `Source`. An invalid value is ignored.
        run: the run of the last complete deploy. An invalid value is ignored.
        sequence: the number of that run. An invalid value is ignored.
    """

    model_config = ConfigDict(defer_build=True)

    version: Literal[1] = 1
    files: dict[str, Proof | None] = {}
    count: int | None = None
    stale: dict[str, int] = {}
    types: int = 0
    commit: Annotated[str, BeforeValidator(valid_commit)] = ""
    run: Annotated[str, BeforeValidator(valid_run)] = ""
    sequence: Annotated[int | None, BeforeValidator(valid_sequence)] = None

    @property
    def source(self) -> Source:
        """The commit and the run of the last complete deploy."""
        return Source(self.commit, self.run, self.sequence)

    def render(self) -> bytes:
        """The manifest as JSON."""
        return TypeAdapter(Manifest).dump_json(self)


def parse_manifest(data: bytes) -> Manifest | None:
    """The manifest; None if the data is not a manifest."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        return None
    # A server may answer `{}` to anything.
    return manifest if "version" in manifest.model_fields_set else None


def mark_repository(name: str) -> str:
    """The mark of a repository by its host and full name, such as `github.com/acme/site`."""
    return _short_hash(name) if name else NO_REPOSITORY


def new_manifest_name(number: int, repository: str, named: Collection[str]) -> ManifestName:
    """The name of a new manifest that names these paths."""
    digest = digest_of(named)
    path = f"{MANIFEST_FOLDER}{number}-{repository}-{digest}-{os.urandom(16).hex()}.json"
    return ManifestName(number, repository, digest, path)


def find_manifests(paths: Iterable[str]) -> list[ManifestName]:
    """The manifests among listed paths, the newest last."""
    matches = filter(None, map(_NAME.fullmatch, paths))
    return sorted(ManifestName(int(match[1]), match[2], match[3], match[0]) for match in matches)


def digest_of(paths: Collection[str]) -> str:
    """The digest of a set of paths, for a manifest's name; directories among them don't count."""
    return _short_hash("\0".join(sorted(set(paths) - directories_of(paths))))


def directories_of(paths: Iterable[str]) -> set[str]:
    """The directories that the paths go through, without a `/` at the end.

    Directories longer than `LONGEST_PATH` are left out: no path in them can be addressed.
    """
    directories: set[str] = set()
    for path in paths:
        directory = path[: LONGEST_PATH + 1].rpartition("/")[0]
        while directory and directory not in directories:
            directories.add(directory)
            directory = directory.rpartition("/")[0]
    return directories


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
