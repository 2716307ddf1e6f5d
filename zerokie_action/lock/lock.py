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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected, unwrap
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.limits import Allowance
from zerokie_action.lock.record import LockRecords, expiry
from zerokie_action.outcome import Write
from zerokie_action.platform.answers import CONFLICT, NOT_FOUND, is_conflict
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts, Finalized
from zerokie_action.shutdown import Shutdown

_NOT_HELD = {NOT_FOUND, CONFLICT}
"""The answers to heartbeat and finalize for a session that does not hold the lock."""
_NOT_OURS = "the platform says that this deploy does not hold it: it has expired, or the app was deleted"
_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"


class Held(NamedTuple):
    """The platform has confirmed that the session holds the lock.

    Attributes:
        since: when the last confirmed request was sent, by `_boot_time`.
    """

    since: float


class Lost(NamedTuple):
    """The session held the lock, and has lost it, or may have lost it."""

    why: str


class Released(NamedTuple):
    """How the release of the lock ended.

    Attributes:
        answer: the platform's answer to finalize; None without one, or if it was no JSON object.
        lost: why an answer to finalize was lost; empty if none was lost.
        problem: why the lock may still be held, and when it expires; empty if it is not held.
    """

    answer: Finalized | None = None
    lost: str = ""
    problem: str = ""


@dataclass(eq=False)
class DeployLock:
    """The deploy lock of one app, for one session.

    The state is one value: `Held`, `Lost`, or None if the lock was not granted yet, or is released. Whether
    an answer to the request for the lock was lost is not part of it: the platform may carry that request out
    at any later time, even after the release. So the record then stays for the cleanup, which asks.

    Attributes:
        client: sends the requests.
        app: the app's name.
        session: the deploy session ID that is to hold the lock.
        records: records the lock for the cleanup.
        shutdown: limits the time of the release after a failure or a signal.
        log: gets the log lines.
        released: how the release ended; set once, before `hold` ends.
    """

    client: Client
    app: str
    session: str
    records: LockRecords
    shutdown: Shutdown
    log: Log
    released: Released = field(default_factory=Released)
    _state: Held | Lost | None = None
    _asking: Write = field(default_factory=Write)
    """What became of the request for the lock."""
    _finalizing: Write = field(default_factory=Write)
    """What became of finalize."""
    _next_heartbeat: float = 0.0
    """When the next heartbeat is due (event loop)."""

    @asynccontextmanager
    async def hold(
        self,
        counts: Callable[[], Counts],
        in_turn: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]],
        heartbeat: float,
    ) -> AsyncIterator[Self]:
        """Hold the lock while the block runs, and release it whenever and however the block ends.

        Args:
            counts: returns how much the block has changed.
            in_turn: awaits its argument, which asks for the lock once, until no other deploy holds the lock.
            heartbeat: the seconds between two heartbeats.

        Raises:
            RequestRejected: when the platform refuses the lock.
            LockLost: when the lock is lost; the block is cancelled first.
            DeployError: when the lock may still be held after a block that succeeded; the hint says when it
                expires. When both the block and the release fail, the error is the block's.
        """
        self.records.add(self.app, self.session)
        try:
            await in_turn(self._acquire)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats, heartbeat)
                yield self
                tasks.cancel_scope.cancel()
        except BaseException as failure:
            error = unwrap(failure)
            await self._release_after(error, counts())
            if error is not failure:
                raise error from failure
            raise
        if isinstance(self._state, Held):
            await self._release_done(counts())

    async def _acquire(self) -> None:
        """Request the lock once."""
        asked_at = _boot_time()
        client = self.client.guarded(self.shutdown.shielded_request)
        try:
            await client.acquire_lock(self.app, self.session, write=self._asking)
            self._state = Held(asked_at)
        except RequestRejected as error:
            # A request whose answer was lost may have got the lock: then a heartbeat succeeds.
            if error.status != CONFLICT or not self._asking.lost or not await self._confirm(self.client):
                raise

    # While the lock is held

    async def _send_heartbeats(self, interval: float) -> None:
        client, logged = self.client.retrying(0), ""
        self._next_heartbeat = anyio.current_time() + interval
        while self._may_write():
            await anyio.sleep(limits.LEAST_HEARTBEAT_PAUSE)
            if anyio.current_time() < self._next_heartbeat:
                continue
            pause = interval
            try:
                await self._confirm(client)
            except DeployError as error:
                if str(error) != logged:
                    self.log.info(f"Heartbeat: {error}")
                logged, pause = str(error), min(limits.HEARTBEAT_PAUSE, interval)
            self._next_heartbeat = anyio.current_time() + pause
        if self._state is not None:
            raise self._loss()

    def check(self) -> None:
        """Allow a write only while the lock is held. Threads that read files call this as well.

        Raises:
            LockLost: when the lock is lost, or may expire before a write arrives.
        """
        if not self._may_write():
            raise self._loss()

    def writing(self, client: Client) -> Client:
        """A copy of the client whose attempts check the lock, and are shielded from cancellation."""

        def guard() -> AbstractContextManager[None]:
            self.check()
            return self.shutdown.shielded_request()

        def ask_soon() -> None:  # an upload was answered with 404: the app may be gone
            self._next_heartbeat = 0.0

        return replace(client, guard=guard, on_missing=ask_soon)

    async def is_held_after(self, failure: BaseException) -> bool:
        """Whether the session still holds the lock. After a refused write (409), the platform is asked."""
        if is_conflict(failure):
            await self._confirm(self.client.retrying(UNTIL_DEADLINE))
        return self._may_write()

    def end(self, loss: Lost | None = None) -> None:
        """Note that the lock is gone: it was released, lost, refused, or deleted with the app."""
        self._state = loss
        if not self._asking.may_come_late:
            self.records.release(self.session)

    async def _confirm(self, client: Client) -> bool:
        """Send a heartbeat; return whether the session holds the lock."""
        asked_at = _boot_time()
        try:
            await client.heartbeat(self.app, self.session)
        except RequestRejected as error:
            if error.status not in _NOT_HELD:
                raise
            self._lose(error)
            return False
        self._state = Held(asked_at)
        return True

    def _may_write(self) -> bool:
        """Whether a write may begin: a lock that may expire before the write arrives counts as lost."""
        return isinstance(self._state, Held) and _boot_time() < self._state.since + limits.LAST_WRITE

    def _lose(self, refusal: RequestRejected) -> None:
        """Note that the platform says that the session does not hold the lock."""
        self.end(Lost(f"{_NOT_OURS} ({refusal.answer})") if self._state else None)

    def _loss(self) -> LockLost:
        why = self._state.why if isinstance(self._state, Lost) else _UNCONFIRMED
        return LockLost(
            f"The deploy lock was lost during the deploy: {why}",
            hint="No write was started after the loss was noticed. Run the deploy again: another deploy may "
            "hold the lock.",
        )

    # Release

    async def _release_done(self, counts: Counts) -> None:
        """Release the lock after the work has succeeded: for at least as long as after a failure.

        A signal or `timeout` ends a pause between two attempts, but no attempt. Then the time limits of a
        failure apply. If the release works, the cancellation takes effect at the next checkpoint: the deploy
        is done, and its report says so. No attempt begins when the lock may be another deploy's.
        """
        attempt = limits.RELEASE._replace(seconds=math.inf)

        def guard() -> AbstractContextManager[object]:
            self.check()
            return self.shutdown.shielded_scope(attempt)

        client = self.client.guarded(guard)
        client = client.retrying(max(client.http.retry_timeout, limits.RELEASE.seconds))
        try:
            await self._finalize(counts, client)
        except LockLost:
            raise
        except DeployError as error:
            error.hint = _when_it_expires(error)
            raise
        except anyio.get_cancelled_exc_class():
            await self._release_after(None, counts)
            if self.released.problem:
                raise

    async def _release_after(self, failure: BaseException | None, counts: Counts) -> None:
        """Release the lock after a failure, or after a cancellation (None), and log how that ended."""
        self.shutdown.end_work()
        if isinstance(self._state, Held) and not self._may_write():
            self._state = Lost(_UNCONFIRMED)  # the record stays: a heartbeat may have arrived all the same
        if self._state is None and not self._asking.may_come_late:
            self.end()
            return
        try:
            if await self.release(counts, limits.RELEASE) and failure:
                self.log.info("Deploy lock released")
        except LockLost as loss:
            if failure is None or is_conflict(failure):
                raise loss from failure
            if not isinstance(failure, LockLost):
                self.log.warning(str(loss))
        except DeployError as error:
            self.released = Released(problem=f"{error}. {_when_it_expires(error)}")
            self.log.warning(self.released.problem)

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
        client = self.client.retrying(UNTIL_DEADLINE)
        with self.shutdown.shielded_scope(allowance):
            if self._state is None:
                with self.shutdown.shielded_scope(allowance.without(limits.FINALIZE)):
                    if not await self._confirm(client):
                        return False
            match self._state:
                case Held():
                    await self._finalize(counts, client)
                    return True
                case Lost():
                    raise self._loss()
        raise PlatformUnavailable("The deploy lock could not be released in time")

    async def _finalize(self, counts: Counts, client: Client) -> None:
        """Release the lock, purge the CDN's cache, record the deploy ("POST …/deploy/finalize")."""
        write, answer = self._finalizing, None
        try:
            for _ in range(2):
                answer = await client.finalize(self.app, self.session, counts, write=write)
                # A 2xx without a deploy ID may be a gateway's: only a heartbeat tells.
                if (answer and answer.deploy_id) or not await self._confirm(client):
                    break
                write.lost = write.lost or "there is no deploy ID in it"
            else:
                raise PlatformUnavailable(
                    "Finalizing the deploy had no effect: the answer has no deploy ID, and the lock is still "
                    "held",
                    hint="Check `api-url`: a gateway or proxy may answer in the platform's place.",
                )
        except RequestRejected as error:
            if error.status not in _NOT_HELD:
                raise
            if not write.lost:  # else an earlier attempt released the lock
                self._lose(error)
                raise self._loss() from error
        self.end()
        self.released = Released(answer, write.lost)


def _when_it_expires(error: DeployError) -> str:
    """The hint of an error after which the lock may still be held."""
    expires = f"The lock expires by itself {expiry()}, if it was not released."
    return f"{expires} `zerokie-cleanup` can release it at once. {error.hint}".strip()


def _boot_time() -> float:
    """Seconds on a clock that never goes back and also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
