"""An event loop with virtual time, which jumps to the next timer when the loop is idle.

Client and platform run on one loop, over real sockets on loopback. If no callback is ready, no socket has
data and no worker thread is busy, only a timer can change anything. The time then jumps to this timer, so a
retry after 20s or a lock's 30 minutes take a millisecond.

The speed of the machine doesn't change an outcome. Time doesn't pass while a callback runs, a worker thread
is busy, or bytes are on their way (as long as they may still arrive; see `_WarpSelector`).
`tests/conftest.py` seeds the jitter of delays. As in every run, it is random which of several threads or
sockets is ready first, and so the order of concurrent requests. A test that needs an order uses
`world.at_once(1)`, or delays a request in `platform.on_request`.
"""

from __future__ import annotations

import asyncio
import fcntl
import selectors
import socket
import termios
import time
from array import array
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

EPOCH = 1_790_000_000.25
"""The start of the virtual wall clock, an arbitrary time in 2026."""

_THREADS = 0.01
_LOOKS = 10
_LOOK = 0.002

Ends = tuple[Any, Any]
Unread = tuple[Any, Any, int]


class _WarpSelector(selectors.DefaultSelector):
    """A selector that polls the sockets first, and moves the loop's time if they have no data.

    On loopback, sent data arrives immediately unless the kernel of a busy machine is delayed. A jump would
    then turn a packet that is a millisecond late into a time-out. Therefore, before each jump, the selector
    checks the sockets for data on its way, which is cheap. If there is some, the selector waits for a short
    real time. It waits only once, because some data never arrives: a peer doesn't read, or a port doesn't
    respond. It waits less than 40ms, because the kernel's own timers start then.
    """

    loop: TimeWarpLoop

    def __init__(self) -> None:
        super().__init__()
        self._ends: dict[int, Ends] = {}
        self._unread: dict[int, Ends] = {}
        self._given_up: set[Unread] = set()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._unread.pop(key.fd, None)
        if ends := _ends(key.fd):
            self._ends[key.fd] = ends
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        if ends := self._ends.pop(key.fd, None):
            self._unread[key.fd] = ends  # closed, or only not read from now
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        while self.loop.threads:
            if events := super().select(_THREADS):
                return events
        if timeout is None:
            return super().select(None)
        if events := self._look():
            return events
        self.loop.jump(timeout)
        return []

    def _look(self) -> list[tuple[selectors.SelectorKey, int]]:
        for _ in range(_LOOKS):
            unread = self._on_the_way()
            if (events := super().select(0)) or unread <= self._given_up:
                return events
            if events := super().select(_LOOK):
                return events
        self._given_up = self._on_the_way()
        return super().select(0)

    def _on_the_way(self) -> set[Unread]:
        """Return connections with unreceived bytes or an unknown other end."""
        self._unread = {fd: ends for fd, ends in self._unread.items() if _ends(fd) == ends}
        known = {local for local, _ in (*self._ends.values(), *self._unread.values())}
        waiting = ((*ends, _unacknowledged(fd)) for fd, ends in self._ends.items())
        return {(local, peer, count) for local, peer, count in waiting if count or peer not in known}


def _ends(fd: int) -> Ends | None:
    """Return both addresses of a TCP connection. The peer's is None before the connection is open."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return None  # a pipe
    try:
        if sock.family not in {socket.AF_INET, socket.AF_INET6} or sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            return None
        local = sock.getsockname()
        try:
            return local, sock.getpeername()
        except OSError:
            return local, None
    finally:
        sock.detach()


def _unacknowledged(fd: int) -> int:
    """Return the number of sent bytes that the peer's system didn't acknowledge yet."""
    count = array("i", [0])
    try:
        fcntl.ioctl(fd, termios.TIOCOUTQ, count)
    except OSError:
        return 0  # a system without this information
    return count[0]


class TimeWarpLoop(asyncio.SelectorEventLoop):
    """The event loop with virtual time. `threads` counts the busy worker threads."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.threads = 0
        selector = _WarpSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        """Move the time. Tests use this to suspend the machine."""
        self.now += seconds

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(lambda _: self._thread_done())
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Shut down without the time-out of Python 3.12, because virtual time would jump over it."""
        if executor := getattr(self, "_default_executor", None):
            executor.shutdown(wait=True)

    def _thread_done(self) -> None:
        self.threads -= 1


def count_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count anyio's busy worker threads for the loop."""
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
    """Yield a loop that also sets the client's clocks (wall and boot time)."""
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
    """Return the seconds since the epoch in the loop's time."""
    return EPOCH + loop.now - 1000.0


def run(loop: TimeWarpLoop, work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end. The loop and its time continue afterwards."""
    return loop.run_until_complete(work)
