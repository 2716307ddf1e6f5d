"""The deploy lock: acquired, kept, and released whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every way out finalizes with the counts of what was really changed,
unless the lock is not ours any more.

The platform lets a lock expire 30 minutes after the last heartbeat. We count from when we asked, which is
before it could have answered, and stop a minute early, so that the last write still arrives in time.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected, unwrap
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.lock.record import EXPIRY, expiry
from zerokie_action.platform.client import CONFLICT, NOT_FOUND
from zerokie_action.shutdown import RECORD, RELEASE, Allowance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from zerokie_action.ci import CI
    from zerokie_action.lock.record import LockRecords
    from zerokie_action.platform.client import Client
    from zerokie_action.platform.models import Counts, Finalized
    from zerokie_action.shutdown import Shutdown

_MARGIN = 60.0
_LATE = 5.0
"""Seconds in which a request whose answer was lost may still be carried out."""
_ASK_AGAIN = 15.0
"""Seconds after a heartbeat that failed or was refused, until the next."""
_HEARTBEAT = (_ASK_AGAIN, _ASK_AGAIN)

_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"
_NOT_OURS = "the platform says that this deploy does not hold it"


class _State(Enum):
    """Where the lock is; `DeployLock` draws the ways between."""

    FREE = auto()
    """It was not asked for, or each request for it was refused."""
    ASKED = auto()
    """A request for it may be carried out: the answer is not there yet, or was lost."""
    HELD = auto()
    """The platform has confirmed it."""
    ENDING = auto()
    """A request to finalize may be carried out."""
    LOST = auto()
    """It was held, and is not any more."""
    OVER = auto()
    """Released, deleted with the app, or left to the cleanup: there is nothing more to try."""


class DeployLock:
    """The deploy lock of one app, for one session.

    In this order: `async with releasing(counts):`, `await acquire()`, `async with kept(heartbeat):`.

        FREE ---- request ---> ASKED --- granted, or heartbeat ---> HELD --- finalize ---> ENDING ---> OVER
         ^                       |                                   |                       |
         +------- refused -------+         LOST <--- 404 or 409 -----+-----------------------+
                                                     29 minutes without an answer

    Attributes:
        finalized: what finalize returned; None before, and when its answer was lost or said nothing.
        lost_answer: why finalize got no answer, though it released the lock; empty when it got one.
        unreleased: why the lock could not be released after a failure, for reports; usually empty.
        on_failure: called once when the work fails while the lock is held, before the release, within
            `shutdown.RECORD`. What it raises is logged.
    """

    def __init__(
        self, client: Client, app: str, session: str, *, records: LockRecords, shutdown: Shutdown, ci: CI
    ) -> None:
        """Ask for nothing yet.

        Args:
            client: sends the requests.
            app: the app's name.
            session: the deploy session ID that is to own the lock.
            records: where the cleanup looks for it.
            shutdown: for the time that a release has after a failure or a signal.
            ci: for the log.
        """
        self.finalized: Finalized | None = None
        self.lost_answer = ""
        self.unreleased = ""
        self.on_failure: Callable[[], Awaitable[None]] | None = None
        self._client = client
        self._app = app
        self._session = session
        self._records = records
        self._shutdown = shutdown
        self._ci = ci
        self._state = _State.FREE
        self._confirmed_at = 0.0
        """When the request was sent that confirmed the lock last."""
        self._may_come_late = False
        """Whether an earlier request may still be carried out, even after the lock was released."""
        self._why_lost = ""

    # Acquire

    async def acquire(self) -> None:
        """Ask for the lock once.

        Raises:
            RequestRejected: with status 409 when somebody else holds it.
            DeployError: when the platform refuses, or can't be reached.
        """
        before, asked_at, attempts = self._state, _boot_time(), 0

        @contextmanager
        def attempt() -> Iterator[None]:
            nonlocal attempts
            attempts += 1
            self._may_come_late = before is _State.ASKED or attempts > 1
            self._state = _State.ASKED
            with self._shutdown.shielded_request():
                yield

        try:
            await self._client.guarded(attempt).acquire_lock(self._app, self._session)
        except DeployError as error:
            may_come = before is _State.ASKED or error.ambiguous or self._client.creation.is_pending
            self._may_come_late = may_come
            self._state = _State.ASKED if may_come else _State.FREE
            is_conflict = isinstance(error, RequestRejected) and error.status == CONFLICT
            # It may be a conflict with ourselves: then the heartbeat knows this session.
            if not (is_conflict and may_come and await self._confirm(self._client)):
                raise
        else:
            self._state, self._confirmed_at = _State.HELD, asked_at
            self._client.creation.is_ready = True

    # Keep

    @asynccontextmanager
    async def kept(self, heartbeat: float) -> AsyncIterator[None]:
        """Confirm the lock every `heartbeat` seconds while the block runs; cancel the block when it is lost.

        Raises:
            LockLost: then.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, heartbeat, tasks.cancel_scope)
            yield
            tasks.cancel_scope.cancel()
        if self._state is _State.LOST:
            raise self._loss()

    def check(self) -> None:
        """The fence before every write.

        Raises:
            LockLost: unless the platform confirmed the lock recently enough for a write to arrive in time.
        """
        if self._state is not _State.LOST and self._seconds_left > 0:
            return
        raise self._loss(_UNCONFIRMED)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Around one attempt of a request that changes something: behind the fence, and not interrupted."""
        self.check()
        with self._shutdown.shielded_request():
            yield

    def end(self) -> None:
        """The lock is no longer ours: released, lost, or deleted with the app."""
        if self._state is not _State.ASKED and not self._may_come_late:  # else the cleanup asks
            self._records.release(self._session)
        self._state = _State.OVER

    @property
    def _seconds_left(self) -> float:
        """In which a write may still begin."""
        return self._confirmed_at + EXPIRY - _MARGIN - _boot_time()

    async def _keep(self, heartbeat: float, work: anyio.CancelScope) -> None:
        pause = heartbeat
        try:
            while True:
                await anyio.sleep(pause)
                pause = heartbeat
                with anyio.move_on_after(self._seconds_left):
                    try:
                        if not await self._confirm(self._client.retrying(_HEARTBEAT)):
                            self._loss(_NOT_OURS)
                    except DeployError as error:
                        self._ci.warning(f"Heartbeat: {error}")
                        pause = min(_ASK_AGAIN, heartbeat)
                self.check()
        except LockLost:
            work.cancel()

    async def _confirm(self, client: Client) -> bool:
        """Ask whether the lock is ours, which also keeps it so."""
        asked_at = 0.0

        @contextmanager
        def attempt() -> Iterator[None]:
            nonlocal asked_at
            asked_at = _boot_time()
            yield

        is_ours = await client.guarded(attempt).heartbeat(self._app, self._session)
        if is_ours:
            self._confirmed_at = asked_at
            if self._state is _State.ASKED:
                self._state = _State.HELD
        return is_ours

    def _loss(self, why: str = "") -> LockLost:
        """The lock is lost: the error to raise, with the first reason that was given."""
        self._state = _State.LOST
        self._why_lost = self._why_lost or why
        return LockLost(
            f"The deploy lock was lost during the deploy: {self._why_lost}",
            hint="Nothing was sent once that was known. Run it again: another deploy may hold the lock.",
        )

    # Release

    @asynccontextmanager
    async def releasing(self, counts: Callable[[], Counts]) -> AsyncIterator[None]:
        """Record the session for the cleanup, and release the lock when the block ends, however it ends.

        When block and release both fail, the block's error is raised and the release's is logged.

        Args:
            counts: called at the end for the counts of what was changed.
        """
        self._records.add(self._app, self._session)
        try:
            yield
            if self._state is not _State.OVER:
                await self.release(counts())
        except BaseException as failure:
            if self._state is not _State.OVER:
                await self._release_after(unwrap(failure), counts)
            raise

    async def release(self, counts: Counts, within: Allowance | None = None) -> bool:
        """Finalize: release the lock, purge the CDN's cache, record the deploy.

        Args:
            counts: what was changed.
            within: how long the platform is asked again and again, whatever cancels the work; first whether
                the session holds the lock, if that is not known. None: as long as any other request.

        Returns:
            Whether the session held the lock.

        Raises:
            LockLost: when it was ours, and is not any more.
            DeployError: when it may not be released; the hint says when it expires.
        """
        was_held = True
        try:
            if within is None:
                await self._finalize(self._client, counts)
            else:
                was_held = await self._release_in_time(counts, within)
        except LockLost:
            self.end()
            raise
        except DeployError as error:
            self._state = _State.OVER
            error.hint = (
                f"The lock expires by itself {expiry()}, if it was not released. {error.hint}".strip()
            )
            raise
        self.end()
        return was_held

    async def _release_in_time(self, counts: Counts, within: Allowance) -> bool:
        is_known = self._state in {_State.HELD, _State.ENDING}
        with self._shutdown.shielded_scope(within):
            if not is_known and self._client.creation.is_pending:
                # Nobody else can hold the lock of a new app, which may not answer a heartbeat yet.
                self._may_come_late = True
            elif not is_known and not await self._came_late():
                return False
            try:
                await self._finalize(self._client.retrying(UNTIL_DEADLINE), counts)
            except LockLost:
                if not is_known:
                    return False
                raise
            return True
        raise PlatformUnavailable("The deploy lock could not be released in time")

    async def _came_late(self) -> bool:
        """Whether the session holds the lock, or gets it within moments: the answer to a request was lost."""
        client = self._client.retrying(UNTIL_DEADLINE)
        if await self._confirm(client):
            return True
        await anyio.sleep(min(_LATE, (anyio.current_effective_deadline() - anyio.current_time()) / 2))
        return await self._confirm(client)

    async def _finalize(self, client: Client, counts: Counts) -> None:
        # Any other 2xx than an object may be a gateway's: then the lock is still ours.
        for _ in range(2):
            may_have_worked = self._state is _State.ENDING
            self._state = _State.ENDING
            try:
                self.finalized = await client.finalize(self._app, self._session, counts)
            except RequestRejected as error:
                if error.status not in {NOT_FOUND, CONFLICT}:
                    raise
                if may_have_worked or error.ambiguous:
                    self.lost_answer = error.lost_answer
                    return
                raise self._loss(_NOT_OURS) from error
            if self.finalized or not await self._confirm(client):
                return
        raise PlatformUnavailable(
            "Finalizing the deploy had no effect: the answer is no JSON object, and the lock is still ours",
            hint="Check `api-url`: a gateway or proxy may answer in the platform's place.",
        )

    async def _release_after(self, failure: BaseException, counts: Callable[[], Counts]) -> None:
        """Do what comes before the release, release, and log how that ended.

        Raises:
            LockLost: when that is why the platform refused a write (409, "deploy lock conflict").
        """
        ends_at = anyio.current_time() + RELEASE.seconds
        is_conflict = isinstance(failure, RequestRejected) and failure.status == CONFLICT
        if self._state in {_State.HELD, _State.ENDING}:
            await self._prepare_release(is_conflict=is_conflict)
        if self._state is _State.LOST:
            loss = self._loss()
            self.end()
            if is_conflict:
                raise loss from failure
            return
        if self._state is _State.FREE:
            self.end()
            return
        try:
            left = ends_at - anyio.current_time()
            was_held = await self.release(counts(), RELEASE._replace(seconds=left))
        except LockLost as loss:
            self._ci.warning(str(loss))
        except DeployError as error:
            self.unreleased = f"{error}. {error.hint}"
            self._ci.warning(self.unreleased)
        else:
            self._ci.info("Deploy lock released" if was_held else f"No deploy lock to release: {_NOT_OURS}")

    async def _prepare_release(self, *, is_conflict: bool) -> None:
        with self._shutdown.shielded_scope(RECORD):
            try:
                if is_conflict and not await self._confirm(self._client.retrying(UNTIL_DEADLINE)):
                    self._loss(_NOT_OURS)
                elif self.on_failure is not None:
                    await self.on_failure()
            except Exception as error:  # noqa: BLE001 - whatever it is, the lock has to be released
                self._ci.info(f"Before releasing the lock: {unwrap(error)}")


def _boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
