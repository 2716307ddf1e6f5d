"""SIGINT, SIGTERM, SIGHUP and SIGQUIT, from the first moment of the process to its last.

The handlers are plain ones, installed before anything heavy is imported, and nobody takes them
away: an event loop's own would be gone while the report is written, and as PID 1 of a container
the process would ignore signals that have no handler. A signal is noted and a byte wakes whoever
waits for the socket; more signals change nothing.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAY_BE_IGNORED = {signal.SIGHUP, signal.SIGQUIT}
"""Stay ignored if they are, as under `nohup`. The others cancel in any case: CIs send them."""
LAST_RESORT = 4.8
"""Seconds from the first signal to the end of the process, even when something blocks it."""
_LOG_TIME_MS = 250
_STDOUT = 1


class Signals:
    """The first signal that came, and a socket that becomes readable with it.

    Args:
        on_first: called in the handler of the first signal, with its number.
    """

    def __init__(self, on_first: Callable[[int], None] = lambda _signum: None) -> None:
        self.first: int | None = None
        self.socket, self._wake = socket.socketpair()
        self.socket.settimeout(0)
        self._wake.settimeout(0)
        self._on_first = on_first

    def install(self) -> None:
        """Take over the signals, for good. Main thread only."""
        for watched in WATCHED:
            if watched not in _MAY_BE_IGNORED or signal.getsignal(watched) != signal.SIG_IGN:
                signal.signal(watched, self._note)
        # Wakes the main thread also when the kernel hands the signal to another one.
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        if self.first is None:
            self.first = signum
            self._on_first(signum)

    async def came(self) -> None:
        """Wait until the first signal says that the process must end."""
        from anyio import wait_readable  # noqa: PLC0415 - the handlers are in place before anything heavy

        if self.first is None:
            await wait_readable(self.socket)

    def close(self) -> None:
        """Give the sockets back. Only for those who make many of these."""
        self.socket.close()
        self._wake.close()


def ignore_from_now_on() -> None:
    """Change nothing any more: what is ignored stays so to the end, unlike what has a handler."""
    for watched in WATCHED:
        signal.signal(watched, signal.SIG_IGN)


def when_told(signum: int) -> None:
    """What has to happen at the first signal, whatever the process is in the middle of."""
    _end_in_time(signum)
    _drop_a_stalled_log()


def _drop_a_stalled_log() -> None:
    """Write the log nowhere if nobody takes it: the lock is worth more than the rest of the log.

    A write that waits for a reader (a paused terminal, a collector that hangs) holds up the whole process.
    The signal interrupts it; Python then repeats it, and it ends.
    """
    room = select.poll()
    room.register(_STDOUT, select.POLLOUT)
    if not room.poll(_LOG_TIME_MS):
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)


def _end_in_time(signum: int) -> None:
    """End the process when something blocks it: a name look-up in a thread, a file system that hangs."""
    last_resort = threading.Timer(LAST_RESORT, os._exit, [128 + signum])
    last_resort.daemon = True
    last_resort.start()
