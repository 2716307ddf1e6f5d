"""How many uploads run at once: additive increase, multiplicative decrease.

Starts at the upper bound, because most platforms take it. Each push-back (429, 502, 503) halves
it, once for all the requests that were under way at that moment; success grows it back.
"""

from __future__ import annotations

import anyio


class Pace:
    """A limit on parallel work, `async with` which it is done, that moves with the platform's answers.

    Attributes:
        limit: how many may run now; at least 1.
    """

    def __init__(self, upper_bound: int) -> None:
        """Begin at the upper bound."""
        self.limit = float(upper_bound)
        self._upper_bound = upper_bound
        self._running = 0
        self._deaf = 0
        self._room = anyio.Event()

    async def __aenter__(self) -> None:
        """Wait for room, then count as running until the end of the block."""
        while self._running >= int(self.limit):
            await self._room.wait()
        self._running += 1

    async def __aexit__(self, *_: object) -> None:
        """Make room, however it went."""
        self._running -= 1
        self._deaf = max(0, self._deaf - 1)
        self._let_in()

    def pushed_back(self) -> None:
        """The platform asked for less."""
        if self._deaf:
            return  # it was asked before it could notice that there is less already
        self.limit = max(1.0, self.limit / 2)
        self._deaf = self._running

    def succeeded(self) -> None:
        """A request got through: one more at once after about as many successes as run now."""
        self.limit = min(float(self._upper_bound), self.limit + 1 / self.limit)
        self._let_in()

    def _let_in(self) -> None:
        if self._running < int(self.limit) and self._room.statistics().tasks_waiting:
            self._room.set()
            self._room = anyio.Event()
