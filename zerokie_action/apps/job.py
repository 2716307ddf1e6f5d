"""The context that is passed to every operation: settings, tools and result of one run."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio

from zerokie_action.ci import CI, Log, Source
from zerokie_action.errors import DeployTimedOut, LockHeld, RequestRejected
from zerokie_action.inputs.settings import Settings
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import CLEANUP_COMMANDS, LockRecords, expiry
from zerokie_action.lock.session import DeploySession
from zerokie_action.platform.answers import NOT_FOUND, is_conflict
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.platform.polling import Polling
from zerokie_action.report.record import Change, was_created
from zerokie_action.report.report import Result
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

_READY_WITHIN = 60.0
"""Seconds that a new app may take to get ready."""
_HINT_BUSY = "Wait for that deploy to end, or raise `lock-timeout`."
_HINT_LOCK = (
    f"{_HINT_BUSY} If it was killed, its lock ends 30 minutes later: to wait for that, set "
    f"`lock-timeout: 31m` and `timeout: 1h`. {CLEANUP_COMMANDS} releases the lock at once, but only with the "
    "`state-file` of the killed run."
)
_HINT_TIMEOUT = "Run the job again, or raise `timeout`. `log-level: debug` shows which step takes long."


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """One run: its settings, its tools and its result.

    Attributes:
        client: the REST API.
        records: records the lock for the cleanup.
        session: this run's deploy session ID, a random UUID.
        ends_at: when `timeout` ends, by the event loop's time.
    """

    settings: Settings
    client: Client
    ci: CI
    result: Result
    shutdown: Shutdown
    records: LockRecords
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
        """The commit and the run that the files come from. The input `commit` wins over the CI's commit."""
        source = self.ci.source
        return source._replace(commit=self.settings.commit or source.commit)

    def warn(self, text: str) -> None:
        """Write a warning to the log and the reports."""
        self.log.warning(text)
        self.result.warnings.append(text)

    def note(self, text: str) -> None:
        """Write a line to the log, and a sentence to the reports."""
        self.log.info(text)
        self.result.notes.append(f"{text}.")

    def preview(self, text: str) -> None:
        """Write to the log and the reports what a deploy would do."""
        self.result.changed = True
        self.log.info(f"Plan: {text}")
        self.result.notes.append(f"Dry run: {text}.")

    @property
    def changes(self) -> list[Change]:
        """The changes that the run has asked for; the final state is derived from them."""
        return self.result.requested

    def change(self, *, done: str = "", unknown: str = "", creates: bool = False) -> Change:
        """Add a change to the run's list, before its request; see `Change`."""
        change = Change(done, unknown, creates=creates)
        self.changes.append(change)
        return change

    @property
    def shielded_client(self) -> Client:
        """The client for a request that changes something: a cancellation takes effect after the answer."""
        return self.client.guarded(self.shutdown.shielded_request)

    @asynccontextmanager
    async def deploy_lock(self, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
        """Hold the app's deploy lock while the block runs.

        Args:
            counts: returns how much the block changed.
        """
        session = DeploySession(self.app, self.session)
        lock = DeployLock(self.client, session, self.records, self.shutdown, self.log)

        async def in_turn(acquire: Callable[[], Awaitable[None]]) -> None:
            asked_at = anyio.current_time()
            await self.in_turn(partial(self.once_ready, acquire), hint=_HINT_LOCK)
            waited = anyio.current_time() - asked_at
            after = f" after {human_seconds(waited)}" if waited >= 1 else ""
            self.log.info(f"Deploy lock acquired{after}")

        try:
            async with lock.hold(counts, in_turn) as held:
                yield held
        finally:
            if answer := lock.released.answer:  # a failed deploy is finalized as well
                self.result.deploy_id = answer.deploy_id
                self.result.cache_purged = answer.cache_purged
            if problem := lock.released.problem:  # it is in the log already
                self.result.warnings.append(problem)
                self.result.lock_state = f"the deploy lock may still be held, and expires {expiry()}"

    async def once_ready(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Call `ask`. A 404 is asked again, for up to a minute, if this run may have created the app."""
        polling = Polling(self.log.info, f"the new app {self.app!r}", _READY_WITHIN)

        def is_not_ready(error: RequestRejected) -> bool:
            return error.status == NOT_FOUND and was_created(self.changes) is not False

        return await polling.repeat(ask, is_not_ready)

    async def in_turn(
        self,
        ask: Callable[[], Awaitable[T]],
        *,
        seconds: float | None = None,
        hint: str = _HINT_BUSY,
    ) -> T:
        """Call `ask` until no other deploy of the app is in progress.

        Args:
            ask: sends the request; a 409 means that another deploy is in progress.
            seconds: the time limit; `lock-timeout` by default.
            hint: what to do when the other deploy outlasts the time limit.

        Raises:
            LockHeld: when the other deploy outlasts the time limit.
        """
        seconds = self.settings.lock_timeout if seconds is None else seconds
        polling = Polling(self.log.info, f"another deploy of {self.app!r} to end", seconds)
        try:
            return await polling.repeat(ask, is_conflict)
        except RequestRejected as error:
            if not is_conflict(error):
                raise
            after = human_seconds(polling.waited)
            raise LockHeld(
                f"Another deploy of {self.app!r} is still in progress after {after}: {error}",
                hint=hint,
            ) from error
        finally:
            self.result.lock_wait_seconds += polling.waited

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
