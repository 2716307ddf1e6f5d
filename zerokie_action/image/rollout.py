"""Decides what became of an image's deploy, from the platform's answers and their times.

The reference has one example of each answer. It does not say how the platform writes an image's name, when a
GET shows a deploy, whether it shows the wanted image or the running image, or what becomes of a broken
deploy. So a single answer proves little, and most decisions wait. `Rollout.judge` has the list of the rules;
each rule is explained where it stands. Nothing here sends a request or waits: the caller passes answers and
times, in seconds of any clock. The time of an answer is the time when its GET was sent: the app may have
changed since.
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
"""The reference names only "deploying" and "running". Any status other than `running` and these failures
means "not yet"."""


class Verdict(Enum):
    """What became of a deploy."""

    RUNS = auto()
    """The app runs the new image."""
    FAILED = auto()
    """The app has failed, with the new image or because of it."""
    REPLACED = auto()
    """A third image runs, neither the new nor the previous image."""
    WENT_BACK = auto()
    """The previous image runs again, after the new image was shown."""


class Observation(NamedTuple):
    """A status, in lower case, and an image that the app showed together, without a break since a time."""

    status: str
    image: str
    since: float


class Rollout:
    """One deploy: what was seen of it, and the rules that judge it.

    Attributes:
        before: the app right before the first request; None for an app that this run creates.
        status_before: its status, in lower case; empty for such an app.
        images: the new and the previous image.
        asked_at: when the platform accepted the last request, or when its answer was lost.
        accepted_image: the image in the platform's answer to that request; empty if it has none.
        app: the last answer to "GET /v1/apps/:name", or else the app before the deploy.
        seen_at: when the GET with that answer was sent.
        seen: what the app has shown since the first request, oldest first.
    """

    def __init__(self, requested: str | None, before: App | None) -> None:
        """Begin with the image to deploy, None for a restart, and the app as it is before the request."""
        self.before = before
        self.app = before or App()
        self.status_before = self.app.status.lower()
        self.images = Images(requested, self.app.image)
        self.asked_at = self.seen_at = -math.inf
        self.accepted_image = ""
        self.seen: list[Observation] = []

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was requested just now; `image` is the image in the answer, if it has any."""
        self.asked_at, self.accepted_image = now, image

    def note_answer(self, app: App, sent_at: float) -> bool:
        """Note an answer to a GET after the request. Return whether the status or the image is new."""
        self.app, self.seen_at = app, sent_at
        shown = Observation(app.status.lower(), app.image, sent_at)
        is_new = not self.seen or self.seen[-1][:2] != shown[:2]
        if is_new:
            self.seen.append(shown)
        return is_new

    # The rules. The first one that applies decides.

    def judge(self, *, is_last: bool = False) -> Verdict | None:
        """What the answers prove; None if more answers are needed. `is_last`: there will be none."""
        is_believed = self.seen_at >= self._believed_from
        shows_failure = any(map(self._is_failure, self.seen[-1:]))
        another_runs = self.seen_at >= self._another_runs_since + SETTLING_TIME
        rules = (
            # It runs: `running` beside the new image for 7 s without a break, and believed. Where the image
            # reads as before, under whatever name, also another status, or a minute, or the end.
            (Verdict.RUNS, self._runs and is_believed and (is_last or not self._may_have_gone_back)),
            # It failed: a failure that is believed for 15 s without a break, beside any image but a third. A
            # shorter one may be an old instance that stops, or a restart after a crash.
            (Verdict.FAILED, self.seen_at >= self._failing_since + SETTLING_TIME),
            # It failed: at the time limit, a failure that is believed counts however short it is.
            (Verdict.FAILED, is_last and is_believed and shows_failure),
            # It went back: the previous image runs for 15 s, and the new one was shown before.
            (Verdict.WENT_BACK, another_runs and not self.shows_third),
            # It was replaced: a third image runs for 15 s. That is somebody else's deploy, which stays.
            (Verdict.REPLACED, another_runs),
        )
        return next((verdict for verdict, applies in rules if applies), None)

    def why_no_rollback(self, failure: DeployError | None) -> str:
        """The reason against a rollback, as a clause; empty if there is none.

        The caller lets `settling_left` pass, and then notes answers until the app is not `is_starting`.

        Args:
            failure: why the deploy is rolled back; None if the status may be that of another deploy, which
                has refused the rollback.
        """
        runs = self._runs and self.app.image != self.images.previous
        is_told = type(failure) is DeployFailed  # the platform has reported the failure
        reasons = (
            ("no other image was running", self.status_before != RUNNING),
            (self.images.why_not_redeployable, bool(self.images.why_not_redeployable)),
            ("the app runs the previous image again", isinstance(failure, WentBack)),
            # Where a GET shows what runs, a third image may be gone from sight, and still be the wanted one.
            ("another deploy has changed the image", self._has_shown_third),
            ("the new image runs by now", runs and not isinstance(failure, HealthCheckFailed)),
            ("the app's status is no failure any more", is_told and self.app.status.lower() not in FAILURES),
        )
        return next((reason for reason, applies in reasons if applies), "")

    # When a status is believed

    def settling_left(self, now: float) -> float:
        """Seconds until a GET must show the deploy."""
        return max(0.0, self.asked_at + SETTLING_TIME - now)

    @property
    def may_be_behind(self) -> bool:
        """Whether the last answer shows the previous image, and came too early to prove anything."""
        return self.shows_same and self.settling_left(self.seen_at) > 0

    @property
    def _believed_from(self) -> float:
        """From when on a status is believed: it can't be the status from before the deploy any more.

        That is once another status than before was seen, or 15 s after the acceptance, whichever is first.
        """
        return min(self._status_changed_at, self.asked_at + SETTLING_TIME)

    @property
    def _status_changed_at(self) -> float:
        """When the app first showed another status than before, if that was `running` or a failure.

        A new app has no status from before, so its first status is believed.
        """
        if self.before is None:
            return -math.inf
        # Any other status changes by itself, at the end of an earlier deploy.
        if self.status_before not in FAILURES | {RUNNING}:
            return math.inf
        changed = (shown.since for shown in self.seen if shown.status != self.status_before)
        return next(changed, math.inf)

    # Since when the app has shown something that must last

    @property
    def is_starting(self) -> bool:
        """Whether the app runs the new image, but not for long enough."""
        return self._runs_since < math.inf and not self._runs

    @property
    def _runs(self) -> bool:
        """Whether the app has run the new image for long enough; the status may still be unbelieved."""
        return self.seen_at >= self._runs_since + STEADY_TIME

    @property
    def _runs_since(self) -> float:
        """Since when the app has run the new image; seconds before the status was believed count as well.

        A tag and then its digest are one image. The previous image may be the new one under another name,
        until the new one is shown.
        """
        image, ours = self.app.image, self._shown_ours
        if self._is_another(image) or not self.is_ours(image):
            return math.inf
        same = ours if image in ours else [image]
        return self._since(lambda shown: shown.status == RUNNING and shown.image in same)

    @property
    def _failing_since(self) -> float:
        """Since when the failure counts: not before it is believed.

        If the app had failed before, the same failure may show on. So it counts only once another status or
        the new image was seen; else at the time limit.
        """
        counts_from = self._believed_from
        if self.status_before in FAILURES:
            counts_from = max(counts_from, min(self._status_changed_at, self._ours_shown_at))
        return max(counts_from, self._since(self._is_failure))

    def _is_failure(self, shown: Observation) -> bool:
        """Whether the deploy failed. Its image may be the previous one: some platforms show what runs."""
        return shown.status in FAILURES and not self._is_third(shown.image)

    @property
    def _another_runs_since(self) -> float:
        """Since when the app has run another image than the new one; see `_is_another`."""
        return self._since(lambda shown: shown.status == RUNNING and self._is_another(shown.image))

    # Whose image the app shows

    def is_ours(self, image: str) -> bool:
        """Whether an image in an answer may be the image of this deploy.

        A tag may stand for any digest, but for one only: the first new digest that the app shows.
        """
        new = (digest_of(shown) for shown in self._new_images if self._may_be_ours(shown))
        first = next(filter(None, new), "")
        return self._may_be_ours(image) and (not first or digest_of(image) in {"", first})

    def _may_be_ours(self, image: str) -> bool:
        """Whether its name is that of the new image, or the name in the platform's answer to the request."""
        return self.images.may_be_new(image) or image == self.accepted_image != self.images.previous

    @property
    def _new_images(self) -> list[str]:
        """The images that the app has shown and did not have before, in this order.

        The previous image with its digest, or without it, is no new one.
        """
        images = dict.fromkeys(shown.image for shown in self.seen)
        return [image for image in images if image and not self.images.may_be_previous(image)]

    @property
    def _shown_ours(self) -> list[str]:
        """The names under which the app has shown the new image."""
        return [image for image in self._new_images if self.is_ours(image)]

    @property
    def _ours_shown_at(self) -> float:
        ours = self._shown_ours
        return next((shown.since for shown in self.seen if shown.image in ours), math.inf)

    @property
    def _has_shown_third(self) -> bool:
        """Whether the app has ever shown another deploy's image, or a second digest of the new image."""
        return any(map(self._is_third, self._new_images))

    def _is_another(self, image: str) -> bool:
        """Whether an image is a third one, or the previous image after the new image was shown."""
        is_previous = image == self.images.previous or not self.is_ours(image)
        return self._is_third(image) or (is_previous and bool(self._shown_ours))

    @property
    def has_begun(self) -> bool:
        """Whether the app has shown the deploy, or another one: by a status or by an image.

        A request whose answer was lost must not be sent again then: it would restart the app, or overwrite
        somebody else's image.
        """
        return bool(self._new_images) or self._status_changed_at < math.inf

    @property
    def shows_third(self) -> bool:
        """Whether the app shows another deploy's image; see `_is_third`."""
        return self._is_third(self.app.image)

    def _is_third(self, image: str) -> bool:
        """Whether an image is neither the new nor the previous one, with its digest or without."""
        return not (self.images.may_be_previous(image) or self.is_ours(image))

    @property
    def shows_same(self) -> bool:
        """Whether the app shows the same image as before, though an image of another name was deployed.

        Both names may stand for one image, or the platform has gone back to the previous image.
        """
        is_unchanged = bool(self.app.image) and self.app.image == self.images.previous != self.images.new
        return is_unchanged and not self.images.have_same_name

    @property
    def _may_have_gone_back(self) -> bool:
        """Whether it is too early to believe that both names stand for the same image."""
        has_changed = self._status_changed_at < math.inf
        return self.shows_same and not has_changed and self.seen_at < self.asked_at + UNCHANGED_TIME

    def _since(self, holds: Callable[[Observation], bool]) -> float:
        """Since when `holds` has been true without a break; infinity if it is not true now."""
        return min((shown.since for shown in takewhile(holds, reversed(self.seen))), default=math.inf)
