"""Plans a deploy's changes: a pure function of folder, zone and time."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from zerokie_action.site.content_type import VERSION, is_page
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import LocalFile
from zerokie_action.site.manifest import Proof, directories_of, mark_repository
from zerokie_action.site.remote import Zone
from zerokie_action.site.rules import PROTECTED_NAMES


class Plan(NamedTuple):
    """The changes that a deploy makes. Every group is sorted by path.

    Attributes:
        zone: the storage zone before the deploy.
        files: all files of the directory.
        uploads: the files to upload, each with the reason, for the debug log.
        delete: the remote paths to delete, because the directory does not have them.
        kept: the number of remote files that stay, because of `keep` or `delete-stale`, though the directory
            lacks them.
        unchanged: by path, the proof that the remote file is equal to the local file.
        wait: the remote paths that a later deploy deletes, because an open page may still load them.
        stale: the paths that an earlier deploy let wait, each with the time at which its wait began, in
            seconds since 1970; some of them are deleted now.
    """

    zone: Zone
    files: Sequence[LocalFile]
    uploads: Mapping[LocalFile, str]
    delete: tuple[str, ...]
    kept: int
    unchanged: Mapping[str, Proof]
    wait: tuple[str, ...]
    stale: Mapping[str, int]

    @property
    def newly_stale(self) -> list[str]:
        """The paths that the last deployed folder had and this folder lacks; the checks judge these.

        Where the manifest can't be read, nobody can tell which assets were waiting already: only pages count.
        """
        stale = sorted({*self.delete, *self.wait} - self.stale.keys())
        return [*filter(is_page, stale)] if self.wait and self.zone.is_unread else stale

    @property
    def replaces_file(self) -> bool:
        """Whether a path to delete is a directory of the folder; a platform may delete what is in it, too."""
        return not directories_of(file.path for file in self.files).isdisjoint(self.delete)

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """Sign (`+` new, `~` changed, `-` deleted), path and reason of each change.

        Deletions come first, so that nobody overlooks them.
        """
        for path in self.delete:
            why = "has waited" if path in self.stale else "not in the directory, or ignored"
            yield "-", path, why
        for file, reason in self.uploads.items():
            yield self.sign(file), file.path, reason

    def sign(self, file: LocalFile) -> str:
        """The sign of a file that is uploaded: `+` for a new path, `~` for an existing path."""
        return "~" if file.path in self.zone.files else "+"


def make_plan(
    files: Sequence[LocalFile],
    zone: Zone,
    hashes: Mapping[str, str],
    *,
    keep: Patterns,
    delete_stale: bool | float,
    now: float,
) -> Plan:
    """Compare the directory with the storage zone.

    Args:
        files: the directory's files, sorted by path.
        zone: the storage zone.
        hashes: SHA-256 of local files by path, in hex; a file without a hash is uploaded.
        keep: the patterns of remote paths that are never deleted.
        delete_stale: whether to delete remote files that the directory does not have; or how many seconds
            such a file waits before its deletion.
        now: the time in seconds since 1970.
    """
    unchanged: dict[str, Proof] = {}
    uploads: dict[LocalFile, str] = {}
    for file in files:
        proof = zone.proof(file.path)
        if proof and proof[0] == hashes.get(file.path):
            unchanged[file.path] = proof
        else:
            uploads[file] = _reason(file, zone, hashes)
    local = {file.path for file in files}
    extra = zone.files.keys() - local
    ours = extra & (zone.ours or set())
    delete = set() if delete_stale is False else keep.unmatched(extra)
    # A clock may have been ahead.
    stale = {path: min(since, int(now)) for path, since in zone.manifest.stale.items() if path in ours}
    wait: set[str] = set()
    if not isinstance(delete_stale, bool):
        paths = _may_wait(ours & delete, local)
        wait = {path for path in paths if stale.get(path, now) + delete_stale > now}
    return Plan(
        zone=zone,
        files=files,
        uploads=uploads,
        delete=tuple(sorted(delete - wait)),
        kept=len(extra - delete),
        unchanged=unchanged,
        wait=tuple(sorted(wait)),
        stale=stale,
    )


def needs_update(plan: Plan, repository: str) -> bool:
    """Whether a file has to change, or only the manifest: its mark, its times or its count.

    Args:
        plan: the plan.
        repository: the run's repository; empty if it is not known.
    """
    zone = plan.zone
    is_ours = zone.newest is not None and zone.newest.repository == mark_repository(repository)
    knows_stale = plan.stale == zone.manifest.stale and plan.stale.keys() >= {*plan.wait}
    is_finished = zone.manifest.count == len(plan.files)
    return bool(plan.uploads or plan.delete) or not (is_ours and knows_stale and is_finished)


def _may_wait(ours: AbstractSet[str], local: AbstractSet[str]) -> set[str]:
    """Those of our stale paths that an open page may still load: no page, no secret.

    A server may take `a` for the directory of `a/b`, so neither waits for the other.
    """
    return {
        path
        for path in ours - directories_of(local)
        if directories_of([path]).isdisjoint(local)
        and not (is_page(path) or PROTECTED_NAMES.match_path(path))
    }


def _reason(file: LocalFile, zone: Zone, hashes: Mapping[str, str]) -> str:
    """Why a file is uploaded."""
    proof, remote = zone.manifest.files.get(file.path), zone.files.get(file.path)
    if remote is None:
        return "not on the platform"
    if proof is None:
        return "not proved by the manifest"
    if zone.manifest.types != VERSION:
        return "sent with another version's table of content types"
    if proof[1:] != remote:
        return "changed on the platform since"
    return "content differs" if file.path in hashes else "not compared"
