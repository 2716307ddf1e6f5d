"""Limits on the number and the rate of requests to `/v1`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sandbox.dialects import Dialect
from sandbox.records import ApiError

_SERVED_IN = 0.02
"""Duration of a request in seconds, if the platform limits parallel requests."""


@dataclass
class Throttle:
    """Limits the parallel requests of a platform, and its requests per second."""

    _clock: Callable[[], float]
    _dialect: Dialect
    _served: deque[float] = field(default_factory=deque)
    """The arrival times of the requests in the last second."""
    _slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Run the block now or when the limits allow it; 429, 500, 502 or 503 above the limits."""
        rate, _, with_header = self._dialect["rate"].partition("-")
        now = self._clock()
        while self._served and self._served[0] <= now - 1:
            self._served.popleft()
        if rate != "any":
            if len(self._served) >= int(rate):
                raise ApiError(429, "too many requests", {"retry-after": "1"} if with_header else None)
            self._served.append(now)
        at_once, above = self._dialect["at-once"], self._dialect["above"]
        if at_once == "any":
            yield
            return
        slots = self._slots.setdefault(at_once, asyncio.Semaphore(int(at_once)))
        if above != "wait" and slots.locked():
            raise ApiError(int(above), "too many requests at once")
        async with slots:
            await asyncio.sleep(_SERVED_IN)
            yield
