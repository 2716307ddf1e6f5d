"""How far a deploy of an image has come, judged by what the platform shows of the app.

The reference has one example of each answer: how a platform writes an image's name, when a GET shows a
deploy, and when `updated_at` moves, is not said. So little is believed, and time decides where nothing else
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from zerokie_action.platform.models import App

SETTLES = 15.0
"""Seconds after which the platform shows a deploy that it has accepted, and a status that lasts counts."""
RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""
_BARE_DIGEST = "sha256:"


class Rollout:
    """The evidence that answers of "GET /v1/apps/:name" give of one deploy.

    Attributes:
        image: the image that was asked for; empty when a restarted app does not say what it runs.
        previous: the image that the app showed before; empty where it showed none, or did not exist.
        app: the last answer.
        runs: whether the last answer shows that the app runs what was asked for.
    """

    def __init__(self, image: str | None, before: App | None) -> None:
        """Nothing was asked for yet.

        Args:
            image: to be deployed; None restarts the one that the app has.
            before: the app before the request; None when this run creates it.
        """
        self.previous = before.image if before else ""
        self.image = image or self.previous
        self.app = before
        self.runs = False
        self._status_before = before.status.lower() if before else None
        self._accepted_image = ""
        self._asked_at = anyio.current_time()
        self._has_moved = False
        self._fails = _Lasting()
        self._is_replaced = _Lasting()

    def asked(self, accepted_image: str = "") -> None:
        """The deploy was asked for just now; `accepted_image` is how the answer called it, if one came."""
        self._asked_at = anyio.current_time()
        self._accepted_image = accepted_image

    def saw(self, app: App) -> None:
        """The platform shows this."""
        self.app = app
        status = app.status.lower()
        # Any other status than these would have changed anyway: another deploy was under way.
        was_settled = self._status_before in {RUNNING} | FAILURES
        self._has_moved = self._has_moved or (was_settled and status != self._status_before)
        is_ours = self.is_ours(app.image)
        is_about_us = is_ours and self._is_believed
        self.runs = is_about_us and status == RUNNING
        self._fails.note(is_about_us and status in FAILURES)
        self._is_replaced.note(not is_ours and app.image != self.previous and status == RUNNING)

    @property
    def has_begun(self) -> bool:
        """Whether the app shows that the deploy took effect: another status than before, or its image."""
        shown = self.app.image if self.app else ""
        return self._has_moved or (shown not in {"", self.previous} and self.is_ours(shown))

    @property
    def fails(self) -> bool:
        """Whether the app showed a failure last. A restart may show `stopped` first, so it has to last."""
        return self._fails.seconds is not None

    @property
    def has_failed(self) -> bool:
        """Whether the failure is final."""
        return self._fails.has_settled

    @property
    def was_replaced(self) -> bool:
        """Whether the app runs an image that is neither ours nor the one from before, and keeps it."""
        return self._is_replaced.has_settled

    def is_ours(self, image: str) -> bool:
        """Whether an image that the app shows can be the one that was asked for.

        An answer without an image, or with a bare digest, does not contradict that.
        """
        return (
            not (image and self.image)
            or image == self.image
            or image.startswith(_BARE_DIGEST)
            or image == self._accepted_image != self.previous
            or agree(image, self.image)
        )

    @property
    def _is_believed(self) -> bool:
        """Whether the status that is shown can't be the one from before the request."""
        is_late = anyio.current_time() >= self._asked_at + SETTLES
        return self._status_before is None or self._has_moved or is_late


class _Lasting:
    """For how long something has been seen without a break.

    Attributes:
        seconds: from the first time until the last one; None when it was not seen last.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._since = 0.0

    def note(self, is_seen: bool) -> None:  # noqa: FBT001 - the only thing that it takes
        """It is seen now, or it is not."""
        if self.seconds is None:
            self._since = anyio.current_time()
        self.seconds = anyio.current_time() - self._since if is_seen else None

    @property
    def has_settled(self) -> bool:
        """Whether that is long enough to be believed."""
        return self.seconds is not None and self.seconds >= SETTLES


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
