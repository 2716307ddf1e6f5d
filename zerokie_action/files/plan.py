"""What a deploy has to change, and what makes it doubtful that the change is meant.

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
    from zerokie_action.files.manifest import Proof, RemoteFile

FRONT_PAGE = "index.html"
TAKE_OVER = "`take-over: true`"
"""Goes on where the app, or files in it, may be somebody else's."""

_NEW = "not on the platform"
_FEW = 3
"""So many deletions need no reason."""


class Doubt(NamedTuple):
    """A reason to change nothing until somebody says that the change is meant.

    Attributes:
        problem: what is doubtful, a sentence without its full stop.
        advice: what to do if it is a mistake, one or two sentences.
        answer: the input that says that it is meant, with its value.
    """

    problem: str
    advice: str
    answer: str


def require_no_doubts(doubts: Sequence[Doubt]) -> None:
    """Stop where there is any doubt. One message says all that is doubtful, and all inputs that go on.

    Raises:
        ConfigurationError: then.
    """
    if doubts:
        advice = " ".join(doubt.advice for doubt in doubts)
        answers = " and ".join(dict.fromkeys(doubt.answer for doubt in doubts))
        raise ConfigurationError(
            *(doubt.problem for doubt in doubts),
            hint=f"{advice} If the change is meant, set {answers} for one run by hand.",
        )


class Plan(NamedTuple):
    """What to upload and to delete, and what stays as it is. Every group is sorted by path.

    Attributes:
        files: all that the directory has.
        uploads: the files to upload.
        reasons: why, of each of them, as the debug log says it.
        delete: remote paths that the directory does not have.
        foreign: those of them that are not ours; empty where nobody knows whose they are.
        kept: remote paths that the directory does not have and that stay, as `keep` or `delete-stale` says.
        unchanged: what proves of each file that it is there already, byte for byte, by path.
    """

    files: Sequence[LocalFile]
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

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """Sign (`+` new, `~` changed, `-` deleted), path and reason of each change.

        Deletions come first: that is what nobody wants to overlook.
        """
        for path in self.delete:
            yield "-", path, "not in the directory, or ignored"
        for file, reason in zip(self.uploads, self.reasons, strict=True):
            yield "+" if reason == _NEW else "~", file.path, reason


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
        files: what the directory has, sorted by path.
        listed: what the zone has, by path; without manifests and what can't be addressed.
        hashes: SHA-256 of local files by path, in hex; a file without one is uploaded.
        proofs: what the newest manifest proves of each path.
        ours: the listed paths that deploys of this app have put there; `None` if nobody knows.
        keep: match the remote paths that are never deleted.
        delete_stale: whether remote files that the directory does not have are deleted at all.
    """
    unchanged: dict[str, Proof] = {}
    reasons: list[str] = []
    uploads: list[LocalFile] = []
    extra = set(listed)
    for file in files:
        path = file.path
        extra.discard(path)
        proof = proofs.get(path)
        reason = _reason(file, listed.get(path), proof, hashes)
        if proof and not reason:
            unchanged[path] = proof
        else:
            reasons.append(reason)
            uploads.append(file)
    kept = set(filter(keep.match_file, extra)) if delete_stale else extra
    stale = extra - kept
    return Plan(
        files=files,
        uploads=tuple(uploads),
        reasons=tuple(reasons),
        delete=tuple(sorted(stale)),
        foreign=() if ours is None else tuple(sorted(stale.difference(ours))),
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


def doubts_about_ownership(plan: Plan, *, is_known: bool) -> Iterator[Doubt]:
    """Doubts about deletions of files that may be somebody else's.

    Args:
        plan: what the deploy would do.
        is_known: whether it is known which files are ours.
    """
    if plan.delete and not is_known:
        yield Doubt(
            "The manifest of the last deploy can't be read, so it is not known whose files this deploy would "
            f"delete: {_files(plan.delete)}",
            "The log says why. If the URL of the app was down, run it again. `delete-stale: false` goes on "
            "without deletions.",
            TAKE_OVER,
        )
    if plan.foreign:
        yield Doubt(
            f"This deploy would delete {human_files(len(plan.foreign))} that no deploy of "
            f"this action has uploaded: {human_paths(plan.foreign)}",
            "Name in `keep` what has to stay, or set `delete-stale: false`.",
            TAKE_OVER,
        )


def doubts_about_deletions(plan: Plan, *, deployed: int, max_deletes: int | None) -> Iterator[Doubt]:
    """Doubts about deletions of our own files, as a wrong or incomplete folder brings them.

    Args:
        plan: what the deploy would do.
        deployed: how many files the folder that was deployed last had; else how many the site has.
        max_deletes: the input. Where it is set, it decides alone.
    """
    count, deletions = len(plan.files), len(plan.delete)
    answer = f"`max-deletes: {deletions}`"
    if max_deletes is not None:
        if deletions > max_deletes:
            yield Doubt(
                f"`max-deletes` is {max_deletes:,}, and this deploy would delete {_files(plan.delete)}",
                "Check what is in the directory, or add patterns to `keep`.",
                answer,
            )
        return
    check = "Check that `directory` is the right one and the build complete."
    if deletions > _FEW and 2 * count < deployed:
        yield Doubt(
            f"The directory has {human_files(count)}, less than half of the site's {deployed:,}, and this "
            f"deploy would delete {_files(plan.delete)}",
            check,
            answer,
        )
    elif FRONT_PAGE in plan.delete:
        yield Doubt(
            f"The directory has no {FRONT_PAGE}, and this deploy would delete the site's front page",
            check,
            answer,
        )


def _files(paths: tuple[str, ...]) -> str:
    """`12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"
