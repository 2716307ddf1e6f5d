"""What the requests of one group share: how many run at once, when none may be sent, what is logged.

A failure that all requests share takes the slots down (to one in an outage, to half of them after a 429) and
sets a time before which none is sent. So the next request is the probe that tells whether the platform is
back.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from zerokie_action.http.failure import Failure, Meaning
from zerokie_action.text import human_files, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 120.0
"""Seconds in which nothing of a group has worked, after which it is given up."""
MOST_WAITED = 600.0
"""Seconds of waiting that the platform asked for, and that do not count as an outage."""

_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_BUSY_PAUSE, _LONGEST_BUSY_PAUSE = 1.0, 30.0
"""Seconds of the first and the longest pause, in an outage and after a 429. Each doubles the one before."""
_MOST_DOUBLINGS = 10
"""After that, the longest pause is reached, and a power of two soon no float any more."""
_OUTAGE_LINE_EVERY = 15.0
_SCATTERED_LINE_EVERY = 5.0


@dataclass
class Outage:
    """A time in which nothing of a group works.

    Attributes:
        began: when the first of the requests that failed was sent, or another one last succeeded.
        since: when the first shared failure was seen, or something last moved; patience counts from there.
        reason: why the last request failed.
        attempts: that failed.
        failures: of all requests at once; concurrent failures count once.
        requested_wait: seconds that the platform asked to wait.
        next_line: when the next line is logged.
    """

    began: float
    since: float = math.inf
    reason: str = ""
    attempts: int = 0
    failures: int = 0
    requested_wait: float = 0.0
    next_line: float = 0.0


class AdaptiveLimiter:
    """A slot for each request of a group, which is sent inside `async with`. Slots go out in order.

    Attributes:
        successes: how many requests have been answered.
        outage: the one that nothing has ended yet.
        failed_at: when all requests failed last, by the event loop's time.
    """

    def __init__(self, group: str, most: int, log: Callable[[str], None]) -> None:
        """Nothing has failed yet.

        Args:
            group: what the requests are for, as a line begins: `Uploads`, `Listing the apps`.
            most: how many run at once, until something fails.
            log: gets the lines for users.
        """
        self.successes = 0
        self.outage: Outage | None = None
        self.failed_at = -1.0
        self._group = group
        self._most = most
        self._log = log
        self._limit = float(most)
        """How many may run at once while the platform works; a fraction grows to the next number."""
        self._slots = anyio.CapacityLimiter(most)
        self._not_before = 0.0
        self._last_success = -1.0
        self._scattered = 0
        self._next_line = 0.0

    async def __aenter__(self) -> None:
        """Wait for a slot, and until a request may be sent."""
        try:
            self._slots.acquire_nowait()  # half the time of `acquire`, which lets others run in between
        except anyio.WouldBlock:
            await self._slots.acquire()
        try:
            while anyio.current_time() < self._not_before:  # noqa: ASYNC110 - it moves on meanwhile
                await anyio.sleep_until(self._not_before)
            await anyio.lowlevel.checkpoint_if_cancelled()  # it may have been cancelled while it woke up
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        """Give the slot back."""
        self._slots.release()

    def others_worked(self, *, since: float, began: float) -> bool:
        """Whether another request succeeded since then, and all have not failed since this one began."""
        return self._last_success > since and self.failed_at <= began

    def succeeded(self) -> None:
        """A request was answered."""
        if self.outage is not None and self.outage.attempts > 1:
            taken = human_seconds(anyio.current_time() - self.outage.began)
            attempts = f"{self.outage.attempts:,} attempts failed"
            self._log(f"{self._group}: the platform is back after {taken}; {attempts}")
        elif self.outage is not None:
            self._tell(self.outage.reason)
        self.outage = None
        self.successes += 1
        self._last_success = anyio.current_time()
        self._limit = min(float(self._most), self._limit + 1 / self._limit)
        self._slots.total_tokens = int(self._limit)

    @property
    def failing_for(self) -> float:
        """Seconds that the outage lasts, without what the platform asked to wait; 0 without one."""
        if self.outage is None:
            return 0.0
        return max(0.0, anyio.current_time() - self.outage.since - self.outage.requested_wait)

    def failed_alone(self, failure: Failure, *, is_retried: bool) -> None:
        """A request failed by itself; it may be sent again."""
        if self.outage is not None:  # something was there
            self.outage.since = anyio.current_time()
        if is_retried:
            self._tell(failure.reason)

    def failed(self, failure: Failure, began: float) -> None:
        """A request that was sent at `began` failed as all do; those under way together count once."""
        is_news = began >= self.failed_at
        if self.outage is None and not is_news:  # it was sent in an outage that is over
            self._tell(failure.reason)
            return
        outage = self.log_failure(failure, began)
        if is_news:
            self.failed_at = anyio.current_time()
            outage.since = min(outage.since, self.failed_at)
            self._slow_down(failure, outage)

    def log_failure(self, failure: Failure, began: float) -> Outage:
        """Log the failure of a request. By itself, as for a heartbeat, it slows no other request down."""
        now = anyio.current_time()
        outage = self.outage = self.outage or Outage(max(began, self._last_success))
        outage.reason = failure.reason
        outage.attempts += 1
        if outage.attempts > 1 and now >= outage.next_line:
            outage.next_line = now + _OUTAGE_LINE_EVERY
            what = f"nothing has worked for {human_seconds(now - outage.began)} ({outage.reason})"
            self._log(f"{self._group}: {what}; waiting for the platform")
        return outage

    def _slow_down(self, failure: Failure, outage: Outage) -> None:
        doubled = 2.0 ** min(outage.failures, _MOST_DOUBLINGS)
        if failure.meaning is Meaning.BUSY:
            self._limit = max(1.0, self._limit / 2)
            slots, pause = int(self._limit), min(_LONGEST_BUSY_PAUSE, _BUSY_PAUSE * doubled)
        else:
            slots, pause = 1, min(_LONGEST_PAUSE, _PAUSE * doubled) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._slots.total_tokens = min(self._slots.total_tokens, slots)
        outage.failures += 1
        self._not_before = max(self._not_before, self.failed_at + (failure.retry_after or pause))
        outage.requested_wait = min(MOST_WAITED, outage.requested_wait + failure.retry_after)

    def _tell(self, reason: str) -> None:
        """A line for users about failures that are no outage: their number, every few seconds."""
        self._scattered += 1
        if anyio.current_time() >= self._next_line:
            self._log(f"{self._group}: {reason}; retrying {human_files(self._scattered, 'request')}")
            self._scattered = 0
            self._next_line = anyio.current_time() + _SCATTERED_LINE_EVERY
