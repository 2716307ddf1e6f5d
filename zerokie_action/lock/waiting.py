"""Waiting for somebody else's deploy to end: growing, jittered pauses and calm news."""

from __future__ import annotations

import random
from typing import Protocol

import anyio

from zerokie_action.errors import LockHeld
from zerokie_action.text import human_seconds

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
_GROWTH = 1.6
_NEWS_EVERY = 30.0
_NOTHING_LEFT = 0.001


class Log(Protocol):
    """What is needed of a log."""

    def info(self, *lines: str) -> None:
        """A step of the story."""

    def warning(self, text: str) -> None:
        """Something the user should know."""


class Turn:
    """Our place in the queue behind another deploy of the same app.

    Attributes:
        waited: seconds so far; 0 when there was nobody to wait for.
    """

    def __init__(self, app: str, timeout: float, log: Log) -> None:
        """Join the queue; `timeout` in seconds counts from the first `wait`."""
        self.waited = 0.0
        self._app = app
        self._timeout = timeout
        self._log = log
        self._began: float | None = None
        self._pause = _FIRST_PAUSE
        self._next_news = 0.0

    async def wait(self, retry_after: float | None = None) -> None:
        """Pause once, after an attempt that found the other deploy still there.

        Args:
            retry_after: seconds that it has to be at least, if the platform says so.

        Raises:
            LockHeld: when the timeout has passed, or passes before the platform may be asked again.
        """
        now = anyio.current_time()
        if self._began is None:
            self._began = now
        self.waited = now - self._began
        left = self._timeout - self.waited
        if left < max(_NOTHING_LEFT, retry_after or 0):
            raise self._held()
        self._tell(left)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        try:
            await anyio.sleep(min(left, max(self._pause * jitter, retry_after or 0)))
        finally:
            self.waited = anyio.current_time() - self._began
        self._pause = min(_LONGEST_PAUSE, self._pause * _GROWTH)

    def _tell(self, left: float) -> None:
        if self.waited < self._next_news:
            return
        if self._next_news == 0:
            self._log.info(
                f"Another deploy of {self._app!r} is in progress; waiting for it up to {human_seconds(left)}"
            )
        else:
            self._log.info(f"Still waiting for the other deploy ({human_seconds(left)} left)")
        self._next_news = self.waited + _NEWS_EVERY

    def _held(self) -> LockHeld:
        still, after = ("still ", f" after {human_seconds(self.waited)}") if self.waited >= 1 else ("", "")
        return LockHeld(
            f"Another deploy of {self._app!r} {still}holds the deploy lock{after}",
            hint="Wait for that deploy to end, or raise `lock-timeout`. "
            "A lock without heartbeat expires after 30 minutes.",
        )
