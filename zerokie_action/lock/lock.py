"""The deploy lock: asked for, kept alive, and given back whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every way out of `deploy_lock` finalizes with the counts of
what was really changed, except when the lock is not ours any more.

    idle ── ask ──> asking ── 200 ──────────────> held ── finalize ──> released
                      │  └── 409, heartbeat 200 ──^ │
                      │                             ├── 404/409, or 29 minutes unconfirmed ──> lost
                      └── 409 ──> waiting ── ask …  └── finalize fails ──> abandoned (expires by itself)

What is left of "held" is in `acquire`; `lease` knows when the lock is lost, and `session` sends the requests.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected, unwrap
from zerokie_action.lock.acquire import acquire
from zerokie_action.lock.lease import NOT_OURS, UNCONFIRMED
from zerokie_action.lock.session import RELEASE_GRACE, RELEASE_TIME
from zerokie_action.platform.refusals import CONFLICT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from zerokie_action.lock.session import LockState, Session
    from zerokie_action.lock.waiting import Log, Turn
    from zerokie_action.platform.models import Counts, Finalized
    from zerokie_action.shutdown import Shutdown

_HEARTBEAT_RETRY = 15.0

ON_FAILURE_TIME = 10.0
"""Seconds of the release's that `DeployLock.on_failure` may take."""

ON_FAILURE_GRACE = 2.5
"""Seconds from a signal to its end: one after the answers to uploads (`upload.ANSWER_GRACE`)."""


@asynccontextmanager
async def deploy_lock(
    session: Session,
    *,
    counts: Callable[[], Counts],
    turn: Turn,
    heartbeat: float,
    state: LockState,
    shutdown: Shutdown,
    log: Log,
) -> AsyncIterator[DeployLock]:
    """Hold the deploy lock on an app while the body runs; finalize at its end, however it ends.

    The body is cancelled when the lock is lost, and `LockLost` is raised. When body and release both
    fail, the body's error is raised and the release's is logged; a write that was refused because the
    lock was lost is `LockLost` as well.

    Args:
        counts: asked at release for what was really changed.
        turn: waits for somebody else's lock.
        heartbeat: seconds after which the lock is confirmed, again and again.
    """
    await acquire(session, turn=turn, state=state, shutdown=shutdown, log=log)
    lock = DeployLock(session, state, shutdown, log)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lock.keep_alive, heartbeat, tasks.cancel_scope)
            yield lock
            tasks.cancel_scope.cancel()
        if not lock.ended:
            session.lease.raise_if_lost()
    except BaseException as failure:
        if lock.ended:
            raise
        was_lost = session.lease.lost is not None
        spent = 0.0 if was_lost else await lock.run_on_failure(failure)
        if session.lease.lost is None:
            await _release_after_failure(lock, counts(), failure, spent, log)
        else:
            state.released(session.id)
            if not was_lost and isinstance(failure, Exception):  # then this is why the platform refused
                raise session.lease.lost from failure
        raise
    if not lock.ended:
        await lock.release(counts())


class DeployLock:
    """The deploy lock of one app, while it is ours. Made by `deploy_lock`.

    Attributes:
        finalized: what finalize returned; None before, and when the answer was lost.
        ended: whether it ended with its app; then there is nothing to release.
        on_failure: the last work under the lock when the body fails, within ten seconds of the release's time
            (one after a signal). It is given the failure. What it raises is logged.
    """

    def __init__(self, session: Session, state: LockState, shutdown: Shutdown, log: Log) -> None:
        self.finalized: Finalized | None = None
        self.ended = False
        self.on_failure: Callable[[BaseException], Awaitable[None]] | None = None
        self._session = session
        self._lease = session.lease
        self._state = state
        self._shutdown = shutdown
        self._log = log

    def check(self) -> None:
        """The fence before every write (see `Lease.check`)."""
        self._lease.check()

    def end(self) -> None:
        """The app was deleted, and the lock with it."""
        self.ended = True
        self._state.released(self._session.id)

    async def confirm(self) -> None:
        """Ask the platform whether the lock is still ours, which also keeps it so.

        Raises:
            LockLost: when it is not.
            DeployError: when that could not be found out.
        """
        if not await self._session.confirm():
            self._lease.lose(NOT_OURS)
        self._lease.check()

    async def keep_alive(self, heartbeat: float, work: anyio.CancelScope) -> None:
        """Confirm the lock every `heartbeat` seconds, for ever; cancel the work when it is lost."""
        pause = heartbeat
        try:
            while True:
                await anyio.sleep(pause)
                pause = heartbeat if await self._beat() else min(_HEARTBEAT_RETRY, heartbeat)
        except LockLost:
            work.cancel()

    async def _beat(self) -> bool:
        """One heartbeat, repeated as long as the lease lasts. Returns whether the lock is confirmed.

        Raises:
            LockLost: when the lock is not ours, or may not be any more.
        """
        confirmed = False
        with anyio.move_on_after(self._lease.left) as scope:
            try:
                confirmed = await self._session.confirm_until_answered()
            except DeployError as error:
                self._log.warning(f"Heartbeat: {error}")
            else:
                if not confirmed:
                    self._lease.lose(NOT_OURS)
        if scope.cancelled_caught:
            self._lease.lose(UNCONFIRMED)
        self._lease.check()
        return confirmed

    async def run_on_failure(self, failure: BaseException) -> float:
        """Do what `on_failure` says. Returns how many seconds that took."""
        began = anyio.current_time()
        if self.on_failure is not None:
            with self._shutdown.shielded_scope(ON_FAILURE_TIME, grace=ON_FAILURE_GRACE):
                try:
                    await self.on_failure(unwrap(failure))
                except Exception as error:  # noqa: BLE001 - whatever it is, the lock has to be released
                    self._log.info(f"Before the release of the lock: {unwrap(error)}")
        return anyio.current_time() - began

    async def release(self, counts: Counts) -> None:
        """Finalize after success: a request like any other, but shielded from cancellation.

        When a signal says that the process must end, what is left of the time is used as after a failure.

        Raises:
            LockLost: when there was nothing of ours to release.
            DeployError: when it did not work; then the hint says when the lock expires by itself.
        """
        self.on_failure = None  # with all that it holds on to
        with self._shutdown.shielded_scope(self._lease.left, grace=0) as patient:
            await self._finalize(self._session.finalize(counts))
        if patient.cancelled_caught:
            await self.release_now(counts, ambiguous=True)

    async def release_now(self, counts: Counts, *, spent: float = 0.0, ambiguous: bool = False) -> None:
        """Finalize in the time that is left after a failure or a signal, all of which is used.

        Args:
            counts: what was changed.
            spent: seconds of that time which are over.
            ambiguous: whether an attempt before this may have released the lock.

        Raises:
            LockLost: when there was nothing of ours to release.
            DeployError: when it did not work; then the hint says when the lock expires by itself.
        """
        self.on_failure = None  # with all that it holds on to
        with self._shutdown.shielded_scope(RELEASE_TIME - spent, grace=RELEASE_GRACE) as scope:
            await self._finalize(self._session.finalize_now(counts, ambiguous=ambiguous))
        if scope.cancelled_caught:
            raise PlatformUnavailable(
                "The deploy lock could not be released in time: the platform did not answer",
                hint=self._lease.expiry,
            )

    async def _finalize(self, finalize: Awaitable[Finalized | None]) -> None:
        try:
            self.finalized = await finalize
        except LockLost:
            self._state.released(self._session.id)
            raise
        except DeployError as error:
            error.hint = f"{self._lease.expiry} {error.hint}"
            raise
        self._state.released(self._session.id)


async def _release_after_failure(
    lock: DeployLock, counts: Counts, failure: BaseException, spent: float, log: Log
) -> None:
    """Release the lock, and log what came of it.

    Raises:
        LockLost: when that is why the platform refused a write (409, "deploy lock conflict").
    """
    try:
        await lock.release_now(counts, spent=spent)
    except DeployError as error:
        refusal = unwrap(failure)
        if (
            isinstance(error, LockLost)
            and isinstance(refusal, RequestRejected)
            and refusal.status == CONFLICT
        ):
            raise error from refusal
        warning = f"{error}. {error.hint}"
        log.warning(warning)
    else:
        log.info("Deploy lock released")
