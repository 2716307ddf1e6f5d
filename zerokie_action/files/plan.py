"""What a deploy has to change: a pure function from folder, listing and manifest to a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.content_type import is_page
from zerokie_action.files.gitignore import Patterns
from zerokie_action.files.ignore_rules import parse_patterns
from zerokie_action.files.manifest import MANIFEST_FOLDER, is_manifest_path, proof
from zerokie_action.files.paths import is_addressable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Manifest, RemoteFile
    from zerokie_action.files.scan import Scan


class Plan(NamedTuple):
    """What to upload (assets first, then pages) and to delete (last), and what stays as it is.

    Every group is sorted by path.

    Attributes:
        upload_assets: everything to upload that is not a page.
        upload_pages: the HTML, which goes live after what it refers to.
        delete: remote paths that the folder no longer has.
        unchanged: of each file that is proven to be there already, byte for byte, its `proof` by its path.
        replaced: what the listing shows where something is uploaded to, by path.
        kept: remote paths that the folder does not have and that stay, as `keep` or `delete_stale` says.
        unaddressable: remote paths that no URL can name safely; they are never touched.
        old_manifests: manifests that an API key that is no longer in use left behind.
    """

    upload_assets: tuple[LocalFile, ...]
    upload_pages: tuple[LocalFile, ...]
    delete: tuple[str, ...]
    unchanged: Manifest
    replaced: Mapping[str, RemoteFile]
    kept: tuple[str, ...]
    unaddressable: tuple[str, ...]
    old_manifests: tuple[str, ...]

    @property
    def uploads(self) -> tuple[LocalFile, ...]:
        """All files to upload, in the order of the upload."""
        return self.upload_assets + self.upload_pages

    @property
    def upload_bytes(self) -> int:
        """Sum of the sizes of the files to upload, in bytes."""
        return sum(file.size for file in self.uploads)


class Extra(NamedTuple):
    """The remote paths that the folder does not have: those to delete, and those to leave."""

    stale: set[str]
    kept: set[str]


def make_plan(
    scan: Scan,
    listing: Iterable[RemoteFile],
    *,
    hashes: Mapping[str, str],
    manifest: Manifest | None,
    manifest_path: str,
    keep: Patterns,
    delete_stale: bool,
) -> Plan:
    """Compare the folder with the storage zone.

    Args:
        scan: the folder.
        listing: the platform's, taken under the deploy lock.
        hashes: SHA-256 of local files by path, in hex; a file without one is uploaded.
        manifest: what an earlier deploy proved; `None` proves nothing.
        manifest_path: where this API key's own manifest is.
        keep: match the remote paths that are never deleted.
        delete_stale: whether remote files that the folder does not have are deleted at all.
    """
    listed, unaddressable = _by_path(listing)
    proved = manifest or {}
    unchanged: Manifest = {}
    replaced: dict[str, RemoteFile] = {}
    assets: list[LocalFile] = []
    pages: list[LocalFile] = []
    for file in scan.files:
        path = file.path
        remote = listed.get(path)
        if _is_unchanged(file, hashes.get(path), proved.get(path), remote):
            unchanged[path] = proved[path]
            continue
        (pages if is_page(path) else assets).append(file)
        if remote is not None:
            replaced[path] = remote
    ours = {path for path in listed if path.startswith(MANIFEST_FOLDER)}
    extra = extra_paths(scan, listed, keep=keep, delete_stale=delete_stale)
    return Plan(
        upload_assets=tuple(assets),
        upload_pages=tuple(pages),
        delete=tuple(sorted(extra.stale)),
        unchanged=unchanged,
        replaced=replaced,
        kept=tuple(sorted(extra.kept)),
        unaddressable=tuple(sorted(unaddressable)),
        old_manifests=tuple(sorted(filter(is_manifest_path, ours - {manifest_path}))),
    )


def extra_paths(scan: Scan, listed: Iterable[str], *, keep: Patterns, delete_stale: bool) -> Extra:
    """Judge the users' paths among those listed that the folder does not have."""
    extra = {path for path in listed if not path.startswith(MANIFEST_FOLDER)}
    extra.difference_update(file.path for file in scan.files)
    kept = set(filter(keep.match_file, extra)) if delete_stale else extra
    return Extra(stale=extra - kept, kept=kept)


def keep_patterns(keep: Sequence[str]) -> Patterns:
    """Compile the `keep` input.

    Raises:
        ConfigurationError: a pattern can never match, so that it would protect nothing.
    """
    rules, problems = parse_patterns(keep, "`keep`")
    if problems:
        raise ConfigurationError(*problems)
    return Patterns(rules)


def _by_path(listing: Iterable[RemoteFile]) -> tuple[dict[str, RemoteFile | None], set[str]]:
    """Index the listing; a path that it shows twice, in two ways, proves nothing (`None`)."""
    listed: dict[str, RemoteFile | None] = {}
    unaddressable: set[str] = set()
    for file in listing:
        if is_addressable(file.path):
            listed[file.path] = file if listed.get(file.path, file) == file else None
        else:
            unaddressable.add(file.path)
    return listed, unaddressable


def _is_unchanged(
    local: LocalFile, sha256: str | None, proved: str | None, remote: RemoteFile | None
) -> bool:
    """Whether it is proved that the storage zone holds this file's content."""
    return (
        sha256 is not None
        and remote is not None
        and remote.length == local.size
        and proof(sha256, remote.length, remote.last_modified) == proved
    )
