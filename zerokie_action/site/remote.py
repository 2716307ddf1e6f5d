"""The files in the app, and which of them are managed and verified.

A file is managed if the newest manifest lists it. All functions are pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from zerokie_action.ci import Source
from zerokie_action.platform.models import RemoteFile
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import is_addressable
from zerokie_action.site.manifest import (
    NO_REPOSITORY,
    Entry,
    Manifest,
    ManifestName,
    digest_of,
    directories_of,
    mark_repository,
)
from zerokie_action.site.rules import MANIFEST_FOLDER


class Owner(Enum):
    """The app's owner: this repository, another one, or unknown.

    Attributes:
        THIS: this run's repository deployed the app.
        UNNAMED: a run that couldn't determine its repository deployed the app.
        ANOTHER: another repository deployed the app.
        MAYBE_ANOTHER: a repository deployed the app, and this run can't determine its own.
        NONE: this action never deployed the app.
    """

    THIS = auto()
    UNNAMED = auto()
    ANOTHER = auto()
    MAYBE_ANOTHER = auto()
    NONE = auto()


class FileList(NamedTuple):
    """The app's file list.

    Attributes:
        files: the remote files by path.
        not_found: the platform's words if the list is a 404, which may mean an empty app. Otherwise empty.
    """

    files: Mapping[str, RemoteFile] = MappingProxyType({})
    not_found: str = ""


class Remote(NamedTuple):
    """The files in an app. The defaults describe an app that doesn't exist yet.

    Attributes:
        listed: the file list.
        files: the remote files by path, without manifests, directories and unsafe paths.
        unsafe: the remote paths that no URL can address.
        manifests: the paths of all files in the manifest folder.
        newest: the name of the newest manifest, or None if there is none.
        manifest: the newest manifest. It is empty if it is missing or can't be read.
        managed: the paths of the managed files, or None if they are unknown.
    """

    listed: FileList = FileList()
    files: Mapping[str, RemoteFile] = MappingProxyType({})
    unsafe: Sequence[str] = ()
    manifests: Sequence[str] = ()
    newest: ManifestName | None = None
    manifest: Manifest = Manifest()
    managed: AbstractSet[str] | None = frozenset()

    @property
    def is_unread(self) -> bool:
        """Whether a manifest exists but can't be read."""
        return self.newest is not None and not self.manifest.files

    @property
    def is_unfinished(self) -> bool:
        """Whether another deploy is in progress or was interrupted."""
        return not self.manifest.finished

    def entry(self, path: str) -> Entry | None:
        """Return the entry of a verified file, or None if the file isn't verified.

        A file is verified if the file list still matches its entry and its content type is current.
        """
        entry = self.manifest.files.get(path) if self.manifest.types == VERSION else None
        return entry if entry and entry.listed == self.files.get(path) else None

    def unmanaged(self, paths: Iterable[str]) -> list[str]:
        """Return the paths of unmanaged files, in the given order."""
        return [path for path in paths if path not in (self.managed or ())]

    def source_for(self, repository: str) -> Source:
        """Return the facts of the last complete deploy, or no facts if another repository made it."""
        is_same = self.newest is not None and self.newest.repository == mark_repository(repository)
        return self.manifest.source if is_same else Source()

    def owner_for(self, repository: str) -> Owner:
        """Return the app's owner from the view of a repository. An empty name means an unknown repository."""
        if self.newest is None:
            return Owner.NONE
        if self.newest.repository == NO_REPOSITORY:
            return Owner.UNNAMED
        if not repository:
            return Owner.MAYBE_ANOTHER
        return Owner.THIS if self.newest.repository == mark_repository(repository) else Owner.ANOTHER


def make_remote(
    listed: FileList, newest: ManifestName | None, manifest: Manifest | None, keep: Patterns
) -> Remote:
    """Return the remote files from the file list and the newest manifest.

    Args:
        listed: the file list.
        newest: the name of the newest manifest, or None if there is none.
        manifest: the newest manifest. It is empty if there is none, and None if it can't be read.
        keep: patterns of remote paths that are never deleted.
    """
    named = manifest.files if manifest else {}
    unsafe = {path for path in listed.files if not is_addressable(path)}
    # Some platforms list directories, and may delete the files in a deleted directory.
    paths = listed.files.keys() - unsafe - (directories_of(listed.files) - named.keys())
    manifests = {path for path in paths if path.startswith(MANIFEST_FOLDER)}
    files = {path: listed.files[path] for path in paths - manifests}
    return Remote(
        listed=listed,
        files=files,
        unsafe=sorted(unsafe),
        manifests=sorted(manifests),
        newest=newest,
        manifest=manifest or Manifest(),
        managed=files.keys() & named.keys() if manifest else _managed_by_name(newest, files, keep),
    )


def _managed_by_name(newest: ManifestName | None, files: Iterable[str], keep: Patterns) -> set[str] | None:
    """Return the remote paths that `keep` doesn't match, or None if their digest isn't in the name."""
    listed = keep.unmatched(files)
    return listed if newest and newest.digest == digest_of(listed) else None
