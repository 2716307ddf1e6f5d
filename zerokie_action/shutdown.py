"""Time limits at the end of a run, after a failure or a signal.

At its end, a run waits for the responses to its requests, stores a manifest and releases the lock. These
steps are shielded from cancellation, each up to its own deadline. `lock.lock` releases the lock.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from zerokie_action.limits import RESPONSES, Allowance
from zerokie_action.signals import Signals


class Shutdown:
    """The run's shielded scopes and their deadlines.

    A deadline depends only on the start of the scope's time limit, the end of the work, and the signal.
    """

    def __init__(self) -> None:
        self._work_ended_at = math.inf
        self._signal_at = math.inf
        self._open: dict[anyio.CancelScope, tuple[float, Allowance]] = {}
        """The start and the length of each open scope's time limit."""

    @contextmanager
    def shielded_scope(self, allowance: Allowance, start: float | None = None) -> Iterator[None]:
        """Shield the block from cancellation until its deadline.

        Args:
            allowance: the time limits after the start and after a signal.
            start: the start of the time limit, unless the work ends earlier; by default now.
        """
        limit = anyio.current_time() if start is None else start, allowance
        with anyio.CancelScope(shield=True, deadline=self._deadline(*limit)) as scope:
            self._open[scope] = limit
            try:
                yield
            finally:
                del self._open[scope]

    @contextmanager
    def shielded_request(self) -> Iterator[None]:
        """Shield one request, so that a cancellation takes effect after its response.

        The time limit starts at the end of the work or at `timeout`, whichever comes first.
        """
        timeout_at = max(anyio.current_time(), anyio.current_effective_deadline())
        with self.shielded_scope(RESPONSES, timeout_at):
            yield

    def end_work(self) -> None:
        """Start the time limits of the end, after a failure, a cancellation or `timeout`."""
        self._work_ended_at = min(self._work_ended_at, anyio.current_time())
        self._update_deadlines()

    def begin_grace(self) -> None:
        """Start the shorter time limits, at the first signal."""
        self._signal_at = anyio.current_time()
        self._update_deadlines()

    def _deadline(self, start: float, allowance: Allowance) -> float:
        ends_at = min(start, self._work_ended_at) + allowance.seconds
        return min(ends_at, self._signal_at + allowance.grace)

    def _update_deadlines(self) -> None:
        for scope, limit in self._open.items():
            scope.deadline = self._deadline(*limit)


@asynccontextmanager
async def cancel_on_signal(signals: Signals) -> AsyncIterator[Shutdown]:
    """Yield a `Shutdown`. At the first signal, start its shorter time limits and cancel the block."""
    shutdown = Shutdown()
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            if signals.first is None:
                await anyio.wait_readable(signals.socket)
            shutdown.begin_grace()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        yield shutdown
        tasks.cancel_scope.cancel()
