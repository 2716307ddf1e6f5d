"""An event loop whose time is its own: when nothing can happen, it jumps to the next timer.

Client and platform run on one loop, over real sockets on loopback. When no callback is ready, no
socket has data and no worker thread is busy, only a timer can change anything, so waiting for it
would be wasted. A retry's 20 seconds, a hang of a minute or a lock's 30 take a millisecond.

The speed of the machine changes no outcome: time stands still while a callback runs, a worker thread is
busy, or bytes are on their way (as long as they may still arrive, see `_WarpSelector`). The jitter of delays
is seeded in `tests/conftest.py`. One thing is left to chance, as in every run: which of several threads or
sockets is ready first, and so the order of requests that are under way at once. A test that needs an order
makes one: with `concurrency=1`, or by holding a request back in `platform.on_request`.
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
"""Where the virtual wall clock starts: some time in 2026, in the middle of nowhere."""

_THREADS = 0.01
_LOOKS = 10
_LOOK = 0.002

Ends = tuple[Any, Any]
Doubt = tuple[Any, Any, int]


class _WarpSelector(selectors.DefaultSelector):
    """Asks the sockets first, and moves the loop's time when they have nothing.

    On loopback, what was sent is there at once, but for the moments in which a busy machine lets the kernel
    wait. A jump would then make a time-out of a packet that is a millisecond late. So time is never
    skipped without looking whether anything is still on its way, which the sockets tell: that costs
    next to nothing while there is nothing. If there is, it gets some real time, which a busy machine
    stretches; once, because some of it never arrives: a peer does not read, a port does not answer. And
    little, because after 40 ms the kernel has timers of its own.
    """

    loop: TimeWarpLoop

    def __init__(self) -> None:
        super().__init__()
        self._ends: dict[int, Ends] = {}
        self._unread: dict[int, Ends] = {}
        self._given_up: set[Doubt] = set()

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
            doubts = self._on_the_way()
            if (events := super().select(0)) or doubts <= self._given_up:
                return events
            if events := super().select(_LOOK):
                return events
        self._given_up = self._on_the_way()
        return super().select(0)

    def _on_the_way(self) -> set[Doubt]:
        """Connections with bytes that were sent and not received, or whose other end is not known here."""
        self._unread = {fd: ends for fd, ends in self._unread.items() if _ends(fd) == ends}
        known = {local for local, _ in (*self._ends.values(), *self._unread.values())}
        waiting = ((*ends, _unacknowledged(fd)) for fd, ends in self._ends.items())
        return {(local, peer, count) for local, peer, count in waiting if count or peer not in known}


def _ends(fd: int) -> Ends | None:
    """Both addresses of a TCP connection; the peer's is None before it is connected."""
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
    """How many bytes of a socket its peer's system does not have yet."""
    count = array("i", [0])
    try:
        fcntl.ioctl(fd, termios.TIOCOUTQ, count)
    except OSError:
        return 0  # a system that does not tell
    return count[0]


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
