"""Asking for the deploy lock until it is ours, and giving back what may be ours when that ends early.

An answer may be lost. Then the platform may have given the lock, or may yet give it, and nobody but
its heartbeat tells: as long as that is in doubt, the way out looks before it leaves.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable
from zerokie_action.lock.session import RELEASE_GRACE, RELEASE_TIME
from zerokie_action.platform.models import Counts
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zerokie_action.lock.session import LockState, Session
    from zerokie_action.lock.waiting import Log, Turn
    from zerokie_action.platform.client import Asked
    from zerokie_action.shutdown import Shutdown

_ATTEMPT_TIME = 90.0
_ATTEMPT_GRACE = 1.5
"""Seconds from a signal to the end of one request for the lock; giving it back comes after that."""

_GIVEN_LATE = (0.7, 0.7)
"""Seconds to wait before looking again whether the platform has given the lock, after its answer was lost."""


async def acquire(session: Session, *, turn: Turn, state: LockState, shutdown: Shutdown, log: Log) -> None:
    """Ask for the lock until it is ours. However this ends, `state` knows whether it may be.

    Raises:
        LockHeld: when somebody else's lock outlasts `lock-timeout`.
        DeployError: when the platform refuses, or can't be reached.
    """
    state.asking(session.app, session.id)
    asking = _Asking(session, shutdown)
    try:
        while not (asked := await asking.ask()).ours:
            await turn.wait(asked.retry_after)
    except BaseException:
        if asking.in_doubt:
            await _release_if_acquired(session, state, shutdown, log)
        else:
            state.released(session.id)
        raise
    after = f" after {human_seconds(turn.waited)}" if turn.waited >= 1 else ""
    done = f"Deploy lock acquired{after}"
    log.info(done)


class _Asking:
    """Requests for the lock, one after the other.

    Attributes:
        in_doubt: whether the lock may be ours, or become it, without our knowing: an answer was lost.
    """

    def __init__(self, session: Session, shutdown: Shutdown) -> None:
        self.in_doubt = False
        self._session = session
        self._shutdown = shutdown

    async def ask(self) -> Asked:
        before = self.in_doubt
        try:
            asked = await self._session.ask(self._one_attempt, in_doubt=before)
        except DeployError as error:
            self.in_doubt = before or error.ambiguous
            raise
        self.in_doubt = asked.in_doubt
        return asked

    @asynccontextmanager
    async def _one_attempt(self) -> AsyncIterator[None]:
        """Shields one request for the lock: torn apart, nobody would know whose lock it is."""
        self.in_doubt = True
        with self._shutdown.shielded_scope(_ATTEMPT_TIME, grace=_ATTEMPT_GRACE) as scope:
            yield
        if scope.cancelled_caught:
            raise PlatformUnavailable(
                "The platform did not answer whether it gave the deploy lock", ambiguous=True
            )


async def _release_if_acquired(session: Session, state: LockState, shutdown: Shutdown, log: Log) -> None:
    why = ""
    with shutdown.shielded_scope(RELEASE_TIME, grace=RELEASE_GRACE) as scope:
        try:
            if await _was_given_late(session):
                with suppress(LockLost):  # somebody else got it in between: there is nothing to give back
                    await session.finalize_now(Counts())
                    log.info("Deploy lock released")
                state.released(session.id)
            else:
                # The platform may still be at work on the request, so the cleanup must look again.
                log.info("The platform says that it has not given us the deploy lock")
        except DeployError as error:
            why = f": {error}"
    if why or scope.cancelled_caught:
        warning = f"It is not known whether this run holds the deploy lock{why}. {session.lease.expiry}"
        log.warning(warning)


async def _was_given_late(session: Session) -> bool:
    for pause in _GIVEN_LATE:
        if await session.confirm_now():
            return True
        await anyio.sleep(pause)
    return await session.confirm_now()
