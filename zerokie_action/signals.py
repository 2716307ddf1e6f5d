"""Handlers for SIGINT, SIGTERM, SIGHUP and SIGQUIT.

The handlers are installed before any heavy import, and stay until the process ends. An event loop would
remove its handlers before the reports are written. In a container, a process with PID 1 ignores signals
without a handler. The first signal is recorded and makes a socket readable, so that `shutdown` cancels the
work, and `lock.lock` releases the lock. Further signals have no effect.
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

from zerokie_action import limits

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAY_BE_IGNORED = {signal.SIGHUP, signal.SIGQUIT}
"""Signals that stay ignored if the caller ignores them, as `nohup` does."""
_LOG_TIME = 0.25
"""Seconds within which a log must take more text."""
_LOOK_EVERY = limits.EXIT / 12


class Signals:
    """Records the first signal, and makes `socket` readable.

    Args:
        on_first: called with the first signal's number, in the signal handler.
    """

    def __init__(self, on_first: Callable[[int], None] = lambda _signum: None) -> None:
        self.first: int | None = None
        self.socket, self._wake = socket.socketpair()
        self.socket.settimeout(0)
        self._wake.settimeout(0)
        self._on_first = on_first

    def install(self) -> None:
        """Install the handlers until the process ends. Call this in the main thread."""
        for watched in WATCHED:
            if watched not in _MAY_BE_IGNORED or signal.getsignal(watched) != signal.SIG_IGN:
                signal.signal(watched, self._record)
        # The main thread must wake up even if the kernel delivers the signal to another thread.
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def _record(self, signum: int, _frame: FrameType | None) -> None:
        if self.first is None:
            self.first = signum
            self._on_first(signum)


def on_first_signal(signum: int, *, fails: bool = True) -> None:
    """Set the exit deadline, and discard a log that stalls before it.

    Args:
        signum: the signal.
        fails: whether a forced exit is a failure. For the lock cleanup, its exit code is 0.
    """
    code, deadline = 128 + signum if fails else 0, time.monotonic() + limits.EXIT

    def look(_signum: int, _frame: FrameType | None) -> None:
        # The handler ends the process, because a name lookup or a hanging file system may block the run.
        if time.monotonic() >= deadline:
            os._exit(code)
        _discard_stalled_log()

    # Use a timer, because no thread can start if the limit on processes is reached.
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY, _LOOK_EVERY)
    _discard_stalled_log()


def _discard_stalled_log() -> None:
    """Redirect the log to `/dev/null` if nothing reads it, so that the run can release its lock.

    A write to the pipe of a hanging log collector blocks the whole process. The signal interrupts the write.
    Then Python repeats the write, which now succeeds. A thread writes to terminals through another
    descriptor, so this doesn't affect their last lines.
    """
    log = sys.stdout.fileno()
    _, writable, _ = select.select([], [log], [], _LOG_TIME)
    if not writable:
        os.dup2(os.open(os.devnull, os.O_WRONLY), log)
