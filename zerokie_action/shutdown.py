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
"""For the answers to requests that were sent: they may take effect, whatever becomes of the connection."""
RECORD = Allowance(9.0, 1.3)
"""For the record of a deploy that failed, after those answers."""
FINALIZE = Allowance(40.0, 4.3)
"""For the lock's release, after that."""


class Shutdown:
    """Opens shielded scopes, and shortens their deadlines when a signal has come."""

    def __init__(self) -> None:
        self._began_at = math.inf
        self._open: dict[anyio.CancelScope, float] = {}
        self._requests: set[anyio.CancelScope] = set()

    @contextmanager
    def shielded_scope(self, allowance: Allowance) -> Iterator[anyio.CancelScope]:
        """A scope that is shielded from cancellation, for so long."""
        with anyio.CancelScope(shield=True) as scope:
            self._limit(scope, allowance)
            try:
                yield scope
            finally:
                del self._open[scope]

    @contextmanager
    def shielded_request(self) -> Iterator[None]:
        """A shielded scope for one request, which is answered before a cancellation takes effect."""
        left = max(0.0, anyio.current_effective_deadline() - anyio.current_time())
        with self.shielded_scope(Allowance(left + ANSWERS.seconds, ANSWERS.grace)) as scope:
            self._requests.add(scope)
            try:
                yield
            finally:
                self._requests.discard(scope)

    def limit_requests(self) -> None:
        """The work has ended early: the requests that are under way get the time for their answers."""
        for scope in self._requests:
            self._limit(scope, ANSWERS)

    def _limit(self, scope: anyio.CancelScope, allowance: Allowance) -> None:
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
