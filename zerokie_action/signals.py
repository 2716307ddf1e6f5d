"""SIGINT, SIGTERM, SIGHUP and SIGQUIT, from the first moment of the process to its last.

The handlers are plain ones, installed before anything heavy is imported, and nothing removes them:
an event loop's own would be gone while the report is written, and as PID 1 of a container the process
would ignore signals that have no handler. The first signal is recorded, and makes a socket readable;
further signals change nothing.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAY_BE_IGNORED = {signal.SIGHUP, signal.SIGQUIT}
"""These stay ignored if they are, as under `nohup`. The others always cancel: CIs send them."""
EXIT_DEADLINE = 4.8
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
        """Install the handlers, for the rest of the process. Main thread only."""
        for watched in WATCHED:
            if watched not in _MAY_BE_IGNORED or signal.getsignal(watched) != signal.SIG_IGN:
                signal.signal(watched, self._record)
        # Wakes the main thread also when the kernel hands the signal to another one.
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def _record(self, signum: int, _frame: FrameType | None) -> None:
        if self.first is None:
            self.first = signum
            self._on_first(signum)

    def close(self) -> None:
        """Close the sockets. Only for programs that create many of these."""
        self.socket.close()
        self._wake.close()


def on_first_signal(signum: int, *, fails: bool = True) -> None:
    """What has to happen at the first signal, whatever the process is doing.

    `fails` says whether a process that is ended by it has failed; a cleanup never has.
    """
    _force_exit_at_deadline(128 + signum if fails else 0)
    _discard_stalled_log()


def _discard_stalled_log() -> None:
    """Discard the rest of the log if nothing reads it: releasing the lock matters more.

    A write that waits for a reader (a paused terminal, a collector that hangs) blocks the whole process.
    The signal interrupts it; Python then repeats it, and it returns.
    """
    room = select.poll()
    room.register(_STDOUT, select.POLLOUT)
    if not room.poll(_LOG_TIME_MS):
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)


def _force_exit_at_deadline(code: int) -> None:
    """End the process even if something blocks it: a name look-up in a thread, a file system that hangs."""

    def force_exit(_signum: int, _frame: FrameType | None) -> NoReturn:
        os._exit(code)

    # No thread: where a limit on processes is reached, none can start.
    signal.signal(signal.SIGALRM, force_exit)
    signal.setitimer(signal.ITIMER_REAL, EXIT_DEADLINE)
