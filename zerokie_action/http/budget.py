"""Decides whether a request that failed is sent again, and after how long a pause. Reads no clock."""

import math
from dataclasses import dataclass

from zerokie_action import limits
from zerokie_action.http.failure import Cause, Failure

UNTIL_DEADLINE = math.inf
"""The budget of a request that is sent again until the deadline of the enclosing scopes.

Nothing extends a deadline. So the pauses are short, whatever `Retry-After` asks for, and no pause begins that
would outlast the deadline.
"""
_DOUBLINGS = 9  # more would not change the pause, and might overflow


@dataclass
class Budget:
    """The budget of one request, and how much of it its failures have spent.

    All times are on the event loop's clock, in seconds.

    Attributes:
        seconds: how long the request may fail; `UNTIL_DEADLINE` for as long as the deadline allows.
        attempts: the number of failed attempts.
        began: when the first failed attempt began.
    """

    seconds: float
    attempts: int = 0
    began: float = 0.0
    _free: float = 0.0
    """The part of the time since `began` that does not count."""
    _asked: float = 0.0
    """The part of `_free` that `Retry-After` has asked for."""
    _makes_no_sense: bool = True
    """Whether no failure so far shows that this is the right server."""

    def pause(
        self,
        failed: Failure,
        *,
        began: float,
        now: float,
        deadline: float = math.inf,
        was_answered: bool = True,
        jitter: float,
    ) -> float | None:
        """Count a failed attempt.

        Args:
            failed: the failure.
            began: when the attempt began.
            now: when it failed.
            deadline: when the caller will be cancelled.
            was_answered: whether the server has answered any request of the run.
            jitter: a random number from 0 to 1, for this failure; concurrent requests need different numbers.

        Returns:
            The seconds to wait before the next attempt; None to give up.
        """
        took = now - began
        if not self.attempts:
            self.began, self._free = began, took  # the budget begins with the first failure
        elif not failed.was_silent:
            self._free += max(0.0, took - limits.LONGEST_ATTEMPT)
        first, longest = (0.2, 1.0) if self.seconds == UNTIL_DEADLINE else (0.5, 5.0)
        pause = min(longest, first * 2.0 ** min(self.attempts, _DOUBLINGS)) * (1 + jitter) / 2
        self.attempts += 1
        self._makes_no_sense &= failed.cause in {Cause.WRONG_ANSWER, Cause.NO_HOST}
        if failed.cause is Cause.CERTIFICATE:  # another attempt can't help
            return None
        if self.seconds == UNTIL_DEADLINE:
            return pause if now + pause < deadline else None
        failing = now - self.began
        may_be_wrong = self._makes_no_sense and not was_answered
        if failing - self._free >= self.seconds or (may_be_wrong and failing >= limits.NO_SENSE):
            return None
        wait = failed.retry_after
        if not wait:
            return pause
        if wait > longest_wait(now, deadline):
            return None
        free = min(wait, limits.MOST_WAITED - self._asked)
        self._asked, self._free = self._asked + free, self._free + free
        # A little longer: otherwise, all requests that were told the same time would come back at once.
        return max(wait, pause) + pause * jitter

    def spare(self, seconds: float) -> None:
        """Don't count a wait for a slot while others get answers: a slow platform is no outage."""
        self._free += seconds


def longest_wait(now: float, deadline: float) -> float:
    """The longest `Retry-After` that is obeyed: it ends before the deadline."""
    return max(0.0, min(deadline - now, limits.MOST_WAITED))
