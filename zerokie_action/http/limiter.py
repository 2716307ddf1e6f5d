"""What the requests of one kind share: how many run at once, and when none may be sent.

A failure that all requests share (an outage, a 429) takes the limit down to one request, and sets a time
before which none is sent. So the next request is the probe that tells whether the platform is back.
"""

from __future__ import annotations

import random
import resource
from contextlib import suppress

import anyio
import anyio.lowlevel

PATIENCE = 120.0
"""Seconds in which nothing of a kind has worked, after which it is given up."""
MOST_WAITED = 600.0
"""Seconds of waiting that the platform asked for, and that do not count as an outage."""

_PAUSES = (0.5, 1.0, 2.0, 5.0)
_LONGEST_BUSY_PAUSE = 30.0

_RESERVED = 32
"""Open files that are no upload's: a dozen that any run has, the heartbeat, pages, a report, the hashing."""
_EACH = 2
"""Open files of an upload: its connection, and the file that it reads."""


class AdaptiveLimiter:
    """A slot for each request of a kind; `async with` it, a request is sent. Slots go out in order.

    Attributes:
        limit: how many may run at once now; a fraction grows to the next number.
        last_success: when a request last succeeded, by the event loop's time.
        successes: how many have.
        failing_since: since when everybody has failed; None when they do not.
        event_at: when everybody failed last.
    """

    def __init__(self, most: int) -> None:
        """`most` requests run at once, until something fails."""
        self.limit = float(most)
        self.last_success = self.event_at = -1.0
        self.successes = 0
        self.failing_since: float | None = None
        self._most = most
        self._slots = anyio.CapacityLimiter(most)
        self._not_before = 0.0
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
        return self._failures > 0

    @property
    def has_waiting(self) -> bool:
        """Whether other requests wait for a slot."""
        return self._slots.statistics().tasks_waiting > 0

    def succeeded(self) -> None:
        """A request was answered."""
        self.last_success = anyio.current_time()
        self.successes += 1
        self.failing_since = None
        self._failures = 0
        self._requested_wait = 0.0
        if self._is_throttled:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
            self._is_throttled = self.limit < self._most
        else:
            self.limit = float(self._most)
        self._slots.total_tokens = int(self.limit)

    def failed(self, began: float, *, retry_after: float = 0.0, is_busy: bool = False) -> None:
        """Record a shared failure. It counts once for all requests in flight.

        Args:
            began: when the request was sent; one from before the last such event says nothing new.
            retry_after: seconds until the platform wants the next request; 0 when it did not say.
            is_busy: whether it wants fewer requests (429).
        """
        now = anyio.current_time()
        if self.failing_since is None:
            self.failing_since = now
        if began < self.event_at:
            return
        self.event_at = now
        self._is_throttled = self._is_throttled or is_busy
        self.limit = max(1.0, self.limit / 2) if is_busy else 1.0
        self._slots.total_tokens = int(self.limit)
        if is_busy:
            pause = min(_LONGEST_BUSY_PAUSE, 2.0**self._failures)
        else:
            pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._failures += 1
        self._not_before = max(self._not_before, now + (retry_after or pause))
        self._requested_wait = min(MOST_WAITED, self._requested_wait + retry_after)

    @property
    def outage(self) -> float:
        """Seconds in which nothing has worked, without what the platform asked to wait; 0 when all does."""
        if self.failing_since is None:
            return 0.0
        return anyio.current_time() - self.failing_since - self._requested_wait


def fit_open_files(wanted: int) -> int:
    """How many of `wanted` uploads at once the limit on open files allows, at least 1.

    The limit is raised first, as far as the process may.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - _RESERVED) // _EACH))
