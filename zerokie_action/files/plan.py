"""What a deploy has to change, and whether it is meant: pure functions of directory, listing and manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.manifest import Manifest
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Proof, RemoteFile

_NEW = "not on the platform"
_MANY = 20
"""More deletions than this have to leave half of the site, unless `max-deletes` says something else."""


class Plan(NamedTuple):
    """What to upload and to delete, and what stays as it is. Every group is sorted by path.

    Attributes:
        uploads: the files to upload.
        reasons: why, of each of them, as the debug log says it.
        delete: remote paths that the directory does not have.
        foreign: those of them that no manifest of ours names; empty where the manifest can't be read.
        kept: remote paths that the directory does not have and that stay, as `keep` or `delete-stale` says.
        unchanged: what proves of each file that it is there already, byte for byte, by path.
    """

    uploads: tuple[LocalFile, ...]
    reasons: tuple[str, ...]
    delete: tuple[str, ...]
    foreign: tuple[str, ...]
    kept: tuple[str, ...]
    unchanged: Mapping[str, Proof]

    @property
    def upload_bytes(self) -> int:
        """Sum of the sizes of the files to upload, in bytes."""
        return sum(file.size for file in self.uploads)

    @property
    def files_after(self) -> int:
        """How many files the zone has afterwards."""
        return len(self.uploads) + len(self.unchanged) + len(self.kept)

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """Sign (`+` new, `~` changed, `-` deleted), path and reason of each change.

        Deletions come first: that is what nobody wants to overlook.
        """
        for path in self.delete:
            yield "-", path, "not in the directory, or ignored"
        for file, reason in zip(self.uploads, self.reasons, strict=True):
            yield "+" if reason == _NEW else "~", file.path, reason


def make_plan(
    files: Iterable[LocalFile],
    listed: Mapping[str, RemoteFile],
    *,
    hashes: Mapping[str, str],
    manifest: Manifest | None,
    keep: Patterns,
    delete_stale: bool,
) -> Plan:
    """Compare the directory with the storage zone.

    Args:
        files: what the directory has, sorted by path.
        listed: what the zone has, by path; without manifests and what can't be addressed.
        hashes: SHA-256 of local files by path, in hex; a file without one is uploaded.
        manifest: the newest one; an empty one if there is none, `None` if it can't be read.
        keep: match the remote paths that are never deleted.
        delete_stale: whether remote files that the directory does not have are deleted at all.
    """
    named = (manifest or Manifest()).files
    unchanged: dict[str, Proof] = {}
    reasons: list[str] = []
    uploads: list[LocalFile] = []
    extra = set(listed)
    for file in files:
        path = file.path
        extra.discard(path)
        proof = named.get(path)
        reason = _reason(file, listed.get(path), proof, hashes)
        if proof and not reason:
            unchanged[path] = proof
        else:
            reasons.append(reason)
            uploads.append(file)
    kept = set(filter(keep.match_file, extra)) if delete_stale else extra
    stale = extra - kept
    return Plan(
        uploads=tuple(uploads),
        reasons=tuple(reasons),
        delete=tuple(sorted(stale)),
        foreign=() if manifest is None else tuple(sorted(stale - named.keys())),
        kept=tuple(sorted(kept)),
        unchanged=unchanged,
    )


def _reason(
    file: LocalFile, remote: RemoteFile | None, proof: Proof | None, hashes: Mapping[str, str]
) -> str:
    """Why a file is uploaded; empty if it is proved that the zone has its content."""
    if remote is None:
        return _NEW
    if proof is None:
        return "not proved by the manifest"
    sha256, length, last_modified = proof
    if (length, last_modified) != (remote.length, remote.last_modified):
        return "changed on the platform since"
    if length != file.size:
        return "size differs"
    if file.path not in hashes:
        return "not compared"
    return "" if sha256 == hashes[file.path] else "hash differs"


def require_known_deletions(plan: Plan, manifest: Manifest | None) -> None:
    """Stop before something is deleted that may not be ours. `take-over` skips this check.

    Raises:
        ConfigurationError: then.
    """
    if manifest is None and plan.delete:
        raise ConfigurationError(
            "The manifest of the last deploy can't be read, so it is not known whose files this deploy would "
            f"delete: {_files(plan.delete)}",
            hint="Run the deploy again. If that does not help, find out "
            "why the app's URL does not answer. To continue without the manifest, set `delete-stale: false`, "
            "which deletes nothing, or `take-over: true` for one run by hand.",
        )
    if plan.foreign:
        raise ConfigurationError(
            f"This deploy would delete {human_files(len(plan.foreign))} that no deploy of "
            f"this action has uploaded: {human_paths(plan.foreign)}",
            hint="Name in `keep` what has to stay, or set "
            "`delete-stale: false`. If all of them may go, set `take-over: true` for one run by hand.",
        )


def require_few_deletions(plan: Plan, *, count: int, max_deletes: int | None) -> None:
    """Stop before more is deleted than `max-deletes` allows, or else than a mistake would.

    Args:
        plan: what the deploy would do.
        count: how many files the last deploy that finished has left.
        max_deletes: the input. Where it is set, it decides alone.

    Raises:
        ConfigurationError: then.
    """
    deletions = len(plan.delete)
    if max_deletes is not None:
        if deletions > max_deletes:
            raise ConfigurationError(
                f"`max-deletes` is {max_deletes:,}, and this deploy would delete {_files(plan.delete)}",
                hint="If that is what you want, raise `max-deletes`; "
                "if not, check what is in the directory, or add patterns to `keep`.",
            )
    elif deletions > _MANY and 2 * plan.files_after < count:
        raise ConfigurationError(
            "This deploy would leave less than half of the site, "
            f"{plan.files_after:,} of {human_files(count)}, and delete {_files(plan.delete)}",
            hint="Check that `directory` is the right one and the build "
            f"complete. If that is what you want, set `max-deletes: {deletions}` for one run.",
        )


def _files(paths: tuple[str, ...]) -> str:
    """`12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"
