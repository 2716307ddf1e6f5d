"""The rhythm of asking again: for the lock, until an app runs, until it is healthy."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_PAUSE = 1.0
LONGEST_PAUSE = 10.0
_PAUSE_GROWTH = 1.5
_LOG_INTERVAL = 30.0


class Polling:
    """Pauses that grow, and a line every half a minute, so that a long wait does not look like a hang."""

    def __init__(self, log: Callable[[str], None], *, jitter: float = 0.0) -> None:
        """Lines go to `log`. `jitter` is the part of a pause, of 1, that is left to chance."""
        self._log = log
        self._jitter = jitter
        self._pause = _FIRST_PAUSE
        self._next_line_at = math.inf

    async def pause(self, line: str, *, at_least: float = 0.0, at_most: float = math.inf) -> None:
        """Log the line if it is time for one, and pause once; the bounds are in seconds."""
        now = anyio.current_time()
        if now >= self._next_line_at:
            self._log(line)
            self._next_line_at = math.inf
        self._next_line_at = min(self._next_line_at, now + _LOG_INTERVAL)
        pause = self._pause * random.uniform(1 - self._jitter, 1)  # noqa: S311 - no secret
        await anyio.sleep(min(max(pause, at_least), at_most))
        self._pause = min(LONGEST_PAUSE, self._pause * _PAUSE_GROWTH)
