"""What every operation works with."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio

from zerokie_action.errors import DeployTimedOut
from zerokie_action.lock.lock import LockWait, deploy_lock
from zerokie_action.lock.session import Session
from zerokie_action.platform.models import Counts
from zerokie_action.platform.pages import read_public
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from zerokie_action.ci import CI
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.lock.state import StateRecord
    from zerokie_action.platform.client import Client
    from zerokie_action.report.result import Result
    from zerokie_action.settings import Settings
    from zerokie_action.shutdown import Shutdown

_SLOW = "Raise `timeout`, or find out what is slow with `log-level: debug`."
_AWAY = "Run it again when the platform works again; with a longer `timeout` a run waits longer for that."


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """One run: what it was asked for, what it may use, and the record of what it did.

    Attributes:
        session: this run's deploy session ID, a random UUID.
        own_files: files that this run writes; they are never deployed.
        ends_at: when `timeout` has passed, by the event loop's time.
    """

    settings: Settings
    client: Client
    ci: CI
    result: Result
    shutdown: Shutdown
    state: StateRecord
    session: str
    own_files: tuple[Path, ...]
    ends_at: float

    @property
    def app(self) -> str:
        """The app's name."""
        return self.settings.app

    async def read_deployed(self, path: str, *, max_body: int) -> bytes | None:
        """What the app serves for a remote path, past its caches; None for anything but a plain answer."""
        # The session makes the URL one that no cache has seen.
        url = f"{(self.result.url or '').rstrip('/')}/{quote(path)}?{self.session}"
        return await read_public(url, self.client.http, max_body=max_body)

    def warn(self, text: str) -> None:
        """A warning in the log and in the reports."""
        self.ci.warning(text)
        self.result.warnings.append(text)

    def preview(self, text: str) -> None:
        """What a dry run does not do, in the log and in the reports."""
        self.ci.info(f"Plan: {text}")
        self.result.notes.append(f"Dry run: {text}.")

    @asynccontextmanager
    async def deploy_lock(self, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
        """Hold the deploy lock of the app while the block runs; `counts` says what the block changed."""
        wait, phases_before = LockWait(self.app, self.settings.lock_timeout, self.ci), len(self.result.phases)
        try:
            async with deploy_lock(
                Session(self.client, self.app, self.session),
                counts=counts,
                wait=wait,
                heartbeat=self.settings.lock_heartbeat,
                state=self.state,
                shutdown=self.shutdown,
                ci=self.ci,
            ) as lock:
                yield lock
        finally:
            self.result.lock_wait_seconds = wait.waited
            if wait.waited:
                self.result.phases.insert(phases_before, ("Wait for the lock", wait.waited))

    @contextmanager
    def time_limit(self) -> Iterator[None]:
        """Give up the block when `timeout` has passed.

        Raises:
            DeployTimedOut: then.
        """
        with anyio.CancelScope(deadline=self.ends_at) as limit:
            yield
        if limit.cancelled_caught:
            outage = self.client.http.outage
            duration = human_seconds(self.settings.timeout)
            raise DeployTimedOut(
                f"The {self.settings.operation} did not end within {duration}{outage and '; '}{outage}",
                hint=_AWAY if outage else _SLOW,
            )

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Record how long the block takes, for the summary. Failures that were counted in it are logged."""
        began = anyio.current_time()
        try:
            yield
        finally:
            self.result.phases.append((name, anyio.current_time() - began))
            self.client.http.log_counts()
