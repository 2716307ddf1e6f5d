"""Concurrent writes to the storage zone, with the same errors and retries as any other request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import anyio

from zerokie_action.errors import unwrap
from zerokie_action.platform.client import UPLOADS

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
    """Concurrent writes to one app's storage zone, while the lock is held.

    A write takes effect even if its connection breaks. So when the work ends early, no new write begins, and
    the writes in flight get time for their answers.
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
        """Prepare the writes without sending a request.

        Args:
            client: sends the requests; checks the lock before each attempt, and shields the attempt.
            app: the app's name.
            fence: called before each piece of an upload, perhaps in a thread; raises when the lock is not
                held.
            shutdown: limits the time for answers when the work ends early.
            concurrency: how many writes begin at once; the client decides how many requests are sent at once.
        """
        self._client = client
        self._app = app
        self._fence = fence
        self._shutdown = shutdown
        self._concurrency = concurrency

    async def upload(
        self, uploads: Iterable[Upload], done: Callable[[Upload], None], *, group: str = UPLOADS
    ) -> None:
        """Store all files.

        `done` is called for each file that the platform has confirmed, even while the work ends early.
        """

        async def put(upload: Upload) -> None:
            content = _Fenced(upload.content, self._fence)
            await self._client.put_file(self._app, upload.path, content, upload.content_type, group=group)
            done(upload)

        await self._each(uploads, put)

    async def delete(self, paths: Iterable[str], done: Callable[[str], None]) -> None:
        """Delete all paths; `done` is called for each path that is gone."""

        async def delete(path: str) -> None:
            await self._client.delete_file(self._app, path)
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
                    # The task group itself would notice a cancellation only after its shielded writes.
                    await all_ended.wait()
                except anyio.get_cancelled_exc_class():
                    self._shutdown.limit_writes()
                    raise
        except ExceptionGroup as group:
            raise unwrap(group) from group  # the caller sees one error, as from a single request


class _Fenced(NamedTuple):
    """A content that calls the fence before each piece."""

    content: Content
    fence: Callable[[], None]

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.content.size

    def chunks(self) -> Iterator[bytes]:
        """The pieces of the content."""
        for chunk in self.content.chunks():
            self.fence()
            yield chunk
