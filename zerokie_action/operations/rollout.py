"""Decides what became of an image's deploy, from the platform's answers and their times.

The reference has one example of each answer. It does not say how the platform writes an image's name, when a
GET shows a deploy, whether it shows the wanted image or the running image, or what becomes of a broken
deploy. So a single answer proves little, and most decisions wait. Nothing here sends a request or waits: the
caller passes answers and times, in seconds of any clock.
"""

import math
from enum import Enum, auto

from zerokie_action.platform.models import App

SETTLING_TIME = 15.0
"""Seconds within which a GET shows an accepted deploy.

A failure or another image counts once it has lasted for the same time."""
STEADY_TIME = 7.0
"""Seconds that an app has to run without a break: an instance that crashes at once shows as running, too."""
UNCHANGED_TIME = 60.0
"""Seconds after which an app may show the same image as before, though another image was deployed."""
RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference names only "deploying" and "running". Any status other than `running` and these failures
means "not yet"."""
_BARE_DIGEST = "sha256:"


class Verdict(Enum):
    """What became of a deploy."""

    RUNS = auto()
    FAILED = auto()
    REPLACED = auto()
    """A third image runs, neither the new nor the previous image."""
    WENT_BACK = auto()
    """The previous image runs again, after the new image was shown."""


class Rollout:
    """What the platform shows of one deploy, in its answers to "GET /v1/apps/:name".

    Attributes:
        previous: the image before the deploy; empty if the platform showed no image, or there was no app.
        image: the image to deploy; empty if a restarted app shows no image.
        app: the last answer, or else the app before the deploy.
    """

    def __init__(self, image: str | None, before: App | None) -> None:
        """Begin before the request. Without an image, the deploy is a restart; without an app, it is new."""
        self.app = before or App()
        self.previous = self.app.image
        self.image = image or self.previous
        # A restart pulls the image again, and may get another digest.
        self._wanted = image or self.previous.partition("@")[0]
        self._accepted_image = ""
        self._was = self.app.status.lower()
        self._has_moved = before is None  # there is no status from before
        self._new_images: set[str] = set()
        self._digest = ""
        """The first new digest: any digest may be ours, but only one."""
        self._asked_at = self._seen_at = -math.inf
        self._shows_failure = False
        self._running_since = self._failing_since = self._another_since = math.inf

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was requested just now; `image` is the image in the answer, if it has any."""
        self._asked_at = now
        self._accepted_image = image

    def note_answer(self, app: App, now: float) -> None:
        """Note an answer to "GET /v1/apps/:name" after the request."""
        status, image, image_before = app.status.lower(), app.image, self.app.image
        self.app, self._seen_at = app, now
        # A change from any other status proves nothing: it may end an earlier deploy.
        self._has_moved = self._has_moved or (self._was in {RUNNING} | FAILURES and status != self._was)
        if image not in {"", self.previous}:
            self._new_images.add(image)
        is_ours, is_previous = self.is_ours(image), image == self.previous
        if is_ours and not is_previous and (digest := _digest(image)):
            self._digest = self._digest or digest
            is_ours = digest == self._digest
        if image != image_before:
            self._running_since = math.inf
        runs = status == RUNNING
        is_another = (is_previous and self._has_shown_ours) or not (is_ours or is_previous)
        self._running_since = _since(self._running_since, now, holds=runs and is_ours and not is_another)
        self._another_since = _since(self._another_since, now, holds=runs and is_another)
        # Some platforms show the running image: the previous image, if the deploy failed.
        fails = status in FAILURES and self._is_believed and (is_ours or is_previous)
        is_old = self._was in FAILURES and is_previous and not self.has_begun
        self._failing_since = _since(self._failing_since, now, holds=fails and not is_old)
        self._shows_failure = fails

    def verdict(self, *, is_last: bool = False) -> Verdict | None:
        """What the answers prove; None if more answers are needed. `is_last`: there will be none."""
        now = self._seen_at
        is_unchanged = self.shows_same and not self._has_moved and now < self._asked_at + UNCHANGED_TIME
        if self._is_steady and self._is_believed and (is_last or not is_unchanged):
            return Verdict.RUNS
        if now >= self._failing_since + SETTLING_TIME or (is_last and self._shows_failure):
            return Verdict.FAILED
        if now >= self._another_since + SETTLING_TIME:
            return Verdict.WENT_BACK if self.app.image == self.previous else Verdict.REPLACED
        return None

    def why_not_back(self, told: Verdict | None) -> str:
        """The reason against a rollback, as a clause; empty if there is none.

        Args:
            told: the verdict that the user was told; None after a time limit. Since the request,
                `SETTLING_TIME` has passed; then answers with an image were noted, until not `is_starting`.
        """
        runs = self._is_steady and self.app.image != self.previous
        is_mended = told is Verdict.FAILED and self.app.status.lower() not in FAILURES
        reasons = (
            (self._was != RUNNING, "no other image was running"),
            (self.why_imprecise, self.why_imprecise),
            (told is Verdict.WENT_BACK, "the app runs the previous image again"),
            (len(self._new_images) > self._has_shown_ours, "another deploy has changed the image"),
            (runs and told is not Verdict.RUNS, "the new image runs by now"),
            (is_mended, "the app's status is no failure any more"),
        )
        return next((reason for applies, reason in reasons if applies), "")

    @property
    def why_imprecise(self) -> str:
        """Why the previous image can't be deployed again, as a clause; empty if it can."""
        if self.previous and not self.previous.startswith(_BARE_DIGEST) and not self._has_same_name:
            return ""
        shown = repr(self.previous) if self.previous else "no image"
        advice = "; give each version a tag of its own" if self._has_same_name else ""
        return f"the platform shows {shown}, and nobody can tell which image to deploy for that{advice}"

    @property
    def is_starting(self) -> bool:
        """Whether the app runs the image, but not for long enough."""
        return self._running_since <= self._seen_at and not self._is_steady

    def settling_left(self, now: float) -> float:
        """Seconds until a GET must show the deploy."""
        return max(0.0, self._asked_at + SETTLING_TIME - now)

    @property
    def has_begun(self) -> bool:
        """Whether the app has shown the deploy: by another status, or by the new image."""
        return self._has_moved or self._has_shown_ours

    @property
    def shows_same(self) -> bool:
        """Whether the app shows the same image as before, though an image of another name was deployed.

        Either both names stand for the same image, or the platform went back: nobody can tell.
        """
        is_unchanged = bool(self.app.image) and self.app.image == self.previous != self.image
        return is_unchanged and not self._has_same_name

    @property
    def doubt(self) -> str:
        """Why `running` is not believed yet, to follow the status; empty for any other status."""
        return ", but not for long enough yet" if self._running_since < math.inf else ""

    def is_ours(self, image: str) -> bool:
        """Whether an image in an answer may be the image of this deploy.

        An empty image or a bare digest may be any image. If both references have a digest, only the digests
        are compared. Otherwise the last part of the name and the tag must be the same, because a platform may
        write `nginx` as `docker.io/library/nginx:latest`, or add a mirror's host. A reference with only a
        digest goes with any tag, but not the other way round.
        """
        if not (image and self._wanted) or image.startswith(_BARE_DIGEST):
            return True
        if image == self._accepted_image != self.previous:
            return True
        (name, tag, digest), (wanted_name, wanted_tag, wanted_digest) = _parts(image), _parts(self._wanted)
        if digest and wanted_digest:
            return digest == wanted_digest
        is_name_alone = image.endswith(name)  # without tag and digest: no reason to doubt a wanted digest
        return name == wanted_name and (tag in {"", wanted_tag} or bool(wanted_digest and is_name_alone))

    @property
    def _is_steady(self) -> bool:
        return self._seen_at >= self._running_since + STEADY_TIME

    @property
    def _is_believed(self) -> bool:
        """Whether the last status is the deploy's, and not the status from before."""
        return self._has_moved or not self.settling_left(self._seen_at)

    @property
    def _has_same_name(self) -> bool:
        """Whether the previous image had the same name, and neither name has a digest."""
        return _parts(self.previous) == _parts(self._wanted) and not _digest(self._wanted)

    @property
    def _has_shown_ours(self) -> bool:
        return any(map(self.is_ours, self._new_images))


def _since(began: float, now: float, *, holds: bool) -> float:
    """When something began that still holds `now`; infinity if it does not hold."""
    return min(began, now) if holds else math.inf


def _parts(reference: str) -> tuple[str, str, str]:
    """The last part of the name, the tag and the digest. Without both, the tag is `latest`."""
    name, _, digest = reference.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")  # a port's colon is before the last slash
    return last, tag or ("" if digest else "latest"), digest


def _digest(reference: str) -> str:
    return reference if reference.startswith(_BARE_DIGEST) else _parts(reference)[2]
