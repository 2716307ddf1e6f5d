"""Many uploads and deletions at once, with the errors, retries and cancellation of every other request."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import anyio

from zerokie_action.api.client import Client
from zerokie_action.api.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from zerokie_action.api.retry import Sender
    from zerokie_action.api.transport import Content

_T = TypeVar("_T")


class Upload(NamedTuple):
    """One file to store: its remote path, its bytes, its content type."""

    path: str
    content: Content
    content_type: str


class _Fenced:
    """Asks the fence before each attempt. A class: of a generator, each of thousands would take longer."""

    __slots__ = ("_fence",)

    def __init__(self, fence: Callable[[], None]) -> None:
        self._fence = fence

    def __enter__(self) -> None:
        self._fence()

    def __exit__(self, *_: object) -> None:
        pass


class _Watched:
    """A content that asks the fence before each piece: a large file takes its time, and the lock may go."""

    __slots__ = ("_content", "_fence")

    def __init__(self, content: Content, fence: Callable[[], None]) -> None:
        self._content = content
        self._fence = fence

    @property
    def size(self) -> int:
        return self._content.size

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._content.chunks():
            self._fence()
            yield chunk


class Writers:
    """Writes to the storage zone of one app, in parallel, as long as the lock is ours."""

    def __init__(
        self,
        app: str,
        sender: Callable[..., Sender],
        *,
        fence: Callable[[], None],
        concurrency: int,
    ) -> None:
        """Send nothing yet.

        Args:
            sender: makes one, over a transport that carries as many requests at once as it is given.
            fence: called before every attempt of every write, and before each piece of what is uploaded
                (it may be in a thread); raises when nothing may be written any more.
            concurrency: upper bound on what runs at once; it adapts to the platform (see `Pace`).
        """
        self._app = app
        self._fence = fence
        self._concurrency = concurrency
        self._pace = Pace(concurrency)
        self._client = Client(sender(on_pushback=self._pace.pushed_back, around=partial(_Fenced, fence)))

    async def upload(self, uploads: Iterable[Upload], done: Callable[[Upload, int | None], None]) -> None:
        """Store all files.

        `done` is called for each one that the platform confirmed, with the second of its answer
        by the platform's clock, if the answer says so.
        """

        async def put(upload: Upload) -> None:
            content = _Watched(upload.content, self._fence)
            answered = await self._client.put_file(self._app, upload.path, content, upload.content_type)
            done(upload, answered)

        await self._each(uploads, put)

    async def delete(self, paths: Iterable[str], done: Callable[[str], None]) -> None:
        """Delete all paths; `done` is called for each one that is gone."""

        async def delete(path: str) -> None:
            await self._client.delete_file(self._app, path)
            done(path)

        await self._each(paths, delete)

    async def _each(self, items: Iterable[_T], act: Callable[[_T], Awaitable[None]]) -> None:
        waiting = iter(items)

        async def work(item: _T | None) -> None:
            while item is not None:
                async with self._pace:
                    await act(item)
                self._pace.succeeded()
                item = next(waiting, None)

        async with anyio.create_task_group() as workers:
            for first in islice(waiting, self._concurrency):
                workers.start_soon(work, first)
