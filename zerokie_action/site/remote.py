"""Decides whose each file of a storage zone is, and what the newest manifest proves of it: pure functions.

A file is ours if the newest manifest names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from zerokie_action.ci import Source
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import is_addressable
from zerokie_action.site.manifest import (
    NO_REPOSITORY,
    Manifest,
    ManifestName,
    Proof,
    digest_of,
    directories_of,
    mark_repository,
)
from zerokie_action.site.rules import MANIFEST_FOLDER

Listed = tuple[int, str]
"""Length and `lastModified` of a listed file; the length is negative, the time empty, if it has none."""


class Owner(Enum):
    """Whose an app is, as a run sees it.

    Attributes:
        OURS: of the repository of this run.
        UNNAMED: of a run that knew no repository.
        ANOTHER: of another repository.
        ANOTHER_PERHAPS: of a repository, while this run knows none.
        NOBODY: no deploy of this action has begun.
    """

    OURS = auto()
    UNNAMED = auto()
    ANOTHER = auto()
    ANOTHER_PERHAPS = auto()
    NOBODY = auto()


class Zone(NamedTuple):
    """The content of a storage zone; by default, of an app that does not exist yet.

    Attributes:
        files: the listed files by path; without manifests, directories, and paths that no URL can name.
        unsafe: the listed paths that no URL can name.
        manifests: the paths of all files in the manifest folder.
        newest: the newest manifest's name; None without a manifest.
        manifest: the newest manifest; empty if it is missing or can't be read.
        ours: the listed paths that this app's deploys have stored; None if that is not known.
        not_found: the platform's words if it answers 404 instead of a list; else empty.
    """

    files: Mapping[str, Listed] = MappingProxyType({})
    unsafe: Sequence[str] = ()
    manifests: Sequence[str] = ()
    newest: ManifestName | None = None
    manifest: Manifest = Manifest()
    ours: AbstractSet[str] | None = frozenset()
    not_found: str = ""

    @property
    def is_unread(self) -> bool:
        """Whether there is a manifest that can't be read: a manifest names files."""
        return self.newest is not None and not self.manifest.files

    def proof(self, path: str) -> Proof | None:
        """The manifest's proof of a file that is still listed so, and was sent with the present type."""
        proof = self.manifest.files.get(path) if self.manifest.types == VERSION else None
        return proof if proof and proof[1:] == self.files.get(path) else None

    def foreign(self, paths: Iterable[str]) -> list[str]:
        """Those of the listed paths that are not known to be ours, in the given order."""
        return [path for path in paths if path not in (self.ours or ())]

    def source_for(self, repository: str) -> Source:
        """The commit and the run of the last complete deploy, if it was one of this repository."""
        is_same = self.newest is not None and self.newest.repository == mark_repository(repository)
        return self.manifest.source if is_same else Source()

    def owner_for(self, repository: str) -> Owner:
        """Whose the app is, as a run of this repository sees it; the name is empty if it is not known."""
        if self.newest is None:
            return Owner.NOBODY
        if self.newest.repository == NO_REPOSITORY:
            return Owner.UNNAMED
        if not repository:
            return Owner.ANOTHER_PERHAPS
        return Owner.OURS if self.newest.repository == mark_repository(repository) else Owner.ANOTHER


def make_zone(
    listed: Mapping[str, Listed],
    newest: ManifestName | None,
    manifest: Manifest | None,
    keep: Patterns,
) -> Zone:
    """The zone that a listing and the newest manifest describe.

    Args:
        listed: the listing, by path.
        newest: the newest manifest's name; None without a manifest.
        manifest: the newest manifest; empty without one, None if it can't be read.
        keep: the patterns of remote paths that are never deleted.
    """
    named = manifest.files if manifest else {}
    unsafe = {path for path in listed if not is_addressable(path)}
    # Some platforms list directories, and may delete what is in them as well.
    paths = listed.keys() - unsafe - (directories_of(listed) - named.keys())
    manifests = {path for path in paths if path.startswith(MANIFEST_FOLDER)}
    files = {path: listed[path] for path in paths - manifests}
    return Zone(
        files=files,
        unsafe=sorted(unsafe),
        manifests=sorted(manifests),
        newest=newest,
        manifest=manifest or Manifest(),
        ours=files.keys() & named.keys() if manifest else _ours_by_name(newest, files, keep),
    )


def _ours_by_name(newest: ManifestName | None, files: Iterable[str], keep: Patterns) -> set[str] | None:
    """Return the listed paths that `keep` doesn't match if they have the digest in the name; else None."""
    listed = keep.unmatched(files)
    return listed if newest and newest.digest == digest_of(listed) else None
