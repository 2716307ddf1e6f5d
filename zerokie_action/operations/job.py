"""The context that is passed to every operation: settings, tools and result of one run."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import anyio

from zerokie_action.errors import DeployError, DeployTimedOut, LockHeld, LockLost, RequestRejected
from zerokie_action.files.ignore import Patterns
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.record import expiry
from zerokie_action.operations.polling import Polling
from zerokie_action.platform.client import CONFLICT
from zerokie_action.platform.models import Counts
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from zerokie_action.ci import CI
    from zerokie_action.lock.record import LockRecords
    from zerokie_action.platform.client import Client
    from zerokie_action.report.result import Result
    from zerokie_action.settings import Settings
    from zerokie_action.shutdown import Shutdown

T = TypeVar("T")

_HINT_SLOW = "Raise `timeout`, or look for the slow step with `log-level: debug`."
_HINT_OUTAGE = "Run the job again when the platform works, or raise `timeout`."


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

    @cached_property
    def keep(self) -> Patterns:
        """The input `keep`: matches remote paths that are never deleted."""
        return Patterns(self.settings.keep)

    @property
    def app(self) -> str:
        """The app's name."""
        return self.settings.app

    def warn(self, text: str) -> None:
        """Write a warning to the log and the reports."""
        self.ci.warning(text)
        self.result.warnings.append(text)

    def note(self, text: str) -> None:
        """Write a line to the log, and a sentence to the reports."""
        self.ci.info(text)
        self.result.notes.append(f"{text}.")

    def preview(self, text: str) -> None:
        """Write to the log and the reports what a deploy would do."""
        self.ci.info(f"Plan: {text}")
        self.result.notes.append(f"Dry run: {text}.")

    @contextmanager
    def change(self, state_if_unknown: str) -> Iterator[Client]:
        """Yield the client for one request that changes something, shielded from cancellation.

        The final state is `state_if_unknown`. A refusal restores the previous final state; after a success,
        the caller sets the next.
        """
        before, self.result.final_state = self.result.final_state, state_if_unknown
        self.result.changes_requested += 1
        try:
            yield self.client.guarded(self.shutdown.shielded_request)
        except DeployError as error:
            if not (error.ambiguous or isinstance(error, LockLost)):
                self.result.final_state = before
                self.result.changes_requested -= 1
            raise

    @asynccontextmanager
    async def deploy_lock(self, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
        """Hold the app's deploy lock while the block runs; `counts` returns how much the block changed."""
        lock = DeployLock(
            self.client, self.app, self.session, records=self.records, shutdown=self.shutdown, ci=self.ci
        )
        try:
            async with lock.releasing(counts):
                with self.phase("Lock"):
                    try:
                        await self.in_turn(lock.acquire)
                    except LockHeld as error:
                        error.hint += (
                            f" If that run was killed, its lock ends {expiry()}: to wait for that, set "
                            "`lock-timeout: 31m` and `timeout: 1h`. `zerokie-cleanup` releases the lock at "
                            "once, but only with the `state-file` of the killed run."
                        )
                        raise
                waited = self.result.lock_wait_seconds
                after = f" after {human_seconds(waited)}" if waited >= 1 else ""
                self.ci.info(f"Deploy lock acquired{after}")
                async with lock.kept(self.settings.lock_heartbeat):
                    yield lock
        finally:
            if lock.finalized:  # a failed deploy is finalized as well
                self.result.deploy_id = lock.finalized.deploy_id
                self.result.cache_purged = lock.finalized.cache_purged
            if lock.unreleased:  # the lock has logged this
                self.result.warnings.append(lock.unreleased)
                self.result.add_final_state(f"the deploy lock may still be held, and expires {expiry()}")

    async def in_turn(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Call `ask` until no other deploy of the app is in progress (409), within `lock-timeout`.

        Raises:
            LockHeld: when the other deploy outlasts `lock-timeout`.
        """
        polling: Polling | None = None
        waited_before = self.result.lock_wait_seconds
        while True:
            try:
                return await ask()
            except RequestRejected as error:
                if error.status != CONFLICT:
                    raise
                retry_after = error.retry_after
            what = f"another deploy of {self.app!r} to end"
            polling = polling or Polling(self.ci, what, self.settings.lock_timeout)
            try:
                goes_on = await polling.again(retry_after=retry_after)
            finally:
                self.result.lock_wait_seconds = waited_before + polling.waited
            if not goes_on:
                after = f" after {human_seconds(polling.waited)}" if polling.waited >= 1 else ""
                raise LockHeld(
                    f"Another deploy of {self.app!r} is still in progress{after}",
                    hint="Wait for that deploy to end, or raise `lock-timeout`.",
                )

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
                hint=_HINT_OUTAGE if outage else _HINT_SLOW,
            )

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Record the duration of the block, for the summary."""
        began = anyio.current_time()
        try:
            yield
        finally:
            self.result.phases.append((name, anyio.current_time() - began))
