"""The rhythm in which an app is asked again: until it runs, until it is healthy."""

from __future__ import annotations

import math
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

    def __init__(self, log: Callable[[str], None]) -> None:
        """Begin to count now; lines go to `log`."""
        self._log = log
        self._pause = _FIRST_PAUSE
        self._next_line_at = anyio.current_time() + _LOG_INTERVAL

    async def pause(self, line: str, *, at_least: float = 0.0, at_most: float = math.inf) -> None:
        """Log the line if it is time for one, and pause once; the bounds are in seconds."""
        if anyio.current_time() >= self._next_line_at:
            self._log(line)
            self._next_line_at += _LOG_INTERVAL
        await anyio.sleep(min(max(self._pause, at_least), at_most))
        self._pause = min(LONGEST_PAUSE, self._pause * _PAUSE_GROWTH)
