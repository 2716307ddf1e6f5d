"""How many uploads run at once: additive increase, multiplicative decrease.

The limit starts at the upper bound, because most platforms take it. Each push-back (429, 502, 503, 504, a
connection that is not accepted) halves it, once for all the requests that were under way at that moment;
success grows it back. The upper bound itself is what the limit on open files allows (`affordable`).
"""

from __future__ import annotations

import resource
from contextlib import suppress

import anyio

RESERVE = 32
"""Open files that are no upload's: a dozen that any run has, the heartbeat, pages, a report, the hashing."""
_EACH = 2
"""Of an upload: its connection, and the file that it reads."""


class AdaptiveLimiter:
    """A limit on parallel work, `async with` which it is done, that adapts to the platform's answers."""

    def __init__(self, upper_bound: int) -> None:
        """Begin at the upper bound."""
        self._upper_bound = upper_bound
        self._limit = float(upper_bound)
        self._limiter = anyio.CapacityLimiter(upper_bound)
        self._stale = 0

    @property
    def limit(self) -> int:
        """How many may run now; at least 1."""
        return int(self._limit)

    async def __aenter__(self) -> None:
        """Wait for room, first come, first served; then count as running until the end of the block."""
        await self._limiter.acquire()

    async def __aexit__(self, *_: object) -> None:
        """Make room, however it went."""
        self._limiter.release()
        self._stale = max(0, self._stale - 1)

    def throttled(self) -> None:
        """The platform asked for less."""
        if self._stale:
            return  # the request was sent before the limit was halved
        self._stale = self._limiter.borrowed_tokens + 1  # the request that failed has ended
        self._set(max(1.0, self._limit / 2))

    def succeeded(self) -> None:
        """A request got through: one more at once after about as many successes as run now."""
        if self._limit < self._upper_bound:
            self._set(min(float(self._upper_bound), self._limit + 1 / self._limit))

    def _set(self, limit: float) -> None:
        self._limit = limit
        self._limiter.total_tokens = int(limit)


def affordable(wanted: int) -> int:
    """How many uploads at once, at least 1 and at most `wanted`, the limit on open files allows.

    The limit is raised first, as far as the process may and needs to.
    """
    limit = _raise_limit(RESERVE + _EACH * wanted)
    return max(1, min(wanted, (limit - RESERVE) // _EACH))


def _raise_limit(needed: int) -> int:
    """Raise the soft limit to what is needed, or as far as the hard one lets us. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return needed
    if soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft
