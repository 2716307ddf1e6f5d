"""How far a deploy of an image has come, judged by what the platform shows of the app.

The reference has one example of each answer. It does not say how a platform writes an image's name, when a
GET shows a deploy, and when `updated_at` moves. So little is believed, and time decides where nothing else
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from zerokie_action.platform.models import App

SETTLES = 15.0
"""Seconds after which a GET shows an accepted deploy, and after which a status that lasts is believed."""
RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""
_BARE_DIGEST = "sha256:"


class Rollout:
    """The evidence that answers of "GET /v1/apps/:name" give of one deploy.

    Attributes:
        before: the app right before; None when this run creates it.
        previous: the image that the app showed before; empty where it showed none, or did not exist.
        image: the image that was asked for; empty when a restarted app does not say what it runs.
        is_accepted: whether the platform carries the deploy out, as far as anybody knows.
        app: the last answer.
        runs: whether the last answer shows that the app runs the image.
        fails: whether the last answer shows a failure.
        has_failed: whether a failure has lasted long enough: a restart may show `stopped` first.
        was_replaced: whether the app runs for long enough an image that is neither ours nor the previous one.
    """

    def __init__(self, image: str | None, before: App | None) -> None:
        """Nothing was asked for yet. No image restarts the one that the app has."""
        self.before = before
        self.previous = before.image if before else ""
        self.image = image or self.previous
        self.is_accepted = False
        self.app = before
        self.runs = self.fails = self.has_failed = self.was_replaced = False
        # A restart pulls again: the name may stand for another digest.
        self._wanted = image or self.previous.partition("@")[0]
        self._accepted_image = ""
        self._asked_at = anyio.current_time()
        self._has_moved = False
        self._failing_since: float | None = None
        self._replaced_since: float | None = None

    def asked(self) -> None:
        """The deploy was asked for just now."""
        self._asked_at = anyio.current_time()

    def accepted(self, image: str = "") -> None:
        """The platform carries the deploy out; its answer may have named the image."""
        self.is_accepted = True
        self._accepted_image = image
        self.asked()

    def saw(self, app: App) -> None:
        """The platform shows this."""
        self.app = app
        now, status = anyio.current_time(), app.status.lower()
        if self.before is not None:
            was = self.before.status.lower()
            # Any other status than these would have changed anyway: another deploy was under way.
            self._has_moved = self._has_moved or (was in {RUNNING} | FAILURES and status != was)
        is_ours = self.is_ours(app.image)
        is_about_us = is_ours and (self.before is None or self._has_moved or not self.settles_in)
        self.runs = is_about_us and status == RUNNING
        self.fails = is_about_us and status in FAILURES
        self._failing_since = (self._failing_since or now) if self.fails else None
        self.has_failed = self._failing_since is not None and now >= self._failing_since + SETTLES
        is_another = not is_ours and app.image != self.previous and status == RUNNING
        self._replaced_since = (self._replaced_since or now) if is_another else None
        self.was_replaced = self._replaced_since is not None and now >= self._replaced_since + SETTLES

    @property
    def settles_in(self) -> float:
        """Seconds until a GET has to show the deploy."""
        return max(0.0, self._asked_at + SETTLES - anyio.current_time())

    @property
    def has_begun(self) -> bool:
        """Whether the app shows that the deploy took effect: another status than before, or its image."""
        shown = self.app.image if self.app else ""
        return self._has_moved or (shown not in {"", self.previous} and self.is_ours(shown))

    def is_ours(self, image: str) -> bool:
        """Whether an image that the app shows can be the one that was asked for.

        An answer without an image, or with a bare digest, does not contradict that.
        """
        return (
            not (image and self._wanted)
            or image in {self.image, self._wanted}
            or image.startswith(_BARE_DIGEST)
            or image == self._accepted_image != self.previous
            or agree(image, self._wanted)
        )


def agree(one: str, other: str) -> bool:
    """Whether two references may name the same image.

    The last part of the name and the tag decide: a platform may write `nginx` as
    `docker.io/library/nginx:latest`, or put a mirror's host before it. Two digests decide alone, and a digest
    on one side agrees with each tag.
    """
    name, tag, digest = _parts(one)
    other_name, other_tag, other_digest = _parts(other)
    if digest and other_digest:
        return digest == other_digest
    return name == other_name and (tag == other_tag or not (tag and other_tag))


def _parts(reference: str) -> tuple[str, str, str]:
    """The last part of the name, the tag and the digest. No tag is `latest`, unless there is a digest."""
    name, _, digest = reference.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")  # the colon of a port stands before that
    return last, tag or ("" if digest else "latest"), digest
