"""What every operation works with."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote

import anyio

from zerokie_action.errors import DeployTimedOut, LockHeld, RequestRejected
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.client import CONFLICT
from zerokie_action.platform.models import Counts
from zerokie_action.platform.pages import read_public
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from zerokie_action.ci import CI
    from zerokie_action.lock.record import LockRecords
    from zerokie_action.platform.client import Client
    from zerokie_action.report.result import Result
    from zerokie_action.settings import Settings
    from zerokie_action.shutdown import Shutdown

T = TypeVar("T")

_SLOW = "Raise `timeout`, or find out what is slow with `log-level: debug`."
_AWAY = "Run it again when the platform works again, or raise `timeout`."
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_LINE_EVERY = 30.0


class NotYet(NamedTuple):
    """An answer after which to ask again.

    Attributes:
        why: what is missing; may be empty.
        retry_after: seconds for which the other side asked not to be asked again.
    """

    why: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """One run: what it was asked for, what it may use, and the record of what it did.

    Attributes:
        client: the REST API.
        records: where the cleanup finds a lock that was not released.
        session: this run's deploy session ID, a random UUID.
        own_files: files that this run writes; they are never deployed.
        ends_at: when `timeout` has passed, by the event loop's time.
    """

    settings: Settings
    client: Client
    ci: CI
    result: Result
    shutdown: Shutdown
    records: LockRecords
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

    def note(self, text: str) -> None:
        """A line in the log, and a sentence in the reports."""
        self.ci.info(text)
        self.result.notes.append(f"{text}.")

    def preview(self, text: str) -> None:
        """What a dry run does not do, in the log and in the reports."""
        self.ci.info(f"Plan: {text}")
        self.result.notes.append(f"Dry run: {text}.")

    @asynccontextmanager
    async def deploy_lock(self, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
        """Hold the deploy lock of the app while the block runs; `counts` says what the block changed."""
        lock = DeployLock(
            self.client, self.app, self.session, records=self.records, shutdown=self.shutdown, ci=self.ci
        )
        try:
            async with lock.releasing(counts):
                try:
                    await self.in_turn(lock.acquire)
                finally:
                    if waited := self.result.lock_wait_seconds:
                        self.result.phases.append(("Wait for the lock", waited))
                after = f" after {human_seconds(waited)}" if waited >= 1 else ""
                self.ci.info(f"Deploy lock acquired{after}")
                async with lock.kept(self.settings.lock_heartbeat):
                    yield lock
        finally:
            if lock.unreleased:  # the log has it already
                self.result.warnings.append(lock.unreleased)

    async def in_turn(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` returns once no other deploy of the app is in progress (409), within `lock-timeout`.

        Raises:
            LockHeld: when one is for longer.
        """
        refused_at: float | None = None

        async def attempt() -> T | NotYet:
            nonlocal refused_at
            try:
                return await ask()
            except RequestRejected as error:
                if error.status != CONFLICT:
                    raise
                if refused_at is None:
                    refused_at = anyio.current_time()
                return NotYet(retry_after=error.retry_after)

        try:
            what = f"another deploy of {self.app!r} to end"
            answer = await self.poll(attempt, what, self.settings.lock_timeout)
        finally:
            waited = 0.0 if refused_at is None else anyio.current_time() - refused_at
            self.result.lock_wait_seconds += waited
        if isinstance(answer, NotYet):
            raise LockHeld(
                f"Another deploy of {self.app!r} is still in progress after {human_seconds(waited)}",
                hint="Wait for that deploy to end, or raise `lock-timeout`. "
                "A lock without heartbeat expires after 30 minutes.",
            )
        return answer

    async def poll(self, ask: Callable[[], Awaitable[T | NotYet]], what: str, seconds: float) -> T | NotYet:
        """What `ask` returns; it is called until that is no `NotYet`, the last time when the time is over.

        The pauses grow. A line is logged at once, and then every half a minute: a long wait does not look
        like a hang. `NotYet` is returned at the end, or when the other side is not to be asked before that.

        Args:
            ask: looks once.
            what: what is waited for, for the log.
            seconds: how long.
        """
        ends_at = anyio.current_time() + seconds
        pause = _FIRST_PAUSE
        next_line = 0.0
        while isinstance(answer := await ask(), NotYet):
            now = anyio.current_time()
            left = ends_at - now
            if left <= 0 or answer.retry_after > left:
                break
            if now >= next_line:
                shown = human_seconds(min(left, anyio.current_effective_deadline() - now))
                why = f": {answer.why}" if answer.why else ""
                self.ci.info(f"Waiting for {what}{why}; {shown} left")
                next_line = now + _LINE_EVERY
            jittered = pause * random.uniform(0.5, 1)  # noqa: S311 - no secret; two that begin together come apart
            await anyio.sleep(min(left, max(jittered, answer.retry_after)))
            pause = min(_LONGEST_PAUSE, pause * _GROWTH)
        return answer

    @contextmanager
    def time_limit(self) -> Iterator[None]:
        """Give up the block when `timeout` has passed.

        Raises:
            DeployTimedOut: then.
        """
        with anyio.CancelScope(deadline=self.ends_at) as limit:
            yield
        if limit.cancelled_caught:
            outage = self.client.http.outages()
            duration = human_seconds(self.settings.timeout)
            raise DeployTimedOut(
                f"The {self.settings.operation} did not end within {duration}{outage and '; '}{outage}",
                hint=_AWAY if outage else _SLOW,
            )

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Record how long the block takes, for the summary."""
        began = anyio.current_time()
        try:
            yield
        finally:
            self.result.phases.append((name, anyio.current_time() - began))
