"""What users read about requests that fail: an outage is a short story, scattered failures a count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.text import human_files, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

_OUTAGE_LINE_EVERY = 15.0
_SCATTERED_LINE_EVERY = 5.0


class OutageLog:
    """The story of one kind of request.

    Attributes:
        last_failure: why the last request failed; empty if it succeeded.
        failed_at: when that was, by the event loop's time.
    """

    def __init__(self, kind: str, log: Callable[[str], None]) -> None:
        """Nothing has happened yet.

        Args:
            kind: what the requests are for, as a line begins: `Uploads`, `Listing the apps`.
            log: gets the lines.
        """
        self.last_failure = ""
        self.failed_at = 0.0
        self._kind = kind
        self._log = log
        self._began_at = 0.0
        self._retried = 0
        self._next_outage_line = 0.0
        self._scattered = 0
        self._next_scattered_line = 0.0

    def failed(self, reason: str, *, since: float) -> None:
        """A request failed as all of its kind do, and is sent again. The second one begins the story.

        Args:
            reason: why, as the end of a sentence.
            since: when it was sent, or another one last succeeded.
        """
        now = anyio.current_time()
        self.last_failure, self.failed_at = reason, now
        self._retried += 1
        if self._retried == 1:
            self._began_at = since
        elif now >= self._next_outage_line:
            self._next_outage_line = now + _OUTAGE_LINE_EVERY
            seconds = human_seconds(now - self._began_at)
            self._log(f"{self._kind}: nothing has worked for {seconds} ({reason}); waiting for the platform")

    def succeeded(self) -> None:
        """A request has worked."""
        if self._retried > 1:
            taken = human_seconds(anyio.current_time() - self._began_at)
            self._log(f"{self._kind}: the platform is back after {taken}; {_retrying(self._retried)}")
        elif self._retried == 1:
            self.scattered(self.last_failure)
        self.last_failure = ""
        self._retried = 0
        self._next_outage_line = 0.0

    def scattered(self, reason: str) -> None:
        """A request failed while others worked, and is sent again."""
        self._scattered += 1
        now = anyio.current_time()
        if now >= self._next_scattered_line:
            self._log(f"{self._kind}: {reason}; {_retrying(self._scattered)}")
            self._scattered = 0
            self._next_scattered_line = now + _SCATTERED_LINE_EVERY


def _retrying(count: int) -> str:
    return f"retrying {human_files(count, 'request')}"
