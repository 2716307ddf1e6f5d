"""The retry budget of one request.

The budget decides how long to pause between attempts and when to give up. It doesn't read a clock, so tests
can check it as a table.
"""

import math
from dataclasses import dataclass

from zerokie_action import limits
from zerokie_action.http.failure import Cause, Failure

_DOUBLINGS = 9  # more doublings wouldn't change the pause, and they could overflow


@dataclass
class Budget:
    """The retry budget of one request. All times are in seconds.

    Attributes:
        seconds: how long the request may keep failing, from its first failure. See `skip`.
        is_prompt: whether the pauses are short. They then ignore `Retry-After` and end before the deadline of
            the enclosing scopes. At the end of a run, a signal may leave no time for longer pauses.
        may_be_wrong: whether the server may be the wrong one, because the run received no valid response yet
            and every failure looks like another server's response.
        attempts: the number of failed attempts.
    """

    seconds: float
    is_prompt: bool = False
    may_be_wrong: bool = False
    attempts: int = 0
    _gives_up_at: float = math.inf
    """The end of the budget, on the clock of `pause`. The first failure sets it."""
    _free: float = limits.MOST_WAITED
    """The seconds by which `Retry-After` can still extend the budget."""
    _requested: float = 0.0
    """The seconds in the last `Retry-After`, which `pause` has already treated."""

    def skip(self, waited: float) -> None:
        """Don't count a wait for a slot or for a rate limit, because other requests succeeded during it.

        Otherwise, a platform that limits the rate would fail the requests that happen to be rejected often.
        """
        self._gives_up_at += waited - self._requested

    def pause(
        self, failed: Failure, *, began: float, now: float, jitter: float, left: float = math.inf
    ) -> float | None:
        """Return the pause before the next attempt, or None to give up.

        Args:
            failed: the failure.
            began: when the attempt began, on any clock.
            now: when the attempt failed, on the same clock.
            jitter: a random number from 0 to 1 that keeps concurrent requests from retrying in step.
            left: the seconds until the caller's deadline.
        """
        if not self.attempts:
            self._gives_up_at = now + self.seconds
        elif not failed.was_silent:
            self._gives_up_at += max(0.0, now - began - limits.LONGEST_ATTEMPT)
        first, longest = (0.2, 1.0) if self.is_prompt else (0.5, 5.0)
        pause = min(longest, first * 2.0 ** min(self.attempts, _DOUBLINGS)) * (1 + jitter) / 2
        self.attempts += 1
        self.may_be_wrong &= failed.cause in {Cause.WRONG_SERVER, Cause.UNKNOWN_HOST}
        if failed.cause is Cause.CERTIFICATE:  # a retry can't help
            return None
        if self.is_prompt:
            return pause if pause < left and now < self._gives_up_at else None
        early = max(0.0, self.seconds - limits.WRONG_SERVER) if self.may_be_wrong else 0.0
        if now >= self._gives_up_at - early or failed.retry_after > limits.MOST_WAITED:
            return None
        free = min(failed.retry_after, self._free)
        self._free -= free
        self._gives_up_at += free
        self._requested = failed.retry_after
        if failed.retry_after:
            # Without this extra pause, all requests with the same `Retry-After` would retry at the same time.
            pause = max(failed.retry_after, pause) + pause * jitter
        # A longer wait would only end after the budget.
        return pause if now + failed.retry_after <= self._gives_up_at else None
