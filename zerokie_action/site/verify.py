"""Decides what a deploy has proved, and what its manifests say: pure functions of a plan and of listings.

An upload that the platform confirmed, and lists with its length, is stored. Its listed time only proves that
to the next deploy, and nothing waits for a time: the next deploy sends a file without a proof once more.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from zerokie_action.ci import Source
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.manifest import Manifest, ManifestName, Proof, mark_repository, new_manifest_name
from zerokie_action.site.plan import Plan
from zerokie_action.site.remote import Listed


class Listing(NamedTuple):
    """A listing after the uploads, judged.

    Attributes:
        proofs: for the next deploy, the proofs of files that are listed as they should be.
        missing: the paths of uploads, the manifest's included, that are not listed with their length.
        changed: the paths of unchanged files that are not listed any more as the manifest proves them.
    """

    proofs: Mapping[str, Proof]
    missing: Sequence[str]
    changed: Sequence[str]


def judge_listing(
    plan: Plan, sent: Mapping[str, str], listed: Mapping[str, Listed], manifest: str
) -> Listing:
    """Compare a listing with what was sent, and with what was not.

    Args:
        plan: the deploy's plan.
        sent: SHA-256 of the confirmed uploads by path, in hex.
        listed: the listing, by path.
        manifest: the remote path of the deploy's newest manifest.
    """
    before, known = plan.zone.files, plan.zone.manifest.files
    proofs: dict[str, Proof] = {}
    missing = [] if manifest in listed else [manifest]
    changed: list[str] = []
    for file in plan.files:
        path, remote = file.path, listed.get(file.path)
        if unchanged := plan.unchanged.get(path):
            if unchanged[1:] == remote:
                proofs[path] = unchanged
            else:
                changed.append(path)
        elif remote is None or 0 <= remote[0] != file.size:
            missing.append(path)
        elif path in sent:
            (length, time), proof = remote, (sent[path], *remote)
            # Length and time of before prove nothing new: the upload may have been swallowed, or come late.
            if time and length == file.size and (remote != before.get(path) or proof == known.get(path)):
                proofs[path] = proof
    return Listing(proofs, missing, changed)


def next_manifest(
    plan: Plan,
    proofs: Mapping[str, Proof],
    newest: ManifestName | None,
    *,
    keep: Patterns,
    repository: str,
    source: Source,
    now: float,
    gone: AbstractSet[str] = frozenset(),
    listed: Collection[str] | None = None,
    is_finished: bool = False,
) -> tuple[ManifestName, Manifest]:
    """The next manifest of a deploy, and its name, whose random part alone is not given by the arguments.

    It names our earlier paths and the folder's, without those whose deletion was confirmed. A file that the
    folder no longer has keeps its proof. It begins to wait when a deploy is finished: until then, the version
    that has the file may be live.

    Args:
        plan: the deploy's plan.
        proofs: the proofs of the folder's files, by path.
        newest: the newest manifest's name, of an earlier deploy or of this deploy; None without a manifest.
        keep: the patterns of remote paths that are never deleted.
        repository: the run's repository; empty if it is not known.
        source: the commit and the run of the last complete deploy, which may be this one.
        now: the time in seconds since 1970.
        gone: the paths whose deletion was confirmed.
        listed: the listed paths; None if all named paths are listed, or about to be.
        is_finished: whether the deploy has done all else.
    """
    zone, local = plan.zone, {file.path for file in plan.files}
    named = {*(zone.ours or ()), *local} - gone
    there = named if listed is None else named.intersection(listed)
    # Not below the time: a late listing may lack the newest manifest, which has the next number already.
    number = max(newest.number + 1 if newest else 0, int(now * 1000))
    name = new_manifest_name(number, mark_repository(repository), keep.unmatched(there))
    stale = {**dict.fromkeys(plan.wait if is_finished else (), int(now)), **plan.stale}
    # `model_construct` does not copy the dictionaries, which may have a hundred thousand paths.
    manifest = Manifest.model_construct(
        files={path: proofs.get(path) if path in local else zone.proof(path) for path in sorted(named)},
        count=len(local) if is_finished else zone.manifest.count,
        stale={path: since for path, since in stale.items() if path in named},
        types=VERSION,
        **source._asdict(),
    )
    return name, manifest
