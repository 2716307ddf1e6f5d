"""Plans a deploy's changes: a pure function of folder, listing and manifest."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from zerokie_action.files.ignore import Patterns
from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import Proof
from zerokie_action.files.zone import Listed, Zone

FRONT_PAGE = "index.html"


class Plan(NamedTuple):
    """The changes that a deploy makes. Every group is sorted by path.

    Attributes:
        zone: the storage zone before the deploy.
        files: all files of the directory.
        uploads: the files to upload, each with the reason, for the debug log.
        delete: the remote paths to delete, because the directory does not have them.
        kept: the remote paths that stay, because of `keep` or `delete-stale`, though the directory lacks
            them.
        unchanged: by path, the proof that the remote file is equal to the local file.
    """

    zone: Zone
    files: Sequence[LocalFile]
    uploads: Mapping[LocalFile, str]
    delete: tuple[str, ...]
    kept: tuple[str, ...]
    unchanged: Mapping[str, Proof]

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
        return "~" if file.path in self.zone.files else "+"


def make_plan(
    files: Sequence[LocalFile],
    zone: Zone,
    hashes: Mapping[str, str],
    *,
    keep: Patterns,
    delete_stale: bool = True,
) -> Plan:
    """Compare the directory with the storage zone.

    Args:
        files: the directory's files, sorted by path.
        zone: the storage zone.
        hashes: SHA-256 of local files by path, in hex; a file without a hash is uploaded.
        keep: the patterns of remote paths that are never deleted.
        delete_stale: whether to delete remote files that the directory does not have.
    """
    unchanged: dict[str, Proof] = {}
    uploads: dict[LocalFile, str] = {}
    for file in files:
        proof = zone.manifest.files.get(file.path)
        reason = _reason(file, zone.files.get(file.path), proof, hashes)
        if proof and not reason:
            unchanged[file.path] = proof
        else:
            uploads[file] = reason
    extra = zone.files.keys() - {file.path for file in files}
    stale = keep.unmatched(extra) if delete_stale else set()
    return Plan(
        zone=zone,
        files=files,
        uploads=uploads,
        delete=tuple(sorted(stale)),
        kept=tuple(sorted(extra - stale)),
        unchanged=unchanged,
    )


def _reason(file: LocalFile, remote: Listed | None, proof: Proof | None, hashes: Mapping[str, str]) -> str:
    """Why a file is uploaded; empty if a proof shows that the zone has the same content."""
    if remote is None:
        return "not on the platform"
    if proof is None:
        return "not proved by the manifest"
    if proof[1:] != remote:
        return "changed on the platform since"
    if file.path not in hashes:
        return "not compared"
    return "" if proof[0] == hashes[file.path] else "content differs"
