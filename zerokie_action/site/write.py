"""Writes the uploads, deletions and manifests of a deploy while it holds the lock.

Before a deploy writes a file, it stores a manifest that lists all managed files and the planned uploads. This
manifest has entries only for unchanged and stale files. If the deploy is killed, the next deploy still
recognizes the managed files and doesn't rely on outdated entries.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

import anyio

from zerokie_action import limits
from zerokie_action.errors import Conflict, PlatformUnavailable, RequestRejected
from zerokie_action.http import group
from zerokie_action.http.request import Bytes, Guard
from zerokie_action.job import Job
from zerokie_action.platform.client import HIDDEN_HINT, MANIFESTS, is_hidden
from zerokie_action.platform.models import RemoteFile
from zerokie_action.platform.polling import Polling
from zerokie_action.site.content_type import content_type, is_page
from zerokie_action.site.local import FileContent, LocalFile
from zerokie_action.site.manifest import Entry
from zerokie_action.site.progress import Progress, logged_step
from zerokie_action.site.read import list_files
from zerokie_action.site.record import Record, VerifiedFiles
from zerokie_action.text.numbers import human_files, human_paths

T = TypeVar("T")


class Update:
    """Uploads and deletes the files of a plan, and stores the manifests before and after that."""

    def __init__(self, job: Job, record: Record) -> None:
        """Prepare the update without sending a request. `record` has the plan, and gets the writes."""
        self._job = job
        self._plan = record.plan
        self._record = record
        self._client = job.lock.writing(job.client)

    async def store_manifest(
        self,
        entries: Mapping[str, Entry],
        listed: Collection[str] | None = None,
        *,
        is_finished: bool = False,
    ) -> None:
        """Store the next manifest (see `Record.begin_manifest`), like all other writes."""
        path, manifest = self._record.begin_manifest(
            entries, now=time.time(), listed=listed, is_finished=is_finished
        )
        content = Bytes(manifest.render())

        async def put(path: str) -> None:
            await self._client.put_file(self._job.app, path, content, "application/json", group=MANIFESTS)

        await self._write_all([path], put)

    async def upload(self) -> None:
        """Upload the planned files, assets before pages, because pages load assets.

        The biggest assets come first, so that no big asset uploads alone at the end.
        """
        files = sorted(self._plan.uploads, key=lambda file: (is_page(file.path), -file.size, file.path))
        if not files:
            return
        size, outage_logged_at = sum(file.size for file in files), self._job.client.http.outage_logged_at
        progress = Progress(len(files), size, self._job.log, outage_logged_at)

        async def put(file: LocalFile) -> None:
            path, content = file.path, FileContent(file)
            progress.begin(path, file.size, lambda: content.taken)
            client = self._client.tracked(self._record.new_delivery())
            try:
                await client.put_file(self._job.app, path, content, content_type(path))
            except (RequestRejected, PlatformUnavailable) as error:
                if other := self._plan.in_its_way(path):
                    error.args = (f"{error}, perhaps because the old {other!r} is in its way",)
                    error.hint = f"Delete {other!r}, or deploy once with `delete-stale: true`. {error.hint}"
                raise
            progress.end(path)
            self._record.uploaded[path] = content.sha256

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.show)
            for _, part in groupby(files, lambda file: is_page(file.path)):
                await self._write_all(part, put)
            tasks.cancel_scope.cancel()
        self._job.log.info(f"Uploaded {progress.so_far}")

    async def delete(self, paths: Sequence[str]) -> None:
        """Delete these files, such as the old file `about` before `about/index.html` is uploaded."""

        async def delete(path: str) -> None:
            client = self._client.tracked(self._record.new_delivery())
            self._record.gone[path] = await client.delete_file(self._job.app, path)

        count = human_files(len(self._plan.delete), "stale file")
        async with logged_step(self._job, lambda: f"Deleting: {len(self._record.gone):,} of {count}"):
            await self._write_all(paths, delete)

    async def require_listed(self) -> VerifiedFiles:
        """Read the file list until it shows all uploads, for as long as it may lag.

        Raises:
            PlatformUnavailable: a confirmed upload is still not listed, or an unchanged file has changed.
        """
        polling = Polling(self._job.log.info, "the platform to list the uploads", limits.LISTING)
        while True:
            # After the uploads, a 404 means that the file list is late.
            verified = self._record.verify((await list_files(self._job)).files)
            if not (verified.missing or verified.changed):
                return verified
            if not await polling.again():
                raise _not_listed(verified, "" if self._record.deleted else "Nothing was deleted. ")

    async def delete_stale(self) -> None:
        """Delete the other stale files of the plan."""
        await self.delete([path for path in self._plan.delete if path not in self._record.gone])
        if deleted := self._record.deleted:
            self._job.log.info(f"Deleted {human_files(len(deleted), 'stale file')}")

    async def store_last_manifest(self, entries: Mapping[str, Entry]) -> None:
        """Store the manifest of the finished deploy, and delete the manifests of earlier deploys."""

        async def delete(path: str) -> None:
            try:
                await self._client.delete_file(self._job.app, path)
            except Conflict:  # the lock may be lost
                raise
            except RequestRejected as error:
                self._job.report.warn(f"Can't delete {path!r}, an old manifest of this action: {error}")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write_all, self._plan.remote.manifests, delete)
            await self.store_manifest(entries, is_finished=True)

    async def store_failure(self, listed: Mapping[str, RemoteFile]) -> None:
        """Store the manifest of a failed deploy, so that the next deploy skips the verified files."""
        entries = self._record.verify(listed).entries
        # `limits.RECORD` shields this step as a whole, because a shield for each request could outlast it.
        self._client = self._job.client.guarded(Guard(self._job.lock.require_held))
        await self.store_manifest(entries, listed)
        if entries:
            self._job.log.info(f"Recorded {human_files(len(entries))} for the next deploy to skip")

    async def _write_all(self, items: Iterable[T], write: Callable[[T], Awaitable[object]]) -> None:
        """Write all items in their order, up to `group.MOST` at the same time.

        A write may take effect even if its connection breaks. If the work ends early, no new write starts.
        The lock's client shields the writes in flight, so that they can receive their responses.
        """
        items = list(items)
        remaining = iter(items)

        async def work() -> None:
            for item in remaining:
                await write(item)

        async with anyio.create_task_group() as tasks:
            workers = [tasks.start_soon(work) for _ in items[: group.MOST]]
            try:
                # The task group itself notices a cancellation only after its shielded writes.
                for worker in workers:
                    await worker.wait()
            except anyio.get_cancelled_exc_class():
                self._job.shutdown.end_work()
                raise


def _not_listed(verified: VerifiedFiles, state: str) -> PlatformUnavailable:
    """Return the error for missing uploads and changed files. Its hint starts with the state."""
    problems = {
        "The platform confirmed these uploads but doesn't list them": verified.missing,
        "Something else changed the app during this deploy": verified.changed,
    }
    hidden = f" {HIDDEN_HINT}" if any(map(is_hidden, verified.missing)) else ""
    return PlatformUnavailable(
        *(f"{problem}: {human_paths(paths)}" for problem, paths in problems.items() if paths),
        hint=f"{state}Check for a proxy that answers instead of the platform, and for another tool that "
        f"writes to the app. Then run the deploy again to upload these files.{hidden}",
    )
