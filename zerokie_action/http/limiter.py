"""Limits how many requests of one group run at once, and when the next request may be sent.

A shared failure, which would hit any request of the group, reduces the slots: to one in an outage, to half
after a 429. It also starts a pause for the whole group. The first request after the pause probes whether the
platform is back.
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
"""Seconds of an outage after which a group's requests give up."""
MOST_WAITED = 600.0
"""Seconds. A longer `Retry-After` is not waited for. The shorter waits of an outage, taken together, extend
`PATIENCE` by no more than this."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_FIRST_BUSY_PAUSE, _LONGEST_BUSY_PAUSE = 1.0, 30.0
"""The first and the longest pause in seconds, in an outage and after a 429; each is twice as long as the one
before."""
_MOST_DOUBLINGS = 10
"""After this many doublings, every pause is the longest. The limit keeps the power of two small."""
_OUTAGE_LINE_EVERY = 15.0
_SCATTERED_LINE_EVERY = 5.0


@dataclass
class Outage:
    """The shared failures of a group since its last success.

    Attributes:
        began: when the first failing request was sent, or when a request last succeeded, whichever is later.
        since: the start of `PATIENCE`: the first shared failure, or a later reaction of the platform.
        reason: why the last request failed.
        attempts: the number of failed attempts.
        failures: the number of shared failures; concurrent failures count once.
        requested_wait: the seconds of wait that the platform asked for.
        next_line: the time before which no line is logged.
    """

    began: float
    since: float = math.inf
    reason: str = ""
    attempts: int = 0
    failures: int = 0
    requested_wait: float = 0.0
    next_line: float = 0.0


class AdaptiveLimiter:
    """Gives each request of a group a slot, in order. A request is sent inside `async with limiter`.

    Attributes:
        successes: the number of answered requests.
        outage: the current outage, if there is one.
        failed_at: when the last shared failure was seen, by the event loop's time.
    """

    def __init__(self, group: str, most: int, log: Callable[[str], None]) -> None:
        """Begin with all slots free.

        Args:
            group: the group's name, which begins each log line: `Uploads`, `Listing the apps`.
            most: the number of slots while the platform works.
            log: gets the lines for users.
        """
        self.successes = 0
        self.outage: Outage | None = None
        self.failed_at = -math.inf
        self._group = group
        self._most = most
        self._log = log
        self._target_slots = float(most)
        """The number of slots after the next success. A 429 halves it; each success adds a fraction."""
        self._slots = anyio.CapacityLimiter(most)
        self._not_before = 0.0
        self._last_success = -math.inf
        self._unlogged_failures = 0
        self._next_line = 0.0

    async def __aenter__(self) -> None:
        """Wait for a slot, and until a request may be sent."""
        try:
            self._slots.acquire_nowait()  # takes half the time of `acquire`, which yields to other tasks
        except anyio.WouldBlock:
            await self._slots.acquire()
        try:
            while anyio.current_time() < self._not_before:  # noqa: ASYNC110 - another failure may move it
                await anyio.sleep_until(self._not_before)
            await anyio.lowlevel.checkpoint_if_cancelled()  # a cancellation may come while this task wakes up
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        """Give the slot back."""
        self._slots.release()

    def others_worked(self, *, since: float, began: float) -> bool:
        """Whether an attempt failed alone.

        That is so if another request succeeded after the attempt failed, and no shared failure was seen since
        the attempt was sent.

        Args:
            since: when the attempt failed.
            began: when the attempt was sent.
        """
        return self._last_success > since and self.failed_at <= began

    def succeeded(self) -> None:
        """Note that a request was answered. This ends an outage."""
        if self.outage is not None and self.outage.attempts > 1:
            taken = human_seconds(anyio.current_time() - self.outage.began)
            attempts = f"{self.outage.attempts:,} attempts failed"
            self._log(f"{self._group}: the platform is back after {taken}; {attempts}")
        elif self.outage is not None:  # a single failure
            self._log_scattered(self.outage.reason)
        self.outage = None
        self.successes += 1
        self._last_success = anyio.current_time()
        self._target_slots = min(float(self._most), self._target_slots + 1 / self._target_slots)
        self._slots.total_tokens = int(self._target_slots)

    @property
    def failing_for(self) -> float:
        """Seconds that the outage has lasted, without the waits that the platform asked for."""
        if self.outage is None:
            return 0.0
        return max(0.0, anyio.current_time() - self.outage.since - self.outage.requested_wait)

    def failed_alone(self, failure: Failure, *, is_retried: bool) -> None:
        """Note that one request failed while others succeed."""
        if self.outage is not None:  # the platform reacted
            self.outage.since = anyio.current_time()
        if is_retried:
            self._log_scattered(failure.reason)

    def failed(self, failure: Failure, began: float) -> None:
        """Note a shared failure of a request sent at `began`; concurrent failures count once."""
        is_news = began >= self.failed_at
        if self.outage is None and not is_news:  # the request was sent in an outage that is over
            self._log_scattered(failure.reason)
            return
        outage = self.log_failure(failure, began)
        if is_news:
            self.failed_at = anyio.current_time()
            outage.since = min(outage.since, self.failed_at)
            self._slow_down(failure, outage)

    def log_failure(self, failure: Failure, began: float) -> Outage:
        """Count and log a failure in the outage, which begins now if there is none.

        Unlike `failed`, this does not slow the group down. It is called for requests that bypass the limiter,
        such as heartbeats.
        """
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
            self._target_slots = max(1.0, self._target_slots / 2)
            slots, pause = int(self._target_slots), min(_LONGEST_BUSY_PAUSE, _FIRST_BUSY_PAUSE * doubled)
        else:
            slots, pause = 1, min(_LONGEST_PAUSE, _FIRST_PAUSE * doubled) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._slots.total_tokens = min(self._slots.total_tokens, slots)
        outage.failures += 1
        self._not_before = max(self._not_before, self.failed_at + (failure.retry_after or pause))
        outage.requested_wait = min(MOST_WAITED, outage.requested_wait + failure.retry_after)

    def _log_scattered(self, reason: str) -> None:
        """Count a failure that is no outage, and log the count every five seconds."""
        self._unlogged_failures += 1
        if anyio.current_time() >= self._next_line:
            self._log(f"{self._group}: {reason}; retrying {human_files(self._unlogged_failures, 'request')}")
            self._unlogged_failures = 0
            self._next_line = anyio.current_time() + _SCATTERED_LINE_EVERY
