"""The end of the work, by a failure or a signal: what may still finish, and until when.

A run ends within a minute after a failure, and within 5 s after a signal: CI systems kill it after 10 s. In
that time come the answers to what was sent, then what has to be stored, then the lock's release.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from zerokie_action.signals import Signals


class Allowance(NamedTuple):
    """How long something may take when the work has ended.

    Attributes:
        seconds: from its start.
        grace: from the signal, if one has come or comes meanwhile.
    """

    seconds: float
    grace: float


ANSWERS = Allowance(10.0, 1.0)
"""For the answers to what was sent: it may take effect, whatever becomes of its connection."""
RELEASE = Allowance(49.0, 4.3)
"""For the lock's release and what comes before it, after those answers."""
FINALIZE = Allowance(40.0, 3.0)
"""What finalize has of that, unless an answer to what was stored before it is still waited for."""


class Shutdown:
    """Opens shielded scopes, and shortens their deadlines when a signal has come."""

    def __init__(self) -> None:
        self._began_at = math.inf
        self._open: dict[anyio.CancelScope, float] = {}

    @contextmanager
    def shielded_scope(self, allowance: Allowance) -> Iterator[anyio.CancelScope]:
        """A scope that is shielded from cancellation, for so long."""
        with anyio.CancelScope(shield=True) as scope:
            self.limit(scope, allowance)
            try:
                yield scope
            finally:
                del self._open[scope]

    @contextmanager
    def shielded_request(self) -> Iterator[None]:
        """A shielded scope for one request, which is answered before what cancels it takes effect."""
        left = max(0.0, anyio.current_effective_deadline() - anyio.current_time())
        with self.shielded_scope(Allowance(left + ANSWERS.seconds, ANSWERS.grace)):
            yield

    def limit(self, scope: anyio.CancelScope, allowance: Allowance) -> None:
        """Give a scope its deadline."""
        self._open[scope] = allowance.grace
        scope.deadline = min(anyio.current_time() + allowance.seconds, self._began_at + allowance.grace)

    def begin(self) -> None:
        """A signal has come: grace periods begin now. Later calls change nothing."""
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
