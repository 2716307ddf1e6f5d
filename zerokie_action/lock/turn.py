"""Waiting for other deploys of the same app."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.errors import LockHeld, RequestRejected
from zerokie_action.lock.saved import CLEANUP_COMMANDS
from zerokie_action.platform.polling import Polling
from zerokie_action.platform.responses import NOT_FOUND, is_conflict
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

HINT_BUSY = "Run the job again after that deploy ends, or raise `lock-timeout`."
HINT_LOCK = (
    f"{HINT_BUSY} If that deploy was killed, its lock expires within 30 minutes. To wait for that, set "
    f"`lock-timeout: 31m` and `timeout: 1h`. To release it now, run {CLEANUP_COMMANDS} with the `state-file` "
    "of the killed run."
)


class Turn:
    """A run's turn to change an app, after other deploys of the app.

    Attributes:
        waited: seconds that `wait` spent on other deploys.
    """

    def __init__(
        self, log: Log, app: str, seconds: float, *, hint: str = HINT_BUSY, is_new: bool = False
    ) -> None:
        """Prepare the wait without sending a request.

        Args:
            log: gets the log lines.
            app: the app's name.
            seconds: the time limit for other deploys.
            hint: what to do if another deploy outlasts the time limit.
            is_new: whether this run may have created the app, which then may respond with 404 for a minute.
        """
        self.waited = 0.0
        self._app = app
        self._hint = hint
        self._is_new = is_new
        self._busy = Polling(log.info, f"another deploy of {app!r} to end", seconds)
        self._ready = Polling(log.info, f"the new app {app!r}", limits.NEW_APP)

    async def wait(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Call `ask` until the platform doesn't reject it because of another deploy.

        Args:
            ask: sends the request. Status 409 means that another deploy is in progress.

        Raises:
            LockHeld: when another deploy outlasts the time limit.
            RequestRejected: when the platform rejects the request for another reason.
        """
        try:
            return await self._busy.repeat(partial(self._ready.repeat, ask, self._is_early), is_conflict)
        except RequestRejected as refusal:
            if not is_conflict(refusal):
                raise
            after = human_seconds(self._busy.waited)
            raise LockHeld(
                f"Another deploy of {self._app!r} is still in progress after {after}: {refusal}",
                hint=self._hint,
            ) from refusal
        finally:
            self.waited = self._busy.waited

    def _is_early(self, refusal: RequestRejected) -> bool:
        return self._is_new and refusal.status == NOT_FOUND
