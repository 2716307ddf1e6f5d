"""The tools of one operation on one app."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from zerokie_action.ci import CI, Log, Source
from zerokie_action.errors import DeployTimedOut
from zerokie_action.http.request import Guard
from zerokie_action.inputs.settings import Settings
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import expiry
from zerokie_action.platform.client import Client
from zerokie_action.report.report import Report
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.numbers import human_seconds
from zerokie_action.text.redaction import Redactor

_HINT_TIMEOUT = "Run the job again, or raise `timeout`. To find the slow step, set `log-level: debug`."


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """The tools of one operation on one app.

    Attributes:
        client: the REST API.
        redactor: removes secrets from the platform's text.
        report: the facts about this operation.
        lock: the app's deploy lock, which a static app needs.
        ends_at: when `timeout` ends, by the event loop's time.
    """

    settings: Settings
    client: Client
    redactor: Redactor
    ci: CI
    report: Report
    shutdown: Shutdown
    lock: DeployLock
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

    def note_lock(self) -> None:
        """Tell the report what became of the lock, at the end of the operation."""
        lock, report = self.lock, self.report
        if lock.finalized:  # a failed deploy is finalized as well
            report.deploy_id, report.cache_purged = lock.finalized.deploy_id, lock.finalized.cache_purged
        if lock.problem:
            report.warn(lock.problem)
            report.lock_problem = f"the deploy lock may still be held until {expiry()}"
        report.lock_wait_seconds = lock.waited

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
