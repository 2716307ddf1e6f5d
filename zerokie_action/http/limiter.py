"""What the requests of one kind share: how many run at once, when none may be sent, what users read of it.

A failure that all requests share (an outage, a 429) takes the limit down to one request, and sets a time
before which none is sent. So the next request is the probe that tells whether the platform is back.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from zerokie_action.http.failure import Failure, Meaning
from zerokie_action.text import human_files, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 120.0
"""Seconds in which nothing of a kind has worked, after which it is given up."""
MOST_WAITED = 600.0
"""Seconds of waiting that the platform asked for, and that do not count as an outage."""

_PAUSES = (0.5, 1.0, 2.0, 5.0)
_LONGEST_BUSY_PAUSE = 30.0
_OUTAGE_LINE_EVERY = 15.0
_SCATTERED_LINE_EVERY = 5.0


class AdaptiveLimiter:
    """A slot for each request of a kind, which is sent inside `async with`. Slots go out in order.

    Attributes:
        limit: how many may run at once now; a fraction grows to the next number.
        last_success: when a request last succeeded, by the event loop's time.
        successes: how many have.
        event_at: when everybody failed last.
        story: what users read of the failures.
    """

    def __init__(self, most: int, story: Story) -> None:
        """`most` requests run at once, until something fails."""
        self.limit = float(most)
        self.last_success = self.event_at = -1.0
        self.successes = 0
        self.story = story
        self._most = most
        self._slots = anyio.CapacityLimiter(most)
        self._not_before = 0.0
        self._failing_since: float | None = None
        self._failures = 0
        self._requested_wait = 0.0
        self._is_throttled = False

    async def __aenter__(self) -> None:
        """Wait for a slot, and until a request may be sent."""
        try:
            self._slots.acquire_nowait()  # half the time of `acquire`, which lets others run in between
        except anyio.WouldBlock:
            await self._slots.acquire()
        try:
            while anyio.current_time() < self._not_before:  # noqa: ASYNC110 - it moves on meanwhile
                await anyio.sleep_until(self._not_before)
            await anyio.lowlevel.checkpoint_if_cancelled()  # in the moment in which the wait was over
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        """Give the slot back."""
        self._slots.release()

    @property
    def is_failing(self) -> bool:
        """Whether nothing has worked since the last shared failure."""
        return self._failing_since is not None

    @property
    def outage(self) -> float:
        """Seconds in which nothing has worked, without what the platform asked to wait; 0 when all does."""
        if self._failing_since is None:
            return 0.0
        return anyio.current_time() - self._failing_since - self._requested_wait

    def succeeded(self) -> None:
        """A request was answered."""
        self.story.worked()
        self.last_success = anyio.current_time()
        self.successes += 1
        self._failing_since = None
        self._failures = 0
        self._requested_wait = 0.0
        if self._is_throttled:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
            self._is_throttled = self.limit < self._most
        else:
            self.limit = float(self._most)
        self._slots.total_tokens = int(self.limit)

    def moved(self) -> None:
        """A large body was moving until its connection broke: something was there."""
        if self._failing_since is not None:
            self._failing_since = anyio.current_time()

    def failed(self, failure: Failure, began: float) -> None:
        """Record a shared failure. It counts once for all requests in flight.

        Args:
            failure: what it was.
            began: when the request was sent; one from before the last such event says nothing new.
        """
        now = anyio.current_time()
        if began >= self.event_at:
            self.event_at = now
            if self._failing_since is None:
                self._failing_since = now
            self._slow_down(failure, now)
        if self.is_failing:
            self.story.failed(failure.reason, since=max(began, self.last_success))
        else:  # it was sent in an outage that is over
            self.story.failed_alone(failure.reason)

    def _slow_down(self, failure: Failure, now: float) -> None:
        is_busy = failure.meaning is Meaning.BUSY
        self._is_throttled = self._is_throttled or is_busy
        self.limit = max(1.0, self.limit / 2) if is_busy else 1.0
        self._slots.total_tokens = int(self.limit)
        if is_busy:
            pause = min(_LONGEST_BUSY_PAUSE, 2.0**self._failures)
        else:
            pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._failures += 1
        self._not_before = max(self._not_before, now + (failure.retry_after or pause))
        self._requested_wait = min(MOST_WAITED, self._requested_wait + failure.retry_after)


class Story:
    """What users read about the failures of one kind of request: an outage is a short story, others a count.

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
        self._alone = 0
        self._next_line = 0.0

    def failed(self, reason: str, *, since: float) -> None:
        """A request failed as all of its kind do. The second one begins the story.

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

    def worked(self) -> None:
        """A request was answered."""
        if self._retried > 1:
            taken = human_seconds(anyio.current_time() - self._began_at)
            self._log(f"{self._kind}: the platform is back after {taken}; {self._retried:,} attempts failed")
        elif self._retried == 1:
            self.failed_alone(self.last_failure)
        self.last_failure = ""
        self._retried = 0
        self._next_outage_line = 0.0

    def failed_alone(self, reason: str) -> None:
        """A request failed while others worked, and is sent again."""
        self.last_failure, self.failed_at = reason, anyio.current_time()
        self._alone += 1
        now = anyio.current_time()
        if now >= self._next_line:
            self._log(f"{self._kind}: {reason}; retrying {human_files(self._alone, 'request')}")
            self._alone = 0
            self._next_line = now + _SCATTERED_LINE_EVERY
