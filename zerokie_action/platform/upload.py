"""Many uploads and deletions at once, with the errors, retries and cancellation of every other request."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import anyio

from zerokie_action.errors import LockLost, unwrap
from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.platform.requests import UPLOADS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from zerokie_action.http.client import Content
    from zerokie_action.platform.client import Platform
    from zerokie_action.shutdown import Shutdown

_T = TypeVar("_T")

ANSWER_TIME = 10.0
ANSWER_GRACE = 1.5
"""Seconds for the answers to what was sent when the work ends early; the lock's release comes after that."""


class Upload(NamedTuple):
    """One file to store: its remote path, its bytes, its content type."""

    path: str
    content: Content
    content_type: str


class _Stopped(Exception):  # noqa: N818 - says why a worker begins nothing more, and is no error
    """The worker was stopped, right before something would have been sent."""


class _Worker:
    """Writes one file after the other, as long as the fence allows it, until it is stopped.

    A request that was sent completely takes effect, whatever becomes of its connection. So a worker that is
    stopped begins nothing more, gives up what is not sent yet, and waits for the answer to what is.

    Attributes:
        scope: in which it works; nothing else cancels it.
        stopping: whether it was stopped.
        sent: whether a request of its own is on the way completely.
    """

    def __init__(
        self,
        deadline: float,
        *,
        fence: Callable[[], None],
        progressed: Callable[[], None],
    ) -> None:
        self.scope = anyio.CancelScope(shield=True, deadline=deadline)
        self.stopping = False
        self.sent = False
        self._fence = fence
        self.progressed = progressed
        self._size = 0

    def stop(self) -> None:
        """End as soon as it is known what was written."""
        self.stopping = True
        if not self.sent:
            self.scope.cancel()

    def watched(self, content: Content) -> _WatchedContent:
        """A body of the next request, which is not sent before its last piece is."""
        self._size = content.size
        return _WatchedContent(content, self)

    def before_piece(self, left: int) -> None:
        """A piece of the body is about to be sent, after which so many bytes are left (maybe in a thread)."""
        self._check()
        self.sent = left <= 0

    # Around each attempt; of a generator, each of thousands would take longer.

    async def __aenter__(self) -> None:
        self._check()
        self.sent = not self._size

    async def __aexit__(self, *_: object) -> None:
        self.sent = False
        if self.stopping:
            self.scope.cancel()  # before another attempt

    def _check(self) -> None:
        if self.stopping:  # its cancellation is on the way
            raise _Stopped
        self._fence()


class _WatchedContent:
    """A content that tells its worker of each piece: the lock may be lost while a large file is sent."""

    __slots__ = ("_content", "_worker")

    def __init__(self, content: Content, worker: _Worker) -> None:
        self._content = content
        self._worker = worker

    @property
    def size(self) -> int:
        return self._content.size

    def chunks(self) -> Iterator[bytes]:
        left = self.size
        for chunk in self._content.chunks():
            left -= len(chunk)
            self._worker.before_piece(left)
            yield chunk
            if left:
                self._worker.progressed()  # that piece was sent


class Writers:
    """Writes to the storage zone of one app, in parallel, as long as the lock is ours."""

    def __init__(
        self,
        platform: Platform,
        app: str,
        *,
        kind: str = UPLOADS,
        fence: Callable[[], None],
        shutdown: Shutdown,
        concurrency: int,
    ) -> None:
        """Send nothing yet.

        Args:
            kind: of the uploads: they share a circuit breaker.
            fence: called before every attempt of every write, and before each piece of what is uploaded
                (it may be in a thread); raises when nothing may be written any more.
            shutdown: for the time in which answers are waited for when the work ends early.
            concurrency: upper bound on what runs at once; it adapts to the platform (see `AdaptiveLimiter`).
        """
        self._app = app
        self._kind = kind
        self._limiter = AdaptiveLimiter(concurrency)
        self._client = platform.bulk_client(self._limiter)
        self._budget = platform.budget
        self._fence = fence
        self._shutdown = shutdown
        self._concurrency = concurrency

    async def upload(self, uploads: Iterable[Upload], done: Callable[[Upload], None]) -> None:
        """Store all files.

        `done` is called for each one that the platform confirmed, also while the work ends early.
        """

        async def put(worker: _Worker, upload: Upload) -> None:
            content = worker.watched(upload.content)
            await self._client.put_file(
                self._app,
                upload.path,
                content,
                upload.content_type,
                kind=self._kind,
                around=lambda: worker,
            )
            done(upload)

        await self._each(uploads, put)

    async def delete(self, paths: Iterable[str], done: Callable[[str], None]) -> None:
        """Delete all paths; `done` is called for each one that is gone."""

        async def delete(worker: _Worker, path: str) -> None:
            await self._client.delete_file(self._app, path, lambda: worker)
            done(path)

        await self._each(paths, delete)

    async def _each(self, items: Iterable[_T], act: Callable[[_Worker, _T], Awaitable[None]]) -> None:
        try:
            await self._work(iter(items), act)
        except ExceptionGroup as group:
            raise unwrap(group) from group  # as if there was one request at a time

    async def _work(self, waiting: Iterator[_T], act: Callable[[_Worker, _T], Awaitable[None]]) -> None:
        workers: set[_Worker] = set()
        # Shielded workers would not know when the run has to end, and might be asked to wait beyond that.
        deadline = anyio.current_effective_deadline() + 2 * ANSWER_TIME
        all_ended = anyio.Event()
        progressed = self._budget.breaker(self._kind).progressed

        async def work(worker: _Worker, item: _T | None) -> None:
            try:
                with worker.scope, suppress(_Stopped):
                    while item is not None and not worker.stopping:
                        await act(worker, item)
                        self._limiter.succeeded()
                        item = next(waiting, None)
            finally:
                workers.remove(worker)
                if not workers:
                    all_ended.set()

        async with anyio.create_task_group() as tasks:
            for first in islice(waiting, self._concurrency):
                worker = _Worker(deadline, fence=self._fence, progressed=progressed)
                workers.add(worker)
                tasks.start_soon(work, worker, first)
            if workers:
                try:
                    await all_ended.wait()
                except anyio.get_cancelled_exc_class():
                    await self._stop(workers, all_ended)
                    raise

    async def _stop(self, workers: set[_Worker], all_ended: anyio.Event) -> None:
        for worker in tuple(workers):
            worker.stop()
        with suppress(LockLost):  # then there is nothing that could still be right
            self._fence()
            with self._shutdown.shielded_scope(ANSWER_TIME, grace=ANSWER_GRACE):
                await all_ended.wait()
            if count := sum(worker.sent for worker in workers):
                requests, them = ("1 request was", "it") if count == 1 else (f"{count} requests were", "them")
                self._budget.log(
                    f"{requests} sent but not answered in time; the platform may still carry {them} out"
                )
        for worker in workers:
            worker.scope.cancel()
