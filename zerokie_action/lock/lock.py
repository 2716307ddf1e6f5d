"""The deploy lock: acquired, kept, and released whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every deploy that holds the lock ends with finalize, even a failed
deploy, and finalize reports the changes that were really made.

The platform lets a lock expire 30 minutes after the last heartbeat. This module counts the 30 minutes from
the moment the heartbeat was sent, and stops writing a minute early, so that the last write arrives before the
lock expires.
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
"""Seconds before the lock expires in which no write begins."""
_LATE_GRANT = 5.0
"""Seconds in which the platform may still carry out a request whose answer was lost."""
_RETRY_PAUSE = 15.0
"""Seconds between a heartbeat that failed and the next heartbeat."""
_HEARTBEAT_BACKOFF = (_RETRY_PAUSE, _RETRY_PAUSE)

_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"
_NOT_OURS = "the platform says that this deploy does not hold it"


class _State(Enum):
    """The states of a lock; `DeployLock` draws the transitions."""

    FREE = auto()
    """The lock was not requested, or the platform refused every request."""
    ASKED = auto()
    """The platform may grant a request: its answer has not arrived yet, or was lost."""
    HELD = auto()
    """The platform has confirmed that this session holds the lock."""
    ENDING = auto()
    """Finalize was sent; the platform may have released the lock."""
    LOST = auto()
    """This session held the lock, and no longer does."""
    OVER = auto()
    """The lock was released, was deleted with the app, or is left to the cleanup. Nothing more is sent."""


class DeployLock:
    """The deploy lock of one app, for one session.

    Callers nest `async with releasing(counts):`, then `await acquire()`, then `async with kept(interval):`.

        FREE ---- request ---> ASKED --- granted, or heartbeat ---> HELD --- finalize ---> ENDING ---> OVER
         ^                       |                                   |                       |
         +------- refused -------+         LOST <--- 404 or 409 -----+-----------------------+
                                                     29 minutes without an answer

    Attributes:
        finalized: the platform's answer to finalize; None before finalize, and when the answer was lost or
            had no JSON object.
        lost_answer: why the answer of a finalize that released the lock was lost; empty if it arrived.
        unreleased: why the lock could not be released after a failure, for reports; usually empty.
        on_failure: called once when the work fails while the lock is held, before the release, within
            `shutdown.RECORD`. An exception from it is logged.
    """

    def __init__(
        self, client: Client, app: str, session: str, *, records: LockRecords, shutdown: Shutdown, ci: CI
    ) -> None:
        """Prepare the lock without sending a request.

        Args:
            client: sends the requests.
            app: the app's name.
            session: the deploy session ID that is to hold the lock.
            records: records the lock for the cleanup.
            shutdown: limits the time of the release after a failure or a signal.
            ci: gets the log lines.
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
        """When the last request that confirmed the lock was sent, by `_boot_time`."""
        self._may_be_granted_late = False
        """Whether a lock request whose answer was lost may still be carried out, even after the release."""
        self._why_lost = ""

    # Acquire

    async def acquire(self) -> None:
        """Request the lock once.

        Raises:
            RequestRejected: with status 409 when another session holds the lock.
            DeployError: when the platform refuses the lock for another reason, or can't be reached.
        """
        state_before, asked_at = self._state, _boot_time()

        @contextmanager
        def attempt() -> Iterator[None]:
            self._may_be_granted_late = self._state is _State.ASKED  # by an earlier attempt
            self._state = _State.ASKED
            with self._shutdown.shielded_request():
                yield

        try:
            await self._client.guarded(attempt).acquire_lock(self._app, self._session)
        except DeployError as error:
            may_be_granted = (
                state_before is _State.ASKED
                or error.ambiguous
                # Behind the 404 of an app that is not ready, a request may go on.
                or self._client.creation.is_pending
            )
            self._may_be_granted_late = may_be_granted
            self._state = _State.ASKED if may_be_granted else _State.FREE
            is_conflict = isinstance(error, RequestRejected) and error.status == CONFLICT
            # An earlier attempt may have got the lock for this session: then a heartbeat succeeds.
            if not (is_conflict and may_be_granted and await self._confirm(self._client)):
                raise
        else:
            self._state, self._confirmed_at = _State.HELD, asked_at
            self._client.creation.is_ready = True

    # Keep

    @asynccontextmanager
    async def kept(self, interval: float) -> AsyncIterator[None]:
        """Confirm the lock every `interval` seconds while the block runs.

        Raises:
            LockLost: when the lock is lost; the block is cancelled first.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_heartbeats, interval, tasks.cancel_scope)
            yield
            tasks.cancel_scope.cancel()
        if self._state is _State.LOST:
            raise self._lose()

    def check(self) -> None:
        """Allow a write only while the lock is held.

        Raises:
            LockLost: when the lock is lost, or may expire before a write arrives.
        """
        if self._state is not _State.LOST and self._seconds_left > 0:
            return
        raise self._lose(_UNCONFIRMED)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Check the lock before one attempt of a write, and shield the attempt from cancellation."""
        self.check()
        with self._shutdown.shielded_write():
            yield

    def end(self) -> None:
        """Note that this session no longer holds the lock: it was released, lost, or deleted with the app."""
        # While the platform may still grant the lock, the record stays: the cleanup asks the platform.
        if self._state is not _State.ASKED and not self._may_be_granted_late:
            self._records.release(self._session)
        self._state = _State.OVER

    @property
    def _seconds_left(self) -> float:
        """Seconds in which a write may still begin."""
        return self._confirmed_at + EXPIRY - _MARGIN - _boot_time()

    async def _send_heartbeats(self, interval: float, work: anyio.CancelScope) -> None:
        pause = interval
        try:
            while True:
                await anyio.sleep(pause)
                pause = interval
                with anyio.move_on_after(self._seconds_left):
                    try:
                        is_ours = await self._confirm(self._client.retrying(_HEARTBEAT_BACKOFF))
                    except DeployError as error:
                        self._ci.warning(f"Heartbeat: {error}")
                        pause = min(_RETRY_PAUSE, interval)
                    else:
                        if not is_ours:
                            raise self._lose(_NOT_OURS)
                self.check()
        except LockLost:
            work.cancel()

    async def _confirm(self, client: Client) -> bool:
        """Send a heartbeat; return whether this session holds the lock."""
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

    def _lose(self, why: str = "") -> LockLost:
        """Note that the lock is lost, and return the error to raise. The first reason given stays."""
        self._state = _State.LOST
        self._why_lost = self._why_lost or why
        return LockLost(
            f"The deploy lock was lost during the deploy: {self._why_lost}",
            hint="Nothing was written after that. Run the deploy again: another deploy may hold the lock.",
        )

    # Release

    @asynccontextmanager
    async def releasing(self, counts: Callable[[], Counts]) -> AsyncIterator[None]:
        """Record the session for the cleanup, and release the lock whenever and however the block ends.

        When both the block and the release fail, the block's error is raised and the release's is logged.

        Args:
            counts: called before the release; returns how much the block changed.
        """
        self._records.add(self._app, self._session)
        try:
            yield
            if self._state is not _State.OVER:
                await self.release(counts())
        except BaseException as failure:
            if self._state is not _State.OVER:
                await self._clean_up_after(unwrap(failure), counts)
            raise

    async def release(self, counts: Counts, within: Allowance | None = None) -> bool:
        """Finalize: release the lock, purge the CDN's cache, record the deploy.

        Args:
            counts: how much the deploy changed.
            within: how long finalize is retried, shielded from cancellation. If it is not known whether the
                session holds the lock, a heartbeat asks first. None: retry like any other request.

        Returns:
            Whether the session held the lock.

        Raises:
            LockLost: when the session held the lock, and no longer does.
            DeployError: when the lock may still be held; the hint says when the lock expires.
        """
        was_held = True
        try:
            if within is None:
                await self._finalize(self._client, counts)
            else:
                was_held = await self._release_shielded(counts, within)
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

    async def _release_shielded(self, counts: Counts, within: Allowance) -> bool:
        is_held = self._state in {_State.HELD, _State.ENDING}
        with self._shutdown.shielded_scope(within):
            if not is_held and self._client.creation.is_pending:
                # The new app may not answer a heartbeat yet. Nobody else can hold its lock, so finalize is
                # sent without asking. The record stays: the platform may still grant the request.
                self._may_be_granted_late = True
            elif not is_held and not await self._was_granted_late():
                return False
            try:
                await self._finalize(self._client.retrying(UNTIL_DEADLINE), counts)
            except LockLost:
                if not is_held:
                    return False
                raise
            return True
        raise PlatformUnavailable("The deploy lock could not be released in time")

    async def _was_granted_late(self) -> bool:
        """Ask twice, at most five seconds apart, whether a request whose answer was lost got the lock."""
        client = self._client.retrying(UNTIL_DEADLINE)
        if await self._confirm(client):
            return True
        await anyio.sleep(min(_LATE_GRANT, (anyio.current_effective_deadline() - anyio.current_time()) / 2))
        return await self._confirm(client)

    async def _finalize(self, client: Client, counts: Counts) -> None:
        # A 2xx without a JSON object may be a gateway's. If the lock is still held then, finalize is sent
        # again. In the second round the state is ENDING, so a 404 or 409 means that the first one worked.
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
                raise self._lose(_NOT_OURS) from error
            if self.finalized or not await self._confirm(client):
                return
        raise PlatformUnavailable(
            "Finalizing the deploy had no effect: the answer is no JSON object, and the lock is still held",
            hint="Check `api-url`: a gateway or proxy may answer in the platform's place.",
        )

    async def _clean_up_after(self, failure: BaseException, counts: Callable[[], Counts]) -> None:
        """Call `on_failure`, release the lock, and log the outcome.

        Raises:
            LockLost: when the platform refused a write (409) because the lock was lost.
        """
        ends_at = anyio.current_time() + RELEASE.seconds
        is_conflict = isinstance(failure, RequestRejected) and failure.status == CONFLICT
        if self._state in {_State.HELD, _State.ENDING}:
            await self._prepare_release(is_conflict=is_conflict)
        if self._state is _State.LOST:
            loss = self._lose()
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
                    self._lose(_NOT_OURS)
                elif self.on_failure is not None:
                    await self.on_failure()
            except Exception as error:  # noqa: BLE001 - the lock has to be released after any error
                self._ci.info(f"Before releasing the lock: {unwrap(error)}")


def _boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
