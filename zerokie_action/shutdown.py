"""The end of a run after a failure or a signal, within the time limits of `limits`.

In this time, the run waits for the answers to its requests, stores the record of the deploy, and releases the
lock.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext

import anyio

from zerokie_action.limits import ANSWERS, Allowance
from zerokie_action.signals import Signals


class Shutdown:
    """Opens shielded scopes, and shortens their deadlines after a signal."""

    def __init__(self) -> None:
        self._signal_at = math.inf
        self._work_ended_at = math.inf
        self._open: dict[anyio.CancelScope, float] = {}
        """The grace of each open scope."""

    @contextmanager
    def shielded_scope(self, allowance: Allowance) -> Iterator[None]:
        """A scope that is shielded from cancellation until the allowance ends."""
        start = min(anyio.current_time(), self._work_ended_at)
        deadline = min(start + allowance.seconds, self._signal_at + allowance.grace)
        with anyio.CancelScope(shield=True, deadline=deadline) as scope:
            self._open[scope] = allowance.grace
            try:
                yield
            finally:
                del self._open[scope]

    def shielded_request(self) -> AbstractContextManager[None]:
        """A shielded scope for one request: a cancellation takes effect after the answer.

        After `end_work`, this adds no scope: each step at the end of a run has a shielded scope of its own. A
        second scope could outlast the step, or end the request too early.
        """
        if self._work_ended_at < math.inf:
            return nullcontext()
        left = max(0.0, anyio.current_effective_deadline() - anyio.current_time())
        return self.shielded_scope(Allowance(left + ANSWERS.seconds, ANSWERS.grace))

    def end_work(self) -> None:
        """Note that the work has ended early, and limit the requests in flight to `ANSWERS`."""
        self._work_ended_at = min(self._work_ended_at, anyio.current_time())
        for scope in self._open:
            scope.deadline = min(scope.deadline, self._work_ended_at + ANSWERS.seconds)

    def begin_grace(self) -> None:
        """Begin the grace periods, at the first signal."""
        self._signal_at = anyio.current_time()
        for scope, grace in self._open.items():
            scope.deadline = min(scope.deadline, self._signal_at + grace)


@asynccontextmanager
async def cancel_on_signal(signals: Signals) -> AsyncIterator[Shutdown]:
    """Yield a `Shutdown`. At the first signal, begin its grace periods, and cancel the block."""
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
