"""The tests' own loop: virtual time does not outrun what is on its way."""

from __future__ import annotations

import asyncio
import selectors
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.http.servers import Peer, serve
from tests.support.timewarp import TimeWarpLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.http.servers import Handler


@pytest.fixture
def loop() -> Iterator[TimeWarpLoop]:
    loop = TimeWarpLoop()
    yield loop
    loop.close()


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number: so many times, whoever waits for sockets is told that nothing came."""
    left = [0]
    select = selectors.DefaultSelector.select

    def delayed(self: Any, timeout: float | None = None) -> Any:
        if not left[0]:
            return select(self, timeout)
        if timeout:
            left[0] -= 1
            time.sleep(timeout)
        return []

    monkeypatch.setattr(selectors.DefaultSelector, "select", delayed)
    return left


@asynccontextmanager
async def reading_from(handler: Handler) -> AsyncIterator[asyncio.StreamReader]:
    async with serve(handler) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        yield reader
        writer.close()
        await writer.wait_closed()


def test_an_end_that_is_noticed_late(loop: TimeWarpLoop, late: list[int]) -> None:
    """It is no time-out: a kernel without a processor takes some milliseconds."""

    async def hang_up(peer: Peer) -> None:
        late[0] = 5
        peer.writer.close()

    async def main() -> None:
        async with reading_from(hang_up) as reader, asyncio.timeout(60):
            assert await reader.read() == b""
            assert (late, loop.now) == ([0], 1000)

    loop.run_until_complete(main())
