"""The record of a deploy's writes, its comparison with the file list, and the manifests that describe it.

A confirmed upload that is listed with its length is stored. Its time in the file list is only for the next
deploy. No deploy waits for a new time, so the next deploy uploads a file without an entry one more time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zerokie_action.ci.commits import Source
from zerokie_action.http.request import Delivery
from zerokie_action.platform.models import Counts, RemoteFile
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.local import LocalFile
from zerokie_action.site.manifest import Entry, Manifest, ManifestName, mark_repository, new_manifest_name
from zerokie_action.site.plan import Plan
from zerokie_action.text.numbers import human_files, human_paths


class VerifiedFiles(NamedTuple):
    """The result of comparing a file list with the confirmed writes.

    Attributes:
        entries: the manifest entries of verified files, by path.
        missing: the paths of uploads, including the manifest, that aren't listed with their length.
        changed: the paths of unchanged files that don't match their manifest entry anymore.
    """

    entries: Mapping[str, Entry]
    missing: Sequence[str]
    changed: Sequence[str]


@dataclass(eq=False)
class Record:
    """The planned, requested and confirmed writes of a deploy. Sends no request.

    The code that sends a write notes it here. Everything that tells of the writes is made from this object.

    Attributes:
        plan: the planned writes.
        deliveries: the requests for files of the folder and of the site, without manifests.
        uploaded: the SHA-256 of each confirmed upload in hex, by path.
        gone: the confirmed deletions, each with whether the file was there, by path.
        stored: the name of this deploy's last manifest. None before the first.
        source: the commit and the run of this deploy, once all files are confirmed.
    """

    plan: Plan
    deliveries: list[Delivery] = field(default_factory=list)
    uploaded: dict[str, str] = field(default_factory=dict)
    gone: dict[str, bool] = field(default_factory=dict)
    stored: ManifestName | None = None
    source: Source | None = None

    def new_delivery(self) -> Delivery:
        """Note a request before it is sent."""
        self.deliveries.append(Delivery())
        return self.deliveries[-1]

    @property
    def newest(self) -> ManifestName | None:
        """The name of the newest manifest, from an earlier deploy or this one, or None if there is none."""
        return self.stored or self.plan.remote.newest

    @property
    def uploaded_files(self) -> list[LocalFile]:
        """The files with a confirmed upload."""
        return [file for file in self.plan.uploads if file.path in self.uploaded]

    @property
    def deleted(self) -> list[str]:
        """The paths of the confirmed deletions. A late file list may show a file that was already gone."""
        return [path for path in self.plan.delete if self.gone.get(path)]

    @property
    def counts(self) -> Counts:
        """The confirmed changes, for finalize."""
        return Counts(len(self.uploaded), len(self.deleted), sum(file.size for file in self.uploaded_files))

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each unchanged or uploaded file in hex, by path."""
        return {path: entry.sha256 for path, entry in self.plan.unchanged.items()} | self.uploaded

    def so_far(self) -> str:
        """Return a clause for the state after an early end, with the planned and the confirmed changes."""
        plan = self.plan
        uploads = (len(self.uploaded), len(plan.uploads), "uploaded")
        deletions = (len(self.deleted), len(plan.delete), "deleted")
        counts = ", ".join(
            f"{done:,} of {human_files(planned)} {verb}"
            for done, planned, verb in (uploads, deletions)
            if planned
        )
        gone = [path for path in plan.in_the_way if self.gone.get(path)]
        first = f"deleted before the uploads: {human_paths(gone, 20)}" if gone else ""
        is_half_new = len(self.uploaded) < len(plan.uploads)
        return "; ".join(filter(None, (counts, first, "the site may be half new" if is_half_new else "")))

    def verify(self, listed: Mapping[str, RemoteFile]) -> VerifiedFiles:
        """Compare a file list with the uploads, the newest manifest and the unchanged files."""
        before, known = self.plan.remote.files, self.plan.remote.manifest.files
        entries: dict[str, Entry] = {}
        missing = [self.newest.path] if self.newest and self.newest.path not in listed else []
        changed: list[str] = []
        for file in self.plan.files:
            path, remote = file.path, listed.get(file.path)
            if unchanged := self.plan.unchanged.get(path):
                if unchanged.listed == remote:
                    entries[path] = unchanged
                else:
                    changed.append(path)
            elif remote is None or 0 <= remote.length != file.size:
                missing.append(path)
            elif path in self.uploaded:
                entry = Entry(self.uploaded[path], *remote)
                # The same length and time as before verify nothing, because a gateway may have dropped or
                # delayed the upload.
                is_new = remote != before.get(path) or entry == known.get(path)
                if remote.last_modified and remote.length == file.size and is_new:
                    entries[path] = entry
        return VerifiedFiles(entries, missing, changed)

    def begin_manifest(
        self,
        entries: Mapping[str, Entry],
        *,
        now: float,
        listed: Collection[str] | None = None,
        is_finished: bool = False,
    ) -> tuple[str, Manifest]:
        """Return the path and the content of the next manifest, which is the newest from now on.

        The manifest lists the managed files and the folder's files, without confirmed deletions. A stale file
        keeps its entry. It becomes pending when the deploy is finished, because the version with this file
        may be live until then.

        Args:
            entries: the entries of the folder's verified files, by path.
            now: the time in seconds since 1970.
            listed: the remote paths, or None if all managed files exist or are about to be uploaded.
            is_finished: whether only this manifest is left to store.
        """
        plan, remote = self.plan, self.plan.remote
        local = {file.path for file in plan.files}
        named = {*(remote.managed or ()), *local} - self.gone.keys()
        there = named if listed is None else named.intersection(listed)
        # A late file list may lack the newest manifest. The time is higher than that manifest's number.
        number = max(self.newest.number + 1 if self.newest else 0, int(now * 1000))
        name = self.stored = new_manifest_name(
            number, mark_repository(plan.repository), plan.keep.unmatched(there)
        )
        source = self.source or remote.source_for(plan.repository)
        files = {path: entries.get(path) if path in local else remote.entry(path) for path in sorted(named)}
        stale = {**dict.fromkeys(plan.pending if is_finished else (), int(now)), **plan.stale}
        # `model_construct` doesn't copy the dictionaries, which may have 100,000 paths.
        manifest = Manifest.model_construct(
            files=files,
            finished=is_finished,
            count=len(local) if is_finished else remote.manifest.count,
            stale={path: since for path, since in stale.items() if path in named},
            types=VERSION,
            **source._asdict(),
        )
        return name.path, manifest
