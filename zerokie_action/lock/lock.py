"""The deploy lock from its request to its release.

Only finalize releases the lock ("POST /v1/apps/:name/deploy/finalize"). So every deploy that holds the lock
ends with finalize, even a failed one. Finalize then reports the confirmed changes. A signal cancels the block
that holds the lock (`shutdown`), so the same release follows, within the grace of `limits.RELEASE`.

A lock expires 30 minutes after the last heartbeat. This module measures the 30 minutes from the time when the
heartbeat was sent. Writes stop a minute earlier, so that the last one arrives before the lock expires.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import (
    Conflict,
    DeployError,
    LockHeld,
    LockLost,
    NotFound,
    PlatformUnavailable,
    unwrap,
)
from zerokie_action.http.policy import ONCE, UNTIL_DEADLINE, RetryPolicy
from zerokie_action.http.request import Delivery, Guard
from zerokie_action.limits import Allowance
from zerokie_action.lock.saved import CLEANUP_COMMANDS, SavedLocks, expiry
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts, Finalized
from zerokie_action.platform.polling import Polling
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds

_NOT_OURS = "it expired, or the app was deleted"
_UNCONFIRMED = "the platform didn't confirm it for almost 30 minutes, or the machine was suspended"
_HINT_BUSY = "Run the job again after that deploy ends, or raise `lock-timeout`."
_HINT_LOCK = (
    f"{_HINT_BUSY} If that deploy was killed, its lock expires within 30 minutes. To wait for that, set "
    f"`lock-timeout: 31m` and `timeout: 1h`. To release it now, run {CLEANUP_COMMANDS} with the `state-file` "
    "of the killed run."
)


class State(Enum):
    """The state of a lock. After `LOST` or `RELEASED`, a heartbeat doesn't change it."""

    REQUESTED = auto()
    """The platform hasn't granted the lock yet."""
    HELD = auto()
    """The platform confirmed that the session holds the lock."""
    LOST = auto()
    """The session held the lock and lost it."""
    RELEASED = auto()
    """The lock was released, or the platform deleted it with its app."""


@dataclass(eq=False)
class DeployLock:
    """The deploy lock of one app, for this run or for an earlier run in the lock cleanup.

    Attributes:
        client: sends the requests.
        app: the app's name.
        session_id: identifies the holder of the lock.
        saved_locks: saves the lock for the lock cleanup.
        shutdown: limits the time of the release after a failure or a signal.
        log: gets the log lines.
        request: the lock request. If the response was lost, the platform may still grant the lock later, even
            after the release.
        state: the state of the lock.
        finalized: the response to finalize; None if it was lost or wasn't a JSON object.
        response_lost: why a response to finalize with the deploy ID was lost; empty if none was lost.
        problem: why the lock may still be held after a failed run, and its expiry; empty if it was released.
        timeout: the input `lock-timeout`, in seconds.
        waited: how long the run waited for other deploys of the app, in seconds.
    """

    client: Client
    app: str
    session_id: str
    saved_locks: SavedLocks
    shutdown: Shutdown
    log: Log
    request: Delivery = field(default_factory=Delivery)
    state: State = State.REQUESTED
    finalized: Finalized | None = None
    response_lost: str = ""
    problem: str = ""
    timeout: float = 0.0
    waited: float = 0.0
    _confirmed_at: tuple[float, float] = (-math.inf, -math.inf)
    """When the last confirmed request was sent, by `_clocks`."""
    _why_lost: str = _UNCONFIRMED

    # Holding the lock

    @asynccontextmanager
    async def hold(
        self, counts: Callable[[], Counts] = Counts, *, is_new: bool = False
    ) -> AsyncIterator[None]:
        """Take the lock, hold it while the block runs, and release it however the block ends.

        If both the block and the release fail, the block's error is raised, except after a 409 that the loss
        of the lock explains.

        Args:
            counts: returns the number of changes that the block made.
            is_new: whether this run may have created the app, so that a 404 is repeated for up to a minute.

        Raises:
            LockHeld: when another deploy holds the lock for longer than `lock-timeout`.
            RequestRejected: when the platform rejects the lock request.
            LockLost: when the run loses the lock. The block is cancelled first.
            DeployError: when the block succeeded and the lock may still be held. The hint gives its expiry.
        """
        older = self.older_sessions()
        self.saved_locks.add(self.app, self.session_id)
        try:
            await self.take(is_new=is_new)
            self.saved_locks.mark_released(older)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats)
                yield
                tasks.cancel_scope.cancel()
        except BaseException as error:
            failure = unwrap(error)
            await self._release_after_failure(failure, counts())
            if failure is not error:
                raise failure from error
            raise
        await self._release_after_success(counts())

    async def take(self, *, is_new: bool = False) -> None:
        """Request the lock ("POST …/deploy/lock") until no other deploy holds it and a new app is ready.

        A cancellation takes effect after the response.
        """
        client = self.client.guarded(Guard(shield=self.shutdown.shielded_request))
        began, turn = anyio.current_time(), self._turn()
        ready = Polling(self.log.info, f"the new app {self.app!r}", limits.NEW_APP)
        while self.state is not State.HELD:
            sent_at = _clocks()
            try:
                await client.tracked(self.request).acquire_lock(self.app, self.session_id)
                self._note_confirmation(sent_at)
            except NotFound as error:
                if not (is_new and await ready.again(retry_after=error.retry_after)):
                    raise
            except Conflict as error:
                # If an earlier response was lost, this session may hold the lock. A heartbeat finds out.
                if not (self.request.lost and await self.confirm(client)):
                    await self._wait(turn, error, _HINT_LOCK)
        waited = anyio.current_time() - began
        self.log.info(f"Acquired the deploy lock{f' after {human_seconds(waited)}' if waited >= 1 else ''}")

    async def in_turn(self, request: Callable[[], Awaitable[None]]) -> None:
        """Call `request`, and repeat it after a 409 until no other deploy of the app is in progress.

        Raises:
            LockHeld: when another deploy outlasts `lock-timeout`.
        """
        turn = self._turn()
        while True:
            try:
                return await request()
            except Conflict as error:
                await self._wait(turn, error, _HINT_BUSY)

    def _turn(self) -> Polling:
        """Return the wait for another deploy of the app to end, for up to `lock-timeout`."""
        return Polling(self.log.info, f"another deploy of {self.app!r} to end", self.timeout)

    async def _wait(self, turn: Polling, conflict: Conflict, hint: str) -> None:
        """Pause after a 409, or raise `LockHeld` if the other deploy outlasts `lock-timeout`."""
        began = anyio.current_time()
        try:
            if await turn.again(retry_after=conflict.retry_after):
                return
        finally:
            self.waited += anyio.current_time() - began
        after = human_seconds(turn.waited)
        raise LockHeld(
            f"Another deploy of {self.app!r} is still in progress after {after}: {conflict}", hint=hint
        ) from conflict

    def older_sessions(self) -> list[str]:
        """Return the sessions of earlier runs that may still hold the lock."""
        return [saved.session for saved in self.saved_locks.held() if saved.app == self.app]

    def log_older_sessions(self) -> None:
        """Log that an earlier run may still hold the lock, at the start of the run."""
        if self.older_sessions():
            self.log.info(
                f"An earlier run may still hold the deploy lock on {self.app!r}, according to `state-file`. "
                f"To release it, cancel this run and run {CLEANUP_COMMANDS} with the same inputs"
            )

    async def _send_heartbeats(self) -> None:
        """Send heartbeats until the lock is released.

        Raises:
            LockLost: when the run loses the lock.
        """
        client, logged, pause = self.client.retrying(ONCE), "", limits.HEARTBEAT
        while self.state is not State.RELEASED:
            self.require_held()
            await anyio.sleep(pause)
            pause = limits.HEARTBEAT
            try:
                await self.confirm(client)
            except DeployError as error:
                if str(error) != logged:
                    self.log.info(f"Heartbeat failed: {error}")
                # Uploads add a jitter to the same time, so a rate limit still has room for this request.
                pause = min(error.retry_after or limits.HEARTBEAT_PAUSE, limits.HEARTBEAT)
                logged = str(error)

    # The state, for the block that holds the lock

    @property
    def may_be_held(self) -> bool:
        """Whether the session may hold the lock now or get it later. A loss may be another server's word."""
        return self.state in {State.HELD, State.LOST} or self.request.may_come_late

    @property
    def may_write(self) -> bool:
        """Whether a write may begin. A lock that may expire before the write arrives is treated as lost."""
        return self.state is State.HELD and self.age < limits.LAST_WRITE

    @property
    def age(self) -> float:
        """The seconds since the last confirmed request was sent, by the clock that shows more."""
        return max(now - then for now, then in zip(_clocks(), self._confirmed_at, strict=True))

    def require_held(self) -> None:
        """Require that a write may begin.

        Raises:
            LockLost: when the lock is lost or may expire before the write arrives.
        """
        if not self.may_write:
            raise self._loss()

    def writing(self, client: Client) -> Client:
        """Return a copy of the client for writes, which require the lock and are shielded."""
        return client.guarded(Guard(self.require_held, self.shutdown.shielded_request))

    async def is_held_after(self, failure: BaseException) -> bool:
        """Return whether the session still holds the lock. After a 409, a heartbeat finds out."""
        if isinstance(failure, Conflict):
            await self.confirm(self.client.retrying(UNTIL_DEADLINE))
        return self.may_write

    def of(self, app: str, session_id: str) -> DeployLock:
        """Return a lock of another app, with the same tools, that waits for no other deploy."""
        return DeployLock(self.client, app, session_id, self.saved_locks, self.shutdown, self.log)

    def end(self) -> None:
        """Note that the lock was released, or that the platform deleted it with its app."""
        self.state = State.RELEASED
        self._save_end()

    # The release

    async def _release_after_success(self, counts: Counts) -> None:
        """Release the lock. Finalize is retried like any other request, but for a minute at least."""
        seconds = max(self.client.http.policy.seconds, limits.RELEASE.seconds)
        policy = RetryPolicy(seconds, is_urgent=True)
        try:
            await self.release(counts, limits.RELEASE._replace(seconds=math.inf), policy)
        except LockLost:
            raise
        except DeployError as error:
            error.hint = _still_held(error.hint)
            raise
        finally:
            self._save_end()

    async def _release_after_failure(self, failure: BaseException, counts: Counts) -> None:
        """Release the lock after the block failed. Don't raise, except to explain a 409.

        Raises:
            LockLost: when the failure is a 409, and the run lost the lock.
        """
        try:
            if await self.release(counts, limits.RELEASE):
                self.log.info("Released the deploy lock")
        except LockLost as loss:
            if isinstance(failure, Conflict):
                raise loss from failure
            if not isinstance(failure, LockLost):
                self.log.info(str(loss))
        except DeployError as error:
            self.problem = f"{error}. {_still_held(error.hint)}"
        finally:
            self._save_end()

    def _save_end(self) -> None:
        if not self.may_be_held:
            self.saved_locks.mark_released([self.session_id])

    async def release(
        self, counts: Counts, allowance: Allowance, policy: RetryPolicy = UNTIL_DEADLINE
    ) -> bool:
        """Release the lock within a time limit, shielded from cancellation.

        If the session may hold the lock, a heartbeat finds out first.

        Args:
            counts: the numbers of changes to report.
            allowance: the time limit.
            policy: how long a failed request is retried.

        Returns:
            Whether the session held the lock.

        Raises:
            LockLost: when the session held the lock and lost it.
            DeployError: when the lock may still be held.
        """
        client = self.client.retrying(policy)
        with self.shutdown.shielded_scope(allowance):
            if self.state is State.REQUESTED and self.request.may_come_late:
                await self.confirm(client)
            if self.state in {State.REQUESTED, State.RELEASED}:
                return False
            await self.finalize(client, counts)
            return True
        raise PlatformUnavailable("The platform didn't confirm the release of the deploy lock in time")

    # The other two requests

    async def confirm(self, client: Client) -> bool:
        """Send a heartbeat and return whether the session holds the lock."""
        with suppress(NotFound, Conflict):  # the session doesn't hold the lock
            await self.heartbeat(client)
        return self.state is State.HELD

    async def heartbeat(self, client: Client) -> None:
        """Send a heartbeat ("PUT …/deploy/lock").

        Raises:
            NotFound, Conflict: when the session doesn't hold the lock.
        """
        sent_at = _clocks()
        try:
            await client.heartbeat(self.app, self.session_id)
        except (NotFound, Conflict) as error:
            self._note_loss(error)
            raise
        self._note_confirmation(sent_at)

    async def finalize(self, client: Client, counts: Counts) -> None:
        """Release the lock, purge the CDN's cache and record the deploy ("POST …/deploy/finalize").

        Each attempt requires the lock, because another deploy may hold it since the last attempt.

        Raises:
            LockLost: when the session doesn't hold the lock anymore.
            PlatformUnavailable: when the lock is still held.
        """
        delivery = Delivery()
        # The release has its own shield.
        finalizing = client.guarded(Guard(self.require_held)).tracked(delivery)
        for _ in range(2):
            try:
                self.finalized = await finalizing.finalize(self.app, self.session_id, counts)
            except (NotFound, Conflict) as error:
                if delivery.lost:  # an earlier attempt released the lock
                    break
                self._note_loss(error)
                raise self._loss() from error
            if self.finalized and self.finalized.deploy_id:
                break
            # Without an ID, the response may be a gateway's. A heartbeat finds out.
            delivery.lost = delivery.lost or "the response contains none"
            if not await self.confirm(client):
                break
        else:
            raise PlatformUnavailable(
                "Finalizing the deploy had no effect: the response contains no deploy ID, and the lock is "
                "still held",
                hint="Check `api-url`. A gateway or proxy may respond instead of the platform.",
            )
        self.end()
        self.response_lost = delivery.lost

    def _note_confirmation(self, sent_at: tuple[float, float]) -> None:
        if self.state in {State.REQUESTED, State.HELD}:
            self.state, self._confirmed_at = State.HELD, sent_at

    def _note_loss(self, refusal: NotFound | Conflict) -> None:
        if self.state is State.HELD:
            self.state, self._why_lost = State.LOST, f"{_NOT_OURS} ({refusal.response})"

    def _loss(self) -> LockLost:
        return LockLost(
            f"The run lost the deploy lock: {self._why_lost}",
            hint=f"Run the job again. This run wrote nothing after it noticed the loss. {_still_held()}",
        )


def _still_held(hint: str = "") -> str:
    """Return the hint for a lock that may still be held, followed by another hint."""
    expires = f"If the lock is still held, it expires by {expiry()}."
    return f"{expires} To release it now, run {CLEANUP_COMMANDS}. {hint}".strip()


def _clocks() -> tuple[float, float]:
    """Return the seconds of two clocks: one that also runs while the machine is suspended, and wall time.

    The first clock never goes back. While a virtual machine is paused, only wall time may continue.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)), time.time()
