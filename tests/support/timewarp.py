"""An event loop whose time is its own: when nothing can happen, it jumps to the next timer.

Client and platform run on one loop, over real sockets on loopback. When no callback is ready, no
socket has data and no worker thread is busy, only a timer can change anything, so waiting for it
would be wasted. A retry's 20 seconds, a hang of a minute or a lock's 30 take a millisecond.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import pytest

EPOCH = 1_790_000_000.25
"""Where the virtual wall clock starts: some time in 2026, in the middle of nowhere."""

_LOOPBACK = 0.0005
_THREADS = 0.01


class _WarpSelector(selectors.DefaultSelector):
    """Asks the sockets first, and moves the loop's time when they have nothing."""

    loop: TimeWarpLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        while True:
            events = super().select(_THREADS if self.loop.threads else _LOOPBACK)
            if events:
                return events
            if not self.loop.threads:
                break
        if timeout is None:
            return super().select(None)
        self.loop.jump(timeout)
        return []


class TimeWarpLoop(asyncio.SelectorEventLoop):
    """The loop. `threads` counts the worker threads that are busy."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.threads = 0
        selector = _WarpSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        """Move the time; also what tests do to suspend the machine."""
        self.now += seconds

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(lambda _: self._thread_done())
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Without a time-out: from Python 3.12 there is one, and virtual time would jump over it."""
        if executor := getattr(self, "_default_executor", None):
            executor.shutdown(wait=True)

    def _thread_done(self) -> None:
        self.threads -= 1


def count_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loop know of anyio's worker threads while they are busy."""
    run_sync = anyio.to_thread.run_sync

    async def counted(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TimeWarpLoop)
        loop.threads += 1
        try:
            return await run_sync(*args, **kwargs)
        finally:
            loop.threads -= 1

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)


@contextmanager
def warped(monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeWarpLoop]:
    """A loop, with the clocks that the client reads (wall and boot time) tied to it."""
    loop = TimeWarpLoop()
    count_threads(monkeypatch)
    monkeypatch.setattr(time, "time", lambda: wall_clock(loop))
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: loop.now)
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def wall_clock(loop: TimeWarpLoop) -> float:
    """Seconds since the epoch, by the loop's time."""
    return EPOCH + loop.now - 1000.0


def run(loop: TimeWarpLoop, work: Coroutine[Any, Any, Any]) -> Any:
    """Run to completion; the loop lives on, and so does its time."""
    return loop.run_until_complete(work)
