"""Polling: growing pauses between questions, and a log line every half minute."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.ci import CI

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_LINE_EVERY = 30.0


class Polling:
    """Pauses between questions, from 1 to 10 seconds; the last question comes at the time limit.

    A line is logged at once, and then every half minute, so that a long wait does not look like a hang.
    """

    def __init__(self, ci: CI, goal: str, seconds: float) -> None:
        """Start the clock.

        Args:
            ci: gets the log lines.
            goal: the log's words for the awaited event.
            seconds: the time limit.
        """
        self._ci = ci
        self._goal = goal
        self._began = anyio.current_time()
        self._ends_at = self._began + seconds
        self._pause = _FIRST_PAUSE
        self._next_line = 0.0

    @property
    def waited(self) -> float:
        """Seconds since the start."""
        return anyio.current_time() - self._began

    @property
    def left(self) -> float:
        """Seconds until the time limit; 0 after it."""
        return max(0.0, self._ends_at - anyio.current_time())

    async def again(self, why: str = "", retry_after: float = 0.0, pause: float | None = None) -> bool:
        """Pause before the next question. Return False at once when the time limit has passed.

        Args:
            why: the reason for waiting, for the log.
            retry_after: the wait in seconds that the server asked for.
            pause: the pause in seconds, in place of one that is drawn at random and grows.
        """
        now, left = anyio.current_time(), self.left
        if left <= 0:
            return False
        if now >= self._next_line:
            shown = human_seconds(max(1.0, min(left, anyio.current_effective_deadline() - now)))
            self._ci.info(f"Waiting for {self._goal}{why and ': '}{why}; {shown} left")
            self._next_line = now + _LINE_EVERY
        jittered = self._pause * random.uniform(0.5, 1)  # noqa: S311 - no secret; keeps concurrent runs apart
        await anyio.sleep(min(left, max(jittered if pause is None else pause, retry_after)))
        self._pause = min(_LONGEST_PAUSE, self._pause * _GROWTH)
        return True
