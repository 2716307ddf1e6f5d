"""A circuit breaker for each kind of request: an outage is one event, not a failure of each request.

closed     Requests are sent. One that fails while others succeed is a scattered failure: it retries alone.
open       The last five have failed, or the only one under way. All of the kind wait.
half-open  One of them, another one each time, is sent as a probe. When it succeeds, the breaker closes and
           all are sent.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIVE_UP_AFTER = 120.0
"""Seconds without any success, from the first failure, after which a kind of request is given up."""
MAX_REQUESTED_WAIT = 600.0
"""Seconds of waiting that the platform asked for, and that do not count as an outage."""

_FAILURES_TO_OPEN = 5
_PROBE_DELAYS = (0.5, 1.0, 2.0, 5.0)
_PROBE_TIMEOUTS = (5.0, 10.0)
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
_LONG_WAIT = 5.0
"""Seconds that the platform asks to wait, and that a user wants to know of."""
_OUTAGE_LINE_EVERY = 15.0
_SCATTERED_LINE_EVERY = 5.0


class Probe(NamedTuple):
    """Permission for one request to try whether the platform is back.

    Attributes:
        timeout: seconds that it may wait for an answer, where giving up early is harmless; None: as ever.
    """

    timeout: float | None


class CircuitBreaker:
    """The circuit breaker of one kind of request.

    Attributes:
        log: gets outages and scattered failures.
        last_failure: why the last request failed, as its client notes it; empty if it succeeded.
    """

    def __init__(self, log: OutageLog) -> None:
        """Begin closed."""
        self.log = log
        self.last_failure = ""
        self._is_open = False
        self._under_way = 0
        self._failures = 0
        self._failing_since: float | None = None
        self._requested_wait = 0.0
        self._probe: Probe | None = None
        self._probes = 0
        self._probe_at = 0.0
        self._throttled_probes = 0
        self._wait_until = 0.0
        self._waiting: deque[object] = deque()
        self._changed = anyio.Event()

    @property
    def is_open(self) -> bool:
        """Whether requests have to wait."""
        return self._is_open

    @property
    def is_given_up(self) -> bool:
        """Whether nothing of the kind has succeeded for so long that it is no use to try on."""
        since = self._failing_since
        return since is not None and anyio.current_time() - since - self._requested_wait > GIVE_UP_AFTER

    async def wait(self) -> Probe | None:
        """Wait until a request may be sent; returns at once while the breaker is closed.

        The request that has waited longest is the next probe. One that fails goes to the end of the queue, so
        that one file that always fails does not look like an outage.

        Returns:
            The probe that the request is, which goes back with `release`; None for any other request.
        """
        if not self._is_open:
            return None
        me = object()
        self._waiting.append(me)
        try:
            while self.is_open:
                pause = math.inf
                if self._probe is None and self._waiting[0] is me:
                    pause = max(self._probe_at, self._wait_until) - anyio.current_time()
                    if pause <= 0:
                        self._probe = Probe(dict(enumerate(_PROBE_TIMEOUTS)).get(self._probes))
                        return self._probe
                with anyio.move_on_after(pause):
                    await self._changed.wait()
        finally:
            self._waiting.remove(me)
            self._notify()
        return None

    def release(self, probe: Probe | None) -> None:
        """The request that `wait` let through has ended, or was not sent after all."""
        if probe is not None:
            self._probe = None
            self._notify()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around an attempt and its wait for a slot: it is under way. Its outcome is reported after that."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def succeeded(self, probe: Probe | None) -> None:
        """The platform has answered."""
        self.last_failure = ""
        self._failures = 0
        self._failing_since = None
        self._requested_wait = 0.0
        if self._is_open and (probe is not None or anyio.current_time() >= self._wait_until):
            self._is_open = False
            self._throttled_probes = 0
            self.log.recovered()
            self._notify()

    def progressed(self) -> None:
        """The bytes of a large body move: the platform is there.

        Those of a probe say nothing: the kernel takes some of any body, and a gateway all before its 503.
        """
        if self._probe is None:
            self._failing_since = None
            self._requested_wait = 0.0

    def failed(self, probe: Probe | None, reason: str) -> bool:
        """The platform is down, as far as this request can tell.

        Returns:
            Whether the failure is a scattered one, which the request has to retry on its own account.
        """
        now = anyio.current_time()
        if self._failing_since is None:
            self._failing_since = now
        self._failures += 1
        if probe is not None:
            self._probes += 1
            self._schedule_probe()
            self.log.still_down(now - self._failing_since, reason)
        elif not self._is_open:
            if self._failures < _FAILURES_TO_OPEN and self._under_way:
                return True
            self._open()
        self.log.failed_in_outage()
        return False

    def answered_unexpectedly(self, probe: Probe | None, reason: str) -> bool:
        """Something else has answered, as a gateway does while the platform behind it restarts.

        It is an outage if it happens to many at once: else `api-url` may be wrong, or one file refused.

        Returns:
            Whether the request has to retry on its own account.
        """
        is_outage = self._is_open or min(self._failures, self._under_way) + 1 >= _FAILURES_TO_OPEN
        if is_outage:
            self.failed(probe, reason)
        else:
            self._failures += 1
        return probe is not None or not is_outage

    def asked_to_wait(self, probe: Probe | None, seconds: float | None, reason: str) -> None:
        """The platform wants fewer requests: none is sent for `seconds`, if it says how many."""
        now = anyio.current_time()
        if self._failing_since is None:
            self._failing_since = now
        self.log.failed_in_outage()
        if not self._is_open:
            self._open()
        elif probe is None and seconds is None:
            return  # it was sent before the breaker opened: the same event
        longer = 0.0
        if seconds is None:
            seconds = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**self._throttled_probes)
            self._throttled_probes += 1
        else:
            longer = max(0.0, now + seconds - max(now, self._wait_until))
            self._requested_wait = min(MAX_REQUESTED_WAIT, self._requested_wait + longer)
            if seconds >= _LONG_WAIT:
                reason = f"{reason}, and asks to wait {human_seconds(seconds)}"
        if probe is not None:
            self._probe_at = now + _PROBE_DELAYS[0]  # the shortest wait between two probes
        if probe is not None or longer >= _LONG_WAIT:
            self.log.still_down(now - self._failing_since, reason)
        self._wait_until = max(self._wait_until, now + seconds)
        self._notify()

    def _open(self) -> None:
        self._is_open = True
        self._probes = 0
        self._schedule_probe()

    def _schedule_probe(self) -> None:
        pause = _PROBE_DELAYS[min(self._probes, len(_PROBE_DELAYS) - 1)]
        self._probe_at = anyio.current_time() + pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class OutageLog:
    """What users read about one kind of request: an outage is a story, scattered failures are a count."""

    def __init__(self, kind: str, log: Callable[[str], None]) -> None:
        """Nothing has happened yet.

        Args:
            kind: what the requests are for, as a line begins: `Uploads`, `Listing the apps`.
            log: gets the lines.
        """
        self._kind = kind
        self._log = log
        self._began: float | None = None
        self._next_outage_line = 0.0
        self._retried = 0
        self._scattered = 0
        self._reason = ""
        self._next_scattered_line = 0.0

    def scattered(self, reason: str) -> None:
        """A request failed while others worked, and is sent again."""
        self._scattered += 1
        self._reason = reason
        if anyio.current_time() >= self._next_scattered_line:
            self.log_count()

    def log_count(self) -> None:
        """Log how many requests were counted since the last line, if any."""
        if self._scattered:
            self._log(f"{self._kind}: {self._reason}; {_sent_again(self._scattered)}")
            self._scattered = 0
            self._next_scattered_line = anyio.current_time() + _SCATTERED_LINE_EVERY

    def failed_in_outage(self) -> None:
        """A request failed in an outage, and is sent again after it."""
        self._retried += 1

    def still_down(self, seconds: float, reason: str) -> None:
        """Nothing has worked for so many seconds, a probe included."""
        now = anyio.current_time()
        if self._began is None:
            self._began = now - seconds
            self._retried += self._scattered  # they were the beginning of it
            self._scattered = 0
            since = time.strftime("%H:%M:%S", time.gmtime(time.time() - seconds))
            story = f"nothing has worked since {since} UTC ({reason}); waiting for the platform"
            self._log(f"{self._kind}: {story}")
            self._next_outage_line = now + _OUTAGE_LINE_EVERY
        elif now >= self._next_outage_line:
            self._log(f"{self._kind}: still nothing works after {human_seconds(seconds)} ({reason})")
            self._next_outage_line = now + _OUTAGE_LINE_EVERY

    def recovered(self) -> None:
        """A request has worked again."""
        if self._began is not None:
            taken = human_seconds(anyio.current_time() - self._began)
            self._log(f"{self._kind}: the platform is back after {taken}; {_sent_again(self._retried)}")
        self._began = None
        self._retried = 0


def _sent_again(count: int) -> str:
    return "1 request is sent again" if count == 1 else f"{count:,} requests are sent again"
