"""Three rules that decide whether an image's deploy succeeded.

The API reference doesn't say how the platform writes an image's name, when a GET shows a deploy, whether a
GET shows the requested or the running image, or how a failed deploy ends. So one response proves little.

1. A response counts once the status has changed from `running` or a failure, or if its GET was sent 15s
   after the request, or if it shows another deploy's image. If the app had failed before the request, a
   failure counts only after it showed another status or image.
2. A response that counts puts the app in one of five phases (`Phase`).
3. A phase decides the deploy when it has lasted: 7s and 8 responses for running, 15s for the others.
   `STARTING` never does. A phase lasts from the arrival of its first response to the sending of the last GET.
   If more than 5s pass between a response and the next GET, or if a GET takes over 5s longer than the one
   before, the phase starts again. When the time is up, a failure or another deploy's image decides even if it
   lasted less than 15s.

This module sends no requests and reads no clock. The caller passes each response together with the times when
its GET was sent and when it arrived, because the app may have changed since. All times are seconds by the
same clock.
"""

import math
from enum import Enum, auto

from zerokie_action.image.names import ANOTHERS, MAY_BE_NEW, ShownImage
from zerokie_action.limits import LONGEST_GAP, SETTLING_TIME, STEADY_RESPONSES, STEADY_TIME
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
    """The app has another deploy's image, whether that starts, runs or has failed."""
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
        self.phase, self.settled_at = Phase.STARTING, math.inf
        self._status_before = self.app.status.lower()
        self.was_running = self._status_before == RUNNING
        self._status_changed = before is None
        self._since = self._sent_at = self._arrived_at = -math.inf
        self._took = self._count = 0.0

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was just requested. `image` is the image in the response, if it shows one."""
        self.settled_at = now + SETTLING_TIME
        self.shown.note_accepted(image)

    def note_response(self, app: App, sent_at: float, now: float) -> None:
        """Note the response to a GET that was sent at this time and arrived now."""
        took, status = now - sent_at, app.status.lower()
        is_gap = max(sent_at - self._arrived_at, took - self._took) > LONGEST_GAP
        self.app, self._sent_at, self._arrived_at, self._took = app, sent_at, now, took
        # If another deploy was in progress before the request, its end changes the status as well.
        self._status_changed |= status != self._status_before and self._status_before in FAILURES | {RUNNING}
        self.shown.note(app.image)
        phase = self._phase_now(status)
        if phase is not self.phase or is_gap:
            self.phase, self._since, self._count = phase, now, 0
        self._count += 1

    # Rule 1

    @property
    def is_current(self) -> bool:
        """Whether the last response counts, because it shows the app after the request."""
        # An old failure that doesn't change can't be told from a new one, unless the image is new.
        is_old_failure = self._status_before in FAILURES and not self.shown.has_changed
        return self._status_changed or (self._sent_at >= self.settled_at and not is_old_failure)

    # Rule 2

    def _phase_now(self, status: str) -> Phase:
        """Return the phase by the last response alone."""
        if self.shown.identity is ANOTHERS:
            return Phase.REPLACED
        if self.is_current and status in FAILURES:
            return Phase.FAILED
        if not self.is_current or status != RUNNING:
            return Phase.STARTING
        if self.shown.identity in MAY_BE_NEW:
            return Phase.RUNNING
        return Phase.WENT_BACK if self.shown.has_changed else Phase.STARTING

    # Rule 3

    def decided(self, *, is_last: bool = False) -> Phase | None:
        """Return the phase that decides the deploy, or None if more responses are needed.

        Args:
            is_last: whether the time is up, so that no response will follow.
        """
        # An app that crashes at its start also shows `running` for some seconds. A crashed app may start
        # again, an old instance may show as stopped, and a replica may be behind.
        is_running = self.phase is Phase.RUNNING
        seconds, count = (STEADY_TIME, STEADY_RESPONSES) if is_running else (SETTLING_TIME, 1)
        has_lasted = self._sent_at - self._since >= seconds and self._count >= count
        is_enough = has_lasted or (is_last and self.phase in {Phase.FAILED, Phase.REPLACED})
        return self.phase if is_enough and self.phase is not Phase.STARTING else None

    @property
    def shows_a_deploy(self) -> bool:
        """Whether the app shows this deploy or another one, by its status or its image.

        Then a request with a lost response must not be repeated, because it could restart the app or replace
        another deploy's image.
        """
        return self._status_changed or self.shown.has_changed
