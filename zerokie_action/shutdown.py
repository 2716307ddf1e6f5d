"""The shutdown after a signal: what is cancelled, and what may still finish within a grace period.

Acquiring and releasing the lock are shielded from cancellation. Each shielded scope has a deadline.
Once a signal has begun the shutdown, the grace period of each scope applies as well, to open scopes and to
later ones.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from zerokie_action.signals import Signals


class Shutdown:
    """Opens shielded scopes, and shortens their deadlines when the process must end."""

    def __init__(self) -> None:
        self._began_at = math.inf
        self._open: dict[anyio.CancelScope, float] = {}

    @contextmanager
    def shielded_scope(self, seconds: float, *, grace: float) -> Iterator[anyio.CancelScope]:
        """A scope that is shielded from cancellation.

        Args:
            seconds: how long the block may take.
            grace: how many seconds after the beginning of a shutdown it is cancelled at the latest.

        The scope's `cancelled_caught` says afterwards that it ran out of time.
        """
        with anyio.CancelScope(shield=True, deadline=self.deadline(seconds, grace=grace)) as scope:
            self._open[scope] = grace
            try:
                yield scope
            finally:
                del self._open[scope]

    def deadline(self, seconds: float, *, grace: float) -> float:
        """When what may take so many seconds from now has to end."""
        return min(anyio.current_time() + seconds, self._began_at + grace)

    def begin(self) -> None:
        """The process must end: grace periods begin now. Later calls change nothing."""
        self._began_at = min(self._began_at, anyio.current_time())
        for scope, grace in self._open.items():
            scope.deadline = min(scope.deadline, self._began_at + grace)


@asynccontextmanager
async def cancel_on_signal(signals: Signals) -> AsyncIterator[Shutdown]:
    """Begin the shutdown and cancel the block at the first signal. Yields that shutdown."""
    shutdown = Shutdown()
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            if signals.first is None:
                await anyio.wait_readable(signals.socket)
            shutdown.begin()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        yield shutdown
        tasks.cancel_scope.cancel()
