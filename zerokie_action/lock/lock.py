"""The deploy lock from its request to its release.

Only finalize releases the lock. So every deploy that holds the lock ends with finalize, even a failed one.
Finalize then reports the confirmed changes.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, unwrap
from zerokie_action.http.policy import ONCE, UNTIL_DEADLINE, RetryPolicy
from zerokie_action.limits import Allowance
from zerokie_action.lock.saved import CLEANUP_COMMANDS, SavedLocks, expiry
from zerokie_action.lock.session import DeploySession, Ended, Pending, Released
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.platform.responses import is_conflict
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds

Wait = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
"""Calls a function that requests the lock, until no other deploy holds the lock."""


@dataclass(eq=False)
class DeployLock:
    """The deploy lock of this run, or of an earlier run in the lock cleanup.

    Attributes:
        client: sends the requests.
        session: the deploy session that holds the lock.
        saved_locks: saves the lock for the lock cleanup.
        shutdown: limits the time of the release after a failure or a signal.
        log: gets the log lines.
        released: the result of the release; set before `hold` ends.
    """

    client: Client
    session: DeploySession
    saved_locks: SavedLocks
    shutdown: Shutdown
    log: Log
    released: Released = field(default_factory=Released)

    @asynccontextmanager
    async def hold(self, counts: Callable[[], Counts], wait: Wait) -> AsyncIterator[Self]:
        """Hold the lock while the block runs, and release it however the block ends.

        If both the block and the release fail, the block's error is raised.

        Args:
            counts: returns the number of changes that the block made.
            wait: see `Wait`.

        Raises:
            LockHeld: when another deploy holds the lock for too long.
            RequestRejected: when the platform rejects the lock request.
            LockLost: when the run loses the lock. The block is cancelled first.
            DeployError: when the block succeeded and the lock may still be held. The hint gives its expiry.
        """
        app, failure = self.session.app, None
        older = [saved.session for saved in self.saved_locks.held() if saved.app == app]
        if older:
            self.log.info(
                f"An earlier run may still hold the deploy lock on {app!r}, according to `state-file`. To "
                f"release it, cancel this run and run {CLEANUP_COMMANDS} with the same inputs"
            )
        self.saved_locks.add(app, self.session.id)
        try:
            await self._acquire(wait)
            self.saved_locks.mark_released(older)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats)
                yield self
                tasks.cancel_scope.cancel()
        except BaseException as error:
            failure = unwrap(error)
            if failure is not error:
                raise failure from error
            raise
        finally:
            await self._release_after(failure, counts())

    async def _acquire(self, wait: Wait) -> None:
        """Request the lock until the run holds it. A cancellation takes effect after the response."""
        began = anyio.current_time()
        client = self.client.guarded(self.shutdown.shielded_request)
        await wait(partial(self.session.acquire, client))
        waited = anyio.current_time() - began
        after = f" after {human_seconds(waited)}" if waited >= 1 else ""
        self.log.info(f"Acquired the deploy lock{after}")

    async def _send_heartbeats(self) -> None:
        """Send heartbeats until the lock is released.

        Raises:
            LockLost: when the run loses the lock.
        """
        client, logged, pause = self.client.retrying(ONCE), "", limits.HEARTBEAT
        while not isinstance(self.session.state, Ended):
            self.session.require_held()
            await anyio.sleep(pause)
            pause = limits.HEARTBEAT
            try:
                await self.session.confirm(client)
            except DeployError as error:
                if str(error) != logged:
                    self.log.info(f"Heartbeat failed: {error}")
                logged, pause = str(error), limits.HEARTBEAT_PAUSE

    # For the block that holds the lock

    def writing(self, client: Client) -> Client:
        """Return a copy of the client for writes: each attempt requires the lock and is shielded."""

        def guard() -> AbstractContextManager[None]:
            self.session.require_held()
            return self.shutdown.shielded_request()

        return client.guarded(guard)

    async def is_held_after(self, failure: BaseException) -> bool:
        """Return whether the session still holds the lock. After a 409, a heartbeat finds out."""
        if is_conflict(failure):
            await self.session.confirm(self.client.retrying(UNTIL_DEADLINE))
        return self.session.may_write

    # The release

    async def _release_after(self, failure: BaseException | None, counts: Counts) -> None:
        """Release the lock after the block. After a success, retry finalize like any other request."""
        allowance, policy = limits.RELEASE, UNTIL_DEADLINE
        if failure is None:
            seconds = max(self.client.http.policy.seconds, allowance.seconds)
            policy = RetryPolicy(seconds, is_urgent=True)
            allowance = allowance._replace(seconds=math.inf)
        try:
            if released := await self.release(counts, allowance, policy):
                self.released = released
                if failure:
                    self.log.info("Released the deploy lock")
        except LockLost as loss:
            if failure is None or is_conflict(failure):
                raise loss from failure
            if not isinstance(failure, LockLost):
                self.log.info(str(loss))
        except DeployError as error:
            expires = f"If the lock is still held, it expires by {expiry()}."
            error.hint = f"{expires} To release it now, run {CLEANUP_COMMANDS}. {error.hint}".strip()
            if failure is None:
                raise
            self.released = Released(problem=f"{error}. {error.hint}")
            self.log.warning(self.released.problem)
        finally:
            if not self.session.may_be_held:
                self.saved_locks.mark_released([self.session.id])

    async def release(
        self, counts: Counts, allowance: Allowance, policy: RetryPolicy = UNTIL_DEADLINE
    ) -> Released | None:
        """Release the lock within a time limit, shielded from cancellation.

        If the session may hold the lock, a heartbeat finds out first.

        Args:
            counts: the numbers of changes to report.
            allowance: the time limit.
            policy: how long a failed request is retried.

        Returns:
            The result of the release; None if the session doesn't hold the lock.

        Raises:
            LockLost: when the session held the lock and lost it.
            DeployError: when the lock may still be held.
        """
        session, client = self.session, self.client.retrying(policy)
        with self.shutdown.shielded_scope(allowance):
            if isinstance(session.state, Pending) and session.lock_request.may_come_late:
                await session.confirm(client)
            if isinstance(session.state, Pending | Ended):
                return None
            return await session.finalize(client, counts)
        raise PlatformUnavailable("The platform didn't confirm the release of the deploy lock in time")
