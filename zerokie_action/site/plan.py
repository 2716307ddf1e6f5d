"""Plans the changes of a deploy. All functions are pure."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from zerokie_action.site.content_type import VERSION, is_page
from zerokie_action.site.ignore import Patterns, compiled
from zerokie_action.site.local import LocalFile
from zerokie_action.site.manifest import Entry, directories_of, mark_repository
from zerokie_action.site.remote import Remote
from zerokie_action.site.rules import PROTECTED


class Plan(NamedTuple):
    """The changes of a deploy. Every group is sorted by path.

    Attributes:
        remote: the remote files before the deploy.
        repository: the run's repository, or empty if it is unknown.
        keep: patterns of remote paths that are never deleted.
        files: all files of the folder.
        uploads: the files to upload, each with a reason for the debug log.
        delete: the stale files to delete now.
        in_the_way: those of them that a platform may not keep next to the folder's files: a file with the
            name of a directory, or the other way round.
        kept: the number of stale files that stay because of `keep` or `delete-stale: false`.
        unchanged: the manifest entries of files that are already in the app, by path.
        pending: the stale files that a later deploy deletes, because an open page may still load them.
        stale: the files that were pending before this deploy, each with the time when it became pending, in
            seconds since 1970. This deploy deletes some of them.
    """

    remote: Remote
    repository: str
    keep: Patterns
    files: Sequence[LocalFile]
    uploads: Mapping[LocalFile, str]
    delete: tuple[str, ...]
    in_the_way: tuple[str, ...]
    kept: int
    unchanged: Mapping[str, Entry]
    pending: tuple[str, ...]
    stale: Mapping[str, int]

    @property
    def newly_stale(self) -> list[str]:
        """The files that become stale in this deploy. The safety checks use their number.

        If the manifest can't be read, the pending files are unknown, so the result has only pages.
        """
        stale = sorted({*self.delete, *self.pending} - self.stale.keys())
        return [*filter(is_page, stale)] if self.pending and self.remote.is_unread else stale

    @property
    def is_up_to_date(self) -> bool:
        """Whether the last deploy was finished, and no file, owner or pending time changes."""
        newest, manifest = self.remote.newest, self.remote.manifest
        is_same_owner = newest is not None and newest.repository == mark_repository(self.repository)
        has_stale = self.stale == manifest.stale and self.stale.keys() >= {*self.pending}
        return not (self.uploads or self.delete) and manifest.finished and is_same_owner and has_stale

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """Yield the sign (`+` new, `~` changed, `-` deleted), path and reason of each change.

        Deletions come first, because they matter most.
        """
        for path in self.delete:
            why = "its delay has passed" if path in self.stale else "missing from the folder, or ignored"
            yield "-", path, why
        for file, reason in self.uploads.items():
            yield self.sign(file), file.path, reason

    def in_its_way(self, path: str) -> str:
        """Return a file that stays and that a platform may not keep next to this path. Empty if none does."""
        return min(_in_the_way(self.remote.files.keys() - {*self.delete}, {path}), default="")

    def sign(self, file: LocalFile) -> str:
        """Return the sign of an upload: `+` for a new path, `~` for an existing path."""
        return "~" if file.path in self.remote.files else "+"


def make_plan(
    files: Sequence[LocalFile],
    remote: Remote,
    hashes: Mapping[str, str],
    *,
    repository: str,
    keep: Patterns,
    delete_stale: bool | float,
    now: float,
) -> Plan:
    """Return the changes that make the app equal to the folder.

    Args:
        files: the folder's files, sorted by path.
        remote: the remote files.
        hashes: the SHA-256 of local files in hex, by path. A file without a hash is uploaded.
        repository: the run's repository, or empty if it is unknown.
        keep: patterns of remote paths that are never deleted.
        delete_stale: whether to delete stale files, or how many seconds they stay pending.
        now: the time in seconds since 1970.
    """
    unchanged: dict[str, Entry] = {}
    uploads: dict[LocalFile, str] = {}
    for file in files:
        entry = remote.entry(file.path)
        if entry and entry.sha256 == hashes.get(file.path):
            unchanged[file.path] = entry
        else:
            uploads[file] = _why_upload(file, remote, hashes)
    local = {file.path for file in files}
    extra = remote.files.keys() - local
    managed = extra & (remote.managed or set())
    delete = set() if delete_stale is False else keep.unmatched(extra)
    # The clock of an earlier run may have been ahead.
    stale = {path: min(since, int(now)) for path, since in remote.manifest.stale.items() if path in managed}
    pending: set[str] = set()
    in_the_way = _in_the_way(delete, local)
    if not isinstance(delete_stale, bool):
        paths = _may_be_pending((managed & delete) - in_the_way)
        pending = {path for path in paths if stale.get(path, now) + delete_stale > now}
    return Plan(
        remote=remote,
        repository=repository,
        keep=keep,
        files=files,
        uploads=uploads,
        delete=tuple(sorted(delete - pending)),
        in_the_way=tuple(sorted(in_the_way)),
        kept=len(extra - delete),
        unchanged=unchanged,
        pending=tuple(sorted(pending)),
        stale=stale,
    )


def _in_the_way(paths: AbstractSet[str], local: AbstractSet[str]) -> set[str]:
    """Return the paths that are a directory of a local file, or that have a local file as their directory."""
    directories = directories_of(local)
    return {path for path in paths if path in directories or not directories_of([path]).isdisjoint(local)}


def _may_be_pending(paths: AbstractSet[str]) -> set[str]:
    """Return the stale files that an open page may still load. Pages and secrets are deleted immediately."""
    return {path for path in paths if not (is_page(path) or compiled(PROTECTED).match_path(path))}


def _why_upload(file: LocalFile, remote: Remote, hashes: Mapping[str, str]) -> str:
    """Return why a file is uploaded."""
    entry, listed = remote.manifest.files.get(file.path), remote.files.get(file.path)
    if listed is None:
        return "new"
    if entry is None:
        return "not verified by the manifest"
    if remote.manifest.types != VERSION:
        return "uploaded with another version's content types"
    if entry.listed != listed:
        return "changed on the platform after its upload"
    return "content differs" if file.path in hashes else "not compared"
