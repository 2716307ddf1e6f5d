"""Three rules that decide whether an image's deploy succeeded.

The API reference doesn't say how the platform writes an image's name, when a GET shows a deploy, whether a
GET shows the requested or the running image, or how a failed deploy ends. So one response proves little.

1. A response counts once the status has changed from `running` or a failure, or if its GET was sent 15s
   after the request. If the app had failed before the request, a failure counts only after it showed
   another status or the new image.
2. A response that counts puts the app in one of five phases (`Phase`).
3. A phase decides the deploy when it has lasted: 7s for running, 15s for the others. `STARTING` never does.
   When the time is up, a failure decides even if it lasted less than 15s.

This module sends no requests and reads no clock. The caller passes each response together with the time when
its GET was sent, because the app may have changed since. All times are seconds by the same clock.
"""

import math
from enum import Enum, auto

from zerokie_action.image.names import ShownImage
from zerokie_action.limits import SETTLING_TIME, STEADY_TIME
from zerokie_action.platform.models import App

RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""Statuses of a failed app. The API reference names only "deploying" and "running". Any status other than
`running` and these failures means "not yet"."""


class Phase(Enum):
    """The state of a deploy."""

    STARTING = auto()
    """Nothing is decided yet."""
    RUNNING = auto()
    """The app runs the new image."""
    FAILED = auto()
    """The app failed with the new image, or with the previous one that a GET may still show."""
    REPLACED = auto()
    """The app runs another deploy's image, which is neither the new nor the previous one. While that image
    doesn't run, nothing is decided."""
    WENT_BACK = auto()
    """The app runs the previous image again, after it showed the new one."""


class Rollout:
    """The phase of one deploy, by the responses to GET since its request.

    Attributes:
        app: the app in the last response. Before the first response, the app before the request.
        shown: the app's image, compared with the new and the previous one.
        was_running: whether the app was running before the request.
        phase: the phase by the last response.
        settled_at: the time from which a GET must show the deploy. Infinite before the request.
    """

    def __init__(self, requested: str | None, before: App | None) -> None:
        """Start with the image to deploy, None for a restart, and the app before the request."""
        self.app = before or App()
        self.shown = ShownImage(requested, self.app.image)
        self.phase = Phase.STARTING
        self.settled_at = math.inf
        self._status = self._status_before = self.app.status.lower()
        self.was_running = self._status == RUNNING
        self._status_changed = before is None
        self._since = self._sent_at = -math.inf

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was just requested. `image` is the image in the response, if it shows one."""
        self.settled_at = now + SETTLING_TIME
        self.shown.add_name(image)

    def note_response(self, app: App, sent_at: float) -> None:
        """Note the response to a GET, and the time when the GET was sent."""
        self.app, self._status, self._sent_at = app, app.status.lower(), sent_at
        # If another deploy was in progress before the request, its end changes the status as well.
        is_telling = self._status_before in FAILURES | {RUNNING}
        self._status_changed |= is_telling and self._status != self._status_before
        self.shown.note(app.image)
        phase = self._phase_now() if self.is_current else Phase.STARTING
        if phase is not self.phase:
            self.phase, self._since = phase, sent_at

    # Rule 1

    @property
    def is_current(self) -> bool:
        """Whether the last response counts, because it shows the app after the request."""
        # An old failure that doesn't change can't be told from a new one, unless the image is new.
        is_old_failure = self._status_before in FAILURES and not self.shown.is_new_certain
        return self._status_changed or (self._sent_at >= self.settled_at and not is_old_failure)

    # Rule 2

    def _phase_now(self) -> Phase:
        """Return the phase by the last response alone."""
        is_running, has_failed = self._status == RUNNING, self._status in FAILURES
        if self.shown.is_another_deploys:
            return Phase.REPLACED if is_running else Phase.STARTING
        if has_failed:
            return Phase.FAILED
        if is_running and self.shown.may_be_new:
            return Phase.RUNNING
        return Phase.WENT_BACK if is_running and self.shown.is_new_certain else Phase.STARTING

    # Rule 3

    def decided(self, *, is_last: bool = False) -> Phase | None:
        """Return the phase that decides the deploy, or None if more responses are needed.

        Args:
            is_last: whether the time is up, so that no response will follow.
        """
        if self.phase is Phase.STARTING:
            return None
        # An app that crashes at its start also shows `running` for some seconds. A crashed app may start
        # again, an old instance may show as stopped, and a replica may be behind.
        must_last = STEADY_TIME if self.phase is Phase.RUNNING else SETTLING_TIME
        has_lasted = self._sent_at - self._since >= must_last
        return self.phase if has_lasted or (is_last and self.phase is Phase.FAILED) else None

    @property
    def shows_a_deploy(self) -> bool:
        """Whether the app shows this deploy or another one, by its status or its image.

        Then a request with a lost response must not be repeated, because it could restart the app or replace
        another deploy's image.
        """
        return self._status_changed or self.shown.is_new_certain or self.shown.is_another_deploys
