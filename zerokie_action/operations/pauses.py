"""The rhythm of looking again and again: growing pauses, calm news."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_PAUSE = 1.0
LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_NEWS_EVERY = 30.0


def pauses() -> Iterator[float]:
    """Seconds to wait after each look, for ever: from 1, growing to 10."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, pause * _GROWTH)


class News:
    """Lets a line through every half a minute, so that a long wait does not look like a hang."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Begin to count now; lines go to `write`."""
        self._write = write
        self._next = anyio.current_time() + _NEWS_EVERY

    def tell(self, line: str) -> None:
        """Write the line if it is time for one."""
        if anyio.current_time() >= self._next:
            self._write(line)
            self._next += _NEWS_EVERY
