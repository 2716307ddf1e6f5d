"""Groups of similar requests, which share a concurrency limit and log lines.

A platform that accepts few requests at a time then slows a group down instead of failing its requests.
"""

import math
from collections.abc import Callable

import anyio

from zerokie_action.errors import PlatformUnavailable
from zerokie_action.http.failure import Failure
from zerokie_action.text.numbers import human_files, human_seconds

_LINE_EVERY = 15.0
"""Seconds between two log lines about a group."""


class Group:
    """Similar requests that share a concurrency limit.

    A failure halves the number of slots, but never below one. A success adds 4/n slots to n, but at most one.

    Attributes:
        slots: the limiter that each request enters, in order of arrival.
        successes: the number of requests with a valid response.
        reason: why the last attempt failed; empty after a valid response.
        logged_at: the time of the last log line about a failure (event loop).
    """

    def __init__(self, name: str, most: int, log: Callable[[str], None]) -> None:
        """Start with all slots.

        Args:
            name: the start of the group's log lines.
            most: the largest number of slots.
            log: writes a log line.
        """
        self.slots = anyio.CapacityLimiter(most)
        self.successes = 0
        self.reason = ""
        self._name = name
        self._log = log
        self._most = self._target = float(most)
        self._cut_at = -math.inf
        self._failing_since = 0.0
        self.logged_at = -math.inf

    def succeeded(self) -> None:
        """Note a valid response."""
        self.successes += 1
        self.reason = ""
        self._resize(min(self._most, self._target + min(1.0, 4 / self._target)))

    def failed(self, began: float) -> None:
        """Note the failure of an attempt that began at this time of the event loop.

        Attempts that were in flight at the same time count as one failure, because they share its cause.
        """
        if began >= self._cut_at:
            self._cut_at = anyio.current_time()
            self._resize(max(1.0, self._target / 2))

    def _resize(self, target: float) -> None:
        self._target = target
        self.slots.total_tokens = int(target)

    def will_retry(self, reason: str) -> None:
        """Note why an attempt failed before its retry, and log the reason every 15 s."""
        now = anyio.current_time()
        if not self.reason:
            self._failing_since = now
        self.reason = reason
        if now >= self.logged_at + _LINE_EVERY:
            self.logged_at = now
            seconds = now - self._failing_since
            lasting = f" for {human_seconds(seconds)}" if seconds >= 1 else ""
            self._log(f"{self._name}: {reason}{lasting}; retrying")


class GaveUp(PlatformUnavailable):
    """A request failed for the last time.

    Attributes:
        failure: the last failure.
    """

    def __init__(self, purpose: str, last: Failure, attempts: int, seconds: float, others: int) -> None:
        """Describe the failed request. `others` counts the requests of its group that succeeded."""
        tried = "1 attempt" if attempts == 1 else f"{attempts:,} attempts in {human_seconds(seconds)}"
        worked = f", while {human_files(others, 'other')} succeeded" if others else ""
        super().__init__(f"{purpose} failed after {tried}{worked}: {last.reason}")
        self.failure = last
        self.retry_after = last.retry_after
