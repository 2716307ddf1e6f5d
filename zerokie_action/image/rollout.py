"""Rules that decide whether an image's deploy succeeded.

The API reference doesn't say how the platform writes an image's name, when a GET shows a deploy, whether a
GET shows the requested or the running image, or how a failed deploy ends. A single response therefore proves
little, and most rules need a state that lasts. `Rollout.judge` lists the rules.

This module sends no requests and reads no clock. The caller passes each response together with the time when
its GET was sent, because the app may have changed since. All times are seconds by the same clock.
"""

import math
from collections.abc import Callable
from enum import Enum, auto
from itertools import takewhile
from typing import NamedTuple

from zerokie_action.errors import DeployError, DeployFailed, HealthCheckFailed, WentBack
from zerokie_action.image.images import Images, digest_of
from zerokie_action.limits import SETTLING_TIME, STEADY_TIME, UNCHANGED_TIME
from zerokie_action.platform.models import App

RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""Statuses of a failed app. The API reference names only "deploying" and "running". Any status other than
`running` and these failures means "not yet"."""


class Verdict(Enum):
    """Result of a deploy."""

    RUNS = auto()
    """The app runs the new image."""
    FAILED = auto()
    """The app failed with the new image, or because of it."""
    REPLACED = auto()
    """The app runs another deploy's image, which is neither the new nor the previous one."""
    WENT_BACK = auto()
    """The app runs the previous image again, after it showed the new one."""


class Observation(NamedTuple):
    """A status in lower case and an image that the app showed together, without a break, since a time."""

    status: str
    image: str
    since: float


class Rollout:
    """Observations of one deploy, and the rules that judge them.

    Attributes:
        before: the app right before the first request. None for an app that this run creates.
        images: the new and the previous image.
        requested_at: the time when the platform accepted the last request, or when its response was lost.
        app: the app in the last response. Before the first response, the app before the deploy.
        seen_at: the time when the GET of that response was sent.
        seen: the observations since the first request, oldest first.
    """

    def __init__(self, requested: str | None, before: App | None) -> None:
        """Start with the image to deploy, None for a restart, and the app before the request."""
        self.before = before
        self.app = before or App()
        self.images = Images(requested, self.app.image)
        self.requested_at = self.seen_at = -math.inf
        self.seen: list[Observation] = []

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was just requested. `image` is the image in the response, if it shows one."""
        self.requested_at, self.images = now, self.images._replace(accepted=image)

    def note_response(self, app: App, sent_at: float) -> bool:
        """Note the response to a GET. Return whether its status or image differs from the last response."""
        self.app, self.seen_at = app, sent_at
        shown = Observation(app.status.lower(), app.image, sent_at)
        is_new = not self.seen or self.seen[-1][:2] != shown[:2]
        if is_new:
            self.seen.append(shown)
        return is_new

    # The rules

    def judge(self, *, is_last: bool = False) -> Verdict | None:
        """Return the verdict of the first rule that applies, or None if more responses are needed.

        Args:
            is_last: whether the time is up, so that no response will follow.
        """
        changed_at = self._status_changed_at
        is_trusted = self.seen_at >= min(changed_at, self.settled_at)
        is_early = changed_at == math.inf and self.seen_at < self.requested_at + UNCHANGED_TIME
        is_clear = is_last or not (self.looks_unchanged and is_early)
        runs_for = self._new_image_runs_for
        fails_for = self._lasted(self._is_failure)
        trusted_failure_for = self._lasted(self._is_failure, self._failure_trusted_from)
        another_runs_for = self._lasted(
            lambda shown: shown.status == RUNNING and self._is_another(shown.image)
        )
        rules = (
            # `running` must hold for 7 s, because an instance that crashes immediately shows it, too. If the
            # image looks unchanged, this rule also needs a status change, 60 s or the end of the time.
            (Verdict.RUNS, runs_for >= STEADY_TIME and is_trusted and is_clear),
            # A failure must hold for 15 s, because an old instance that stops may show one, and a crashed
            # instance may restart.
            (Verdict.FAILED, trusted_failure_for >= SETTLING_TIME),
            # When the time is up, a shorter failure is the best evidence.
            (Verdict.FAILED, is_last and is_trusted and fails_for >= 0),
            # Another image must run for 15 s, because a replica may show old data for some seconds.
            (Verdict.REPLACED, another_runs_for >= SETTLING_TIME and self.shows_another_deploy),
            (Verdict.WENT_BACK, another_runs_for >= SETTLING_TIME),
        )
        return next((verdict for verdict, applies in rules if applies), None)

    def why_no_rollback(self, failure: DeployError | None) -> str:
        """Return the reason against a rollback, as a clause. Empty if there is none.

        Before this call, the caller notes responses from `settled_at` on, until the app is not `is_starting`.

        Args:
            failure: the reason for the rollback. None if another deploy delayed the rollback, because the
                app's status may be that deploy's.
        """
        is_reported = type(failure) is DeployFailed
        runs_new = self._new_image_runs_for >= STEADY_TIME and self.app.image != self.images.previous
        reasons = (
            ("no previous image was running", self.status_before != RUNNING),
            (self.images.why_not_redeployable, bool(self.images.why_not_redeployable)),
            ("the app runs the previous image again", isinstance(failure, WentBack)),
            # A GET that shows the running image may hide that another deploy's image is still requested.
            ("another deploy changed the image", any(map(self._is_another_deploys, self._changed_images))),
            ("the new image runs now", runs_new and not isinstance(failure, HealthCheckFailed)),
            ("the app's status is no longer a failure", is_reported and self.status not in FAILURES),
        )
        return next((reason for reason, applies in reasons if applies), "")

    # Status

    @property
    def status_before(self) -> str:
        """The status before the first request, in lower case. Empty for an app that this run creates."""
        return self.before.status.lower() if self.before else ""

    @property
    def status(self) -> str:
        """The status in the last response, in lower case."""
        return self.app.status.lower()

    @property
    def settled_at(self) -> float:
        """Time from which a GET must show the deploy."""
        return self.requested_at + SETTLING_TIME

    @property
    def _failure_trusted_from(self) -> float:
        """Time from which a failure can't be the one from before the deploy."""
        trusted_from = self.settled_at
        if self.status_before in FAILURES:  # an old failure shows until the status or the image changes
            new = self._new_images
            trusted_from = max(trusted_from, self._first(lambda shown: shown.image in new))
        return min(self._status_changed_at, trusted_from)

    @property
    def _status_changed_at(self) -> float:
        """Time when the status first differed from the one before the deploy. Infinity if it never did."""
        if self.before is None:
            return -math.inf
        if self.status_before not in FAILURES | {RUNNING}:
            return math.inf  # another deploy was in progress, and its end changes the status as well
        return self._first(lambda shown: shown.status != self.status_before)

    @property
    def is_starting(self) -> bool:
        """Whether the app runs the new image, but not for long enough."""
        return 0 <= self._new_image_runs_for < STEADY_TIME

    @property
    def _new_image_runs_for(self) -> float:
        """Seconds for which the app has run the new image. Negative if it doesn't run that image now."""
        image, new = self.app.image, self._new_images
        if not self._is_new(image):
            return -math.inf
        same = new if image in new else [image]  # a tag and then its digest are one image
        return self._lasted(lambda shown: shown.status == RUNNING and shown.image in same)

    def _is_failure(self, shown: Observation) -> bool:
        """Whether the deploy failed. The image may be the previous one, if a GET shows the running image."""
        return shown.status in FAILURES and not self._is_another_deploys(shown.image)

    # Images

    def may_be_new(self, image: str) -> bool:
        """Whether an image in a response may be the new one.

        A tag can mean any digest, but only one. That is the first changed digest that the app shows.
        """
        changed = (digest_of(shown) for shown in self._changed_images if self.images.may_be_new(shown))
        first = next(filter(None, changed), "")
        return self.images.may_be_new(image) and (not first or digest_of(image) in {"", first})

    @property
    def _changed_images(self) -> list[str]:
        """Images that the app showed since the request, except the previous one, oldest first."""
        images = dict.fromkeys(shown.image for shown in self.seen)
        return [image for image in images if image and not self.images.may_be_previous(image)]

    @property
    def _new_images(self) -> list[str]:
        """Names under which the app showed the new image."""
        return [image for image in self._changed_images if self.may_be_new(image)]

    def _is_new(self, image: str) -> bool:
        """Whether an image counts as the new one.

        The previous image may be the new one under another name, until the app shows the new one.
        """
        return self.may_be_new(image) and not (image == self.images.previous and self._new_images)

    def _is_another(self, image: str) -> bool:
        """Whether an image is another deploy's, or the previous one after the app showed the new one."""
        has_shown_new = bool(self._new_images)
        return not self._is_new(image) and (has_shown_new or self._is_another_deploys(image))

    def _is_another_deploys(self, image: str) -> bool:
        """Whether an image is neither the new nor the previous one."""
        return not (self.images.may_be_previous(image) or self.may_be_new(image))

    @property
    def shows_another_deploy(self) -> bool:
        """Whether the app shows another deploy's image."""
        return self._is_another_deploys(self.app.image)

    @property
    def shows_any_deploy(self) -> bool:
        """Whether the app showed this deploy or another one, by its status or its image.

        Then a request with a lost response must not be repeated, because it could restart the app or replace
        another deploy's image.
        """
        return bool(self._changed_images) or self._status_changed_at < math.inf

    @property
    def looks_unchanged(self) -> bool:
        """Whether the app shows the previous image, although the new one has another name.

        Both names may mean the same image, or the platform went back to the previous one.
        """
        is_previous = bool(self.app.image) and self.app.image == self.images.previous != self.images.new
        return is_previous and not self.images.have_same_name

    # Times

    def _first(self, holds: Callable[[Observation], bool]) -> float:
        """Return the time of the first observation for which `holds` is true. Infinity if there is none."""
        return next((shown.since for shown in self.seen if holds(shown)), math.inf)

    def _lasted(self, holds: Callable[[Observation], bool], start: float = -math.inf) -> float:
        """Return for how many seconds `holds` has been true without a break, counted from `start` at most.

        The result is negative if `holds` is not true now.
        """
        since = [shown.since for shown in takewhile(holds, reversed(self.seen))]
        return self.seen_at - max(since[-1], start) if since else -math.inf
