"""How long to wait for an answer: as long as something moves, and then so many seconds more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_GLANCE = 10.0
"""Seconds between two looks at what moves."""
_LITTLE = 16 * 1024
"""Bytes that are not worth looking at: they have arrived, or will never."""


class Traffic(NamedTuple):
    """What the network has taken of our requests.

    Attributes:
        arrived: bytes that the other side has acknowledged, ever.
        on_the_way: bytes that it has not.
    """

    arrived: int
    on_the_way: int


class Patience:
    """The patience with the requests of one connection, one after the other.

    Has one timer for all of them: to set one for each would take longer than much of a small upload.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        traffic: Callable[[], Traffic],
        is_needed: Callable[[], bool],
        give_up: Callable[[str], None],
    ) -> None:
        """Wait for nothing yet.

        Args:
            loop: whose time counts.
            traffic: asked now and then, while an answer takes long.
            is_needed: whether an answer is still waited for.
            give_up: called with the reason.
        """
        self._loop = loop
        self._traffic = traffic
        self._is_needed = is_needed
        self._give_up = give_up
        self._seconds = 0.0
        self._deadline = 0.0
        self._looked = 0.0
        self._last = Traffic(0, 0)
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        """A request is about to be sent; without any movement, its answer has so much time."""
        self._seconds = seconds
        self._last = Traffic(0, 0)
        self.renew()

    def renew(self) -> None:
        """Something has moved."""
        self._looked = self._loop.time()
        self._deadline = self._looked + self._seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self.end()  # it was set for a request that had more time
        if self._timer is None:
            self._set_timer()

    def end(self) -> None:
        """Nothing will be waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self._timer = self._loop.call_at(min(self._deadline, self._looked + _GLANCE), self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._is_needed():
            return
        now = self._loop.time()
        before, self._last = self._last, self._traffic()
        if before.on_the_way > _LITTLE and self._last.arrived > before.arrived:
            # What is all there now may be there since the last look.
            self._deadline = (now if self._last.on_the_way else self._looked) + self._seconds
        self._looked = now
        if now >= self._deadline:
            self._give_up(f"no answer within {self._seconds:.0f} s")
        else:
            self._set_timer()
