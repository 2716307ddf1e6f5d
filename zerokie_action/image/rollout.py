"""Three rules that decide whether an image's deploy succeeded.

The API reference doesn't say how the platform writes an image's name, when a GET shows a deploy, whether a
GET shows the requested or the running image, or how a failed deploy ends. So one response proves little.

1. A response counts after the app showed another status than before the request, or if its GET was sent 15 s
   after the request.
2. A response that counts puts the app in one of five phases (`Phase`).
3. A phase decides the deploy when it has lasted: 7 s for running, 15 s for the others. `STARTING` never does.
   At the end of the time, a shorter failure decides too.

This module sends no requests and reads no clock. The caller passes each response together with the time when
its GET was sent, because the app may have changed since. All times are seconds by the same clock.
"""

import math
from enum import Enum, auto

from zerokie_action.image.names import ImageName
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
    """The app runs another deploy's image, which is neither the new nor the previous one."""
    WENT_BACK = auto()
    """The app runs the previous image again, after it showed the new one."""


DECIDES_AFTER = {
    # An app that crashes at its start also shows `running` for some seconds.
    Phase.RUNNING: STEADY_TIME,
    # A crashed app may start again, an old instance may show as stopped, and a replica may be behind.
    Phase.FAILED: SETTLING_TIME,
    Phase.REPLACED: SETTLING_TIME,
    Phase.WENT_BACK: SETTLING_TIME,
}
"""Seconds after which a phase decides the deploy."""


class Rollout:
    """The phase of one deploy, by the responses to GET since its request.

    Attributes:
        app: the app in the last response. Before the first response, the app before the request.
        previous: the image before the request. Empty if the platform showed none, or if there was no app.
        was_running: whether the app was running before the request.
        phase: the phase by the last response.
        settled_at: the time from which a GET must show the deploy.
    """

    def __init__(self, requested: str | None, before: App | None) -> None:
        """Start with the image to deploy, None for a restart, and the app before the request."""
        self.app = before or App()
        self.previous = self.app.image
        self.phase = Phase.STARTING
        self.settled_at = math.inf
        self._status_before = self.app.status.lower()
        self.was_running = self._status_before == RUNNING
        self._status_changed = before is None
        self._shows_new = False
        """Whether the app showed an image that may be the new one, and can't be the previous one."""
        self._previous_name = ImageName.parse(self.previous)
        # A restart pulls the image again and may get another digest.
        self._requested = ImageName.parse(requested) if requested else self._previous_name._replace(digest="")
        is_same_digest = bool(self._requested.digest) and self._requested.digest == self._previous_name.digest
        is_same = requested is None or is_same_digest or self._requested == self._previous_name
        self._is_renamed = bool(self.previous) and not is_same
        self._names = [self._requested]
        """Names of the new image. The first one that the app shows replaces the others."""
        self._since = self._sent_at = -math.inf

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was just requested. `image` is the image in the response, if it shows one."""
        self.settled_at = now + SETTLING_TIME
        name = ImageName.parse(image)
        if image and not self._previous_name.may_be(name):
            self._names.append(name)

    def note_response(self, app: App, sent_at: float) -> None:
        """Note the response to a GET, and the time when the GET was sent."""
        self.app, self._sent_at = app, sent_at
        # If another deploy was in progress before the request, its end changes the status as well.
        is_telling = self._status_before in FAILURES | {RUNNING}
        self._status_changed |= is_telling and self._status != self._status_before
        self._note_name()
        phase = self._phase_now() if self._response_counts() else Phase.STARTING
        if phase is not self.phase:
            self.phase, self._since = phase, sent_at

    # Rule 1

    def _response_counts(self) -> bool:
        """Return whether the last response shows the app after the request, instead of an older state."""
        # An old failure that doesn't change can't be told from a new one, unless the image is new.
        is_old_failure = self._status_before in FAILURES and not self._shows_new
        return self._status_changed or (self._sent_at >= self.settled_at and not is_old_failure)

    # Rule 2

    def _phase_now(self) -> Phase:
        """Return the phase by the last response alone."""
        is_running, has_failed = self._status == RUNNING, self._status in FAILURES
        if self.shows_another_deploy:
            return Phase.REPLACED if is_running else Phase.STARTING
        if has_failed:
            return Phase.FAILED
        if is_running and self.may_be_new:
            return Phase.RUNNING
        return Phase.WENT_BACK if is_running and self._shows_new else Phase.STARTING

    # Rule 3

    def decided(self, *, is_last: bool = False) -> Phase | None:
        """Return the phase that decides the deploy, or None if more responses are needed.

        Args:
            is_last: whether the time is up, so that no response will follow.
        """
        if self.phase is Phase.STARTING:
            return None
        lasted = self._sent_at - self._since
        is_clear = lasted >= DECIDES_AFTER[self.phase] or (is_last and self.phase is Phase.FAILED)
        return self.phase if is_clear else None

    # What the app shows

    @property
    def _status(self) -> str:
        return self.app.status.lower()

    @property
    def shows_another_deploy(self) -> bool:
        """Whether the app's image is neither the new nor the previous one."""
        return not (self.may_be_new or self._previous_name.may_be(self._name))

    @property
    def shows_a_deploy(self) -> bool:
        """Whether the app shows this deploy or another one, by its status or its image.

        Then a request with a lost response must not be repeated, because it could restart the app or replace
        another deploy's image.
        """
        return self._status_changed or self._shows_new or self.shows_another_deploy

    @property
    def looks_unchanged(self) -> bool:
        """Whether the app shows the previous image, although the new one has another name.

        Both names may mean the same image, or the platform went back to the previous one.
        """
        return self._is_renamed and self.app.image == self.previous

    @property
    def is_unproven(self) -> bool:
        """Whether the app's image may be another one than the requested one, because a part of it is unknown.

        A tag doesn't prove a requested digest.
        """
        lacks_digest = bool(self._requested.digest and self._name.repository) and not self._name.digest
        return self.looks_unchanged or lacks_digest

    @property
    def is_mirror_unclear(self) -> bool:
        """Whether the previous image may be the new one under a mirror's name, by all that the app showed."""
        has_digest = bool(self._requested.digest or self._previous_name.digest)
        may_be_mirrored = self._requested.may_be_mirrored_as(self._previous_name)
        return may_be_mirrored and not (has_digest or self._shows_new)

    @property
    def may_be_new(self) -> bool:
        """Whether the app's image may be the new one.

        The previous image may be the new one under another name, until the app shows the new one.
        """
        name = self._name
        if self._shows_new and name == self._previous_name:
            return False
        return any(known.may_be(name) or known.may_be_mirrored_as(name) for known in self._names)

    @property
    def _name(self) -> ImageName:
        return ImageName.parse(self.app.image)

    def _note_name(self) -> None:
        """Keep the name of the new image, because a tag can mean any digest, but only one."""
        name = self._name
        if name in {ImageName(), self._previous_name} or not self.may_be_new:
            return
        known = next((known for known in self._names if known.may_be(name)), self._requested)
        # From now on, a missing tag doesn't stand for every tag.
        tag = name.tag or known.tag or "latest"
        self._names = [ImageName(name.repository or known.repository, tag, known.digest or name.digest)]
        self._shows_new |= not self._previous_name.may_be(name)
