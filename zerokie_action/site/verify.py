"""Verifies files after the uploads, and prepares the next manifest.

A confirmed upload that is listed with its length is stored. Its time in the file list is only for the next
deploy. No deploy waits for a new time, so the next deploy uploads a file without an entry one more time. All
functions are pure.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from zerokie_action.ci import Source
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.manifest import Entry, Manifest, ManifestName, mark_repository, new_manifest_name
from zerokie_action.site.plan import Plan
from zerokie_action.site.remote import Listed


class Verified(NamedTuple):
    """The result of comparing a file list with the uploads.

    Attributes:
        entries: the manifest entries of verified files, by path.
        missing: the paths of uploads, including the manifest, that aren't listed with their length.
        changed: the paths of unchanged files that don't match their manifest entry anymore.
    """

    entries: Mapping[str, Entry]
    missing: Sequence[str]
    changed: Sequence[str]


def verify_files(
    plan: Plan, sent: Mapping[str, str], listed: Mapping[str, Listed], manifest: str
) -> Verified:
    """Compare a file list with the uploads and the unchanged files.

    Args:
        plan: the plan of the deploy.
        sent: the SHA-256 of the confirmed uploads in hex, by path.
        listed: the file list, by path.
        manifest: the path of the deploy's newest manifest.
    """
    before, known = plan.remote.files, plan.remote.manifest.files
    entries: dict[str, Entry] = {}
    missing = [] if manifest in listed else [manifest]
    changed: list[str] = []
    for file in plan.files:
        path, remote = file.path, listed.get(file.path)
        if unchanged := plan.unchanged.get(path):
            if unchanged[1:] == remote:
                entries[path] = unchanged
            else:
                changed.append(path)
        elif remote is None or 0 <= remote[0] != file.size:
            missing.append(path)
        elif path in sent:
            (length, time), entry = remote, (sent[path], *remote)
            # The same length and time as before verify nothing, because a gateway may have dropped or delayed
            # the upload.
            if time and length == file.size and (remote != before.get(path) or entry == known.get(path)):
                entries[path] = entry
    return Verified(entries, missing, changed)


def next_manifest(
    plan: Plan,
    entries: Mapping[str, Entry],
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
    """Return the name and the content of a deploy's next manifest.

    The manifest lists the managed files and the folder's files, without confirmed deletions. A stale file
    keeps its entry. It becomes pending when the deploy is finished, because the version with this file may be
    live until then.

    Args:
        plan: the plan of the deploy.
        entries: the entries of the folder's verified files, by path.
        newest: the name of the newest manifest, from an earlier deploy or this one, or None if there is none.
        keep: patterns of remote paths that are never deleted.
        repository: the run's repository, or empty if it is unknown.
        source: the facts of the last complete deploy, which may be this one.
        now: the time in seconds since 1970.
        gone: the paths of confirmed deletions.
        listed: the remote paths, or None if all managed files exist or are about to be uploaded.
        is_finished: whether only this manifest is left to store.
    """
    remote, local = plan.remote, {file.path for file in plan.files}
    named = {*(remote.managed or ()), *local} - gone
    there = named if listed is None else named.intersection(listed)
    # A late file list may lack the newest manifest. The time is higher than that manifest's number.
    number = max(newest.number + 1 if newest else 0, int(now * 1000))
    name = new_manifest_name(number, mark_repository(repository), keep.unmatched(there))
    stale = {**dict.fromkeys(plan.pending if is_finished else (), int(now)), **plan.stale}
    # `model_construct` doesn't copy the dictionaries, which may have 100,000 paths.
    manifest = Manifest.model_construct(
        files={path: entries.get(path) if path in local else remote.entry(path) for path in sorted(named)},
        count=len(local) if is_finished else remote.manifest.count,
        stale={path: since for path, since in stale.items() if path in named},
        types=VERSION,
        **source._asdict(),
    )
    return name, manifest
