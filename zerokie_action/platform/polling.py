"""Polling with growing pauses, a time limit and log lines.

The log lines show that a long wait isn't a hang.
"""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_LINE_EVERY = 30.0
_LAST_POLL = 5.0
"""The minimum seconds for a poll, even at the time limit."""


class Polling:
    """Pauses between polls, with the last poll at the time limit.

    The first log line appears immediately, and then one every 30 s. In `until`, the time limit starts with
    the first poll. Elsewhere it starts with the first pause, so in `repeat` an outage before that isn't
    included.
    """

    def __init__(
        self, log: Callable[[str], None], goal: str, seconds: float, pause: float | None = None
    ) -> None:
        """Prepare the polling.

        Args:
            log: writes a log line.
            goal: the log's words for the expected event.
            seconds: the time limit.
            pause: the pause in seconds. By default, it grows from 1 to 10 s.
        """
        self._log = log
        self._goal = goal
        self._seconds = seconds
        self._pause = pause or _FIRST_PAUSE
        self._longest_pause = pause or _LONGEST_PAUSE
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

    async def repeat(
        self, ask: Callable[[], Awaitable[T]], is_not_yet: Callable[[RequestRejected], bool]
    ) -> T:
        """Call `ask` until its result isn't "not yet", and return the result.

        Raises:
            RequestRejected: any other rejection, or at the time limit the last "not yet".
        """
        while True:
            try:
                return await ask()
            except RequestRejected as error:
                if not is_not_yet(error) or not await self.again(retry_after=error.retry_after):
                    raise

    async def until(self, look: Callable[[], Awaitable[str]]) -> str:
        """Call `look` until the event happens or the time limit passes, even during outages.

        Args:
            look: returns a clause that says why to keep waiting; empty after the event.

        Returns:
            Why the event didn't happen before the time limit; empty if it happened.
        """
        why = "no response in time"
        while True:
            retry_after = 0.0
            with anyio.move_on_after(max(_LAST_POLL, self._seconds_left())):
                try:
                    why = await look()
                except PlatformUnavailable as error:
                    why, retry_after = str(error), error.retry_after
            if not why or not await self.again(why, retry_after):
                return why

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
            self._next_line = now + _LINE_EVERY
        await anyio.sleep(min(left, max(self._pause, retry_after)))
        self._pause = min(self._longest_pause, self._pause * _GROWTH)
        return True
