"""What users read about failed attempts: an outage is a story, scattered failures are a count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

_NEWS_EVERY = 15.0
_COUNT_EVERY = 5.0


class OutageLog:
    """The lines about one kind of request."""

    def __init__(self, kind: str, tell: Callable[[str], None]) -> None:
        """Nothing has happened yet.

        Args:
            kind: what the requests are for, as a line begins: `Uploads`, `Listing the apps`.
            tell: gets the lines.
        """
        self._kind = kind
        self._tell = tell
        self._began: float | None = None
        self._next_news = 0.0
        self._repeated = 0
        self._scattered = 0
        self._reason = ""
        self._next_count = 0.0

    def scattered(self, reason: str) -> None:
        """A request failed while others worked, and is sent again."""
        self._scattered += 1
        self._reason = reason
        if anyio.current_time() >= self._next_count:
            self.tell_count()

    def tell_count(self) -> None:
        """Say how many requests were counted and not told yet, if any."""
        if self._scattered:
            again = "1 request is" if self._scattered == 1 else f"{self._scattered:,} requests are"
            self._tell(f"{self._kind}: {self._reason}; {again} sent again")
            self._scattered = 0
            self._next_count = anyio.current_time() + _COUNT_EVERY

    def lost(self) -> None:
        """A request failed in an outage, and is sent again after it."""
        self._repeated += 1

    def still_down(self, seconds: float, reason: str) -> None:
        """Nothing has worked for so many seconds, a probe included."""
        now = anyio.current_time()
        if self._began is None:
            self._began = now - seconds
            since = time.strftime("%H:%M:%S", time.gmtime(time.time() - seconds))
            self._tell(f"{self._kind}: nothing works since {since} UTC ({reason}); waiting for the platform")
            self._next_news = now + _NEWS_EVERY
        elif now >= self._next_news:
            self._tell(f"{self._kind}: still nothing works after {human_seconds(seconds)} ({reason})")
            self._next_news = now + _NEWS_EVERY

    def over(self) -> None:
        """A request has worked again."""
        if self._began is not None:
            taken = human_seconds(anyio.current_time() - self._began)
            again = "1 request is" if self._repeated == 1 else f"{self._repeated:,} requests are"
            self._tell(f"{self._kind}: the platform is back after {taken}; {again} sent again")
        self._began = None
        self._repeated = 0
