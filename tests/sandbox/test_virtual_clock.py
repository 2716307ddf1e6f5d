from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.wire import Wire
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.platform import Platform
from zerokie_action.sandbox.server import serve

if TYPE_CHECKING:
    from collections.abc import Coroutine


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: when nothing is ready, the time of the next timer has come."""

    now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self):
        return self.selector.now


def run(main: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main)


def test_client_and_platform_can_share_a_virtual_clock(tmp_path):
    """The platform has no timer of its own: time moves by what was asked for, and hours pass at once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        platform = Platform(tmp_path, clock=lambda: 1772902800 + loop.time())
        platform.apps.create_static("site")
        async with serve(platform) as server:
            wire = await Wire.open(server)
            for _ in range(3):
                wire.send("PUT", "/v1/apps/site/files/a", b"x" * 1000)
                assert await wire.status() == 200
            assert loop.time() == 0

            platform.faults.add(Fault(Kind.HANG))
            wire.send("GET", "/v1/apps")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3600):
                    await wire.status()
            assert loop.time() == pytest.approx(3600)
            wire.writer.close()

            platform.faults.add(Fault(Kind.DELAY, seconds=1800))
            wire = await Wire.open(server)
            wire.send("POST", "/v1/apps/site/deploy/lock", b'{"deploy_session_id": "mine"}')
            assert await wire.status() == 200
            assert loop.time() == pytest.approx(5400)
            await asyncio.sleep(1799)
            assert platform.lock("site") == "mine"
            await asyncio.sleep(1)
            assert platform.lock("site") is None
            wire.writer.close()

    started = time.monotonic()
    run(main())
    assert time.monotonic() - started < 10


def test_latency_is_waited_once_a_request(tmp_path):
    async def main() -> None:
        platform = Platform(tmp_path, latency=20)
        async with serve(platform) as server:
            wire = await Wire.open(server)
            for _ in range(3):
                wire.send("GET", "/v1/apps")
                await wire.head()
                await wire.reader.readuntil(b"]")
            assert asyncio.get_running_loop().time() == pytest.approx(60)
            wire.writer.close()

    run(main())


def test_away_for_a_time(tmp_path):
    """Connections are reset and new ones refused; after that time the same port answers again."""

    async def main() -> None:
        platform = Platform(tmp_path)
        async with serve(platform) as server:
            wire = await Wire.open(server)
            server.go_away(60)
            wire.send("GET", "/v1/apps")
            with pytest.raises(OSError):  # noqa: PT011 - reset, or the pipe is broken
                await wire.status()
            wire.writer.close()
            with pytest.raises(ConnectionRefusedError):
                await Wire.open(server)
            await asyncio.sleep(61)
            wire = await Wire.open(server)
            wire.send("GET", "/v1/apps")
            assert await wire.status() == 200
            wire.writer.close()

    run(main())
