"""Polling with growing pauses, a time limit and log lines.

The log lines show that a long wait isn't a hang.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from zerokie_action import limits
from zerokie_action.text.numbers import human_seconds

_GROWTH = 1.5


class Polling:
    """Pauses between polls, with the last poll at the time limit.

    A wait is a loop around `again`. The first log line appears immediately, and then one every 30s. The time
    limit starts with the first pause, so an outage before it isn't included, or with the first `one_poll`.
    """

    def __init__(
        self, log: Callable[[str], None], goal: str, seconds: float, pause: float | None = None
    ) -> None:
        """Prepare the polling.

        Args:
            log: writes a log line.
            goal: the log's words for the expected event.
            seconds: the time limit.
            pause: the pause in seconds. By default, it grows from 1 to 10s.
        """
        self._log = log
        self._goal = goal
        self._seconds = seconds
        self._pause = pause or limits.POLL_PAUSE
        self._longest_pause = pause or limits.LONGEST_POLL_PAUSE
        self._next_line = 0.0
        self._began = math.inf

    @property
    def waited(self) -> float:
        """Seconds since the time limit's clock started; 0 before."""
        return max(0.0, anyio.current_time() - self._began)

    def _seconds_left(self) -> float:
        """Start the clock if necessary, and return the seconds until the time limit, at least 0."""
        self._began = min(self._began, anyio.current_time())
        # Not `seconds - waited`, because its rounded value may never reach 0.
        return max(0.0, self._began + self._seconds - anyio.current_time())

    @contextmanager
    def one_poll(self) -> Iterator[None]:
        """Cancel the block at the time limit, but give it at least 5s. The time limit starts here."""
        with anyio.move_on_after(max(limits.LAST_POLL, self._seconds_left())):
            yield

    async def again(self, why: str = "", retry_after: float = 0.0) -> bool:
        """Pause before the next poll. After the time limit, return False immediately.

        Args:
            why: the reason for waiting, for the log.
            retry_after: the seconds in the server's `Retry-After`.
        """
        now, left = anyio.current_time(), self._seconds_left()
        if left <= 0:
            return False
        if now >= self._next_line:
            shown = human_seconds(max(1.0, min(left, anyio.current_effective_deadline() - now)))
            self._log(f"Waiting for {self._goal}{why and ': '}{why}; {shown} left")
            self._next_line = now + limits.POLL_LINE
        await anyio.sleep(min(left, max(self._pause, retry_after)))
        self._pause = min(self._longest_pause, self._pause * _GROWTH)
        return True
