"""The lease: whatever heartbeats do, the work has ended before the platform may give the lock away."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from zerokie_action.errors import LockLost, PlatformUnavailable
from zerokie_action.lock.lease import LEASE, MARGIN, Lease, boot_time
from zerokie_action.lock.lock import deploy_lock
from zerokie_action.lock.session import Session
from zerokie_action.lock.waiting import Turn
from zerokie_action.platform.client import Asked
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Client:
    """Gives the lock, and then answers heartbeats as it is told."""

    def __init__(self, answer: Callable[[], Awaitable[bool]]) -> None:
        self.answer = answer

    async def acquire_lock(self, *_: object, **__: object) -> Asked:
        return Asked(ours=True)

    async def heartbeat(self, *_: object) -> bool:
        return await self.answer()


class Quiet:
    """A log, and a record for the cleanup."""

    def info(self, *lines: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def asking(self, app: str, session: str) -> None: ...
    def released(self, session: str) -> None: ...


async def hang() -> bool:
    await anyio.sleep_forever()
    raise AssertionError


async def answer_late() -> bool:
    """The answer is about a time that is long gone."""
    await anyio.sleep(LEASE + 60)
    return True


async def fail() -> bool:
    await anyio.sleep(100)
    raise PlatformUnavailable("503")


@pytest.mark.parametrize("answer", [hang, answer_late, fail])
@pytest.mark.parametrize("interval", [1.0, 180.0, 900.0])
async def test_work_ends_in_time(answer: Callable[[], Awaitable[bool]], interval: float) -> None:
    """A body that is being sent asks nobody, so it is cancelled."""
    client = Client(answer)
    platform: Any = SimpleNamespace(client=client, urgent=client, heartbeats=client)
    began, ended = anyio.current_time(), 0.0

    async def work() -> None:
        nonlocal ended
        async with deploy_lock(
            Session(platform, "site", "session", clock=anyio.current_time),
            counts=Counts,
            turn=Turn("site", 0, Quiet()),
            heartbeat=interval,
            state=Quiet(),
            shutdown=Shutdown(),
            log=Quiet(),
        ):
            try:
                await anyio.sleep_forever()
            finally:
                ended = anyio.current_time()

    with pytest.raises(LockLost, match="has not confirmed it for almost 30 minutes"):
        await work()
    assert LEASE - MARGIN - 1 <= ended - began < LEASE


def test_the_clock_runs_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has such a clock."""
    assert boot_time() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=10)
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert boot_time() == pytest.approx(time.monotonic(), abs=10)


def test_a_lock_that_nobody_asked_for_is_not_ours() -> None:
    """The fence is closed until the platform has confirmed the lock."""
    with pytest.raises(LockLost):
        Lease(lambda: 0.0).check()
