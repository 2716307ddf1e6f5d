"""The deploy lock: acquired, kept, and released whatever happens.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize"). So every deploy that holds the lock ends with finalize, even a failed
deploy, and finalize reports the changes that were really made.

The platform lets a lock expire 30 minutes after the last heartbeat. This module counts the 30 minutes from
the moment the heartbeat was sent, and stops writing a minute early, so that the last write arrives before the
lock expires.
"""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected, unwrap
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.retry import Guard
from zerokie_action.limits import Allowance
from zerokie_action.lock.record import LockRecords, expiry
from zerokie_action.outcome import Write
from zerokie_action.platform.answers import CONFLICT, NOT_FOUND
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts, Finalized
from zerokie_action.shutdown import Shutdown

_NOT_HELD = {NOT_FOUND, CONFLICT}
"""The answers to heartbeat and finalize for a session that does not hold the lock."""
_NOT_OURS = "the platform says that this deploy does not hold it: it has expired, or the app was deleted"
_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"


@dataclass(eq=False)
class DeployLock:
    """The deploy lock of one app, for one session.

    Callers nest `async with releasing(counts):`, then `await acquire()`, then `async with kept(interval):`.

    Two facts are the state: whether the session holds the lock, and whether an answer to a request for the
    lock was lost. A request whose answer was lost may be carried out at any later time, so the record stays
    for the cleanup, which asks the platform.

    Attributes:
        client: sends the requests.
        app: the app's name.
        session: the deploy session ID that is to hold the lock.
        records: records the lock for the cleanup.
        shutdown: limits the time of the release after a failure or a signal.
        log: gets the log lines.
        finalizing: what became of finalize.
        finalized: the platform's answer to finalize; None before finalize, and when the answer was lost or
            had no JSON object.
        unreleased: why the lock could not be released after a failure, for reports; usually empty.
    """

    client: Client
    app: str
    session: str
    records: LockRecords
    shutdown: Shutdown
    log: Log
    finalizing: Write = field(default_factory=Write)
    finalized: Finalized | None = None
    unreleased: str = ""
    _confirmed_at: float | None = None
    """When the last request that confirmed the lock was sent, by `_boot_time`; None while not held."""
    _why_lost: str = ""
    _asking: Write = field(default_factory=Write)
    _next_heartbeat: float = 0.0
    """When the next heartbeat is due (event loop)."""

    # Acquire

    async def acquire(self) -> None:
        """Request the lock once.

        Raises:
            RequestRejected: with status 409 when another session holds the lock.
            DeployError: when the platform refuses the lock for another reason, or can't be reached.
        """
        asked_at = _boot_time()
        client = self.client.guarded(self.shutdown.shielded_request)
        try:
            await client.acquire_lock(self.app, self.session, write=self._asking)
            self._confirmed_at = asked_at
        except RequestRejected as error:
            # A request whose answer was lost may have got the lock: then a heartbeat succeeds.
            if error.status != CONFLICT or not self._asking.lost or not await self._confirm(self.client):
                raise

    # Keep

    @asynccontextmanager
    async def kept(self, interval: float) -> AsyncIterator[None]:
        """Confirm the lock every `interval` seconds while the block runs.

        Raises:
            LockLost: when the lock is lost; the block is cancelled first.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats, interval)
                yield
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise unwrap(group) from group

    async def _send_heartbeats(self, interval: float) -> None:
        client, said = self.client.retrying(0), ""
        self._next_heartbeat = anyio.current_time() + interval
        while self._may_write():
            await anyio.sleep(limits.LEAST_HEARTBEAT_PAUSE)
            if anyio.current_time() < self._next_heartbeat:
                continue
            pause = interval
            try:
                await self._confirm(client)
            except DeployError as error:
                if str(error) != said:
                    self.log.info(f"Heartbeat: {error}")
                said, pause = str(error), min(limits.HEARTBEAT_PAUSE, interval)
            self._next_heartbeat = anyio.current_time() + pause
        if self._why_lost or self._confirmed_at is not None:  # lost or expired, and not released
            raise self._loss()

    def check(self) -> None:
        """Allow a write only while the lock is held. Threads that read files call this as well.

        Raises:
            LockLost: when the lock is lost, or may expire before a write arrives.
        """
        if not self._may_write():
            raise self._loss()

    def writing(self, client: Client, shield: Guard | None = None) -> Client:
        """A copy of the client whose attempts check the lock, and are shielded from cancellation.

        `shield` takes the place of `Shutdown.shielded_write`.
        """
        shield = shield or self.shutdown.shielded_write

        def guard() -> AbstractContextManager[object]:
            self.check()
            return shield()

        def ask_soon() -> None:  # an upload was answered with 404: the app may be gone
            self._next_heartbeat = 0.0

        return replace(client, guard=guard, on_missing=ask_soon)

    async def is_held_after(self, failure: BaseException) -> bool:
        """Whether the session still holds the lock. After a refused write (409), the platform is asked."""
        if _is_conflict(failure):
            await self._confirm(self.client.retrying(UNTIL_DEADLINE))
        return self._may_write()

    def end(self) -> None:
        """Note that this session no longer holds the lock: it was released, lost, or deleted with the app."""
        self._confirmed_at = None
        if not self._asking.may_come_late:
            self.records.release(self.session)

    async def _confirm(self, client: Client) -> bool:
        """Send a heartbeat; return whether this session holds the lock."""
        asked_at = _boot_time()
        try:
            await client.heartbeat(self.app, self.session)
        except RequestRejected as error:
            if error.status not in _NOT_HELD:
                raise
            self._lose(f"{_NOT_OURS} ({error.answer})")
            return False
        self._confirmed_at = asked_at
        return True

    def _may_write(self) -> bool:
        """Whether a write may begin: a lock that may expire before the write arrives counts as lost."""
        confirmed_at = self._confirmed_at
        return confirmed_at is not None and _boot_time() < confirmed_at + limits.LAST_WRITE

    def _lose(self, why: str) -> None:
        """Note that the lock is not held, and why, if it was held before."""
        if self._confirmed_at is not None:
            self._why_lost = why
        self.end()

    def _loss(self) -> LockLost:
        return LockLost(
            f"The deploy lock was lost during the deploy: {self._why_lost or _UNCONFIRMED}",
            hint="No write was started after the loss was noticed. Run the deploy again: another deploy may "
            "hold the lock.",
        )

    # Release

    @asynccontextmanager
    async def releasing(self, counts: Callable[[], Counts]) -> AsyncIterator[None]:
        """Record the session for the cleanup, and release the lock whenever and however the block ends.

        When both the block and the release fail, the block's error is raised and the release's is logged.

        Args:
            counts: called before the release; returns how much the block changed.

        Raises:
            LockLost: when finalize, or a write that was refused (409), shows that the lock was lost.
            DeployError: when the lock may still be held; the hint says when the lock expires.
        """
        self.records.add(self.app, self.session)
        is_done = False
        try:
            yield
            is_done = self._confirmed_at is not None
            if is_done:
                await self._finalize(counts(), self._finalizing_client())
        except BaseException as failure:
            # A cancellation ends the pauses of finalize, which then goes on with shorter ones.
            if not (is_done and isinstance(failure, DeployError)):
                await self._release_after(unwrap(failure), counts)
            elif not isinstance(failure, LockLost):
                failure.hint = _when_it_expires(failure)
            raise

    def _finalizing_client(self) -> Client:
        """The client for finalize after a success: at least as patient as after a failure."""
        in_flight = limits.RELEASE._replace(seconds=math.inf)
        client = self.client.guarded(lambda: self.shutdown.shielded_scope(in_flight))
        return client.retrying(max(client.http.retry_timeout, limits.RELEASE.seconds))

    async def _release_after(self, failure: BaseException, counts: Callable[[], Counts]) -> None:
        """Release the lock after a failure, and log the outcome."""
        self.shutdown.end_work()
        if self._confirmed_at is not None and not self._may_write():
            self._lose(_UNCONFIRMED)
        if self._confirmed_at is None and not (self._why_lost or self._asking.may_come_late):
            self.end()  # it was not granted
            return
        try:
            if await self.release(counts(), limits.RELEASE):
                self.log.info("Deploy lock released")
        except LockLost as loss:
            if _is_conflict(failure):
                raise loss from failure
            if not isinstance(failure, LockLost):
                self.log.warning(str(loss))
        except DeployError as error:
            self.unreleased = f"{error}. {_when_it_expires(error)}"
            self.log.warning(self.unreleased)

    async def release(self, counts: Counts, allowance: Allowance) -> bool:
        """Release the lock within an allowance, shielded from cancellation.

        If it is not known whether the session holds the lock, a heartbeat asks first, and leaves
        `limits.FINALIZE` for finalize.

        Returns:
            Whether the session held the lock.

        Raises:
            LockLost: when the session held the lock, and no longer does.
            DeployError: when the lock may still be held.
        """
        if self._why_lost:
            raise self._loss()
        client = self.client.retrying(UNTIL_DEADLINE)
        with self.shutdown.shielded_scope(allowance):
            if self._confirmed_at is None:
                with self.shutdown.shielded_scope(allowance.without(limits.FINALIZE)):
                    if not await self._confirm(client):
                        return False
            if self._confirmed_at is not None:
                await self._finalize(counts, client)
                return True
        raise PlatformUnavailable("The deploy lock could not be released in time")

    async def _finalize(self, counts: Counts, client: Client) -> None:
        """Release the lock, purge the CDN's cache, record the deploy ("POST …/deploy/finalize")."""
        write = self.finalizing
        try:
            for _ in range(2):
                self.finalized = await client.finalize(self.app, self.session, counts, write=write)
                # A 2xx without a deploy ID may be a gateway's: only a heartbeat tells.
                if (self.finalized and self.finalized.deploy_id) or not await self._confirm(client):
                    self.end()
                    return
                write.lost = write.lost or "there is no deploy ID in it"
        except RequestRejected as error:
            if error.status not in _NOT_HELD:
                raise
            if not write.lost:
                self._lose(f"{_NOT_OURS} ({error.answer})")
                raise self._loss() from error
            self.end()  # an earlier attempt released the lock
            return
        raise PlatformUnavailable(
            "Finalizing the deploy had no effect: the answer has no deploy ID, and the lock is still held",
            hint="Check `api-url`: a gateway or proxy may answer in the platform's place.",
        )


def _is_conflict(failure: BaseException) -> bool:
    return isinstance(failure, RequestRejected) and failure.status == CONFLICT


def _when_it_expires(error: DeployError) -> str:
    """The hint of an error after which the lock may still be held."""
    expires = f"The lock expires by itself {expiry()}, if it was not released."
    return f"{expires} `zerokie-cleanup` can release it at once. {error.hint}".strip()


def _boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
