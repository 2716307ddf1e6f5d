"""Limits how many requests of one group are sent at once."""

import math
import resource
import sys

import anyio

_OTHER_FILES = 24
"""Files that a run has open besides those of its requests: streams, signals, event loop, scan."""


class AdaptiveLimiter:
    """Gives the requests of a group their slots, first come, first served.

    A failure halves the number of slots, down to one. Each success adds 4/n slots to n, at most one. So a
    platform that takes only a few requests at once slows the group down, and fails none of its requests.

    Attributes:
        slots: the slots, a context for each request.
    """

    def __init__(self, most: int) -> None:
        """Begin with all slots; `most` is the number of slots while nothing fails."""
        self._most = most
        self._target = float(most)
        self._cut_at = -math.inf
        self.slots = anyio.CapacityLimiter(most)

    def succeeded(self) -> None:
        """Note that a request was answered."""
        self._resize(min(self._most, self._target + min(1.0, 4 / self._target)))

    def failed(self, began: float) -> None:
        """Note that an attempt failed which began at this time (event loop).

        Attempts that were in flight together have one cause, so their failures halve the number once.
        """
        if began >= self._cut_at:
            self._cut_at = anyio.current_time()
            self._resize(max(1.0, self._target / 2))

    def _resize(self, target: float) -> None:
        self._target = target
        self.slots.total_tokens = int(target)


def most_requests() -> int:
    """How many concurrent requests the limit of open files allows; each has a connection and a file open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - _OTHER_FILES) // 2) if soft != resource.RLIM_INFINITY else sys.maxsize
