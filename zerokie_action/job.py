"""One operation on one app: its settings, tools and report."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio

from zerokie_action import limits
from zerokie_action.ci import CI, Log, Source
from zerokie_action.errors import Conflict, DeployTimedOut, LockHeld, NotFound
from zerokie_action.http.request import Guard
from zerokie_action.inputs.settings import Settings
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import CLEANUP_COMMANDS, SavedLocks, expiry
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.platform.polling import Polling
from zerokie_action.report.report import Report
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

_HINT_BUSY = "Run the job again after that deploy ends, or raise `lock-timeout`."
_HINT_LOCK = (
    f"{_HINT_BUSY} If that deploy was killed, its lock expires within 30 minutes. To wait for that, set "
    f"`lock-timeout: 31m` and `timeout: 1h`. To release it now, run {CLEANUP_COMMANDS} with the `state-file` "
    "of the killed run."
)
_HINT_TIMEOUT = "Run the job again, or raise `timeout`. To find the slow step, set `log-level: debug`."


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """One operation on one app: its settings, tools and report.

    Attributes:
        client: the REST API.
        report: the facts about this operation.
        saved_locks: saves the lock for the lock cleanup.
        session_id: the session ID, a random UUID.
        ends_at: when `timeout` ends, by the event loop's time.
    """

    settings: Settings
    client: Client
    ci: CI
    report: Report
    shutdown: Shutdown
    saved_locks: SavedLocks
    session_id: str
    ends_at: float

    @property
    def app(self) -> str:
        """The app's name."""
        return self.settings.app

    @property
    def log(self) -> Log:
        """The log."""
        return self.ci.log

    @property
    def source(self) -> Source:
        """The commit and the run that the files come from. The input `commit` replaces the CI's commit."""
        source = self.ci.source
        return source._replace(commit=self.settings.commit or source.commit)

    @property
    def shielded_client(self) -> Client:
        """The client for a request that changes something. A cancellation takes effect after the response."""
        return self.client.guarded(Guard(shield=self.shutdown.shielded_request))

    @asynccontextmanager
    async def deploy_lock(self, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
        """Hold the app's deploy lock while the block runs.

        Args:
            counts: returns the number of changes that the block made.
        """
        lock = DeployLock(self.client, self.app, self.session_id, self.saved_locks, self.shutdown, self.log)
        try:
            async with lock.hold(counts, partial(self._acquire, lock)):
                yield lock
        finally:
            if response := lock.finalized:  # a failed deploy is finalized as well
                self.report.deploy_id = response.deploy_id
                self.report.cache_purged = response.cache_purged
            if lock.problem:
                self.report.warn(lock.problem)
                self.report.lock_problem = f"the deploy lock may still be held until {expiry()}"

    async def _acquire(self, lock: DeployLock) -> None:
        """Request the lock until no other deploy holds it and a new app is ready.

        Raises:
            LockHeld: when another deploy holds the lock for longer than `lock-timeout`.
            RequestRejected: when the platform rejects the request for another reason.
        """
        began = anyio.current_time()
        await self.once_ready(partial(self.in_turn, lock.request_once, hint=_HINT_LOCK))
        waited = anyio.current_time() - began
        after = f" after {human_seconds(waited)}" if waited >= 1 else ""
        self.log.info(f"Acquired the deploy lock{after}")

    async def once_ready(self, request: Callable[[], Awaitable[T]]) -> T:
        """Call `request`. If this run may have created the app, repeat a 404 for up to a minute."""
        polling = Polling(self.log.info, f"the new app {self.app!r}", limits.NEW_APP)
        while True:
            try:
                return await request()
            except NotFound as error:
                is_old = self.report.created is False
                if is_old or not await polling.again(retry_after=error.retry_after):
                    raise

    async def in_turn(self, request: Callable[[], Awaitable[T]], *, hint: str = _HINT_BUSY) -> T:
        """Call `request`, and repeat a 409 until no other deploy of the app is in progress.

        Args:
            request: sends one request.
            hint: the hint of `LockHeld`.

        Raises:
            LockHeld: when another deploy outlasts `lock-timeout`.
            RequestRejected: when the platform rejects the request for another reason.
        """
        goal, limit = f"another deploy of {self.app!r} to end", self.settings.lock_timeout
        polling = Polling(self.log.info, goal, limit)
        try:
            while True:
                try:
                    return await request()
                except Conflict as error:
                    if not await polling.again(retry_after=error.retry_after):
                        after = human_seconds(polling.waited)
                        raise LockHeld(
                            f"Another deploy of {self.app!r} is still in progress after {after}: {error}",
                            hint=hint,
                        ) from error
        finally:
            self.report.lock_wait_seconds += polling.waited

    @contextmanager
    def time_limit(self) -> Iterator[None]:
        """Cancel the block when `timeout` ends.

        Raises:
            DeployTimedOut: when the block was cancelled.
        """
        with anyio.CancelScope(deadline=self.ends_at) as limit:
            yield
        if limit.cancelled_caught:
            outage = self.client.http.outages()
            duration = human_seconds(self.settings.timeout)
            raise DeployTimedOut(
                f"The {self.settings.operation} did not end within {duration}{outage and '; '}{outage}",
                hint=_HINT_TIMEOUT,
            )
