"""Groups of similar requests, which share a concurrency limit, their last success and log lines.

A platform that accepts few requests at a time then slows a group down instead of failing its requests.
"""

import math
from collections.abc import Callable

import anyio

from zerokie_action import limits
from zerokie_action.errors import PlatformUnavailable
from zerokie_action.http.failure import Failure
from zerokie_action.text.numbers import human_seconds

MOST = 64
"""The most requests of a group at the same time."""


class Group:
    """Similar requests that share a concurrency limit.

    A failure halves the number of slots, but never below one. A success adds an eighth of a slot, or 1/n to n
    below 8, so that few requests fail to find the limit of a platform that accepts few connections.

    Attributes:
        slots: the limiter that each request enters, in order of arrival.
        last_success: the time of the last valid response (event loop), or -inf.
        failing: the purposes of requests that failed and didn't succeed since, with the last reason.
        logged_at: the time of the last log line about a failure (event loop), or -inf.
    """

    def __init__(self, name: str, log: Callable[[str], None]) -> None:
        """Start with `MOST` slots.

        Args:
            name: the start of the group's log lines.
            log: writes a log line.
        """
        self.slots = anyio.CapacityLimiter(MOST)
        self.last_success = -math.inf
        self.failing: dict[str, str] = {}
        self.logged_at = -math.inf
        self._name = name
        self._log = log
        self._target = float(MOST)
        self._cut_at = -math.inf
        self._failing_since = -math.inf

    def succeeded(self, purpose: str) -> None:
        """Note a valid response to the request with this purpose."""
        self.last_success = anyio.current_time()
        self.failing.pop(purpose, None)
        self._resize(min(MOST, self._target + 1 / min(self._target, 8)))

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

    def will_retry(self, purpose: str, reason: str) -> None:
        """Note why an attempt failed before its retry, and log the reason every 15s."""
        now = anyio.current_time()
        if self._failing_since <= self.last_success:
            self._failing_since = now
        self.failing[purpose] = reason
        if now >= self.logged_at + limits.OUTAGE_LINE:
            self.logged_at = now
            seconds = now - self._failing_since
            lasting = f" for {human_seconds(seconds)}" if seconds >= 1 else ""
            self._log(f"{self._name}: {reason}{lasting}; retrying")

    def outage(self) -> str:
        """Return the failing requests, such as `uploading 'a' failed (timed out)`, or nothing."""
        for purpose, reason in self.failing.items():
            more = f" and {len(self.failing) - 1:,} more" if len(self.failing) > 1 else ""
            return f"{purpose[:1].lower()}{purpose[1:]}{more} failed ({reason})"
        return ""


class GaveUp(PlatformUnavailable):
    """A request failed for the last time.

    Attributes:
        failure: the last failure.
    """

    def __init__(
        self, purpose: str, last: Failure, attempts: int, seconds: float, *, others_succeeded: bool
    ) -> None:
        """Describe the failed request, and whether similar requests succeeded in these seconds."""
        tried = "1 attempt" if attempts == 1 else f"{attempts:,} attempts in {human_seconds(seconds)}"
        others = ", while others succeeded" if others_succeeded else ""
        super().__init__(f"{purpose} failed after {tried}{others}: {last.reason}")
        self.failure = last
        self.retry_after = last.retry_after
