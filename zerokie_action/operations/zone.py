"""An app's storage zone while we hold its lock: all writes to it, and the manifest that vouches for it.

The listing's times have whole seconds, so what is replaced within the second of its last upload, by something
of the same length, looks untouched. Therefore no manifest that is listed vouches for a path that is about to
be written: before the first write a new one without these paths is stored, and the listed ones are deleted.
Whenever a deploy is killed, what its manifest says is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, DeployTimedOut, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.files.content_type import content_type
from zerokie_action.files.local import FileContent
from zerokie_action.files.manifest import entries, is_shown, new_manifest_path, render, without
from zerokie_action.files.plan import by_path
from zerokie_action.http.request import Bytes
from zerokie_action.platform.requests import MANIFESTS
from zerokie_action.platform.upload import Upload, Writes
from zerokie_action.report.progress import start_progress
from zerokie_action.report.result import Uploaded
from zerokie_action.text import human_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import RemoteFile
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.compare import Comparison
    from zerokie_action.operations.job import Job
    from zerokie_action.report.result import Changes

Listing = dict[str, "RemoteFile | None"]

_RECORD_EVERY = 30.0
"""Seconds between two manifests while files are uploaded, or ten times as long as storing one takes."""
_ANSWER_TIME = 1.0
"""Seconds that the answer to a write of a manifest may take."""


class Zone:
    """Writes to the zone under the lock, and keeps its manifest true.

    Attributes:
        plan: what the zone was to become, when the lock was taken.
        keep: which remote paths stay, although the directory does not have them.
        uploaded: each file that the platform confirmed, by path.
    """

    def __init__(self, job: Job, lock: DeployLock, comparison: Comparison, changes: Changes) -> None:
        """Write nothing yet. `changes` are what the platform confirmed; finalize sends these counts."""
        self.plan = comparison.plan
        self.keep = comparison.keep
        self.uploaded: dict[str, Uploaded] = {}
        self._job = job
        self._lock = lock
        self._changes = changes
        self._repeated: set[str] = set()
        self._listed = comparison.manifests.listed
        self._owner = comparison.manifests.owner
        self._proved = comparison.manifests.proved or {}
        self._writes = Writes(
            job.client,
            job.app,
            fence=lock.check,
            shutdown=job.shutdown,
            concurrency=job.settings.concurrency,
        )

    async def listing(self) -> Listing:
        """What the platform lists now, by path."""
        return by_path(await self._job.client.list_files(self._job.app))[0]

    async def upload(self, *groups: Sequence[LocalFile]) -> None:
        """Store files, one group after the other, each in its order. One that is stored again counts once."""
        paths = {file.path for group in groups for file in group}
        if not paths:
            return
        self._repeated |= paths & self.uploaded.keys()
        for path in self._repeated & paths:  # not proved until it is confirmed again
            self.uploaded.pop(path, None)
        await self._stop_vouching(paths)
        total_bytes = sum(file.size for group in groups for file in group)
        progress = start_progress(len(paths), total_bytes, self._job.ci)

        def begin(file: LocalFile) -> Upload:
            content = FileContent(file)
            progress.begin(file.path, file.size, lambda: content.taken)
            return Upload(file.path, content, content_type(file.path))

        def end(upload: Upload) -> None:
            self._confirmed(upload)
            progress.end(upload.path)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._record_regularly)
            tasks.start_soon(progress.log_regularly)
            for group in groups:
                await self._writes.upload(map(begin, group), end)
            tasks.cancel_scope.cancel()

    def _confirmed(self, upload: Upload) -> None:
        """Note that the platform confirmed an upload."""
        assert isinstance(upload.content, FileContent)  # noqa: S101 - for the type checker
        path = upload.path
        file = Uploaded(path, upload.content.size, self.plan.sign(path), upload.content.sha256)
        if path not in self._repeated:
            self._changes.uploaded.append(file)
            if path in self.plan.unchanged:  # it was, until somebody wrote to it
                self._changes.unchanged -= 1
        self.uploaded[path] = file

    async def delete(self, paths: Iterable[str]) -> None:
        """Delete remote paths. One that is deleted again counts once."""
        before = self.deleted

        def confirmed(path: str) -> None:
            if path not in before:
                self._changes.deleted.append(path)

        await self._writes.delete(paths, confirmed)

    @property
    def deleted(self) -> set[str]:
        """The paths whose deletion the platform confirmed."""
        return set(self._changes.deleted)

    # The manifest

    def drop_records(self, paths: Iterable[str]) -> None:
        """Let the manifest vouch for none of these uploads: the next deploy sends them again."""
        for path in paths:
            del self.uploaded[path]

    @property
    def has_another_owner(self) -> bool:
        """Whether a manifest that is listed does not name whom it should."""
        return any(
            document is not None and document.owner.repository != self._owner.repository
            for document in self._listed.values()
        )

    async def record(self, listing: Listing) -> None:
        """Store a manifest for the next deploy: what the listing proves after all changes."""
        count = len(self.uploaded)
        shown = sum(
            remote is not None and path in self.uploaded and is_shown(self.uploaded[path], remote)
            for path, remote in listing.items()
        )
        if shown < count:
            self._job.ci.info(
                f"The listing has no length or time of {count - shown:,} of {count:,} uploads, "
                "so the next deploy uploads those again"
            )
        try:
            await self._replace(entries(listing, proved=self._proved, uploaded=self.uploaded))
        except (RequestRejected, PlatformUnavailable) as error:
            self._job.warn(
                f"The manifest could not be stored, so the next deploy uploads more than it has to: {error}"
            )

    async def record_after_failure(self, failure: BaseException) -> None:
        """Keep what was achieved, so that the next deploy sends the rest only."""
        if isinstance(failure, (LockLost, PlatformUnavailable)) or not self.uploaded:
            return
        if count := await self._record_progress():
            self._job.ci.info(f"The manifest has {human_files(count)}; the next deploy uploads the rest")

    async def _record_regularly(self) -> None:
        pause = _RECORD_EVERY
        while True:
            await anyio.sleep(pause)
            began = anyio.current_time()
            try:
                await self._record_progress()
            except LockLost:
                raise
            except DeployError as error:
                self._job.ci.debug(f"The manifest could not be stored in the middle of the upload: {error}")
            pause = max(_RECORD_EVERY, 10 * (anyio.current_time() - began))

    async def _record_progress(self) -> int:
        """Store what is proved so far. Returns how many files that are."""
        uploaded = dict(self.uploaded)  # before the listing: what is confirmed later may not be in it
        found = dict(
            entries(await self.listing(), proved=self._proved, uploaded=uploaded, before=self.plan.replaced)
        )
        await self._replace(found.items())
        return len(found)

    async def _stop_vouching(self, paths: set[str]) -> None:
        """See to it that no manifest vouches for these paths any more.

        Raises:
            DeployError: when one may still do so: then nothing may be written.
        """
        self._proved = without(self._proved, paths)
        if any(
            document is None or not document.files.keys().isdisjoint(paths)
            for document in self._listed.values()
        ):
            try:
                await self._replace(self._proved.items())
            except (RequestRejected, PlatformUnavailable) as error:  # without one, all is uploaded next time
                self._job.ci.debug(f"The manifest could not be stored: {error}")
                await self._delete(self._listed)

    async def _replace(self, files: Iterable[tuple[str, str]]) -> None:
        """Store a new manifest, and delete all others. `files` are the items of a `Manifest`."""
        others = tuple(self._listed)
        _require_time()
        path = new_manifest_path()
        # Even if the answer is lost. What it says is not kept, so it may vouch for anything.
        self._listed[path] = None
        content = Bytes(render(files, self._owner, app=self._job.app))
        await self._writes.upload(
            [Upload(path, content, "application/json")], lambda _upload: None, kind=MANIFESTS
        )
        if others:
            _require_time()
            await self._delete(others)

    async def _delete(self, paths: Iterable[str]) -> None:
        def gone(path: str) -> None:
            del self._listed[path]

        await self._writes.delete(tuple(paths), gone)


def _require_time() -> None:
    """Begin nothing whose answer can't be waited for: it might take effect when the lock is released.

    Raises:
        DeployTimedOut: when the time is almost over.
    """
    if anyio.current_effective_deadline() - anyio.current_time() < _ANSWER_TIME:
        raise DeployTimedOut("there is no time left to store the manifest")
