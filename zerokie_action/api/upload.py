"""Many uploads and deletions at once, each connection on its own.

The same errors, retries and cancellation as every other request; only the transport differs.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from zerokie_action.api.client import Client
from zerokie_action.api.pace import Pace
from zerokie_action.api.retry import Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from zerokie_action.api.clock import PlatformClock
    from zerokie_action.api.connection import Connection
    from zerokie_action.api.network import Network
    from zerokie_action.api.retry import Retries
    from zerokie_action.api.transport import Content

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Upload:
    """One file to store: its remote path, its bytes, its content type."""

    path: str
    content: Content
    content_type: str


class Writers:
    """Writes to the storage zone of one app, in parallel, as long as the lock is ours.

    Args:
        fence: called before every attempt of every write; raises when nothing may be written any more.
        concurrency: upper bound on what runs at once; it adapts to the platform (see `Pace`).
    """

    def __init__(
        self,
        app: str,
        *,
        base: str,
        headers: Mapping[str, str],
        network: Network,
        retries: Retries,
        clock: PlatformClock,
        notice: Callable[[str], None],
        fence: Callable[[], None],
        concurrency: int,
    ) -> None:
        """Connect to nothing yet; the rest is what `Connection` and `Sender` need."""
        self._app = app
        self._base = base
        self._headers = headers
        self._network = network
        self._retries = retries
        self._clock = clock
        self._notice = notice
        self._fence = fence
        self._concurrency = concurrency
        self._pace = Pace(concurrency)
        self._idle: list[Connection] = []

    async def __aenter__(self) -> Self:
        """Open nothing yet; each worker opens its connection when it has something to send."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the connections."""
        for connection in self._idle:
            connection.close()

    async def upload(self, uploads: Iterable[Upload], done: Callable[[Upload, int | None], None]) -> None:
        """Store all files.

        `done` is called for each one that the platform confirmed, with the second of its answer
        by the platform's clock, if the answer says so.
        """

        async def put(client: Client, upload: Upload) -> None:
            done(upload, await client.put_file(self._app, upload.path, upload.content, upload.content_type))

        await self._each(uploads, put)

    async def delete(self, paths: Iterable[str], done: Callable[[str], None]) -> None:
        """Delete all paths; `done` is called for each one that is gone."""

        async def delete(client: Client, path: str) -> None:
            await client.delete_file(self._app, path)
            done(path)

        await self._each(paths, delete)

    async def _each(self, items: Iterable[_T], act: Callable[[Client, _T], Awaitable[None]]) -> None:
        waiting = iter(items)

        async def work(first: _T) -> None:
            connection = self._take_connection()
            try:
                client = self._client(connection)
                item: _T | None = first
                while item is not None:
                    async with self._pace.turn():
                        await act(client, item)
                    self._pace.succeeded()
                    item = next(waiting, None)
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

        async with anyio.create_task_group() as workers:
            for _ in range(self._concurrency):
                first = next(waiting, None)
                if first is None:
                    break
                workers.start_soon(work, first)

    def _take_connection(self) -> Connection:
        from zerokie_action.api.connection import Connection  # noqa: PLC0415 - only where something is written

        return self._idle.pop() if self._idle else Connection(self._base, self._headers, self._network)

    def _client(self, connection: Connection) -> Client:
        return Client(
            Sender(
                connection,
                self._retries,
                clock=self._clock,
                notice=self._notice,
                on_pushback=self._pace.pushed_back,
                around=self._fenced,
            )
        )

    @contextmanager
    def _fenced(self) -> Iterator[None]:
        self._fence()
        yield
