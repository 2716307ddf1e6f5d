"""What a deploy has to change: a pure function from directory, listing and manifest to a plan."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.content_type import is_page
from zerokie_action.files.ignore import Patterns, parse_patterns
from zerokie_action.files.local import is_addressable
from zerokie_action.files.manifest import MANIFEST_FOLDER, proved_sha256, still_proves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Manifest, RemoteFile
    from zerokie_action.files.scan import Scan


NEW = "not on the platform"
HASH_DIFFERS = "hash differs"
SIZE_DIFFERS = "size differs"
NOT_IN_THE_MANIFEST = "not in the manifest"
CHANGED_SINCE = "changed on the platform since"
NOT_COMPARED = "not compared"
NOT_IN_THE_DIRECTORY = "not in the directory, or ignored"
"""Why something is uploaded or deleted, as the debug log says it."""


class Change(NamedTuple):
    """One change, as the log names it.

    Attributes:
        sign: `+` new, `~` changed, `-` deleted.
        reason: why, in a few words.
    """

    sign: str
    path: str
    reason: str


class Plan(NamedTuple):
    """What to upload (assets first, then pages) and to delete (last), and what stays as it is.

    Every group is sorted by path.

    Attributes:
        upload_assets: everything to upload that is not a page.
        upload_pages: the HTML, which goes live after what it refers to.
        delete: remote paths that the directory no longer has.
        unchanged: of each file that is proven to be there already, byte for byte, its `proof` by its path.
        replaced: what the listing shows where something is uploaded to, by path.
        reasons: why each file is uploaded, by path.
        kept: remote paths that the directory does not have and that stay, as `keep` or `delete_stale` says.
        foreign: those to delete that are known not to be from a deploy of ours.
        unaddressable: remote paths that no URL can name safely; they are never touched.
    """

    upload_assets: tuple[LocalFile, ...]
    upload_pages: tuple[LocalFile, ...]
    delete: tuple[str, ...]
    unchanged: Manifest
    replaced: Mapping[str, RemoteFile]
    reasons: Mapping[str, str]
    kept: tuple[str, ...]
    foreign: tuple[str, ...]
    unaddressable: tuple[str, ...]

    @property
    def uploads(self) -> tuple[LocalFile, ...]:
        """All files to upload, in the order of the upload."""
        return self.upload_assets + self.upload_pages

    @property
    def upload_bytes(self) -> int:
        """Sum of the sizes of the files to upload, in bytes."""
        return sum(file.size for file in self.uploads)

    def changes(self) -> Iterator[Change]:
        """All changes, what is deleted first: that is what nobody wants to overlook."""
        for path in self.delete:
            yield Change("-", path, NOT_IN_THE_DIRECTORY)
        for file in heapq.merge(self.upload_assets, self.upload_pages):
            yield Change(self.sign(file.path), file.path, self.reasons[file.path])

    def sign(self, path: str) -> str:
        """`+` if an upload to this path is new on the platform, `~` if it replaces something."""
        return "+" if self.reasons.get(path) == NEW else "~"


class Extra(NamedTuple):
    """The remote paths that the directory does not have: those to delete, and those to leave."""

    stale: set[str]
    kept: set[str]


def make_plan(
    scan: Scan,
    listing: Iterable[RemoteFile],
    *,
    hashes: Mapping[str, str] | None,
    manifest: Manifest | None,
    keep: Patterns,
    delete_stale: bool,
) -> Plan:
    """Compare the directory with the storage zone.

    Args:
        scan: the directory.
        listing: the platform's, taken under the deploy lock.
        hashes: SHA-256 of local files by path, in hex; a file without one is uploaded. `None`: all are.
        manifest: what earlier deploys proved; empty if there was none, `None` if that is not known.
        keep: match the remote paths that are never deleted.
        delete_stale: whether remote files that the directory does not have are deleted at all.
    """
    listed, unaddressable = by_path(listing)
    proved = manifest or {}
    unchanged: Manifest = {}
    replaced: dict[str, RemoteFile] = {}
    reasons: dict[str, str] = {}
    assets: list[LocalFile] = []
    pages: list[LocalFile] = []
    for file in scan.files:
        path = file.path
        remote = listed.get(path)
        reason = _reason(file, hashes, proved.get(path), remote) if path in listed else NEW
        if not reason:
            unchanged[path] = proved[path]
            continue
        reasons[path] = reason
        (pages if is_page(path) else assets).append(file)
        if remote is not None:
            replaced[path] = remote
    extra = extra_paths(scan, listed, keep=keep, delete_stale=delete_stale)
    return Plan(
        upload_assets=tuple(assets),
        upload_pages=tuple(pages),
        delete=tuple(sorted(extra.stale)),
        unchanged=unchanged,
        replaced=replaced,
        reasons=reasons,
        kept=tuple(sorted(extra.kept)),
        foreign=() if manifest is None else tuple(sorted(extra.stale - manifest.keys())),
        unaddressable=tuple(sorted(unaddressable)),
    )


def extra_paths(scan: Scan, listed: Iterable[str], *, keep: Patterns, delete_stale: bool) -> Extra:
    """Judge the users' paths among those listed that the directory does not have."""
    extra = {path for path in listed if not path.startswith(MANIFEST_FOLDER)}
    extra.difference_update(file.path for file in scan.files)
    kept = set(filter(keep.match_file, extra)) if delete_stale else extra
    return Extra(stale=extra - kept, kept=kept)


def keep_patterns(keep: Sequence[str]) -> Patterns:
    """Compile the `keep` input.

    Raises:
        ConfigurationError: a pattern is refused: it would protect nothing, or something else.
    """
    patterns, problems = parse_patterns(keep, "`keep`")
    if problems:
        raise ConfigurationError(*problems)
    return Patterns(patterns)


def unmatched_patterns(keep: Sequence[str], listing: Sequence[RemoteFile]) -> list[str]:
    """Return the patterns of the `keep` input that match no remote file of the users', one by one."""
    patterns, _ = parse_patterns(keep, "`keep`")
    if not patterns:
        return []
    paths = [file.path for file in listing if not file.path.startswith(MANIFEST_FOLDER)]
    return [
        pattern
        for pattern in patterns
        if not any(map(Patterns([pattern.removeprefix("!")]).match_file, paths))
    ]


def by_path(listing: Iterable[RemoteFile]) -> tuple[dict[str, RemoteFile | None], set[str]]:
    """Index the listing; a path that it shows twice, in two ways, proves nothing (`None`).

    Returns:
        The files by path, and the paths that no URL can name safely.
    """
    listed: dict[str, RemoteFile | None] = {}
    unaddressable: set[str] = set()
    for file in listing:
        if is_addressable(file.path):
            listed[file.path] = file if listed.get(file.path, file) == file else None
        else:
            unaddressable.add(file.path)
    return listed, unaddressable


def _reason(
    local: LocalFile, hashes: Mapping[str, str] | None, known: str | None, remote: RemoteFile | None
) -> str:
    """Why a file that the listing shows is uploaded; empty if it is proved that the zone has its content."""
    if hashes is None:
        return NOT_COMPARED
    if known is None or local.path not in hashes:
        return NOT_IN_THE_MANIFEST if known is None else NOT_COMPARED
    if remote is None or not remote.last_modified or not still_proves(known, remote):
        return CHANGED_SINCE
    if remote.length != local.size:
        return SIZE_DIFFERS
    return "" if proved_sha256(known) == hashes[local.path] else HASH_DIFFERS
