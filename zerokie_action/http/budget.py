"""Decides when a request that fails is given up, and how long the pauses are until then. Reads no clock."""

import math
from dataclasses import dataclass

from zerokie_action import limits
from zerokie_action.http.failure import Cause, Failure

UNTIL_DEADLINE = math.inf
"""The patience of a request that is sent again until the deadline of the enclosing scopes."""
_DOUBLINGS = 9  # more would not change the pause, and might overflow


@dataclass
class Budget:
    """The budget of one request. All times are in seconds.

    Attributes:
        seconds: how long the request may fail, counted from its first failure.
        is_prompt: whether the pauses are short, whatever `Retry-After` asks for, and none begins that would
            outlast the deadline of the enclosing scopes. At the end of a run, a signal may leave no time for
            another attempt after a longer pause.
        may_be_wrong: whether the server may be a wrong one: no request of the run was answered, and each
            failure makes no sense.
        attempts: the number of failed attempts.
    """

    seconds: float
    is_prompt: bool = False
    may_be_wrong: bool = False
    attempts: int = 0
    _gives_up_at: float = math.inf
    """Set by the first failure, on the clock of `pause`."""
    _free: float = limits.MOST_WAITED
    """The waits that `Retry-After` may still ask for without counting."""

    def extend(self, seconds: float) -> None:
        """Do not count these seconds."""
        self._gives_up_at += seconds

    def pause(
        self, failed: Failure, *, began: float, now: float, jitter: float, left: float = math.inf
    ) -> float | None:
        """Count a failed attempt.

        Args:
            failed: the failure.
            began: when the attempt began, on any clock.
            now: when the attempt failed, on the same clock.
            jitter: a random number from 0 to 1, which keeps the pauses of concurrent requests apart.
            left: the time after which the caller will be cancelled.

        Returns:
            The seconds to wait before the next attempt; None to give up.
        """
        if not self.attempts:
            self._gives_up_at = now + self.seconds
        elif not failed.was_silent:
            self.extend(max(0.0, now - began - limits.LONGEST_ATTEMPT))
        first, longest = (0.2, 1.0) if self.is_prompt else (0.5, 5.0)
        pause = min(longest, first * 2.0 ** min(self.attempts, _DOUBLINGS)) * (1 + jitter) / 2
        self.attempts += 1
        self.may_be_wrong &= failed.cause is Cause.WRONG_SERVER
        if failed.cause is Cause.CERTIFICATE:  # another attempt can't help
            return None
        if self.is_prompt:
            return pause if pause < left and now < self._gives_up_at else None
        early = max(0.0, self.seconds - limits.NO_SENSE) if self.may_be_wrong else 0.0
        if now >= self._gives_up_at - early or failed.retry_after > limits.MOST_WAITED:
            return None
        if asked := failed.retry_after:
            # A little longer: otherwise, all requests that were told the same time would come back at once.
            pause = max(asked, pause) + pause * jitter
            free = min(asked, self._free)
            self._free -= free
            self.extend(free)
        return pause
