"""Polling: asks again and again, with pauses, and logs a line every half minute."""

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
_LAST_LOOK = 5.0
"""The least seconds for a look, even at the time limit."""


class Polling:
    """Pauses between questions; the last question comes at the time limit.

    A line is logged at once, and then every half minute, so that a long wait does not look like a hang. The
    time limit counts from the clock's start: in `until` from the first look, elsewhere from the first pause.
    So in `repeat`, an outage before the first refusal is no wait for the event.
    """

    def __init__(
        self, log: Callable[[str], None], goal: str, seconds: float, pause: float | None = None
    ) -> None:
        """Prepare the polling.

        Args:
            log: writes a log line.
            goal: the log's words for the awaited event.
            seconds: the time limit.
            pause: the pause in seconds; by default it grows from 1 to 10 seconds.
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
        """Seconds on the clock; 0 before it has started."""
        return max(0.0, anyio.current_time() - self._began)

    def _seconds_left(self) -> float:
        """Seconds until the time limit; 0 after it. Starts the clock, if it has not started."""
        self._began = min(self._began, anyio.current_time())
        # Not `seconds - waited`: rounded, that may stay above 0 however often it is waited for.
        return max(0.0, self._began + self._seconds - anyio.current_time())

    async def repeat(
        self, ask: Callable[[], Awaitable[T]], is_not_yet: Callable[[RequestRejected], bool]
    ) -> T:
        """Call `ask` until it is not refused with "not yet".

        Raises:
            RequestRejected: any other refusal; at the time limit, the last "not yet".
        """
        while True:
            try:
                return await ask()
            except RequestRejected as error:
                if not is_not_yet(error) or not await self.again(retry_after=error.retry_after):
                    raise

    async def until(self, look: Callable[[], Awaitable[str]]) -> str:
        """Call `look`, through outages, until nothing is left to wait for, or the time limit has passed.

        Args:
            look: returns why to go on waiting, as a clause; empty if there is no reason.

        Returns:
            Why the event did not come before the time limit; empty if it came.
        """
        why = "no answer in time"
        while True:
            retry_after = 0.0
            with anyio.move_on_after(max(_LAST_LOOK, self._seconds_left())):
                try:
                    why = await look()
                except PlatformUnavailable as error:
                    why, retry_after = str(error), error.retry_after
            if not why or not await self.again(why, retry_after):
                return why

    async def again(self, why: str = "", retry_after: float = 0.0) -> bool:
        """Pause before the next question. Return False at once when the time limit has passed.

        Args:
            why: the reason for waiting, for the log.
            retry_after: the wait in seconds that the server asked for.
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
