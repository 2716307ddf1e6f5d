"""The deploy lock: asked for, kept alive, and given back whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every way out of `deploy_lock` finalizes with the counts of
what was really changed, except when the lock is not ours any more.

    idle ── ask ──> asking ── 200 ──────────────> held ── finalize ──> released
                      │  └── 409, heartbeat 200 ──^ │
                      │                             ├── 404/409, or 30 minutes unconfirmed ──> lost
                      └── 409 ──> waiting ── ask …  └── finalize fails ──> abandoned (expires by itself)
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import anyio

from zerokie_action.api.models import Counts
from zerokie_action.errors import (
    AuthenticationError,
    DeployError,
    LockLost,
    PlatformUnavailable,
    RequestRejected,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from zerokie_action.api.client import Asked, Client
    from zerokie_action.api.models import Finalized
    from zerokie_action.api.waiting import Log, Turn
    from zerokie_action.shield import Shield

LEASE = 30 * 60.0
"""Seconds without a heartbeat after which the platform lets a lock expire ("PUT …/deploy/lock")."""

MARGIN = 60.0
"""A write that starts now must have arrived before the lease is over."""

RELEASE_TIME = 50.0
"""Seconds. With those in which answers to writes are waited for (`upload.ANSWER_TIME`), a minute."""

RELEASE_TIME_WHEN_TOLD = 4.0
ASKING_TIME_WHEN_TOLD = 1.5
"""Seconds from a signal to the end of what is shielded: CI systems kill after 10 s, we promise 5."""

_ATTEMPT_TIME = 90.0
_HEARTBEAT_RETRY = 15.0
_GIVEN_LATE = (0.7, 0.7)
"""Seconds to wait before looking again whether the platform has given the lock, after its answer was lost."""

_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"
_NOT_OURS = "the platform says that this deploy does not hold it"


class LockState(Protocol):
    """Where it is recorded, for the cleanup, that a lock may be held."""

    def asking(self, app: str, session: str) -> None:
        """About to ask for the lock. On disk before this returns."""

    def released(self, session: str) -> None:
        """The platform confirmed that the lock is free, or it never was ours."""


def boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class DeployLock:
    """Our deploy lock on one app. Made by `deploy_lock`.

    Attributes:
        session: the deploy session ID that owns the lock.
        finalized: what finalize returned; None before, and when the answer was lost.
    """

    def __init__(
        self,
        client: Client,
        app: str,
        session: str,
        *,
        turn: Turn,
        heartbeat: float,
        state: LockState,
        shield: Shield,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self.session = session
        self.finalized: Finalized | None = None
        self._client = client
        self._app = app
        self._turn = turn
        self._heartbeat = heartbeat
        self._state = state
        self._shield = shield
        self._log = log
        self._clock = clock
        self._confirmed = -LEASE
        self._confirmed_wall = time.time()
        self._in_doubt = False
        self._lost: LockLost | None = None

    def check(self) -> None:
        """The fence before every write.

        Raises:
            LockLost: unless the platform confirmed the lock recently enough for a write to arrive in time.
        """
        if self._lost is None and self._left() <= 0:
            self._lose(_UNCONFIRMED)
        self.raise_if_lost()

    def raise_if_lost(self) -> None:
        """Raise `LockLost` if the lock is known to be lost."""
        if self._lost is not None:
            raise self._lost

    async def acquire(self) -> None:
        """Ask for the lock until it is ours.

        Raises:
            LockHeld: when somebody else's lock outlasts our patience.
        """
        self._state.asking(self._app, self.session)
        try:
            await self._ask_until_ours()
        except BaseException:
            await self._give_back_what_may_be_ours()
            raise
        waited = self._turn.waited
        self._log.info("Deploy lock acquired" + (f" after {waited:.0f} s" if waited >= 1 else ""))

    async def keep_alive(self, work: anyio.CancelScope) -> None:
        """Confirm the lock at the interval of the heartbeat, for ever; cancel the work when it is lost."""
        pause = self._heartbeat
        try:
            while True:
                await anyio.sleep(pause)
                pause = await self._beat()
        except LockLost:
            work.cancel()

    async def _beat(self) -> float:
        """One heartbeat, as long as the lease lasts. Returns the seconds until the next one.

        Raises:
            LockLost: when the lock is not ours, or may not be any more.
        """
        try:
            with anyio.move_on_after(self._left()) as scope:
                await self.confirm()
        except LockLost:
            raise
        except DeployError as error:
            self._log.warning(f"Heartbeat: {error}")
            self.check()
            return min(_HEARTBEAT_RETRY, self._heartbeat)
        if scope.cancelled_caught:
            self._lose(_UNCONFIRMED)
            self.raise_if_lost()
        return self._heartbeat

    async def confirm(self) -> None:
        """Ask the platform whether the lock is still ours, which also keeps it so.

        Raises:
            LockLost: when it is not.
            DeployError: when that could not be found out.
        """
        if not await self._confirm():
            self._lose(_NOT_OURS)
        self.check()

    async def release(self, counts: Counts) -> None:
        """Finalize, shielded from cancellation, within a deadline.

        Raises:
            LockLost: when there was nothing of ours to release.
            DeployError: when it did not work; then the hint says when the lock expires by itself.
        """
        with self._shield.protect(RELEASE_TIME, when_told=RELEASE_TIME_WHEN_TOLD) as scope:
            try:
                self.finalized = await self._finalize(counts)
            except LockLost:
                self._state.released(self.session)
                raise
            except DeployError as error:
                error.hint = f"{self._expiry()} {error.hint}"
                raise
            self._state.released(self.session)
        if scope.cancelled_caught:
            raise PlatformUnavailable(
                "The deploy lock could not be released in time: the platform did not answer",
                hint=self._expiry(),
            )

    async def _finalize(self, counts: Counts) -> Finalized | None:
        """Finalize; if that is refused or names no deploy, and the lock is still ours, once more.

        A refusal leaves the lock behind, and may come from something in between; so may an empty answer.
        """
        try:
            finalized = await self._client.finalize(self._app, self.session, counts)
            if finalized.deploy_id or not await self._confirm():
                return finalized
        except (RequestRejected, AuthenticationError) as refusal:
            if not await self._confirm():
                if refusal.unclear:
                    return None
                raise LockLost(
                    f"The deploy lock was lost before finalize: {_NOT_OURS}",
                    hint="Run the deploy again: another deploy may have taken over in between.",
                ) from refusal
        return await self._client.finalize(self._app, self.session, counts)

    @property
    def lost(self) -> LockLost | None:
        """Why the lock is not ours any more, once that is known."""
        return self._lost

    async def _ask_until_ours(self) -> None:
        while not (asked := await self._ask()).ours:
            await self._turn.wait(asked.retry_after)

    async def _ask(self) -> Asked:
        began, in_doubt = self._clock(), self._in_doubt
        try:
            asked = await self._client.acquire_lock(
                self._app, self.session, around=self._one_attempt, in_doubt=in_doubt
            )
        except DeployError as error:
            self._in_doubt = in_doubt or error.unclear
            raise
        self._in_doubt = asked.in_doubt
        if asked.ours:
            self._note_confirmed(began)
        return asked

    @contextmanager
    def _one_attempt(self) -> Iterator[None]:
        """Shields one request for the lock: torn apart, nobody would know whose lock it is."""
        self._in_doubt = True
        with self._shield.protect(_ATTEMPT_TIME, when_told=ASKING_TIME_WHEN_TOLD) as scope:
            yield
        if scope.cancelled_caught:
            raise PlatformUnavailable(
                "The platform did not answer whether it gave the deploy lock", unclear=True
            )

    async def _give_back_what_may_be_ours(self) -> None:
        if not self._in_doubt:
            self._state.released(self.session)
            return
        with self._shield.protect(RELEASE_TIME, when_told=RELEASE_TIME_WHEN_TOLD) as scope:
            try:
                if await self._was_given_late():
                    with suppress(LockLost):  # somebody else got it in between: there is nothing to give back
                        await self._finalize(Counts())
                        self._log.info("Deploy lock released")
                    self._state.released(self.session)
                else:
                    # The platform may still be at work on the request, so the cleanup must look again.
                    self._log.info("The platform has not given us the deploy lock, as far as it says")
            except DeployError as error:
                self._log.warning(f"Whether the deploy lock is ours is not known: {error}. {self._expiry()}")
        if scope.cancelled_caught:
            self._log.warning(f"Whether the deploy lock is ours is not known. {self._expiry()}")

    async def _was_given_late(self) -> bool:
        for pause in _GIVEN_LATE:
            if await self._confirm():
                return True
            await anyio.sleep(pause)
        return await self._confirm()

    async def _confirm(self) -> bool:
        asked = self._clock()
        confirmed = await self._client.heartbeat(self._app, self.session)
        if confirmed:
            self._note_confirmed(asked)
        return confirmed

    def _left(self) -> float:
        """Seconds in which a write may still begin."""
        return self._confirmed + LEASE - MARGIN - self._clock()

    def _note_confirmed(self, asked: float) -> None:
        # Counted from when we asked: the platform's 30 minutes can only have begun later.
        self._confirmed = asked
        self._confirmed_wall = time.time()

    def _lose(self, why: str) -> None:
        self._lost = LockLost(
            f"The deploy lock was lost in the middle of the deploy: {why}",
            hint="Nothing was written after that. Run the deploy again.",
        )

    def _expiry(self) -> str:
        until = datetime.fromtimestamp(self._confirmed_wall + LEASE, UTC)
        return f"The lock expires by itself at {until:%Y-%m-%d %H:%M:%S} UTC, if it was not released."


@asynccontextmanager
async def deploy_lock(
    client: Client,
    app: str,
    session: str,
    *,
    counts: Callable[[], Counts],
    turn: Turn,
    heartbeat: float,
    state: LockState,
    shield: Shield,
    log: Log,
    clock: Callable[[], float] = boot_time,
) -> AsyncIterator[DeployLock]:
    """Hold the deploy lock on an app while the body runs; finalize at its end, however it ends.

    The body is cancelled when the lock is lost, and `LockLost` is raised. When body and release both
    fail, the body's error is raised and the release's is logged.

    Args:
        counts: asked at release for what was really changed.
        turn: waits for somebody else's lock.
        heartbeat: seconds after which the lock is confirmed, again and again.
    """
    lock = DeployLock(
        client,
        app,
        session,
        turn=turn,
        heartbeat=heartbeat,
        state=state,
        shield=shield,
        log=log,
        clock=clock,
    )
    await lock.acquire()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lock.keep_alive, tasks.cancel_scope)
            yield lock
            tasks.cancel_scope.cancel()
        lock.raise_if_lost()
    except BaseException:
        if lock.lost is None:
            await _release_after_failure(lock, counts(), log)
        else:
            state.released(session)
        raise
    await lock.release(counts())


async def _release_after_failure(lock: DeployLock, counts: Counts, log: Log) -> None:
    try:
        await lock.release(counts)
    except DeployError as error:
        words = f"{error}. {error.hint}"
        log.warning(words)
    else:
        log.info("Deploy lock released")
