"""Waiting for another deploy, and holding the lock no longer than the platform confirms it."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from zerokie_action.ci import CI
from zerokie_action.errors import LockHeld, LockLost, PlatformUnavailable
from zerokie_action.lock.lease import LEASE, MARGIN
from zerokie_action.lock.lock import LockWait, deploy_lock
from zerokie_action.lock.session import Session
from zerokie_action.lock.state import StateRecord
from zerokie_action.platform.client import AcquireResult
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import Shutdown
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Log(CI):
    def __init__(self) -> None:
        super().__init__({}, io.StringIO())
        self.lines: list[tuple[float, str]] = []

    def info(self, *lines: str) -> None:
        self.lines += [(anyio.current_time(), line) for line in lines]

    def warning(self, text: str, *more: str, title: str = "") -> None:
        raise AssertionError(title, text, more)


async def pause_until_timeout(wait: LockWait) -> list[float]:
    """When each attempt was made, until `lock-timeout` has passed."""
    attempts = [anyio.current_time()]
    with suppress(LockHeld):
        while True:
            await wait.pause()
            attempts.append(anyio.current_time())
    return attempts


async def test_no_time() -> None:
    """With a time-out of zero, the first conflict is the end, and nothing is logged."""
    log = Log()
    wait = LockWait("site", 0, log)
    with pytest.raises(LockHeld) as caught:
        await wait.pause()
    assert str(caught.value) == "Another deploy of 'site' holds the deploy lock"
    assert caught.value.hint == (
        "Wait for that deploy to end, or raise `lock-timeout`. "
        "A lock without heartbeat expires after 30 minutes."
    )
    assert (wait.waited, log.lines) == (0, [])


async def test_the_pauses_grow() -> None:
    """From a second to ten, each a little random, the last attempt at the very end."""
    began = anyio.current_time()
    attempts = await pause_until_timeout(LockWait("site", 600, Log()))
    pauses = [later - sooner for sooner, later in pairwise(attempts)]
    assert 0.5 <= pauses[0] <= 1
    assert all(5 <= pause <= 10.001 for pause in pauses[8:-1])
    assert attempts[-1] - began == pytest.approx(600)
    assert 65 < len(attempts) < 130


async def test_the_pauses_differ() -> None:
    """Two that began together do not ask together for ever."""
    first = await pause_until_timeout(LockWait("site", 100, Log()))
    second = await pause_until_timeout(LockWait("site", 100, Log()))
    assert [at - first[0] for at in first] != [at - second[0] for at in second]


@pytest.mark.parametrize(("asked", "pause"), [(40.0, 40), (60.0, 60), (None, 1), (0.0, 1)])
async def test_what_the_platform_asks_for(asked: float | None, pause: float) -> None:
    """`Retry-After` makes a pause longer, never shorter."""
    wait = LockWait("site", 60, Log())
    await wait.pause(asked)
    assert pause / 2 <= wait.waited <= pause
    assert wait.waited == pytest.approx(pause) or pause == 1


async def test_more_than_we_may_wait() -> None:
    """Asking earlier than the platform wants would not be polite, and asking later is too late."""
    wait = LockWait("site", 60, Log())
    await wait.pause(40)
    with pytest.raises(LockHeld):
        await wait.pause(40)
    assert wait.waited == pytest.approx(40)


async def test_a_wait_that_is_cut_short() -> None:
    """It counts as far as it went."""
    wait = LockWait("site", 60, Log())
    with anyio.move_on_after(3):
        await wait.pause(40)
    assert wait.waited == pytest.approx(3)


async def test_the_log() -> None:
    """Once what is waited for, then every half a minute how long is left."""
    log = Log()
    wait = LockWait("site", 100, log)
    began = anyio.current_time()
    await pause_until_timeout(wait)
    assert log.lines[0] == (began, "Another deploy of 'site' is in progress; waiting for it up to 1 m 40 s")
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(log.lines)]
    assert all(30 <= gap <= 45 for gap in gaps)
    for at, line in log.lines[1:]:
        assert line == f"Still waiting for the other deploy ({human_seconds(100 - (at - began))} left)"
    assert len(log.lines) in {3, 4}


async def test_how_long_it_took() -> None:
    """The time of the attempts counts as well."""
    wait = LockWait("site", 100, Log())
    began = anyio.current_time()
    for _ in range(5):
        await wait.pause()
        await anyio.sleep(3)
    await wait.pause()
    assert wait.waited == pytest.approx(anyio.current_time() - began)
    await anyio.sleep(200)
    with pytest.raises(LockHeld) as caught:
        await wait.pause()
    assert str(caught.value) == (
        f"Another deploy of 'site' still holds the deploy lock after {human_seconds(wait.waited)}"
    )


# --- holding the lock


class Client:
    """Gives the lock, and then answers heartbeats as it is told."""

    def __init__(self, answer: Callable[[], Awaitable[bool]]) -> None:
        self.answer = answer

    async def acquire_lock(self, *_: object, **__: object) -> AcquireResult:
        return AcquireResult(ours=True)

    async def heartbeat(self, *_: object) -> bool:
        return await self.answer()


class Quiet(CI):
    """A log that nobody reads."""

    def __init__(self) -> None:
        super().__init__({}, io.StringIO())


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
async def test_work_ends_in_time(
    answer: Callable[[], Awaitable[bool]], interval: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that is being sent asks nobody, so it is cancelled."""
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: anyio.current_time())
    client = Client(answer)
    platform: Any = SimpleNamespace(client=client, urgent=client, heartbeats=client)
    began, ended = anyio.current_time(), 0.0

    async def work() -> None:
        nonlocal ended
        async with deploy_lock(
            Session(platform, "site", "session"),
            counts=Counts,
            wait=LockWait("site", 0, Quiet()),
            heartbeat=interval,
            state=StateRecord(lambda _state: None, None),
            shutdown=Shutdown(),
            ci=Quiet(),
        ):
            try:
                await anyio.sleep_forever()
            finally:
                ended = anyio.current_time()

    with pytest.raises(LockLost, match="has not confirmed it for almost 30 minutes"):
        await work()
    assert LEASE - MARGIN - 1 <= ended - began < LEASE
