"""An app's storage zone: what it holds, whose it is, and all writes to it while we hold its lock.

The manifests are what makes this safe. One is stored before the first write: it names what is about to be
written, and proves only what stays. So whatever ends the deploy, the next one knows which files are ours, and
nothing vouches for what may have been replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import anyio

from zerokie_action.errors import ConfigurationError, PlatformUnavailable
from zerokie_action.files.content_type import content_type, is_page
from zerokie_action.files.local import FileContent, is_addressable
from zerokie_action.files.manifest import (
    LENGTH_NOT_GIVEN,
    MANIFEST_FOLDER,
    Manifest,
    Marks,
    find_manifests,
    is_anothers,
    new_manifest_path,
    parse,
)
from zerokie_action.http.request import MEGABYTE, Bytes
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.platform.client import MANIFESTS
from zerokie_action.platform.upload import Upload, Writes
from zerokie_action.report.progress import Progress
from zerokie_action.report.result import Changes, Uploaded
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import ManifestName, Proof, RemoteFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job

_LARGEST_MANIFEST = 192 * MEGABYTE
_LAG = 4.0
_LOOK_AGAIN = 0.5
"""Seconds that a listing may be behind, and after which it is read again."""
_NEXT_SECOND = 1.1
"""The listing's times have whole seconds."""


@dataclass(frozen=True, slots=True)
class Zone:
    """What a storage zone holds.

    Attributes:
        files: what is listed, by path; without manifests and what no URL can name safely.
        unaddressable: paths of the latter.
        manifests: paths of all that is in our own folder.
        newest: the newest of them that is a manifest.
        manifest: its content; an empty one if there is none, None if it can't be read.
        owner: whose app it is, as the next manifest's name says it.
    """

    files: Mapping[str, RemoteFile]
    unaddressable: Sequence[str]
    manifests: Sequence[str]
    newest: ManifestName | None
    manifest: Manifest | None
    owner: Marks


NOTHING = Zone({}, (), (), None, Manifest(), Marks())
"""The zone of an app that does not exist yet."""


async def read_zone(job: Job) -> Zone:
    """List the zone, and read its newest manifest.

    Raises:
        ConfigurationError: when the app is somebody else's, and this run may not go on with it.
    """
    files = _by_path(await job.client.list_files(job.app))
    own = [path for path in files if path.startswith(MANIFEST_FOLDER)]
    for path in own:
        del files[path]
    manifests = find_manifests(own)
    require_ownership(job, manifests)
    if files and not manifests and not is_trusted(job):
        raise ConfigurationError(
            f"App {job.app!r} has {human_files(len(files))} that no deploy of this action has uploaded: "
            f"{human_paths(sorted(files))}",
            hint="If `app` names the wrong app, correct it. If the files were "
            "uploaded by hand, by another tool or by an earlier version of this action, set "
            "`take-over: true` for one run by hand: it deletes what the directory does not have, unless "
            "`keep` matches it.",
        )
    unaddressable = [path for path in files if not is_addressable(path)]
    for path in unaddressable:
        del files[path]
    newest = manifests[-1] if manifests else None
    ours = Marks.of(*job.ci.owner)
    return Zone(
        files=files,
        unaddressable=unaddressable,
        manifests=[path for path in own if is_addressable(path)],
        newest=newest,
        manifest=await _read_manifest(job, newest.path) if newest else Manifest(),
        owner=newest.owner if newest and not ours.is_known else ours,
    )


def is_trusted(job: Job) -> bool:
    """Whether this run may change anything in the app: `take-over` says so, or the run created it."""
    return job.settings.take_over or bool(job.result.created)


def require_ownership(job: Job, manifests: Sequence[ManifestName]) -> None:
    """Stop where all manifests are another repository's; `take-over` goes on.

    Raises:
        ConfigurationError: then.
    """
    if not is_anothers(manifests, Marks.of(*job.ci.owner)):
        return
    what = f"App {job.app!r} was last deployed from a repository other than {str(job.ci.owner)!r}"
    if not is_trusted(job):
        raise ConfigurationError(
            what,
            hint="If `app` names that repository's app by mistake, correct it. To go on all the same, set "
            "`take-over: true` for one run by hand.",
        )
    job.ci.info(f"{what}; `take-over` goes on all the same")


async def _read_manifest(job: Job, path: str) -> Manifest | None:
    """Read it through the app's own URL: the API can't read a file."""
    data = await job.read_deployed(path, max_body=_LARGEST_MANIFEST)
    if data is None:
        await job.client.list_files(job.app)  # answered after an outage, if that was why
        data = await job.read_deployed(path, max_body=_LARGEST_MANIFEST)
    manifest = None if data is None else parse(data)
    if manifest is None:
        job.ci.info("The manifest of the last deploy can't be read: nothing is skipped")
    return manifest


def _by_path(listing: Iterable[RemoteFile]) -> dict[str, RemoteFile]:
    return {file.path: file for file in listing}


class _Look(NamedTuple):
    """A listing after the uploads, and what it does not show as it should be.

    Attributes:
        shown: the listing, by path.
        missing: files that it does not show, or with another length.
        untouched: uploads that it shows as before, so that they may not have arrived.
        has_manifest: whether it shows the manifest that was stored before them.
    """

    shown: Mapping[str, RemoteFile]
    missing: Sequence[LocalFile]
    untouched: Sequence[LocalFile]
    has_manifest: bool

    @property
    def is_complete(self) -> bool:
        """Whether it shows everything."""
        return self.has_manifest and not self.missing and not self.untouched


class Update:
    """Carries a plan out, under the lock.

    Attributes:
        plan: what to change.
    """

    def __init__(
        self, job: Job, lock: DeployLock, zone: Zone, plan: Plan, files: Sequence[LocalFile]
    ) -> None:
        """Write nothing yet. `files` is all that the directory has."""
        self._job = job
        self._zone = zone
        self.plan = plan
        self._files = files
        self._before = zone.manifest or Manifest()
        self._changes = job.result.changes or Changes()
        self._uploaded: dict[str, Uploaded] = {}
        self._number = zone.newest.number if zone.newest else 0
        self._next = ""
        self._proved: Mapping[str, Proof] = {}
        self._is_recorded = False
        self._writes = Writes(
            job.client,
            job.app,
            fence=lock.check,
            shutdown=job.shutdown,
            concurrency=job.settings.concurrency,
        )

    @property
    def is_needed(self) -> bool:
        """Whether anything has to be written: a file, or a manifest that says something new."""
        zone, plan = self._zone, self.plan
        is_recorded = zone.newest and zone.newest.owner == zone.owner and self._before.count == plan.count
        return bool(plan.uploads or plan.delete or not is_recorded)

    # In the order in which they are called

    async def store_next_manifest(self) -> None:
        """Name what is about to be written, and prove only what stays."""
        self._next = self._new_path()
        await self._put(self._next, self._manifest(self.plan.unchanged, self._before.count))

    async def upload(self, files: Iterable[LocalFile]) -> None:
        """Store files: assets first, then the pages that refer to them.

        The biggest assets come first: one that begins last would keep all others waiting.
        """
        files = sorted(files, key=lambda file: (is_page(file.path), -file.size, file.path))
        progress = Progress(len(files), sum(file.size for file in files), self._job.ci)

        def begin(file: LocalFile) -> Upload:
            content = FileContent(file)
            progress.begin(file.path, file.size, lambda: content.taken)
            return Upload(file.path, content, content_type(file.path))

        def end(upload: Upload) -> None:
            self._note(upload)
            progress.end(upload.path)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.show)
            for _, group in groupby(files, lambda file: is_page(file.path)):
                await self._writes.upload(map(begin, group), end)
            tasks.cancel_scope.cancel()

    async def require_listed(self) -> None:
        """Make sure that the platform lists what it confirmed; what it does not list is sent once more.

        Raises:
            PlatformUnavailable: when it does not list that either. Nothing was deleted.
        """
        look = await self._look()
        if not look.is_complete:
            again = {file.path: file for file in (*look.missing, *look.untouched)}
            if again:
                self._job.ci.info(
                    f"The listing does not show {human_paths([*again])} as sent; sending it again"
                )
            await anyio.sleep(_NEXT_SECOND)
            await self.upload(again.values())
            look = await self._look()
        # The same content may keep its time. What is known to have been another one did not arrive.
        wrong = [file.path for file in look.missing]
        wrong += [file.path for file in look.untouched if self._was_another(file, look.shown)]
        if wrong or not look.has_manifest:
            raise PlatformUnavailable(
                "The platform confirmed what was sent, but does not list it: "
                f"{human_paths(wrong or [self._next])}",
                hint="Nothing was deleted. Check whether a proxy answers in the platform's place, "
                "or report it to the platform. Then run the deploy again.",
            )
        self._proved = self._proofs(look.shown)

    async def delete_stale(self) -> None:
        """Delete what the directory does not have, and the older manifests."""
        await self._writes.delete((*self.plan.delete, *self._zone.manifests), self._note_deleted)

    async def store_last_manifest(self) -> None:
        """Prove everything that is listed as it was uploaded."""
        await self._put(self._new_path(), self._manifest(self._proved, self.plan.count))
        self._is_recorded = True

    async def record_failure(self) -> None:
        """Keep what was achieved, so that the next deploy sends the rest only."""
        if not self._uploaded or self._is_recorded:
            return
        shown = _by_path(await self._job.client.retrying(UNTIL_DEADLINE).list_files(self._job.app))
        proofs = self._proofs(shown)
        await self._put(self._new_path(), self._manifest(proofs, self._before.count))
        self._job.ci.info(f"Recorded {human_files(len(proofs))}: the next deploy can skip them")

    # What they are made of

    async def _look(self) -> _Look:
        """List the zone until it shows everything as it was sent, for four seconds: it may be behind."""
        ends_at = anyio.current_time() + _LAG
        while True:
            shown = _by_path(await self._job.client.list_files(self._job.app))
            look = _Look(
                shown=shown,
                missing=[
                    file
                    for file in self._files
                    if (remote := shown.get(file.path)) is None
                    or remote.length not in {file.size, LENGTH_NOT_GIVEN}
                ],
                untouched=[
                    file
                    for file in self._files
                    if file.path in self._uploaded
                    and file.path in shown
                    and shown[file.path] == self._zone.files.get(file.path)
                ],
                has_manifest=self._next in shown,
            )
            if look.is_complete or anyio.current_time() >= ends_at:
                return look
            await anyio.sleep(_LOOK_AGAIN)

    def _was_another(self, file: LocalFile, shown: Mapping[str, RemoteFile]) -> bool:
        """Whether the last manifest proves other bytes of an upload than those that were sent."""
        proof, remote = self._before.files.get(file.path), shown[file.path]
        sent = (self._uploaded[file.path].sha256, remote.length, remote.last_modified)
        return proof is not None and proof != sent

    def _proofs(self, shown: Mapping[str, RemoteFile]) -> dict[str, Proof]:
        """What stays, and each upload that is listed otherwise than before."""
        proofs = dict(self.plan.unchanged)
        for path, file in self._uploaded.items():
            remote = shown.get(path)
            is_new = remote and remote != self._zone.files.get(path)
            if remote and is_new and remote.length == file.size and remote.last_modified:
                proofs[path] = (file.sha256, remote.length, remote.last_modified)
        return proofs

    def _manifest(self, proofs: Mapping[str, Proof], count: int) -> Manifest:
        """It names what is ours: the directory, and what the last one named and is still listed."""
        files: dict[str, Proof | None] = {
            path: None for path in self._before.files if path in self._zone.files
        }
        files.update((file.path, None) for file in self._files)
        files.update(proofs)
        return Manifest.model_construct(files=files, count=count)  # there may be a hundred thousand: no copy

    def _new_path(self) -> str:
        self._number += 1
        return new_manifest_path(self._number, self._zone.owner)

    async def _put(self, path: str, manifest: Manifest) -> None:
        upload = Upload(path, Bytes(manifest.render()), "application/json")
        await self._writes.upload([upload], lambda _upload: None, kind=MANIFESTS)

    def _note(self, upload: Upload) -> None:
        """The platform confirmed an upload. One that was sent again counts once."""
        assert isinstance(upload.content, FileContent)  # noqa: S101 - for the type checker
        path = upload.path
        sign = "~" if path in self._zone.files else "+"
        file = Uploaded(path, upload.content.size, sign, upload.content.sha256)
        if path not in self._uploaded:
            self._changes.uploaded.append(file)
            self._changes.unchanged -= path in self.plan.unchanged
        self._uploaded[path] = file

    def _note_deleted(self, path: str) -> None:
        if not path.startswith(MANIFEST_FOLDER):
            self._changes.deleted.append(path)
