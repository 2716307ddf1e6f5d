"""Plans a deploy's changes: a pure function of folder, listing and manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Proof

FRONT_PAGE = "index.html"

_NEW = "not on the platform"


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
    listed: Mapping[str, tuple[int, str]],
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
        listed: length and `lastModified` of the zone's files by path; without manifests and files that
            can't be addressed.
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
    file: LocalFile, remote: tuple[int, str] | None, proof: Proof | None, hashes: Mapping[str, str]
) -> str:
    """Why a file is uploaded; empty if a proof shows that the zone has the same content."""
    if remote is None:
        return _NEW
    if proof is None:
        return "not proved by the manifest"
    sha256, length, last_modified = proof
    if (length, last_modified) != remote:
        return "changed on the platform since"
    if length != file.size:
        return "size differs"
    if file.path not in hashes:
        return "not compared"
    return "" if sha256 == hashes[file.path] else "hash differs"
