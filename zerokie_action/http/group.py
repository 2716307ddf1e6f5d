"""The requests of one kind: how many may be sent at once, and what is said of their failures."""

import math
from collections.abc import Callable

import anyio

from zerokie_action.errors import PlatformUnavailable
from zerokie_action.http.failure import Failure
from zerokie_action.text.numbers import human_files, human_seconds

_LINE_EVERY = 15.0
"""Seconds between two log lines of a group."""


class Group:
    """The requests of one kind.

    A failure halves the number of slots, down to one. Each success adds 4/n slots to n, at most one. So a
    platform that takes only a few requests at once slows the group down, and fails none of its requests.

    Attributes:
        slots: a context for each request: first come, first served.
        answered: the number of answered requests.
        reason: why the last attempt failed; empty if it was answered.
        logged_at: the time of the last log line about a failure (event loop).
    """

    def __init__(self, name: str, most: int, log: Callable[[str], None]) -> None:
        """Begin with all slots.

        Args:
            name: begins the lines of the log.
            most: the number of slots while nothing fails.
            log: gets the lines about failures.
        """
        self.slots = anyio.CapacityLimiter(most)
        self.answered = 0
        self.reason = ""
        self._name = name
        self._log = log
        self._most = self._target = float(most)
        self._cut_at = -math.inf
        self._failing_since = 0.0
        self.logged_at = -math.inf

    def succeeded(self) -> None:
        """Note an answer."""
        self.answered += 1
        self.reason = ""
        self._resize(min(self._most, self._target + min(1.0, 4 / self._target)))

    def failed(self, began: float) -> None:
        """Note that an attempt failed which began at this time (event loop).

        Attempts that were in flight together have one cause, so their failures halve the number once.
        """
        if began >= self._cut_at:
            self._cut_at = anyio.current_time()
            self._resize(max(1.0, self._target / 2))

    def _resize(self, target: float) -> None:
        self._target = target
        self.slots.total_tokens = int(target)

    def sends_again(self, reason: str) -> None:
        """Note why an attempt failed whose request is sent again, and log it now and then."""
        now = anyio.current_time()
        if not self.reason:
            self._failing_since = now
        self.reason = reason
        if now >= self.logged_at + _LINE_EVERY:
            self.logged_at = now
            seconds = now - self._failing_since
            lasting = f", for {human_seconds(seconds)}" if seconds >= 1 else ""
            self._log(f"{self._name}: {reason}; sending again{lasting}")


class GaveUp(PlatformUnavailable):
    """A request got no answer. The message says which request, how often it was sent, and why it failed.

    Attributes:
        failure: the last failure.
    """

    def __init__(self, purpose: str, last: Failure, attempts: int, seconds: float, others: int) -> None:
        """Give up after so many attempts; `others` other requests of the group were answered meanwhile."""
        tried = "1 attempt" if attempts == 1 else f"{attempts:,} attempts in {human_seconds(seconds)}"
        worked = f", while {human_files(others, 'other')} worked" if others else ""
        super().__init__(f"{purpose} failed after {tried}{worked}: {last.reason}")
        self.failure = last
        self.retry_after = last.retry_after
