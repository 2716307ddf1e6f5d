"""Many writes to the storage zone at once, with the errors and retries of every other request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import anyio

from zerokie_action.errors import unwrap
from zerokie_action.platform.requests import UPLOADS
from zerokie_action.shutdown import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from zerokie_action.http.request import Content
    from zerokie_action.platform.client import Client
    from zerokie_action.shutdown import Shutdown

_T = TypeVar("_T")


class Upload(NamedTuple):
    """One file to store: its remote path, its bytes, its content type."""

    path: str
    content: Content
    content_type: str


class Writes:
    """Writes to the storage zone of one app, in parallel, as long as the lock is ours.

    A request that was sent completely takes effect, whatever becomes of its connection. So when the work ends
    early, nothing more begins, what is not sent yet is given up, and the answers to the rest are waited for.
    """

    def __init__(
        self,
        client: Client,
        app: str,
        *,
        fence: Callable[[], None],
        shutdown: Shutdown,
        concurrency: int,
    ) -> None:
        """Send nothing yet.

        Args:
            client: sends the requests.
            app: the app's name.
            fence: called before every attempt of every write, and before each piece of what is uploaded
                (it may be in a thread); raises when nothing may be written any more.
            shutdown: for the time in which answers are waited for when the work ends early.
            concurrency: how many writes are begun at once; how many are sent is up to the client.
        """
        self._client = client
        self._app = app
        self._fence = fence
        self._shutdown = shutdown
        self._concurrency = concurrency
        self._in_flight: set[_Write] = set()

    async def upload(
        self, uploads: Iterable[Upload], done: Callable[[Upload], None], *, kind: str = UPLOADS
    ) -> None:
        """Store all files.

        `done` is called for each one that the platform confirmed, also while the work ends early.
        """

        async def put(upload: Upload) -> None:
            write = _Write(self._fence, self._in_flight, upload.content)
            client = self._client.guarded(write)
            await client.put_file(self._app, upload.path, write, upload.content_type, kind=kind)
            done(upload)

        await self._each(uploads, put)

    async def delete(self, paths: Iterable[str], done: Callable[[str], None]) -> None:
        """Delete all paths; `done` is called for each one that is gone."""

        async def delete(path: str) -> None:
            client = self._client.guarded(_Write(self._fence, self._in_flight))
            await client.delete_file(self._app, path)
            done(path)

        await self._each(paths, delete)

    async def _each(self, items: Iterable[_T], act: Callable[[_T], Awaitable[None]]) -> None:
        waiting = iter(items)
        working = 0
        all_ended = anyio.Event()

        async def work() -> None:
            nonlocal working
            working += 1
            try:
                for item in waiting:
                    await act(item)
            finally:
                working -= 1
                if not working:
                    all_ended.set()

        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(self._concurrency):
                    tasks.start_soon(work)
                try:
                    await all_ended.wait()
                except anyio.get_cancelled_exc_class():
                    self._end_early()
                    raise
        except ExceptionGroup as group:
            raise unwrap(group) from group  # as if there was one request at a time

    def _end_early(self) -> None:
        """Give up what is not sent completely, and give the answers to the rest a deadline."""
        for write in tuple(self._in_flight):
            write.end(self._shutdown)


class _Write:
    """One write: a body that asks the fence before each piece, and a guard around each attempt.

    The guard shields the attempt from cancellation: what was sent takes effect.
    """

    def __init__(
        self, fence: Callable[[], None], in_flight: set[_Write], content: Content | None = None
    ) -> None:
        self._fence = fence
        self._in_flight = in_flight
        self._content = content
        self._left = 0
        self._scope = anyio.CancelScope(shield=True)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._content.size if self._content else 0

    def chunks(self) -> Iterator[bytes]:
        """The content, as long as the fence lets it pass."""
        assert self._content is not None  # noqa: S101 - for the type checker
        for chunk in self._content.chunks():
            self._fence()
            self._left -= len(chunk)
            yield chunk

    def end(self, shutdown: Shutdown) -> None:
        """The work has ended: wait for the answer if one can come, as long as the shutdown allows."""
        if self._left <= 0:
            shutdown.limit(self._scope, ANSWERS)
        else:
            self._scope.cancel()

    # Around each attempt; of a generator, each of thousands would take longer.

    def __call__(self) -> Self:
        return self

    def __enter__(self) -> None:
        self._fence()
        self._left = self.size
        self._scope = anyio.CancelScope(shield=True)
        self._in_flight.add(self)
        self._scope.__enter__()

    def __exit__(self, *error: object) -> bool:
        self._in_flight.discard(self)
        return bool(self._scope.__exit__(*error))  # type: ignore[arg-type]  # what `with` passes
