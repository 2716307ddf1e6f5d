"""Many writes to the storage zone at once, with the errors and retries of every other request."""

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
    """Writes to the storage zone of one app, in parallel, as long as the lock is ours.

    What was sent takes effect, whatever becomes of its connection. So when the work ends early, nothing more
    begins, and the answers to what is under way are waited for.
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
            client: sends the requests, each attempt behind the fence and in a shielded scope of `shutdown`.
            app: the app's name.
            fence: called before each piece of an upload (it may be in a thread); raises when nothing may be
                written any more.
            shutdown: limits the time for answers when the work ends early.
            concurrency: how many writes are begun at once; how many are sent is up to the client.
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

        `done` is called for each one that the platform confirmed, also while the work ends early.
        """

        async def put(upload: Upload) -> None:
            content = _Fenced(upload.content, self._fence)
            await self._client.put_file(self._app, upload.path, content, upload.content_type, group=group)
            done(upload)

        await self._each(uploads, put)

    async def delete(self, paths: Iterable[str], done: Callable[[str], None]) -> None:
        """Delete all paths; `done` is called for each one that is gone."""

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
                    await all_ended.wait()
                except anyio.get_cancelled_exc_class():
                    self._shutdown.limit_requests()
                    raise
        except ExceptionGroup as group:
            raise unwrap(group) from group  # as if there was one request at a time


class _Fenced(NamedTuple):
    """A content that is sent as long as the fence lets each piece pass."""

    content: Content
    fence: Callable[[], None]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.content.size

    def chunks(self) -> Iterator[bytes]:
        """The pieces."""
        for chunk in self.content.chunks():
            self.fence()
            yield chunk
