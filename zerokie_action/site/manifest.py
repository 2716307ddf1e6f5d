"""The manifest: the JSON list of managed files that each deploy stores in the app.

The platform's file list has no hashes, and equal lengths don't mean equal content. So the manifest stores an
entry for each uploaded file: the SHA-256 of the content, and the length and `lastModified` from the file list
after the upload. While the file list shows the same length and time, the file still has this content.

Manifests have numbers, and a deploy reads only the newest one. The name has three more parts:

- The mark shows which repository deployed the app.
- The digest of the managed paths often shows which files are managed, even if the manifest can't be read.
- The random part prevents others from guessing the URL, and caches from serving an old copy.

No part of the path begins with a dot, because gateways and CDNs may refuse or hide such files.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from zerokie_action.ci.commits import Source, valid_commit, valid_run, valid_sequence
from zerokie_action.platform.models import RemoteFile
from zerokie_action.site.local import LONGEST_PATH
from zerokie_action.site.rules import MANIFEST_FOLDER

NO_REPOSITORY = "0"
"""Mark of a manifest from a run that couldn't determine its repository."""

_NAME = re.compile(
    re.escape(MANIFEST_FOLDER) + r"([0-9]{1,15})-(0|[0-9a-f]{16})-([0-9a-f]{16})-[0-9a-f]{32}\.json"
)
_Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
_Time = Annotated[int, Field(ge=0, lt=253_402_300_800)]
"""Seconds since 1970, before the year 10000."""


class Entry(NamedTuple):
    """The manifest entry of a verified file. Its JSON is a list.

    Attributes:
        sha256: the hash of the content, in hex.
        length: the length in bytes.
        last_modified: the time in the file list, as the platform wrote it.
    """

    sha256: str
    length: int
    last_modified: str

    @property
    def listed(self) -> RemoteFile:
        """The file as the file list shows it while it has this content."""
        return RemoteFile(self.length, self.last_modified)


class ManifestName(NamedTuple):
    """The parts of a manifest's name.

    Attributes:
        number: the number of the manifest. The newest manifest has the highest number.
        repository: the mark of the repository that deployed the app (`mark_repository`).
        digest: the digest of the managed paths that existed or were about to be uploaded (`digest_of`).
        path: the manifest's path in the app.
    """

    number: int
    repository: str
    digest: str
    path: str


class Manifest(BaseModel):
    """The content of a manifest. A number out of bounds makes a manifest unreadable.

    Attributes:
        files: the managed paths and their entries. An entry is None if the content isn't verified.
        finished: whether the deploy was complete. Otherwise, it failed or is still in progress.
        count: the number of files in the folder of the last complete deploy, or None if it is unknown.
        stale: the pending paths, each with the time when it became pending, in seconds since 1970.
        types: the version of the content types (`content_type.VERSION`) that the files were uploaded with.
        commit: the commit of the last complete deploy (see `Source`). An invalid value is ignored.
        run: the run of the last complete deploy. An invalid value is ignored.
        sequence: the number of that run. An invalid value is ignored.
    """

    model_config = ConfigDict(defer_build=True)

    version: Literal[1] = 1
    files: dict[str, Entry | None] = {}
    finished: bool = True
    count: _Count | None = None
    stale: dict[str, _Time] = {}
    types: int = 0
    commit: Annotated[str, BeforeValidator(valid_commit)] = ""
    run: Annotated[str, BeforeValidator(valid_run)] = ""
    sequence: Annotated[int | None, BeforeValidator(valid_sequence)] = None

    @property
    def source(self) -> Source:
        """The commit and the run of the last complete deploy."""
        return Source(self.commit, self.run, self.sequence)

    def render(self) -> bytes:
        """Return the manifest as JSON."""
        return TypeAdapter(Manifest).dump_json(self)


def parse_manifest(data: bytes) -> Manifest | None:
    """Return the manifest, or None if the data isn't a manifest."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        return None
    # Some servers answer every request with `{}`.
    return manifest if "version" in manifest.model_fields_set else None


def mark_repository(name: str) -> str:
    """Return the hash of a repository's name, such as `github.com/acme/site`, for the names of manifests."""
    return _short_hash(name) if name else NO_REPOSITORY


def new_manifest_name(number: int, repository: str, named: Collection[str]) -> ManifestName:
    """Return the name of a new manifest that lists these paths."""
    digest = digest_of(named)
    path = f"{MANIFEST_FOLDER}{number}-{repository}-{digest}-{os.urandom(16).hex()}.json"
    return ManifestName(number, repository, digest, path)


def find_manifests(paths: Iterable[str]) -> list[ManifestName]:
    """Return the manifests among these paths, with the newest one last."""
    matches = filter(None, map(_NAME.fullmatch, paths))
    return sorted(ManifestName(int(match[1]), match[2], match[3], match[0]) for match in matches)


def digest_of(paths: Collection[str]) -> str:
    """Return the digest of a set of paths for a manifest's name. The digest ignores directories."""
    return _short_hash("\0".join(sorted(set(paths) - directories_of(paths))))


def directories_of(paths: Iterable[str]) -> set[str]:
    """Return all parent directories of the paths, without a final `/`.

    The result omits directories longer than `LONGEST_PATH`, because no URL can address a path below them.
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
