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

from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

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
from zerokie_action.polling import Polling
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from zerokie_action.ci import CI
    from zerokie_action.lock.session import Session
    from zerokie_action.lock.state import StateRecord
    from zerokie_action.platform.client import Client
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
_RECHECK_PAUSES = (0.0, 0.7, 0.7)
"""Seconds before each heartbeat that tells whether a request whose answer was lost got the lock."""

_SHORTEST_WAIT = 0.001


@asynccontextmanager
async def deploy_lock(
    session: Session,
    *,
    counts: Callable[[], Counts],
    wait: LockWait,
    heartbeat: float,
    state: StateRecord,
    shutdown: Shutdown,
    ci: CI,
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
    lock = DeployLock(session, state, shutdown, ci)
    await lock.acquire(wait)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lock.keep_alive, heartbeat, tasks.cancel_scope)
            yield lock
            tasks.cancel_scope.cancel()
        if lock.ended:
            return
        session.lease.raise_if_lost()
    except BaseException as failure:
        if not lock.ended:
            await lock.release_after_failure(failure, counts)
        raise
    await lock.release(counts())


class DeployLock:
    """The deploy lock of one app. Made by `deploy_lock`, and ours in its body.

    Attributes:
        finalized: what finalize returned; None before, and when the answer was lost.
        ended: whether it ended with its app; then there is nothing to release.
        on_failure: called with the failure when the body fails, before the release. It has ten seconds (one
            after a signal), which count against the time for the release. What it raises is logged.
    """

    def __init__(self, session: Session, state: StateRecord, shutdown: Shutdown, ci: CI) -> None:
        self.finalized: Finalized | None = None
        self.ended = False
        self.on_failure: Callable[[BaseException], Awaitable[None]] | None = None
        self._session = session
        self._lease = session.lease
        self._state = state
        self._shutdown = shutdown
        self._ci = ci
        self._ambiguous = False
        """Whether the lock may be, or become, ours without our knowing it: an answer was lost."""

    # While the body runs

    def check(self) -> None:
        """The fence before every write (see `Lease.check`)."""
        self._lease.check()

    async def confirm(self) -> None:
        """Ask the platform whether the lock is still ours, which also keeps it so.

        Raises:
            LockLost: when it is not.
            DeployError: when that could not be found out.
        """
        if not await self._session.confirm():
            self._lease.lose(NOT_OURS)
        self._lease.check()

    def end(self) -> None:
        """The app was deleted, and the lock with it."""
        self.ended = True
        self._state.released(self._session.id)

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
                confirmed = await self._session.confirm(self._session.client.heartbeats)
            except DeployError as error:
                self._ci.warning(f"Heartbeat: {error}")
            else:
                if not confirmed:
                    self._lease.lose(NOT_OURS)
        if scope.cancelled_caught:
            self._lease.lose(UNCONFIRMED)
        self._lease.check()
        return confirmed

    # Before it

    async def acquire(self, wait: LockWait) -> None:
        """Ask for the lock until it is ours. If that fails, release what may be ours all the same.

        Raises:
            LockHeld: when somebody else's lock outlasts `lock-timeout`.
            DeployError: when the platform refuses, or can't be reached.
        """
        self._state.acquiring(self._session.app, self._session.id)
        try:
            while (retry_after := await self._ask()) is not None:
                await wait.pause(retry_after)
        except BaseException:
            if self._ambiguous:
                await self._release_if_acquired()
            else:
                self._state.released(self._session.id)
            raise
        after = f" after {human_seconds(wait.waited)}" if wait.waited >= 1 else ""
        self._ci.info(f"Deploy lock acquired{after}")

    async def _ask(self) -> float | None:
        """Ask for the lock. Returns None when it is ours, else seconds before which not to ask again."""
        before = self._ambiguous
        try:
            await self._session.acquire(self._shielded)
        except DeployError as error:
            self._ambiguous = before or error.ambiguous
            if not isinstance(error, RequestRejected) or error.status != CONFLICT:
                raise
            if not (self._ambiguous and await self._session.confirm()):
                return error.retry_after
        self._ambiguous = False
        return None

    @contextmanager
    def _shielded(self) -> Iterator[None]:
        """Shields one request for the lock: if it were interrupted, nobody would know whose lock it is."""
        self._ambiguous = True
        with self._shutdown.shielded_scope(_ATTEMPT_TIME, grace=_ATTEMPT_GRACE):
            yield

    async def _release_if_acquired(self) -> None:
        """Release the lock if an attempt whose answer was lost has acquired it, or does so within moments."""
        why = ""
        with self._shutdown.shielded_scope(_RELEASE_TIME, grace=_RELEASE_GRACE) as scope:
            try:
                if await self._was_acquired_late():
                    with suppress(LockLost):  # somebody else acquired it in between
                        await self._session.finalize(self._session.client.urgent, Counts())
                        self._ci.info("Deploy lock released")
                    self._state.released(self._session.id)
                else:
                    # The platform may still be processing the request, so the cleanup has to ask again.
                    self._ci.info("The platform says that this run does not hold the deploy lock")
            except DeployError as error:
                why = f": {error}"
        if why or scope.cancelled_caught:
            self._ci.warning(
                f"It is not known whether this run holds the deploy lock{why}. {self._lease.expiry}"
            )

    async def _was_acquired_late(self) -> bool:
        for pause in _RECHECK_PAUSES:
            await anyio.sleep(pause)
            if await self._session.confirm(self._session.client.urgent):
                return True
        return False

    # After it

    async def release(self, counts: Counts) -> None:
        """Finalize after success: a request like any other, but shielded from cancellation.

        After a signal there is the time of a release after a failure, and there is never less than that: what
        answers in the platform's place while it restarts must not cost half an hour of its lock.

        Raises:
            LockLost: when the lock was not ours any more.
            DeployError: when the lock may not be released; the hint says when it expires by itself.
        """
        self.on_failure = None  # frees what it refers to
        began = anyio.current_time()
        with self._shutdown.shielded_scope(self._lease.remaining, grace=0) as scope:
            try:
                await self._finalize(self._session.client, counts)
            except PlatformUnavailable as error:
                spent = anyio.current_time() - began
                if error.retry_after or spent >= _RELEASE_TIME or scope.cancel_called:
                    raise
                await self._finalize_now(counts, spent=spent, ambiguous=error.ambiguous)
        if scope.cancelled_caught:
            await self._finalize_now(counts, ambiguous=True)

    async def release_after_failure(self, failure: BaseException, counts: Callable[[], Counts]) -> None:
        """Call `on_failure`, finalize, and log the outcome.

        Raises:
            LockLost: when the lock was lost meanwhile, or that is why the platform refused a write (409,
                "deploy lock conflict").
        """
        was_lost = self._lease.lost is not None
        spent = 0.0 if was_lost else await self._run_on_failure(failure)
        if self._lease.lost is not None:
            self._state.released(self._session.id)
            if not was_lost and isinstance(failure, Exception):  # then this is why the platform refused
                raise self._lease.lost from failure
            return
        try:
            await self._finalize_now(counts(), spent=spent)
        except DeployError as error:
            refusal = unwrap(failure)
            is_refused = isinstance(refusal, RequestRejected) and refusal.status == CONFLICT
            if isinstance(error, LockLost) and is_refused:
                raise error from refusal
            self._ci.warning(f"{error}. {error.hint}")
        else:
            self._ci.info("Deploy lock released")

    async def _run_on_failure(self, failure: BaseException) -> float:
        """Call `on_failure`. Returns how many seconds that took."""
        began = anyio.current_time()
        if self.on_failure is not None:
            with self._shutdown.shielded_scope(_ON_FAILURE_TIME, grace=_ON_FAILURE_GRACE):
                try:
                    await self.on_failure(unwrap(failure))
                except Exception as error:  # noqa: BLE001 - whatever it is, the lock has to be released
                    self._ci.info(f"Before releasing the lock: {unwrap(error)}")
        self.on_failure = None  # frees what it refers to
        return anyio.current_time() - began

    async def _finalize_now(self, counts: Counts, *, spent: float = 0.0, ambiguous: bool = False) -> None:
        """Finalize, retrying until the time for it is over, of which so many seconds are spent."""
        with self._shutdown.shielded_scope(_RELEASE_TIME - spent, grace=_RELEASE_GRACE) as scope:
            await self._finalize(self._session.client.urgent, counts, ambiguous=ambiguous)
        if scope.cancelled_caught:
            raise PlatformUnavailable(
                "The deploy lock could not be released in time: the platform did not answer",
                hint=self._lease.expiry,
            )

    async def _finalize(self, client: Client, counts: Counts, *, ambiguous: bool = False) -> None:
        try:
            self.finalized = await self._session.finalize(client, counts, ambiguous=ambiguous)
        except LockLost:
            self._state.released(self._session.id)
            raise
        except DeployError as error:
            error.hint = f"{self._lease.expiry} {error.hint}"
            raise
        self._state.released(self._session.id)


class LockWait:
    """The wait for another deploy of the same app: growing, jittered pauses, and a log line now and then.

    Attributes:
        waited: seconds so far; 0 when there was no other deploy.
    """

    def __init__(self, app: str, timeout: float, ci: CI) -> None:
        """`timeout` in seconds counts from the first `pause`."""
        self.waited = 0.0
        self._app = app
        self._timeout = timeout
        self._ci = ci
        self._began: float | None = None
        self._polling = Polling(ci.info, jitter=0.5)  # two that begin together do not ask together for ever

    async def pause(self, retry_after: float | None = None) -> None:
        """Pause once, after an attempt that found the other deploy still in progress.

        Args:
            retry_after: the shortest pause that the platform allows, in seconds, if it names one.

        Raises:
            LockHeld: when the timeout has passed, or passes before the platform may be asked again.
        """
        now = anyio.current_time()
        is_first = self._began is None
        self._began = now if self._began is None else self._began
        self.waited = now - self._began
        left = self._timeout - self.waited
        if left < max(_SHORTEST_WAIT, retry_after or 0):
            raise self._timed_out()
        until = human_seconds(left)
        if is_first:
            self._ci.info(f"Another deploy of {self._app!r} is in progress; waiting for it up to {until}")
        line = f"Still waiting for the other deploy ({until} left)"
        try:
            await self._polling.pause(line, at_least=retry_after or 0, at_most=left)
        finally:
            self.waited = anyio.current_time() - self._began

    def _timed_out(self) -> LockHeld:
        still, after = ("still ", f" after {human_seconds(self.waited)}") if self.waited >= 1 else ("", "")
        return LockHeld(
            f"Another deploy of {self._app!r} {still}holds the deploy lock{after}",
            hint="Wait for that deploy to end, or raise `lock-timeout`. "
            "A lock without heartbeat expires after 30 minutes.",
        )
