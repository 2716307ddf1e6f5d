"""The deploy lock: acquired, kept alive, and released whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every way out of `deploy_lock` finalizes with the counts of
what was really changed, except when the lock is not ours any more.

    idle ── ask ──> asking ── 200 ──────────────> held ── finalize ──> released
                      │  └── 409, heartbeat 200 ──^ │
                      │                             ├── 404/409, or 29 minutes unconfirmed ──> lost
                      └── 409 ──> waiting ── ask …  └── finalize fails ──> abandoned (expires by itself)

`session` sends the requests, and `lease` knows when the lock is lost.
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

import anyio

from zerokie_action.errors import (
    DeployError,
    LockHeld,
    LockLost,
    PlatformUnavailable,
    RequestRejected,
    unwrap,
)
from zerokie_action.lock.lease import NOT_OURS, UNCONFIRMED
from zerokie_action.platform.client import CONFLICT
from zerokie_action.platform.models import Counts
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from zerokie_action.lock.session import Session
    from zerokie_action.lock.state import StateRecord
    from zerokie_action.platform.client import AcquireResult
    from zerokie_action.platform.models import Finalized
    from zerokie_action.shutdown import Shutdown

# Seconds. A grace period counts from the signal: CI systems kill 10 s after it, we promise to end within 5.
_ATTEMPT_TIME = 90.0
_ATTEMPT_GRACE = 1.5
_ON_FAILURE_TIME = 10.0
_ON_FAILURE_GRACE = 2.5  # one after the grace period of uploads (`upload.ANSWER_GRACE`)
_RELEASE_TIME = 50.0  # a minute, together with the wait for the answers to uploads (`upload.ANSWER_TIME`)
_RELEASE_GRACE = 4.0

_HEARTBEAT_RETRY = 15.0
_RECHECK_PAUSES = (0.7, 0.7)
"""Seconds before each further heartbeat that tells whether a request whose answer was lost got the lock."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
_PAUSE_GROWTH = 1.6
_SHORTEST_WAIT = 0.001
_LOG_INTERVAL = 30.0


class Log(Protocol):
    """The part of a log that the lock needs."""

    def info(self, *lines: str) -> None:
        """Log a step."""

    def warning(self, text: str) -> None:
        """Log what the user should know."""


@asynccontextmanager
async def deploy_lock(
    session: Session,
    *,
    counts: Callable[[], Counts],
    wait: LockWait,
    heartbeat: float,
    state: StateRecord,
    shutdown: Shutdown,
    log: Log,
) -> AsyncIterator[DeployLock]:
    """Hold the deploy lock on an app while the body runs; finalize at its end, however it ends.

    The body is cancelled when the lock is lost, and `LockLost` is raised. When body and release both
    fail, the body's error is raised and the release's is logged; a write that was refused because the
    lock was lost is `LockLost` as well.

    Args:
        counts: called at release for the counts of what was changed.
        wait: the wait for another deploy.
        heartbeat: seconds between heartbeats.
    """
    await _acquire(session, wait=wait, state=state, shutdown=shutdown, log=log)
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
        on_failure: called with the failure when the body fails, before the release. It has ten seconds (one
            after a signal), which count against the time for the release. What it raises is logged.
    """

    def __init__(self, session: Session, state: StateRecord, shutdown: Shutdown, log: Log) -> None:
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
        """Confirm the lock every `heartbeat` seconds; cancel the work when it is lost."""
        pause = heartbeat
        try:
            while True:
                await anyio.sleep(pause)
                pause = heartbeat if await self._heartbeat() else min(_HEARTBEAT_RETRY, heartbeat)
        except LockLost:
            work.cancel()

    async def _heartbeat(self) -> bool:
        """One heartbeat, repeated as long as the lease lasts. Returns whether the lock is confirmed.

        Raises:
            LockLost: when the lock is not ours, or may not be any more.
        """
        confirmed = False
        with anyio.move_on_after(self._lease.remaining) as scope:
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
        """Call `on_failure`. Returns how many seconds that took."""
        began = anyio.current_time()
        if self.on_failure is not None:
            with self._shutdown.shielded_scope(_ON_FAILURE_TIME, grace=_ON_FAILURE_GRACE):
                try:
                    await self.on_failure(unwrap(failure))
                except Exception as error:  # noqa: BLE001 - whatever it is, the lock has to be released
                    self._log.info(f"Before the release of the lock: {unwrap(error)}")
        return anyio.current_time() - began

    async def release(self, counts: Counts) -> None:
        """Finalize after success: a request like any other, but shielded from cancellation.

        After a signal it goes on as `release_now`, within the grace period.

        Raises:
            LockLost: when the lock was not ours any more.
            DeployError: when the lock may not be released; the hint says when it expires by itself.
        """
        self.on_failure = None  # frees what it refers to
        with self._shutdown.shielded_scope(self._lease.remaining, grace=0) as scope:
            await self._finalize(self._session.finalize(counts))
        if scope.cancelled_caught:
            await self.release_now(counts, ambiguous=True)

    async def release_now(self, counts: Counts, *, spent: float = 0.0, ambiguous: bool = False) -> None:
        """Finalize after a failure or a signal, retrying until the time for it is over.

        Args:
            counts: what was changed.
            spent: seconds of that time that `on_failure` has taken.
            ambiguous: whether an attempt before this may have released the lock.

        Raises:
            LockLost: when the lock was not ours any more.
            DeployError: when the lock may not be released; the hint says when it expires by itself.
        """
        self.on_failure = None  # frees what it refers to
        with self._shutdown.shielded_scope(_RELEASE_TIME - spent, grace=_RELEASE_GRACE) as scope:
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
    """Release the lock, and log the outcome.

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


async def _acquire(
    session: Session, *, wait: LockWait, state: StateRecord, shutdown: Shutdown, log: Log
) -> None:
    """Ask for the lock until it is ours. If that fails, release what an ambiguous attempt may have acquired.

    Raises:
        LockHeld: when somebody else's lock outlasts `lock-timeout`.
        DeployError: when the platform refuses, or can't be reached.
    """
    state.acquiring(session.app, session.id)
    acquisition = _Acquisition(session, shutdown)
    try:
        while not (result := await acquisition.attempt()).ours:
            await wait.pause(result.retry_after)
    except BaseException:
        if acquisition.ambiguous:
            await _release_if_acquired(session, state, shutdown, log)
        else:
            state.released(session.id)
        raise
    after = f" after {human_seconds(wait.waited)}" if wait.waited >= 1 else ""
    message = f"Deploy lock acquired{after}"
    log.info(message)


class _Acquisition:
    """The attempts to acquire the lock.

    Attributes:
        ambiguous: whether the lock may be, or become, ours without our knowing it: an answer was lost.
    """

    def __init__(self, session: Session, shutdown: Shutdown) -> None:
        self.ambiguous = False
        self._session = session
        self._shutdown = shutdown

    async def attempt(self) -> AcquireResult:
        before = self.ambiguous
        try:
            result = await self._session.acquire(self._shielded, ambiguous=before)
        except DeployError as error:
            self.ambiguous = before or error.ambiguous
            raise
        self.ambiguous = result.ambiguous
        return result

    @asynccontextmanager
    async def _shielded(self) -> AsyncIterator[None]:
        """Shields one request for the lock: if it were interrupted, nobody would know whose lock it is."""
        self.ambiguous = True
        with self._shutdown.shielded_scope(_ATTEMPT_TIME, grace=_ATTEMPT_GRACE) as scope:
            yield
        if scope.cancelled_caught:
            raise PlatformUnavailable(
                "The platform did not answer whether it gave the deploy lock", ambiguous=True
            )


async def _release_if_acquired(session: Session, state: StateRecord, shutdown: Shutdown, log: Log) -> None:
    """Release the lock if an attempt whose answer was lost has acquired it, or does so within moments."""
    why = ""
    with shutdown.shielded_scope(_RELEASE_TIME, grace=_RELEASE_GRACE) as scope:
        try:
            if await _was_acquired_late(session):
                with suppress(LockLost):  # somebody else acquired it in between
                    await session.finalize_now(Counts())
                    log.info("Deploy lock released")
                state.released(session.id)
            else:
                # The platform may still be processing the request, so the cleanup has to ask again.
                log.info("The platform says that it has not given us the deploy lock")
        except DeployError as error:
            why = f": {error}"
    if why or scope.cancelled_caught:
        warning = f"It is not known whether this run holds the deploy lock{why}. {session.lease.expiry}"
        log.warning(warning)


async def _was_acquired_late(session: Session) -> bool:
    for pause in _RECHECK_PAUSES:
        if await session.confirm_now():
            return True
        await anyio.sleep(pause)
    return await session.confirm_now()


class LockWait:
    """The wait for another deploy of the same app: growing, jittered pauses, and a log line now and then.

    Attributes:
        waited: seconds so far; 0 when there was no other deploy.
    """

    def __init__(self, app: str, timeout: float, log: Log) -> None:
        """`timeout` in seconds counts from the first `pause`."""
        self.waited = 0.0
        self._app = app
        self._timeout = timeout
        self._log = log
        self._began: float | None = None
        self._pause = _FIRST_PAUSE
        self._next_log_at = 0.0

    async def pause(self, retry_after: float | None = None) -> None:
        """Pause once, after an attempt that found the other deploy still in progress.

        Args:
            retry_after: the shortest pause that the platform allows, in seconds, if it names one.

        Raises:
            LockHeld: when the timeout has passed, or passes before the platform may be asked again.
        """
        now = anyio.current_time()
        if self._began is None:
            self._began = now
        self.waited = now - self._began
        left = self._timeout - self.waited
        if left < max(_SHORTEST_WAIT, retry_after or 0):
            raise self._timed_out()
        self._log_wait(left)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        try:
            await anyio.sleep(min(left, max(self._pause * jitter, retry_after or 0)))
        finally:
            self.waited = anyio.current_time() - self._began
        self._pause = min(_LONGEST_PAUSE, self._pause * _PAUSE_GROWTH)

    def _log_wait(self, left: float) -> None:
        if self.waited < self._next_log_at:
            return
        if self._next_log_at == 0:
            self._log.info(
                f"Another deploy of {self._app!r} is in progress; waiting for it up to {human_seconds(left)}"
            )
        else:
            self._log.info(f"Still waiting for the other deploy ({human_seconds(left)} left)")
        self._next_log_at = self.waited + _LOG_INTERVAL

    def _timed_out(self) -> LockHeld:
        still, after = ("still ", f" after {human_seconds(self.waited)}") if self.waited >= 1 else ("", "")
        return LockHeld(
            f"Another deploy of {self._app!r} {still}holds the deploy lock{after}",
            hint="Wait for that deploy to end, or raise `lock-timeout`. "
            "A lock without heartbeat expires after 30 minutes.",
        )
