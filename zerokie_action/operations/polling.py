"""Asking again and again until something has happened, with a calm line in the log."""

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
    """The pauses between the questions. They grow from 1 to 10 seconds; the last question is at the very end.

    A line is logged at once, and then every half a minute: a long wait does not look like a hang.
    """

    def __init__(self, ci: CI, what: str, seconds: float, *, steady: float = 0.0) -> None:
        """Begin now.

        Args:
            ci: for the log.
            what: the log's words for the thing that is waited for.
            seconds: until the last question.
            steady: seconds in which the pauses do not grow.
        """
        self._ci = ci
        self._what = what
        self._began = anyio.current_time()
        self._ends_at = self._began + seconds
        self._grows_at = self._began + steady
        self._pause = _FIRST_PAUSE
        self._next_line = 0.0

    @property
    def waited(self) -> float:
        """Seconds since it began."""
        return anyio.current_time() - self._began

    @property
    def left(self) -> float:
        """Seconds until the last question; 0 once it is time for that."""
        return max(0.0, self._ends_at - anyio.current_time())

    async def again(self, why: str = "", retry_after: float = 0.0) -> bool:
        """Wait until it is time to ask again; False when the last question was asked.

        Args:
            why: what is missing, for the log.
            retry_after: seconds for which the other side asked not to be asked; too many of them end it.
        """
        now, left = anyio.current_time(), self.left
        if left <= 0 or retry_after > left:
            return False
        if now >= self._next_line:
            shown = human_seconds(max(1.0, min(left, anyio.current_effective_deadline() - now)))
            self._ci.info(f"Waiting for {self._what}{why and ': '}{why}; {shown} left")
            self._next_line = now + _LINE_EVERY
        jittered = self._pause * random.uniform(0.5, 1)  # noqa: S311 - no secret; keeps concurrent runs apart
        await anyio.sleep(min(left, max(jittered, retry_after)))
        if now >= self._grows_at:
            self._pause = min(_LONGEST_PAUSE, self._pause * _GROWTH)
        return True
