"""What users read about requests that fail: an outage is a short story, scattered failures a count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

_OUTAGE_LINE_EVERY = 15.0
_SCATTERED_LINE_EVERY = 5.0


class OutageLog:
    """The story of one kind of request.

    Attributes:
        last_failure: why the last request failed; empty if it succeeded.
    """

    def __init__(self, kind: str, log: Callable[[str], None]) -> None:
        """Nothing has happened yet.

        Args:
            kind: what the requests are for, as a line begins: `Uploads`, `Listing the apps`.
            log: gets the lines.
        """
        self.last_failure = ""
        self._kind = kind
        self._log = log
        self._began_at: float | None = None
        self._is_told = False
        self._next_outage_line = 0.0
        self._retried = 0
        self._scattered = 0
        self._reason = ""
        self._next_scattered_line = 0.0

    def scattered(self, reason: str) -> None:
        """A request failed while others worked, and is retried."""
        self.last_failure = reason
        self._count(1, reason)

    def failed(self, reason: str, *, since: float, is_outage: bool) -> None:
        """A request failed as all of its kind do, and is retried. The second one begins the story.

        Args:
            reason: why, as the end of a sentence.
            since: when it was sent, or another one last succeeded.
            is_outage: whether nothing has worked since; else it is late to notice an outage that is over.
        """
        now = anyio.current_time()
        self.last_failure = reason
        self._retried += 1
        self._began_at = since if self._began_at is None else self._began_at
        if not is_outage or self._retried == 1:
            return
        seconds = now - self._began_at
        if not self._is_told:
            self._is_told = True
            self._next_outage_line = now + _OUTAGE_LINE_EVERY
            began = time.strftime("%H:%M:%S", time.gmtime(time.time() - seconds))
            self._log(
                f"{self._kind}: nothing has worked since {began} UTC ({reason}); waiting for the platform"
            )
        elif now >= self._next_outage_line:
            self._next_outage_line = now + _OUTAGE_LINE_EVERY
            self._log(f"{self._kind}: still nothing works after {human_seconds(seconds)} ({reason})")

    def succeeded(self) -> None:
        """A request has worked."""
        if self._began_at is not None and self._is_told:
            taken = human_seconds(anyio.current_time() - self._began_at)
            self._log(f"{self._kind}: the platform is back after {taken}; {_sent_again(self._retried)}")
        elif self._began_at is not None:
            self._count(self._retried, self.last_failure)
        self.last_failure = ""
        self._began_at = None
        self._is_told = False
        self._retried = 0

    def log_count(self) -> None:
        """Log how many requests failed for themselves since the last line, if any did."""
        if self._scattered:
            self._log(f"{self._kind}: {self._reason}; {_sent_again(self._scattered)}")
            self._scattered = 0
            self._next_scattered_line = anyio.current_time() + _SCATTERED_LINE_EVERY

    def _count(self, requests: int, reason: str) -> None:
        self._scattered += requests
        self._reason = reason
        if anyio.current_time() >= self._next_scattered_line:
            self.log_count()


def _sent_again(count: int) -> str:
    return "1 request is retried" if count == 1 else f"{count:,} requests are retried"
