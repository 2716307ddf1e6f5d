"""The deploy lock: asked for, kept alive, and given back whatever happens.

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
from zerokie_action.lock.session import RELEASE_GRACE, RELEASE_TIME
from zerokie_action.platform.models import Counts
from zerokie_action.platform.refusals import CONFLICT
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from zerokie_action.lock.session import LockState, Session
    from zerokie_action.platform.client import Asked
    from zerokie_action.platform.models import Finalized
    from zerokie_action.shutdown import Shutdown

_ATTEMPT_TIME = 90.0
_ATTEMPT_GRACE = 1.5
"""Seconds from a signal to the end of one request for the lock; giving it back comes after that."""

_GIVEN_LATE = (0.7, 0.7)
"""Seconds to wait before looking again whether the platform has given the lock, after its answer was lost."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
_GROWTH = 1.6
_NEWS_EVERY = 30.0
_NOTHING_LEFT = 0.001

_HEARTBEAT_RETRY = 15.0

ON_FAILURE_TIME = 10.0
"""Seconds of the release's that `DeployLock.on_failure` may take."""

ON_FAILURE_GRACE = 2.5
"""Seconds from a signal to its end: one after the answers to uploads (`upload.ANSWER_GRACE`)."""


class Log(Protocol):
    """What is needed of a log."""

    def info(self, *lines: str) -> None:
        """A step of the story."""

    def warning(self, text: str) -> None:
        """Something the user should know."""


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


class Turn:
    """Our place in the queue behind another deploy of the same app.

    Attributes:
        waited: seconds so far; 0 when there was nobody to wait for.
    """

    def __init__(self, app: str, timeout: float, log: Log) -> None:
        """Join the queue; `timeout` in seconds counts from the first `wait`."""
        self.waited = 0.0
        self._app = app
        self._timeout = timeout
        self._log = log
        self._began: float | None = None
        self._pause = _FIRST_PAUSE
        self._next_news = 0.0

    async def wait(self, retry_after: float | None = None) -> None:
        """Pause once, after an attempt that found the other deploy still there.

        Args:
            retry_after: seconds that it has to be at least, if the platform says so.

        Raises:
            LockHeld: when the timeout has passed, or passes before the platform may be asked again.
        """
        now = anyio.current_time()
        if self._began is None:
            self._began = now
        self.waited = now - self._began
        left = self._timeout - self.waited
        if left < max(_NOTHING_LEFT, retry_after or 0):
            raise self._held()
        self._tell(left)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        try:
            await anyio.sleep(min(left, max(self._pause * jitter, retry_after or 0)))
        finally:
            self.waited = anyio.current_time() - self._began
        self._pause = min(_LONGEST_PAUSE, self._pause * _GROWTH)

    def _tell(self, left: float) -> None:
        if self.waited < self._next_news:
            return
        if self._next_news == 0:
            self._log.info(
                f"Another deploy of {self._app!r} is in progress; waiting for it up to {human_seconds(left)}"
            )
        else:
            self._log.info(f"Still waiting for the other deploy ({human_seconds(left)} left)")
        self._next_news = self.waited + _NEWS_EVERY

    def _held(self) -> LockHeld:
        still, after = ("still ", f" after {human_seconds(self.waited)}") if self.waited >= 1 else ("", "")
        return LockHeld(
            f"Another deploy of {self._app!r} {still}holds the deploy lock{after}",
            hint="Wait for that deploy to end, or raise `lock-timeout`. "
            "A lock without heartbeat expires after 30 minutes.",
        )
