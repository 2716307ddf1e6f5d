"""The retry rule: when a failed request is sent again, and when it gives up.

A request gives up `retry-timeout` after its first failure, or after the last success of a similar request if
that is later. The rule doesn't read a clock, so tests can check it as a table.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from zerokie_action import limits
from zerokie_action.http.failure import Cause, Failure

_DOUBLINGS = 9  # more doublings wouldn't change the pause, and they could overflow
_SPREAD = 2.0
"""The most seconds added to a `Retry-After`, so that requests with the same one don't retry in step.

It doesn't grow, or new requests would use up each minute of a rate limit before the old ones return."""


class RetryPolicy(NamedTuple):
    """How long a request is retried.

    Attributes:
        seconds: how long the request may keep failing. 0 disables retries.
        is_urgent: whether the run is about to end, so the pauses are short and ignore `Retry-After`.
    """

    seconds: float
    is_urgent: bool = False


ONCE = RetryPolicy(0.0)
"""The policy of a request that is sent once."""
UNTIL_DEADLINE = RetryPolicy(math.inf, is_urgent=True)
"""The policy of a request that is retried until the deadline of the enclosing scopes."""


@dataclass
class Retries:
    """The retries of one request. All times are in seconds, on any clock.

    Attributes:
        policy: how long the request is retried.
        attempts: the number of failed attempts.
    """

    policy: RetryPolicy
    attempts: int = 0
    _failing_since: float = math.inf
    _looks_wrong: bool = True
    """Whether every failure may mean a wrong `api-url`."""

    def pause(
        self,
        failed: Failure,
        *,
        began: float,
        now: float,
        last_success: float,
        jitter: float,
        is_reached: bool = True,
    ) -> float | None:
        """Return the pause before the next attempt, or None to give up.

        Args:
            failed: the failure.
            began: when the attempt began.
            now: when the attempt failed.
            last_success: when a similar request succeeded last, or -inf.
            jitter: a random number from 0 to 1 that keeps concurrent requests from retrying in step.
            is_reached: whether the run received a valid response to any request. Before that, `api-url` may
                be wrong.
        """
        if not self.attempts:
            self._failing_since = now
        elif not failed.was_silent:  # a long upload gets more than one attempt
            self._failing_since += max(0.0, now - began - limits.LONGEST_ATTEMPT)
        self._looks_wrong &= failed.cause is Cause.WRONG_SERVER
        self.attempts += 1

        seconds, is_urgent = self.policy
        retry_after = 0.0 if is_urgent else failed.retry_after
        if self._looks_wrong and not (is_reached or is_urgent):
            seconds = min(seconds, limits.WRONG_SERVER)
        gives_up = now >= max(self._failing_since, last_success) + seconds
        if gives_up or failed.cause is Cause.CERTIFICATE or retry_after > limits.MOST_WAITED:
            return None
        if retry_after:
            return retry_after + _SPREAD * jitter
        first, longest = (0.2, 1.0) if is_urgent else (0.5, 5.0)
        return min(longest, first * 2.0 ** min(self.attempts - 1, _DOUBLINGS)) * (1 + jitter) / 2
