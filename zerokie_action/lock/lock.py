"""The deploy lock: acquired, kept, and released whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every deploy that holds the lock ends with finalize, even a failed
deploy, and finalize reports the changes that were really made.

The platform lets a lock expire 30 minutes after the last heartbeat. This module counts the 30 minutes from
the moment the heartbeat was sent, and stops writing a minute early, so that the last write arrives before the
lock expires.
"""

from __future__ import annotations

import math
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected, unwrap
from zerokie_action.http.retry import UNTIL_DEADLINE, Backoff
from zerokie_action.lock.record import EXPIRY, expiry
from zerokie_action.outcome import Outcome, Write
from zerokie_action.platform.answers import CONFLICT, NOT_FOUND
from zerokie_action.shutdown import FINALIZE, RECORD, RELEASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from zerokie_action.ci import CI
    from zerokie_action.lock.record import LockRecords
    from zerokie_action.platform.client import Client
    from zerokie_action.platform.models import Counts, Finalized
    from zerokie_action.shutdown import Allowance, Shutdown

_MARGIN = 60.0
"""Seconds before the lock expires in which no write begins."""
_HEARTBEAT_PAUSE = 15.0
"""Seconds between a heartbeat that failed and the next heartbeat."""
_LEAST_PAUSE = 1.0
"""Seconds between two heartbeats, however many uploads are answered with 404."""
_HEARTBEATS = Backoff(math.inf, _HEARTBEAT_PAUSE, _HEARTBEAT_PAUSE)

_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"


class DeployLock:
    """The deploy lock of one app, for one session.

    Callers nest `async with releasing(counts):`, then `await acquire()`, then `async with kept(interval):`.

    Two facts are the state: whether the session holds the lock, and whether an answer to a request for the
    lock was lost. A request whose answer was lost may be carried out at any later time, so the record stays
    for the cleanup, which asks the platform.

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
        self._confirmed_at: float | None = None
        """When the last request that confirmed the lock was sent, by `_boot_time`; None while not held."""
        self._answer_was_lost = False
        self._why_lost = ""
        self._finalizing = Write()
        self._heartbeat_due = anyio.Event()

    # Acquire

    async def acquire(self) -> None:
        """Request the lock once.

        Raises:
            RequestRejected: with status 409 when another session holds the lock.
            DeployError: when the platform refuses the lock for another reason, or can't be reached.
        """
        asked_at, write = _boot_time(), Write()
        client = self._client.guarded(self._shutdown.shielded_request)
        try:
            await client.acquire_lock(self._app, self._session, write=write)
            self._confirmed_at = asked_at
        except RequestRejected as error:
            # An earlier request may have got the lock for this session: then a heartbeat succeeds.
            may_be_ours = self._answer_was_lost or bool(write.lost)
            if not (error.status == CONFLICT and may_be_ours and await self._confirm(self._client)):
                raise
        finally:
            self._answer_was_lost |= bool(write.lost) or write.outcome is Outcome.UNKNOWN

    # Keep

    @asynccontextmanager
    async def kept(self, interval: float) -> AsyncIterator[None]:
        """Confirm the lock every `interval` seconds while the block runs.

        Raises:
            LockLost: when the lock is lost; the block is cancelled first.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats, interval, tasks.cancel_scope)
                yield
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise unwrap(group) from group
        if self._why_lost:
            raise self._loss()

    def check(self) -> None:
        """Allow a write only while the lock is held.

        Raises:
            LockLost: when the lock is lost, or may expire before a write arrives.
        """
        if self._seconds_left <= 0:
            self._lose(_UNCONFIRMED)
            raise self._loss()

    def writing(self, client: Client) -> Client:
        """A copy of the client whose attempts check the lock, and are shielded from cancellation."""
        return replace(client.guarded(self._checked_and_shielded), on_missing=self._ask_soon)

    def end(self) -> None:
        """Note that this session no longer holds the lock: it was released, lost, or deleted with the app."""
        self._confirmed_at = None
        if not self._answer_was_lost:
            self._records.release(self._session)

    @contextmanager
    def _checked_and_shielded(self) -> Iterator[None]:
        self.check()
        with self._shutdown.shielded_write():
            yield

    def _ask_soon(self) -> None:
        """Send the next heartbeat now: an upload was answered with 404, so the app may be gone."""
        self._heartbeat_due.set()

    @property
    def _seconds_left(self) -> float:
        """Seconds in which a write may still begin."""
        if self._confirmed_at is None:
            return 0.0
        return self._confirmed_at + EXPIRY - _MARGIN - _boot_time()

    async def _send_heartbeats(self, interval: float, work: anyio.CancelScope) -> None:
        pause, told = interval, ""
        try:
            while True:
                await anyio.sleep(_LEAST_PAUSE)
                with anyio.move_on_after(pause - _LEAST_PAUSE):
                    await self._heartbeat_due.wait()
                self._heartbeat_due = anyio.Event()
                pause = interval
                with anyio.move_on_after(self._seconds_left):
                    try:
                        await self._confirm(self._client.retrying(_HEARTBEATS))
                    except DeployError as error:
                        if str(error) != told:
                            self._ci.warning(f"Heartbeat: {error}")
                        told, pause = str(error), min(_HEARTBEAT_PAUSE, interval)
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

        try:
            await client.guarded(attempt).heartbeat(self._app, self._session)
        except RequestRejected as error:
            if error.status not in {NOT_FOUND, CONFLICT}:
                raise
            self._lose(_not_ours(error))
            return False
        self._confirmed_at = asked_at
        return True

    def _lose(self, why: str) -> None:
        """Note that the lock is not held. The first reason for the loss of a lock that was held stays."""
        if self._confirmed_at is not None:
            self._why_lost = self._why_lost or why
        self._confirmed_at = None

    def _loss(self) -> LockLost:
        return LockLost(
            f"The deploy lock was lost during the deploy: {self._why_lost or _UNCONFIRMED}",
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
        is_done = False
        try:
            yield
            is_done = self._confirmed_at is not None
            if is_done:
                # Even with `retry-timeout: 0`, finalize is retried for as long as after a failure.
                budget = max(self._client.http.retry_timeout, RELEASE.seconds)
                await self.release(counts(), None, Backoff(budget))
        except BaseException as failure:
            # A cancellation ends the pauses of a release, which then goes on with shorter ones.
            if not (is_done and isinstance(failure, DeployError)):
                await self._release_after(unwrap(failure), counts)
            raise

    async def release(
        self, counts: Counts, allowance: Allowance | None, backoff: Backoff = UNTIL_DEADLINE
    ) -> bool:
        """Finalize: release the lock, purge the CDN's cache, record the deploy.

        Args:
            counts: how much the deploy changed.
            allowance: the time for it, shielded from cancellation. If it is not known whether the session
                holds the lock, a heartbeat asks first, and leaves `shutdown.FINALIZE` for finalize. None: no
                limit, and only the attempt in flight is shielded.
            backoff: see `http.retry.Backoff`.

        Returns:
            Whether the session held the lock.

        Raises:
            LockLost: when the session held the lock, and no longer does.
            DeployError: when the lock may still be held; the hint says when the lock expires.
        """
        client, scope = self._client.retrying(backoff), self._shutdown.shielded_scope
        if allowance is None:
            client = client.guarded(lambda: scope(RELEASE._replace(seconds=math.inf)))
        try:
            with scope(allowance) if allowance else nullcontext():
                was_held = self._confirmed_at is not None or await self._was_granted(
                    client, allowance or RELEASE
                )
                if was_held:
                    await self._finalize(counts, client)
                self.end()
                return was_held
            raise PlatformUnavailable("The deploy lock could not be released in time")
        except LockLost:
            self.end()
            raise
        except DeployError as error:
            error.hint = (
                f"The lock expires by itself {expiry()}, if it was not released. {error.hint}".strip()
            )
            raise

    async def _was_granted(self, client: Client, allowance: Allowance) -> bool:
        """Ask whether a request whose answer was lost got the lock."""
        with self._shutdown.shielded_scope(allowance.without(FINALIZE)):
            return await self._confirm(client)
        raise PlatformUnavailable("The platform did not say whether this deploy holds its lock")

    async def _finalize(self, counts: Counts, client: Client) -> None:
        write = self._finalizing
        for is_again in (False, True):
            try:
                self.finalized = await client.finalize(self._app, self._session, counts, write=write)
            except RequestRejected as error:
                if error.status not in {NOT_FOUND, CONFLICT}:
                    raise
                if write.lost or is_again:  # an earlier attempt released the lock
                    self.lost_answer = write.lost
                    return
                self._lose(_not_ours(error))
                raise self._loss() from error
            if self.finalized and self.finalized.deploy_id:
                return
            try:  # a 2xx without a deploy ID may be a gateway's: only a heartbeat tells
                if not await self._confirm(client):
                    return
            except PlatformUnavailable as error:
                raise PlatformUnavailable(
                    f"Finalize was answered without a deploy ID, and a heartbeat can't tell more: {error}",
                    hint=error.hint,
                ) from error
        raise PlatformUnavailable(
            "Finalizing the deploy had no effect: the answer has no deploy ID, and the lock is still held",
            hint="Check `api-url`: a gateway or proxy may answer in the platform's place.",
        )

    async def _release_after(self, failure: BaseException, counts: Callable[[], Counts]) -> None:
        """Record the failed deploy, release the lock, and log the outcome.

        Raises:
            LockLost: when the platform refused a write (409) because the lock was lost.
        """
        ended_at = self._shutdown.end_work()
        is_conflict = isinstance(failure, RequestRejected) and failure.status == CONFLICT
        if self._confirmed_at is not None:
            await self._record_if_ours(RECORD.since(ended_at), is_conflict=is_conflict)
        if self._confirmed_at is None and (self._why_lost or not self._answer_was_lost):
            self.end()
            if self._why_lost and is_conflict:
                raise self._loss() from failure
            return
        try:
            was_held = await self.release(counts(), RELEASE.since(ended_at))
        except LockLost as loss:
            if is_conflict:
                raise loss from failure
            self._ci.warning(str(loss))
        except DeployError as error:
            self.unreleased = f"{error}. {error.hint}"
            self._ci.warning(self.unreleased)
        else:
            self._ci.info("Deploy lock released" if was_held else "No deploy lock to release")

    async def _record_if_ours(self, allowance: Allowance, *, is_conflict: bool) -> None:
        with self._shutdown.shielded_scope(allowance):
            try:
                is_ours = not is_conflict or await self._confirm(self._client.retrying(UNTIL_DEADLINE))
                if is_ours and self.on_failure is not None:
                    await self.on_failure()
            except Exception as error:  # noqa: BLE001 - the lock has to be released after any error
                self._ci.info(f"Before releasing the lock: {unwrap(error)}")


def _not_ours(error: RequestRejected) -> str:
    """Why the lock is not held, after a heartbeat or finalize was refused with 404 or 409."""
    says = f"the platform says that this deploy does not hold it ({error.answer})"
    return f"{says}; it has expired, or the app was deleted" if error.status == NOT_FOUND else says


def _boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
