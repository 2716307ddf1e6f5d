"""Writes a storage zone: all writes of a deploy, while the lock is held, and after a failure its manifest.

Manifests record a deploy's progress. Before a deploy writes any file, it stores a manifest that names every
path that it is about to write, and that proves only the unchanged files. If the deploy is then killed, the
next deploy knows which files are ours, and trusts no outdated proof.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import TypeVar

import anyio

from zerokie_action import limits
from zerokie_action.doubts import other_spellings
from zerokie_action.errors import PlatformUnavailable, RequestRejected, unwrap
from zerokie_action.files.content_type import content_type, is_page
from zerokie_action.files.local import FileContent, LocalFile
from zerokie_action.files.manifest import Proof
from zerokie_action.files.plan import Plan
from zerokie_action.files.proofs import next_manifest
from zerokie_action.files.zone import Listed, Listing, Sent, judge_listing
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.request import Bytes
from zerokie_action.lock.lock import DeployLock
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.operations.zone import list_zone
from zerokie_action.platform.answers import is_conflict
from zerokie_action.platform.client import HIDDEN_HINT, MANIFESTS, is_hidden
from zerokie_action.report.progress import Progress
from zerokie_action.report.result import Changes, Uploaded
from zerokie_action.text import human_files, human_paths

T = TypeVar("T")

_LAG = 25.0
"""Seconds that a listing may lag behind the writes."""
_LAG_OF_PROOFS = 4.0
"""The same for a file's new time, which a platform may never show if the content is the same."""
_NEXT_SECOND = 1.1
"""Seconds to wait before sending a file again, so that its listed time differs: times have whole seconds."""


class Update:
    """Carries out a plan under the lock, and stores a manifest before and after."""

    def __init__(self, job: Job, lock: DeployLock, plan: Plan, changes: Changes) -> None:
        """Prepare the update without sending a request.

        Args:
            job: the run.
            lock: the app's lock, checked before every write.
            plan: the changes to make.
            changes: records the changes that were made.
        """
        self._job = job
        self._lock = lock
        self._plan = plan
        self._changes = changes
        changes.unchanged = len(plan.unchanged)
        changes.to_upload, changes.to_delete = len(plan.uploads), len(plan.delete)
        self._client = lock.writing(job.client)
        self._sent: dict[str, Sent] = {}
        self._gone: set[str] = set()
        """The paths whose deletion was confirmed, or that were not there any more."""
        self._manifest = plan.zone.newest
        """The newest manifest, of an earlier deploy or of this one."""

    # The steps, in their order

    async def store_first_manifest(self) -> None:
        """Store the manifest that names all paths to write and to delete, and proves the unchanged files."""
        await self._store(self._plan.unchanged)

    async def upload(self, files: Iterable[LocalFile], listed: Mapping[str, Listed]) -> None:
        """Store files: assets first, then the pages that refer to them.

        The biggest assets come first, so that no big asset is left to upload alone at the end.

        Args:
            files: the files.
            listed: the last listing before the upload, by path.
        """
        files = sorted(files, key=lambda file: (is_page(file.path), -file.size, file.path))
        progress = Progress(len(files), sum(file.size for file in files), self._job.log)

        async def put(file: LocalFile) -> None:
            path, content = file.path, FileContent(file, self._lock.session.check)
            progress.begin(path, file.size, lambda: content.taken)
            write = self._changes.write()
            await self._client.put_file(self._job.app, path, content, content_type(path), write=write)
            progress.end(path)
            if path not in self._sent:  # a file that was sent again counts once
                self._changes.uploaded.append(Uploaded(path, file.size, self._plan.sign(file)))
                self._changes.unchanged -= path in self._plan.unchanged
            self._sent[path] = Sent(content.sha256, listed.get(path))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.show)
            for _, group in groupby(files, lambda file: is_page(file.path)):
                await self._write_all(group, put)
            tasks.cancel_scope.cancel()
        if files:
            self._job.log.info(f"Uploaded {progress.so_far}")

    async def require_listed(self) -> Listing:
        """Check that the platform lists all files as they should be; send all others once more.

        Returns:
            The listing that shows all of them.

        Raises:
            PlatformUnavailable: when the listing still lacks a file.
        """
        listing = await self._read_listing()
        if again := {*listing.wrong, *listing.unproved}:
            self._job.log.info(
                f"Sending {human_paths(sorted(again))} again: the listing does not show the new version"
            )
            await anyio.sleep(_NEXT_SECOND)
            if self._manifest and self._manifest.path in again:
                await self.store_first_manifest()
            await self.upload((file for file in self._plan.files if file.path in again), listing.files)
            listing = await self._read_listing()
        if listing.wrong:
            others = other_spellings(listing.wrong, listing.files)
            raise PlatformUnavailable(
                f"The platform confirmed what was sent, but does not list it: {human_paths(listing.wrong)}"
                + (f"; it lists {human_paths(others)}" if others else ""),
                hint=("" if self._gone else "Nothing was deleted. ")
                + "Check whether a proxy answers in the platform's place, or report it to the platform. Then "
                "run the deploy again." + (f" {HIDDEN_HINT}" if any(map(is_hidden, listing.wrong)) else ""),
            )
        if lacking := len(self._plan.files) - len(listing.proofs):
            self._job.log.info(
                f"The next deploy sends {human_files(lacking)} again: the platform's listing has no length, "
                "or no new time, for them"
            )
        return listing

    async def delete_stale(self) -> None:
        """Delete the files that the directory does not have."""

        async def delete(path: str) -> None:
            was_there = await self._client.delete_file(self._job.app, path, write=self._changes.write())
            self._gone.add(path)
            if was_there:  # a late listing may show a file that an earlier deploy has deleted
                self._changes.deleted[path] = self._plan.zone.files[path][0]

        await self._write_all(self._plan.delete, delete)
        if self._changes.deleted:
            self._job.log.info(f"Deleted {human_files(len(self._changes.deleted), 'stale file')}")

    async def store_last_manifest(self, proofs: Mapping[str, Proof]) -> None:
        """Store the manifest with all proofs, and delete the manifests of earlier deploys."""

        async def delete(path: str) -> None:
            try:
                await self._client.delete_file(self._job.app, path)
            except RequestRejected as error:
                if is_conflict(error):  # the lock may be lost
                    raise
                self._job.warn(f"{path!r}, an old manifest of this action's own, stays in the app: {error}")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write_all, self._plan.zone.manifests, delete)
            await self._store(proofs, is_finished=True)

    async def record_failure(self, failure: BaseException) -> None:
        """Store a manifest with the proofs so far: the next deploy sends only the rest. Never raises.

        It takes `limits.RECORD` at most, and nothing is stored unless the lock is still held.
        """
        self._job.shutdown.end_work()
        with self._job.shutdown.shielded_scope(limits.RECORD):
            try:
                if await self._lock.is_held_after(unwrap(failure)):
                    shown = await self._job.client.retrying(UNTIL_DEADLINE).list_files(self._job.app)
                    proofs = self._judge(shown).proofs
                    await self._store(proofs, shown)
                    if proofs:
                        self._job.log.info(f"Recorded {human_files(len(proofs))} for the next deploy to skip")
            except Exception as error:  # noqa: BLE001 - the first error counts, and the lock has to be released
                self._job.log.info(f"Before releasing the lock: {unwrap(error)}")

    def deployed_hashes(self) -> dict[str, str]:
        """SHA-256 of each unchanged or uploaded file, in hex by path."""
        unchanged = {path: sha256 for path, (sha256, *_) in self._plan.unchanged.items()}
        return unchanged | {path: sent.sha256 for path, sent in self._sent.items()}

    # Parts of the steps

    async def _read_listing(self) -> Listing:
        """Read the listing until it shows all files as they should be, for as long as it may lag."""
        polling = Polling(self._job.log, "the platform to list what was sent", _LAG)
        while True:
            shown, _ = await list_zone(self._job)  # after the uploads, a 404 is a late answer
            listing = self._judge(shown)
            if self._manifest and self._manifest.path not in shown:
                listing = listing._replace(wrong=[self._manifest.path, *listing.wrong])
            may_be_late = listing.wrong or (listing.unproved and polling.waited < _LAG_OF_PROOFS)
            if not may_be_late or not await polling.again():
                return listing

    def _judge(self, shown: Mapping[str, Listed]) -> Listing:
        plan = self._plan
        return judge_listing(shown, plan.files, plan.unchanged, self._sent, plan.zone.manifest.files)

    async def _store(
        self, proofs: Mapping[str, Proof], listed: Collection[str] | None = None, *, is_finished: bool = False
    ) -> None:
        """Store the next manifest; see `next_manifest`."""
        self._manifest, manifest = next_manifest(
            self._plan,
            proofs,
            self._manifest,
            keep=self._job.keep,
            repository=self._job.ci.repository,
            now=time.time(),
            gone=self._gone,
            listed=listed,
            is_finished=is_finished,
        )
        content = Bytes(manifest.render(), self._lock.session.check)

        async def put(path: str) -> None:
            await self._client.put_file(self._job.app, path, content, "application/json", group=MANIFESTS)

        await self._write_all([self._manifest.path], put)  # it ends like all other writes

    async def _write_all(self, items: Iterable[T], write: Callable[[T], Awaitable[object]]) -> None:
        """Write all items, in their order, `concurrency` at a time.

        A write may take effect even if its connection breaks. So when the work ends early, no new write
        begins, and the writes in flight, which the lock's client shields, get time for their answers.
        """
        items = list(items)
        waiting = iter(items)

        async def work() -> None:
            for item in waiting:
                await write(item)

        async with anyio.create_task_group() as tasks:
            workers = [tasks.start_soon(work) for _ in items[: self._job.settings.concurrency]]
            try:
                # The task group itself would notice a cancellation only after its shielded writes.
                for worker in workers:
                    await worker.wait()
            except anyio.get_cancelled_exc_class():
                self._job.shutdown.end_work()
                raise
