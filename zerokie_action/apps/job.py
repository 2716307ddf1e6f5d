"""One operation on one app: its settings, tools and report."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio

from zerokie_action.ci import CI, Log, Source
from zerokie_action.errors import DeployTimedOut
from zerokie_action.inputs.settings import Settings
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import SavedLocks, expiry
from zerokie_action.lock.session import DeploySession
from zerokie_action.lock.turn import HINT_LOCK, Turn
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.report.report import Report
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

_HINT_TIMEOUT = "Run the job again, or raise `timeout`. To find the slow step, set `log-level: debug`."


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """One operation on one app: its settings, tools and report.

    Attributes:
        client: the REST API.
        report: the facts about this operation.
        saved_locks: saves the lock for the lock cleanup.
        session: the session ID, a random UUID.
        ends_at: when `timeout` ends, by the event loop's time.
    """

    settings: Settings
    client: Client
    ci: CI
    report: Report
    shutdown: Shutdown
    saved_locks: SavedLocks
    session: str
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
        return self.client.guarded(self.shutdown.shielded_request)

    @asynccontextmanager
    async def deploy_lock(self, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
        """Hold the app's deploy lock while the block runs.

        Args:
            counts: returns the number of changes that the block made.
        """
        is_new = self.report.created is not False
        turn = Turn(self.log, self.app, self.settings.lock_timeout, hint=HINT_LOCK, is_new=is_new)
        session = DeploySession(self.app, self.session)
        lock = DeployLock(self.client, session, self.saved_locks, self.shutdown, self.log)
        try:
            async with lock.hold(counts, turn) as held:
                yield held
        finally:
            self.report.lock_wait_seconds += turn.waited
            if response := lock.released.response:  # a failed deploy is finalized as well
                self.report.deploy_id = response.deploy_id
                self.report.cache_purged = response.cache_purged
            if problem := lock.released.problem:  # it is in the log already
                self.report.warnings.append(problem)
                self.report.lock_problem = f"the deploy lock may still be held until {expiry()}"

    async def in_turn(self, ask: Callable[[], Awaitable[T]], *, seconds: float | None = None) -> T:
        """Call `ask` until no other deploy of the app is in progress; see `Turn.wait`.

        Args:
            ask: sends the request.
            seconds: the time limit; `lock-timeout` by default.
        """
        turn = Turn(self.log, self.app, self.settings.lock_timeout if seconds is None else seconds)
        try:
            return await turn.wait(ask)
        finally:
            self.report.lock_wait_seconds += turn.waited

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
