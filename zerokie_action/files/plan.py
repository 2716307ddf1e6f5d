"""Plans a deploy's changes: a pure function of folder, listing and manifest."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import NamedTuple

from zerokie_action.files.ignore import Patterns
from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import Manifest, ManifestName, Proof

FRONT_PAGE = "index.html"


class Zone(NamedTuple):
    """The content of a storage zone; by default, of an app that does not exist yet.

    Attributes:
        files: length and `lastModified` of the listed files, by path; without manifests, directories, and
            paths that no URL can name.
        unsafe: the listed paths that no URL can name.
        manifests: the paths of all files in the manifest folder.
        newest: the newest manifest's name; None without a manifest.
        manifest: the newest manifest; empty if it is missing or can't be read.
        ours: the listed paths that this app's deploys have stored; None if that is not known.
        not_found: the platform's words if it answers 404 instead of a list; else empty.
    """

    files: Mapping[str, tuple[int, str]] = MappingProxyType({})
    unsafe: Sequence[str] = ()
    manifests: Sequence[str] = ()
    newest: ManifestName | None = None
    manifest: Manifest = Manifest()
    ours: AbstractSet[str] | None = frozenset()
    not_found: str = ""


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

    @property
    def foreign(self) -> list[str]:
        """The paths to delete that no deploy of this app is known to have stored."""
        return [path for path in self.delete if path not in (self.zone.ours or ())]

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


def _reason(
    file: LocalFile, remote: tuple[int, str] | None, proof: Proof | None, hashes: Mapping[str, str]
) -> str:
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
