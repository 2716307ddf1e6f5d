"""Judges the progress of an image's deploy by the platform's answers.

The reference has one example of each answer. It does not say how the platform writes an image's name, when a
GET shows a deploy, or when `updated_at` changes. So a single answer proves little, and some decisions wait
for `SETTLING_TIME`.
"""

from __future__ import annotations

import math

import anyio

from zerokie_action.platform.models import App

SETTLING_TIME = 15.0
"""Seconds within which a GET shows an accepted deploy.

A failure or another image counts once it has lasted for the same time."""
RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference names only "deploying" and "running". Any status other than `running` and these failures
means "not yet"."""
_BARE_DIGEST = "sha256:"


class Rollout:
    """The state of one deploy, from the answers to "GET /v1/apps/:name".

    Attributes:
        before: the app before the deploy; None if this run creates the app.
        previous: the image before the deploy; empty if the platform showed no image, or there was no app.
        image: the image to deploy; empty if a restarted app shows no image.
        is_accepted: whether the platform has accepted the deploy.
        app: the last answer, or else the app before the deploy.
        runs: whether the last answer shows that the app runs the image.
        shows_failure: whether the last answer shows a failure.
        has_failed: whether the failure has lasted for `SETTLING_TIME`: a restart may show `stopped` first.
        was_replaced: whether a third image, neither the new nor the previous image, has run for
            `SETTLING_TIME`.
    """

    def __init__(self, image: str | None, before: App | None) -> None:
        """Begin before the request. Without an image, the deploy is a restart."""
        self.before = before
        self.previous = before.image if before else ""
        self.image = image or self.previous
        self.is_accepted = False
        self.app = before or App()
        self.runs = self.shows_failure = self.has_failed = self.was_replaced = False
        # A restart pulls the image again, and may get another digest.
        self._wanted = image or self.previous.partition("@")[0]
        self._accepted_image = ""
        self._asked_at = anyio.current_time()
        self._has_moved = False
        self._failing_since = self._replaced_since = math.inf

    def note_request(self) -> None:
        """Note that the deploy was requested just now."""
        self._asked_at = anyio.current_time()

    def note_acceptance(self, image: str = "") -> None:
        """Note that the platform has accepted the deploy; `image` is the image in the answer."""
        self.is_accepted = True
        self._accepted_image = image
        self.note_request()

    def note_answer(self, app: App) -> None:
        """Note an answer to "GET /v1/apps/:name"."""
        self.app = app
        now, status = anyio.current_time(), app.status.lower()
        if self.before is not None:
            was = self.before.status.lower()
            # A change from any other status proves nothing: it may end an earlier deploy.
            self._has_moved = self._has_moved or (was in {RUNNING} | FAILURES and status != was)
        is_ours = self.is_ours(app.image)
        is_about_us = is_ours and (self.before is None or self._has_moved or not self.settling_left)
        self.runs = is_about_us and status == RUNNING
        self.shows_failure = is_about_us and status in FAILURES
        self._failing_since = min(self._failing_since, now) if self.shows_failure else math.inf
        self.has_failed = now >= self._failing_since + SETTLING_TIME
        is_another = not is_ours and app.image != self.previous and status == RUNNING
        self._replaced_since = min(self._replaced_since, now) if is_another else math.inf
        self.was_replaced = now >= self._replaced_since + SETTLING_TIME

    @property
    def settling_left(self) -> float:
        """Seconds until a GET must show the deploy."""
        return max(0.0, self._asked_at + SETTLING_TIME - anyio.current_time())

    @property
    def has_begun(self) -> bool:
        """Whether the app shows the deploy: by a changed status, or by the new image."""
        shown = self.app.image
        return self._has_moved or (shown not in {"", self.previous} and self.is_ours(shown))

    def is_ours(self, image: str) -> bool:
        """Whether an image in an answer may be the image of this deploy.

        An empty image or a bare digest may be any image.
        """
        return (
            not (image and self._wanted)
            or image.startswith(_BARE_DIGEST)
            or image == self._accepted_image != self.previous
            or may_be_same_image(image, self._wanted)
        )


def may_be_same_image(one: str, other: str) -> bool:
    """Whether two references may name the same image.

    If both references have a digest, only the digests are compared. Otherwise the last part of the name and
    the tag must be the same, because a platform may write `nginx` as `docker.io/library/nginx:latest`, or add
    a mirror's host. A reference with only a digest goes with any tag.
    """
    name, tag, digest = _parts(one)
    other_name, other_tag, other_digest = _parts(other)
    if digest and other_digest:
        return digest == other_digest
    return name == other_name and (tag == other_tag or not (tag and other_tag))


def _parts(reference: str) -> tuple[str, str, str]:
    """The last part of the name, the tag and the digest. Without tag and digest, the tag is `latest`."""
    name, _, digest = reference.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")  # a port's colon is before the last slash
    return last, tag or ("" if digest else "latest"), digest
