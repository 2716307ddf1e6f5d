"""Plans a deploy's changes, and finds reasons to doubt whether the changes are intended.

Pure functions of folder, listing and manifest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Proof
    from zerokie_action.platform.models import RemoteFile

FRONT_PAGE = "index.html"

_NEW = "not on the platform"
_FEW = 3
"""Up to this many deletions raise no doubt."""


class Doubt(NamedTuple):
    """A reason to change nothing until somebody confirms the change.

    Attributes:
        problem: the reason, as a sentence without its full stop.
        advice: how to correct a mistake, in one or two sentences.
        confirmation: the input, with its value, that confirms the change.
    """

    problem: str
    advice: str
    confirmation: str = "`take-over: true`"


def require_no_doubts(doubts: Sequence[Doubt]) -> None:
    """Stop the deploy if there are doubts.

    Raises:
        ConfigurationError: with all doubts, and all inputs that confirm the change.
    """
    if doubts:
        advice = " ".join(doubt.advice for doubt in doubts)
        confirmations = " and ".join(dict.fromkeys(doubt.confirmation for doubt in doubts))
        raise ConfigurationError(
            *(doubt.problem for doubt in doubts),
            hint=f"{advice} If the change is intended, set {confirmations} for one run by hand.",
        )


class Plan(NamedTuple):
    """The changes that a deploy makes. Every group is sorted by path.

    Attributes:
        files: all files of the directory.
        uploads: the files to upload, each with the reason, for the debug log.
        delete: the remote paths to delete, because the directory does not have them.
        foreign: the paths in `delete` that are not ours; empty if the owner of the files is not known.
        kept: the remote paths that stay, because of `keep` or `delete-stale`, though the directory lacks
            them.
        unchanged: by path, the proof that the remote file is equal to the local file.
    """

    files: Sequence[LocalFile]
    uploads: Mapping[LocalFile, str]
    delete: tuple[str, ...]
    foreign: tuple[str, ...]
    kept: tuple[str, ...]
    unchanged: Mapping[str, Proof]

    @property
    def upload_bytes(self) -> int:
        """The bytes to upload."""
        return sum(file.size for file in self.uploads)

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """Sign (`+` new, `~` changed, `-` deleted), path and reason of each change.

        Deletions come first, so that nobody overlooks them.
        """
        for path in self.delete:
            yield "-", path, "not in the directory, or ignored"
        for file, reason in self.uploads.items():
            yield self.sign(file), file.path, reason

    def sign(self, file: LocalFile) -> str:
        """The sign of a file that is uploaded: `+` for a new path, `~` for an existing path."""
        return "+" if self.uploads.get(file) == _NEW else "~"


def make_plan(
    files: Sequence[LocalFile],
    listed: Mapping[str, RemoteFile],
    *,
    hashes: Mapping[str, str],
    proofs: Mapping[str, Proof | None],
    ours: Collection[str] | None,
    keep: Patterns,
    delete_stale: bool,
) -> Plan:
    """Compare the directory with the storage zone.

    Args:
        files: the directory's files, sorted by path.
        listed: the zone's files by path; without manifests and files that can't be addressed.
        hashes: SHA-256 of local files by path, in hex; a file without a hash is uploaded.
        proofs: the proofs of the newest manifest, by path.
        ours: the listed paths that this app's deploys have stored; `None` if that is not known.
        keep: the patterns of remote paths that are never deleted.
        delete_stale: whether to delete remote files that the directory does not have.
    """
    unchanged: dict[str, Proof] = {}
    uploads: dict[LocalFile, str] = {}
    extra = set(listed)
    for file in files:
        path = file.path
        extra.discard(path)
        proof = proofs.get(path)
        reason = _reason(file, listed.get(path), proof, hashes)
        if proof and not reason:
            unchanged[path] = proof
        else:
            uploads[file] = reason
    kept = set(filter(keep.match_file, extra)) if delete_stale else extra
    stale = extra - kept
    return Plan(
        files=files,
        uploads=uploads,
        delete=tuple(sorted(stale)),
        foreign=() if ours is None else tuple(sorted(stale.difference(ours))),
        kept=tuple(sorted(kept)),
        unchanged=unchanged,
    )


def _reason(
    file: LocalFile, remote: RemoteFile | None, proof: Proof | None, hashes: Mapping[str, str]
) -> str:
    """Why a file is uploaded; empty if a proof shows that the zone has the same content."""
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


def doubts_about_files(plan: Plan, *, is_known: bool) -> Iterator[Doubt]:
    """Doubts about deleting files that may be somebody else's.

    Args:
        plan: the planned changes.
        is_known: whether it is known which files are ours.
    """
    if plan.delete and not is_known:
        yield Doubt(
            "The manifest of the last deploy can't be read, so it is not known whose files this deploy would "
            f"delete: {_files(plan.delete)}",
            "The log says why. If the app's URL was down, run the job again. To deploy without deleting "
            "anything, set `delete-stale: false`.",
        )
    if plan.foreign:
        yield Doubt(
            f"This deploy would delete {human_files(len(plan.foreign))} that no deploy of "
            f"this action has uploaded: {human_paths(plan.foreign)}",
            "Add the files that have to stay to `keep`, or set `delete-stale: false`.",
        )


def doubts_about_deletions(plan: Plan, *, deployed: int, max_deletes: int | None) -> Iterator[Doubt]:
    """Doubts about deleting our own files, because the folder may be wrong or incomplete.

    Args:
        plan: the planned changes.
        deployed: the number of files in the last deployed folder, or on the site if that is not known.
        max_deletes: the input; if it is set, it is the only limit.
    """
    count, deletions = len(plan.files), len(plan.delete)
    confirmation = f"`max-deletes: {deletions}`"
    if max_deletes is not None:
        if deletions > max_deletes:
            yield Doubt(
                f"`max-deletes` is {max_deletes:,}, and this deploy would delete {_files(plan.delete)}",
                "Check what is in the directory, or add patterns to `keep`.",
                confirmation,
            )
        return
    check = "Check that `directory` is the right one, and that the build is complete."
    if deletions > _FEW and 2 * count < deployed:
        yield Doubt(
            f"The directory has {human_files(count)}, less than half of the site's {deployed:,}, and this "
            f"deploy would delete {_files(plan.delete)}",
            check,
            confirmation,
        )
    elif FRONT_PAGE in plan.delete:
        yield Doubt(
            f"The directory has no {FRONT_PAGE}, and this deploy would delete the site's front page",
            check,
            confirmation,
        )


def _files(paths: tuple[str, ...]) -> str:
    """A number of files and the first paths: `12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"
