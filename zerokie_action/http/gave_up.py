"""The error after a request's last attempt."""

import time

from zerokie_action.errors import PlatformUnavailable
from zerokie_action.http.failure import Failure
from zerokie_action.text import human_files, human_seconds


class GaveUp(PlatformUnavailable):
    """A request got no answer. The message says which request, how often it was sent, and why it failed.

    Attributes:
        failure: the last failure.
    """

    def __init__(self, message: str, last: Failure, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.failure = last
        self.retry_after = last.retry_after


def after_attempts(purpose: str, last: Failure, attempts: int, seconds: float, others: int) -> GaveUp:
    """The error after so many attempts; `others` other requests of the group were answered meanwhile."""
    tried = "1 attempt" if attempts == 1 else f"{attempts:,} attempts in {human_seconds(seconds)}"
    worked = f", while {human_files(others, 'other')} worked" if others else ""
    return GaveUp(f"{purpose} failed after {tried}{worked}: {last.reason}", last)


def asked_to_wait(purpose: str, last: Failure) -> GaveUp:
    """The error after a `Retry-After` that is too long."""
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + last.retry_after))
    return GaveUp(
        f"{purpose} failed: {last.reason}; it asks to wait until {until} UTC",
        last,
        hint="Run the job again after that time. A longer `timeout` helps with waits of up to 10 minutes.",
    )
