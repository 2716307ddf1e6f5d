"""The deploy lock: acquired, kept, and released whatever happens.

Only finalize releases the lock. So every deploy that holds the lock ends with finalize, even a failed deploy,
and finalize reports the changes that were really made.
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, unwrap
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.limits import Allowance
from zerokie_action.lock.saved import CLEANUP_COMMANDS, LockRecords, expiry
from zerokie_action.lock.session import DeploySession, Ended, Pending, Released
from zerokie_action.lock.turn import Turn
from zerokie_action.platform.answers import is_conflict
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds


@dataclass(eq=False)
class DeployLock:
    """The deploy lock of a run, or of an ended run that the cleanup releases.

    Attributes:
        client: sends the requests.
        session: the deploy session that is to hold the lock.
        records: records the lock for the cleanup.
        shutdown: limits the time of the release after a failure or a signal.
        log: gets the log lines.
        released: what is known after the release; set once, before `hold` ends.
    """

    client: Client
    session: DeploySession
    records: LockRecords
    shutdown: Shutdown
    log: Log
    released: Released = field(default_factory=Released)

    @asynccontextmanager
    async def hold(
        self,
        counts: Callable[[], Counts],
        turn: Turn,
    ) -> AsyncIterator[Self]:
        """Hold the lock while the block runs, and release it whenever and however the block ends.

        Args:
            counts: returns how much the block has changed.
            turn: waits until no other deploy holds the lock.

        Raises:
            LockHeld: when another deploy holds the lock for too long.
            RequestRejected: when the platform refuses the lock.
            LockLost: when the lock is lost; the block is cancelled first.
            DeployError: when the lock may still be held after a block that succeeded; the hint says when it
                expires. When both the block and the release fail, the error is the block's.
        """
        app, failure = self.session.app, None
        older = [record.session for record in self.records.held() if record.app == app]
        if older:
            self.log.info(
                f"`state-file` names a run that ended without releasing the lock on {app!r}: it may be held. "
                f"To release it at once, end this run, call {CLEANUP_COMMANDS} with the same inputs, and "
                "run this again"
            )
        self.records.add(app, self.session.id)
        try:
            await self._acquire(turn)
            self.records.mark_released(older)
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

    async def _acquire(self, turn: Turn) -> None:
        asked_at = anyio.current_time()
        client = self.client.guarded(self.shutdown.shielded_request)
        await turn.wait(partial(self.session.acquire, client))
        waited = anyio.current_time() - asked_at
        after = f" after {human_seconds(waited)}" if waited >= 1 else ""
        self.log.info(f"Deploy lock acquired{after}")

    async def _send_heartbeats(self) -> None:
        """Send heartbeats until the lock has ended.

        Raises:
            LockLost: when the lock is lost.
        """
        client, logged, pause = self.client.retrying(0), "", limits.HEARTBEAT
        while not isinstance(self.session.state, Ended):
            self.session.require_held()
            await anyio.sleep(pause)
            pause = limits.HEARTBEAT
            try:
                await self.session.confirm(client)
            except DeployError as error:
                if str(error) != logged:
                    self.log.info(f"Heartbeat: {error}")
                logged, pause = str(error), limits.HEARTBEAT_PAUSE

    # For the block that holds the lock

    def writing(self, client: Client) -> Client:
        """A copy of the client: each attempt checks the lock first, and is shielded from cancellation."""

        def guard() -> AbstractContextManager[None]:
            self.session.require_held()
            return self.shutdown.shielded_request()

        return client.guarded(guard)

    async def is_held_after(self, failure: BaseException) -> bool:
        """Whether the session still holds the lock. After a refused write (409), the platform is asked."""
        if is_conflict(failure):
            await self.session.confirm(self.client.retrying(UNTIL_DEADLINE))
        return self.session.may_write

    # The release

    async def _release_after(self, failure: BaseException | None, counts: Counts) -> None:
        """Release the lock after the block; after a success, try for as long as for any other request."""
        allowance, patience = limits.RELEASE, UNTIL_DEADLINE
        if failure is None:
            patience = max(self.client.http.retry_timeout, allowance.seconds)
            allowance = allowance._replace(seconds=math.inf)
        try:
            if released := await self.release(counts, allowance, patience):
                self.released = released
                if failure:
                    self.log.info("Deploy lock released")
        except LockLost as loss:
            if failure is None or is_conflict(failure):
                raise loss from failure
            if not isinstance(failure, LockLost):
                self.log.info(str(loss))
        except DeployError as error:
            expires = f"The lock expires by itself {expiry()}, if it was not released."
            error.hint = f"{expires} {CLEANUP_COMMANDS} can release it at once. {error.hint}".strip()
            if failure is None:
                raise
            self.released = Released(problem=f"{error}. {error.hint}")
            self.log.warning(self.released.problem)
        finally:
            if not self.session.may_be_held:
                self.records.mark_released([self.session.id])

    async def release(
        self, counts: Counts, allowance: Allowance, patience: float = UNTIL_DEADLINE
    ) -> Released | None:
        """Release the lock within an allowance, shielded from cancellation.

        If it is not known whether the session holds the lock, a heartbeat asks first.

        Returns:
            What is known after the release; None if the session does not hold the lock.

        Raises:
            LockLost: when the session held the lock, and no longer does.
            DeployError: when the lock may still be held.
        """
        session, client = self.session, self.client.retrying(patience)
        with self.shutdown.shielded_scope(allowance):
            if isinstance(session.state, Pending) and session.asking.may_come_late:
                await session.confirm(client)
            if isinstance(session.state, Pending | Ended):
                return None
            return await session.finalize(client, counts)
        raise PlatformUnavailable("The deploy lock could not be released in time")
