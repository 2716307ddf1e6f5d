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
    """The budget of one request, and how much of it its failures have spent. All times are in seconds.

    Attributes:
        seconds: how long the request may fail; `UNTIL_DEADLINE` for as long as the deadline allows.
        may_be_wrong: whether the server may be a wrong one: no request of the run was answered, and each
            failure makes no sense.
        attempts: the number of failed attempts.
    """

    seconds: float
    may_be_wrong: bool = False
    attempts: int = 0
    _spent: float = 0.0
    _asked: float = 0.0
    """The waits that `Retry-After` has asked for, up to `limits.MOST_WAITED`. They are not in `_spent`."""

    def pause(
        self, failed: Failure, *, took: float, jitter: float, queued: float = 0.0, left: float = math.inf
    ) -> float | None:
        """Count a failed attempt.

        Args:
            failed: the failure.
            took: the length of the attempt.
            jitter: a random number from 0 to 1, which keeps the pauses of concurrent requests apart.
            queued: how long the attempt waited for its slot, if that wait counts.
            left: the time after which the caller will be cancelled.

        Returns:
            The seconds to wait before the next attempt; None to give up.
        """
        if self.attempts:  # the budget begins with the first failure
            self._spent += queued + (took if failed.was_silent else min(took, limits.LONGEST_ATTEMPT))
        first, longest = (0.2, 1.0) if self.seconds == UNTIL_DEADLINE else (0.5, 5.0)
        pause = min(longest, first * 2.0 ** min(self.attempts, _DOUBLINGS)) * (1 + jitter) / 2
        self.attempts += 1
        self.may_be_wrong &= failed.cause in {Cause.WRONG_ANSWER, Cause.NO_HOST}
        if failed.cause is Cause.CERTIFICATE:  # another attempt can't help
            return None
        if self.seconds == UNTIL_DEADLINE:
            return pause if pause < left else None
        most = min(self.seconds, limits.NO_SENSE) if self.may_be_wrong else self.seconds
        if self._spent >= most or failed.retry_after > longest_wait(left):
            return None
        if asked := failed.retry_after:
            # A little longer: otherwise, all requests that were told the same time would come back at once.
            pause = max(asked, pause) + pause * jitter
            free = min(asked, limits.MOST_WAITED - self._asked)
            self._asked += free
            self._spent -= free
        self._spent += pause
        return pause


def longest_wait(left: float) -> float:
    """The longest `Retry-After` that is obeyed, where the caller will be cancelled after `left` seconds."""
    return max(0.0, min(left, limits.MOST_WAITED))
