"""Decides what became of an image's deploy, from the platform's answers and their times.

The reference has one example of each answer. It does not say how the platform writes an image's name, when a
GET shows a deploy, whether it shows the wanted image or the running image, or what becomes of a broken
deploy. So a single answer proves little, and most decisions wait. Nothing here sends a request or waits: the
caller passes answers and times, in seconds of any clock.
"""

import math
from collections.abc import Callable
from enum import Enum, auto
from itertools import takewhile
from typing import NamedTuple

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
_FINAL = FAILURES | {RUNNING}
_BARE_DIGEST = "sha256:"


class Verdict(Enum):
    """What became of a deploy."""

    RUNS = auto()
    FAILED = auto()
    REPLACED = auto()
    """A third image runs, neither the new nor the previous image."""
    WENT_BACK = auto()
    """The previous image runs again, after the new image was shown."""


class Shown(NamedTuple):
    """A status, in lower case, and an image that the app showed together, without a break since a time."""

    status: str
    image: str
    since: float


class Rollout:
    """One deploy: what was seen of it, and the rules that judge it.

    Attributes:
        requested: the image to deploy; None for a restart.
        before: the app before the deploy; None for an app that this run creates.
        previous: its image; empty if the platform showed no image, or there was no app.
        image: the image to deploy; empty if a restarted app shows no image.
        asked_at: when the platform accepted the last request.
        accepted_image: the image in the platform's answer to that request; empty if it has none.
        app: the last answer to "GET /v1/apps/:name", or else the app before the deploy.
        seen_at: when that answer came.
        shown: what the app has shown since the first request, oldest first.
        first_shown: when the app first showed each status and image. If two replicas answer in turns, `shown`
            grows for hours, but this does not.
        verdict: the verdict that the run acts on; None while it waits for one.
    """

    def __init__(self, requested: str | None, before: App | None) -> None:
        self.requested = requested
        self.note_before(before)

    def note_before(self, app: App | None) -> None:
        """Note the app as it is right before the first request; what was noted earlier no longer counts."""
        self.before = app
        self.app = app or App()
        self.previous, self._status_before = self.app.image, self.app.status.lower()
        self.image = self.requested or self.previous
        # A restart pulls the image again, and may get another digest.
        self._wanted = self.requested or self.previous.partition("@")[0]
        self.asked_at = self.seen_at = -math.inf
        self.accepted_image = ""
        self.shown: list[Shown] = []
        self.first_shown: dict[tuple[str, str], Shown] = {}
        self.verdict: Verdict | None = None

    def note_request(self, now: float, image: str = "") -> None:
        """Note that the deploy was requested just now; `image` is the image in the answer, if it has any."""
        self.asked_at, self.accepted_image = now, image

    def note_answer(self, app: App, now: float) -> bool:
        """Note an answer to "GET /v1/apps/:name" after the request. Return whether status or image is new."""
        self.app, self.seen_at = app, now
        shown = Shown(app.status.lower(), app.image, now)
        is_new = not self.shown or self.shown[-1][:2] != shown[:2]
        if is_new:
            self.shown.append(shown)
            self.first_shown.setdefault(shown[:2], shown)
        return is_new

    @property
    def quoted_image(self) -> str:
        """The image to deploy, in quotation marks; `the image` if a restarted app shows none."""
        return repr(self.image) if self.image else "the image"

    def judge(self, *, is_last: bool = False) -> Verdict | None:
        """What the answers prove; None if more answers are needed. `is_last`: there will be none."""
        if self._runs and self._is_believed and (is_last or not self._may_have_gone_back):
            return Verdict.RUNS
        fails = self.seen_at >= self._failing_since + SETTLING_TIME
        if fails or (is_last and self._shows_failure):
            return Verdict.FAILED
        if self.seen_at >= self._another_runs_since + SETTLING_TIME:
            return Verdict.WENT_BACK if self.app.image == self.previous else Verdict.REPLACED
        return None

    # Rule 1: a status is believed once it can't be the status from before the deploy.

    def settling_left(self, now: float) -> float:
        """Seconds until a GET must show the deploy."""
        return max(0.0, self.asked_at + SETTLING_TIME - now)

    @property
    def may_be_behind(self) -> bool:
        """Whether the last answer shows the previous image, and came too early to prove anything."""
        return self.shows_same and self.settling_left(self.seen_at) > 0

    @property
    def _is_believed(self) -> bool:
        return self.seen_at >= self._believed_from

    @property
    def _believed_from(self) -> float:
        return min(self._status_changed_at, self.asked_at + SETTLING_TIME)

    @property
    def _status_changed_at(self) -> float:
        """When the app showed another status than before; a new app has no status from before."""
        if self.before is None:
            return -math.inf
        # Any other status changes by itself, at the end of an earlier deploy.
        if self._status_before not in _FINAL:
            return math.inf
        return self._first(lambda shown: shown.status != self._status_before)

    # Rule 2: the app runs the image, or has failed, once it has shown that for long enough.

    @property
    def is_starting(self) -> bool:
        """Whether the app runs the image, but not for long enough."""
        return self._running_since < math.inf and not self._runs

    @property
    def must_last(self) -> str:
        """For how long the status has to last before it counts, to follow the status; empty for "not yet"."""
        if self._running_since < math.inf:
            return f", which has to last for {STEADY_TIME:.0f} s"
        counts = min(self._failing_since, self._another_runs_since) < math.inf
        return f", which has to last for {SETTLING_TIME:.0f} s" if counts else ""

    @property
    def _runs(self) -> bool:
        return self.seen_at >= self._running_since + STEADY_TIME

    @property
    def _running_since(self) -> float:
        image = self.app.image
        is_ours = self.is_ours(image) and not self._is_another(image)
        return self._since(lambda shown: is_ours and shown[:2] == (RUNNING, image))

    @property
    def _failing_since(self) -> float:
        """Since when the failure counts; a failure that has shown since before the deploy proves nothing."""
        may_be_old_until = self._begun_at if self._status_before in FAILURES else -math.inf
        since = self._since(lambda shown: self._is_failure(shown) and shown.since >= may_be_old_until)
        return max(since, self._believed_from)

    @property
    def _shows_failure(self) -> bool:
        return self._is_believed and any(map(self._is_failure, self.shown[-1:]))

    def _is_failure(self, shown: Shown) -> bool:
        """Whether the deploy failed. Its image may be the previous one: some platforms show what runs."""
        return shown.status in FAILURES and (shown.image == self.previous or self.is_ours(shown.image))

    # Rule 3: images agree if the last part of the name and the tag do; see `_agree`.

    def is_ours(self, image: str) -> bool:
        """Whether an image in an answer may be the image of this deploy.

        A tag may stand for any digest, but for one only: the first new digest that the app shows.
        """
        first = self._new_digest
        return self._may_be_ours(image) and (not first or _digest(image) in {"", first})

    def _may_be_ours(self, image: str) -> bool:
        return _agree(image, self._wanted) or image == self.accepted_image != self.previous

    @property
    def _new_digest(self) -> str:
        images = (shown.image for shown in self.first_shown.values() if shown.image != self.previous)
        return next(filter(None, map(_digest, filter(self._may_be_ours, images))), "")

    # Rule 4: a deploy whose answer was lost has begun once the app shows it.

    @property
    def has_begun(self) -> bool:
        """Whether the app has shown the deploy: by another status, or by the new image."""
        return self._begun_at < math.inf

    @property
    def _begun_at(self) -> float:
        return min(self._status_changed_at, self._ours_shown_at)

    @property
    def _ours_shown_at(self) -> float:
        return self._first(lambda shown: shown.image in self._new_images and self.is_ours(shown.image))

    @property
    def _new_images(self) -> set[str]:
        return {shown.image for shown in self.first_shown.values()} - {"", self.previous}

    # Rule 5: another image runs, once it has shown for long enough.

    @property
    def _another_runs_since(self) -> float:
        return self._since(lambda shown: shown.status == RUNNING and self._is_another(shown.image))

    def _is_another(self, image: str) -> bool:
        """Whether an image is a third one, or the previous image after the new image was shown."""
        return self._has_shown_ours if image == self.previous else not self.is_ours(image)

    @property
    def _has_shown_ours(self) -> bool:
        return self._ours_shown_at < math.inf

    @property
    def shows_third(self) -> bool:
        """Whether the app shows neither the new nor the previous image: another deploy's."""
        return self.app.image != self.previous and not self.is_ours(self.app.image)

    # Rule 6: a rollback needs a running image to go back to, and an app that is still this deploy's.

    @property
    def why_no_rollback(self) -> str:
        """The reason against a rollback, as a clause; empty if there is none.

        The caller lets `settling_left` pass, and then notes answers until the app is not `is_starting`.
        """
        runs = self._runs and self.app.image != self.previous
        has_recovered = self.verdict is Verdict.FAILED and self.app.status.lower() not in FAILURES
        reasons = (
            (self._status_before != RUNNING, "no other image was running"),
            (self.why_not_redeployable, self.why_not_redeployable),
            (self.verdict is Verdict.WENT_BACK, "the app runs the previous image again"),
            (len(self._new_images) > int(self._has_shown_ours), "another deploy has changed the image"),
            (runs and self.verdict is not Verdict.RUNS, "the new image runs by now"),
            (has_recovered, "the app's status is no failure any more"),
        )
        return next((reason for applies, reason in reasons if applies), "")

    @property
    def why_not_redeployable(self) -> str:
        """Why the previous image can't be deployed again, as a clause; empty if it can."""
        if self._has_same_name:
            return f"both versions have the same name, {self.previous!r}; give each version a tag of its own"
        if self.previous and not self.previous.startswith(_BARE_DIGEST):
            return ""
        shown = repr(self.previous) if self.previous else "no image"
        return f"the platform shows {shown}, and nobody can tell which image to deploy for that"

    @property
    def rollback_hint(self) -> str:
        """How to deploy the previous image again, as a hint; empty if that is impossible or inadvisable."""
        if self._status_before != RUNNING or not self.requested or self.shows_third:
            return ""
        if self.why_not_redeployable:
            return f"The previous version can't be deployed again: {self.why_not_redeployable}."
        if self.app.image == self.previous and self.app.status.lower() == RUNNING:
            return ""
        return f"To go back, deploy {self.previous!r} again, or set `rollback: true` for the next time."

    # Rule 7: the previous image under another name may be the new image, or the platform went back.

    @property
    def shows_same(self) -> bool:
        """Whether the app shows the same image as before, though an image of another name was deployed."""
        is_unchanged = bool(self.app.image) and self.app.image == self.previous != self.image
        return is_unchanged and not self._has_same_name

    @property
    def _may_have_gone_back(self) -> bool:
        """Whether it is too early to believe that both names stand for the same image."""
        has_changed = self._status_changed_at < math.inf
        return self.shows_same and not has_changed and self.seen_at < self.asked_at + UNCHANGED_TIME

    @property
    def _has_same_name(self) -> bool:
        """Whether the previous image had the same name, and neither name has a digest."""
        return _parts(self.previous) == _parts(self._wanted) and not _digest(self._wanted)

    # What the rules share

    def _first(self, holds: Callable[[Shown], bool]) -> float:
        """When the app first showed something for which `holds` is true; infinity if never."""
        return next((shown.since for shown in self.first_shown.values() if holds(shown)), math.inf)

    def _since(self, holds: Callable[[Shown], bool]) -> float:
        """Since when `holds` has been true without a break; infinity if it is not true now."""
        return min((shown.since for shown in takewhile(holds, reversed(self.shown))), default=math.inf)


def _agree(image: str, wanted: str) -> bool:
    """Whether an image in an answer may be the wanted image, by name, tag and digest.

    An empty image or a bare digest may be any image. If both references have a digest, only the digests are
    compared. Otherwise the last part of the name and the tag must be the same, because a platform may write
    `nginx` as `docker.io/library/nginx:latest`, or add a mirror's host. A reference with only a digest goes
    with any tag, but not the other way round.
    """
    if not (image and wanted) or image.startswith(_BARE_DIGEST):
        return True
    (name, tag, digest), (wanted_name, wanted_tag, wanted_digest) = _parts(image), _parts(wanted)
    if digest and wanted_digest:
        return digest == wanted_digest
    is_name_alone = image.endswith(name)  # without tag and digest: no reason to doubt a wanted digest
    return name == wanted_name and (tag in {"", wanted_tag} or bool(wanted_digest and is_name_alone))


def _parts(reference: str) -> tuple[str, str, str]:
    """The last part of the name, the tag and the digest. Without both, the tag is `latest`."""
    name, _, digest = reference.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")  # a port's colon is before the last slash
    return last, tag or ("" if digest else "latest"), digest


def _digest(reference: str) -> str:
    return reference if reference.startswith(_BARE_DIGEST) else _parts(reference)[2]
