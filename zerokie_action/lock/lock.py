"""The deploy lock: acquired, kept, and released whatever happens.

Only finalize releases the lock. So every deploy that holds the lock ends with finalize, even a failed deploy,
and finalize reports the changes that were really made.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, unwrap
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.limits import Allowance
from zerokie_action.lock.record import LockRecords, expiry
from zerokie_action.lock.session import DeploySession, Ended, Held, Pending, Released
from zerokie_action.platform.answers import is_conflict
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import Shutdown

Ask = Callable[[], Awaitable[None]]
"""Requests the lock once."""


@dataclass(eq=False)
class DeployLock:
    """The deploy lock of a run.

    Attributes:
        client: sends the requests.
        session: the deploy session that is to hold the lock.
        records: records the lock for the cleanup.
        shutdown: limits the time of the release after a failure or a signal.
        log: gets the log lines.
        released: what is known after the release; set once, before `hold` ends.
        problem: why the lock may still be held after a failed run, and when it expires; empty if it is not.
    """

    client: Client
    session: DeploySession
    records: LockRecords
    shutdown: Shutdown
    log: Log
    released: Released = field(default_factory=Released)
    problem: str = ""
    _next_heartbeat: float = 0.0
    """When the next heartbeat is due (event loop)."""

    @asynccontextmanager
    async def hold(
        self,
        counts: Callable[[], Counts],
        in_turn: Callable[[Ask], Awaitable[None]],
        heartbeat: float,
    ) -> AsyncIterator[Self]:
        """Hold the lock while the block runs, and release it whenever and however the block ends.

        Args:
            counts: returns how much the block has changed.
            in_turn: calls its argument again and again, until no other deploy holds the lock.
            heartbeat: the seconds between two heartbeats.

        Raises:
            RequestRejected: when the platform refuses the lock.
            LockLost: when the lock is lost; the block is cancelled first.
            DeployError: when the lock may still be held after a block that succeeded; the hint says when it
                expires. When both the block and the release fail, the error is the block's.
        """
        self.records.add(self.session.app, self.session.id)
        try:
            await in_turn(self._acquire)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats, heartbeat)
                yield self
                tasks.cancel_scope.cancel()
        except BaseException as failure:
            error = unwrap(failure)
            await self._release_after_failure(error, counts())
            if error is not failure:
                raise error from failure
            raise
        else:
            if isinstance(self.session.state, Held):
                await self._release_after_success(counts())
        finally:
            if not self.session.may_be_held:
                self.records.mark_released(self.session.id)

    async def _acquire(self) -> None:
        await self.session.acquire(self.client.guarded(self.shutdown.shielded_request))

    async def _send_heartbeats(self, interval: float) -> None:
        """Send heartbeats until the lock has ended.

        Raises:
            LockLost: when the lock is lost.
        """
        client, logged = self.client.retrying(0), ""
        self._next_heartbeat = anyio.current_time() + interval
        while not isinstance(self.session.state, Ended):
            self.session.check()
            await anyio.sleep(limits.LEAST_HEARTBEAT_PAUSE)
            if anyio.current_time() < self._next_heartbeat:
                continue
            pause = interval
            try:
                await self.session.confirm(client)
            except DeployError as error:
                if str(error) != logged:
                    self.log.info(f"Heartbeat: {error}")
                logged, pause = str(error), min(limits.HEARTBEAT_PAUSE, interval)
            self._next_heartbeat = anyio.current_time() + pause

    # For the block that holds the lock

    def writing(self, client: Client) -> Client:
        """A copy of the client: each attempt checks the lock first, and is shielded from cancellation."""

        def guard() -> AbstractContextManager[None]:
            self.session.check()
            return self.shutdown.shielded_request()

        def confirm_soon() -> None:  # an upload was answered with 404: the app may be gone
            self._next_heartbeat = 0.0

        return replace(client, guard=guard, on_missing=confirm_soon)

    async def is_held_after(self, failure: BaseException) -> bool:
        """Whether the session still holds the lock. After a refused write (409), the platform is asked."""
        if is_conflict(failure):
            await self.session.confirm(self.client.retrying(UNTIL_DEADLINE))
        return self.session.may_write

    # The release

    async def _release_after_success(self, counts: Counts) -> None:
        """Release the lock: try as long as for any request, and at least as long as after a failure.

        `timeout` does not end an attempt, and a signal leaves it `limits.RELEASE.grace`. Both end a pause
        between two attempts; from then on, the lock is released as after a failure. If that works, the deploy
        is done, and its report says so: the cancellation takes effect at the next checkpoint. Before each
        attempt, the lock is checked, because another deploy may hold it.
        """
        until_answered = limits.RELEASE._replace(seconds=math.inf)

        def guard() -> AbstractContextManager[object]:
            self.session.check()
            return self.shutdown.shielded_scope(until_answered)

        budget = max(self.client.http.retry_timeout, limits.RELEASE.seconds)
        try:
            self.released = await self.session.finalize(self.client.guarded(guard).retrying(budget), counts)
        except LockLost:
            raise
        except DeployError as error:
            error.hint = _when_it_expires(error)
            raise
        except anyio.get_cancelled_exc_class():
            await self._release_after_failure(None, counts)
            if self.problem:
                raise

    async def _release_after_failure(self, failure: BaseException | None, counts: Counts) -> None:
        """Release the lock after a failure, or after a cancellation of `_release_after_success` (None)."""
        try:
            released = await release(self.session, self.client, self.shutdown, counts, limits.RELEASE)
            if released:
                self.released = released
                if failure:
                    self.log.info("Deploy lock released")
        except LockLost as loss:
            if failure is None or is_conflict(failure):
                raise loss from failure
            if not isinstance(failure, LockLost):
                self.log.warning(str(loss))
        except DeployError as error:
            self.problem = f"{error}. {_when_it_expires(error)}"
            self.log.warning(self.problem)


async def release(
    session: DeploySession, client: Client, shutdown: Shutdown, counts: Counts, allowance: Allowance
) -> Released | None:
    """Release the lock of a session within an allowance, shielded from cancellation.

    If it is not known whether the session holds the lock, a heartbeat asks first, and leaves
    `limits.FINALIZE` for finalize.

    Returns:
        What is known after the release; None if the session does not hold the lock.

    Raises:
        LockLost: when the session held the lock, and no longer does.
        DeployError: when the lock may still be held.
    """
    client = client.retrying(UNTIL_DEADLINE)
    with shutdown.shielded_scope(allowance):
        match session.state:
            case Pending():
                with shutdown.shielded_scope(allowance.without(limits.FINALIZE)):
                    if not (session.asking.may_come_late and await session.confirm(client)):
                        return None
            case Ended():
                return None
        if not isinstance(session.state, Pending):  # otherwise, the heartbeat was not answered in time
            session.check()
            return await session.finalize(client, counts)
    raise PlatformUnavailable("The deploy lock could not be released in time")


def _when_it_expires(error: DeployError) -> str:
    """The hint of an error after which the lock may still be held."""
    expires = f"The lock expires by itself {expiry()}, if it was not released."
    return f"{expires} `zerokie-cleanup` can release it at once. {error.hint}".strip()
