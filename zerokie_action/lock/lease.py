"""The lease: how long the platform keeps the lock for us, and whether we may still write.

"Locks expire after 30 minutes" without a heartbeat. We count from when we sent the request, which is before
the platform could have answered, and stop a minute early, so that the last writes still arrive in time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from zerokie_action.errors import LockLost

LEASE = 30 * 60.0
"""Seconds without a heartbeat after which the platform lets a lock expire ("PUT …/deploy/lock")."""

MARGIN = 60.0
"""A write that starts now must have arrived before the lease is over."""

UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"
NOT_OURS = "the platform says that this deploy does not hold it"
"""Why a lock is lost, as the end of a sentence."""


def boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lease:
    """Our lease of one lock. It counts as expired until the platform has confirmed it for the first time.

    Attributes:
        lost: why the lock is not ours any more, once that is known.
    """

    def __init__(self) -> None:
        self.lost: LockLost | None = None
        self._renewed = -LEASE
        self._renewed_wall = time.time()

    def renew(self, asked_at: float) -> None:
        """The platform has confirmed the lock; we asked at `asked_at`, by `boot_time`."""
        # Counted from when we asked: the platform's 30 minutes can only have begun later.
        self._renewed = asked_at
        self._renewed_wall = time.time()

    @property
    def remaining(self) -> float:
        """Seconds in which a write may still begin; negative when there are none."""
        return self._renewed + LEASE - MARGIN - boot_time()

    def check(self) -> None:
        """The fence before every write.

        Raises:
            LockLost: unless the platform confirmed the lock recently enough for a write to arrive in time.
        """
        if self.lost is None and self.remaining <= 0:
            self.lose(UNCONFIRMED)
        self.raise_if_lost()

    def lose(self, why: str) -> None:
        """The lock is not ours any more; `why` is `UNCONFIRMED` or `NOT_OURS`."""
        self.lost = LockLost(
            f"The deploy lock was lost in the middle of the deploy: {why}",
            hint="Nothing was written after that. Run the deploy again.",
        )

    def raise_if_lost(self) -> None:
        """Raise `LockLost` if the lock is known to be lost."""
        if self.lost is not None:
            raise self.lost

    @property
    def expiry(self) -> str:
        """A sentence for users: when the platform lets the lock expire."""
        until = datetime.fromtimestamp(self._renewed_wall + LEASE, UTC)
        return f"The lock expires by itself at {until:%Y-%m-%d %H:%M:%S} UTC, if it was not released."
