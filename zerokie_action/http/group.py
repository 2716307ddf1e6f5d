"""The requests of one kind: how many may be sent at once, and what the log says of their failures."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.text import human_seconds

_LINE_EVERY = 15.0
"""Seconds between two log lines of a group."""


@dataclass
class Group:
    """The requests of one kind.

    Attributes:
        name: begins the lines of the log.
        log: gets the lines about failures.
        limiter: how many may be sent at once.
        answered: the number of answered requests.
        reason: why the last attempt failed; empty if it was answered.
    """

    name: str
    log: Callable[[str], None]
    limiter: AdaptiveLimiter
    answered: int = 0
    reason: str = ""
    _failing_since: float = 0.0
    _next_line: float = 0.0

    def succeeded(self) -> None:
        """Note an answer."""
        self.limiter.succeeded()
        self.answered += 1
        self.reason = ""

    def sends_again(self, reason: str) -> None:
        """Note why an attempt failed whose request is sent again, and log it now and then."""
        now = anyio.current_time()
        if not self.reason:
            self._failing_since = now
        self.reason = reason
        if now >= self._next_line:
            self._next_line = now + _LINE_EVERY
            seconds = now - self._failing_since
            lasting = f", for {human_seconds(seconds)}" if seconds >= 1 else ""
            self.log(f"{self.name}: {reason}; sending again{lasting}")
