"""Waiting until the platform says that a container app runs what was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployFailed, DeployTimedOut
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.api.models import App
    from zerokie_action.operations.job import Job

RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_NEWS_EVERY = 30.0
_STALE_POLLS = 3
"""So many answers may still show the state from before the deploy, where they can't be told from new ones."""


async def until_running(job: Job, image: str, before: App | None) -> None:
    """Poll "GET /v1/apps/:name" until it runs `image`.

    Args:
        before: the app as it was before the deploy, None when it was just created.

    Raises:
        DeployFailed: when the platform says that it failed.
        DeployTimedOut: when `wait-timeout` has passed.
    """
    began = anyio.current_time()
    last = "nothing yet"
    with job.phase("Wait"), anyio.move_on_after(job.settings.wait_timeout):
        pause, polls, next_news = _FIRST_PAUSE, 0, _NEWS_EVERY
        while True:
            app = await job.client.get_app(job.app)
            polls += 1
            last = f"{app.status or 'no status'!r} with image {app.image!r}"
            if _shows_the_deploy(app, image, before) or (app.image == image and polls > _STALE_POLLS):
                if app.status.lower() in FAILURES:
                    raise DeployFailed(_failure(job, app), hint="Look at the app's own log on the platform.")
                if app.status.lower() == RUNNING:
                    job.result.url = app.url or job.result.url
                    job.ci.info(f"{job.app!r} runs {image!r} after {human_seconds(anyio.current_time() - began)}")
                    return
            if anyio.current_time() - began >= next_news:
                job.ci.info(f"Still waiting for {job.app!r} to run (status: {last})")
                next_news += _NEWS_EVERY
            await anyio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * _GROWTH)
    raise DeployTimedOut(
        f"{job.app!r} does not run after {human_seconds(job.settings.wait_timeout)}; its last status was {last}",
        hint="Look at the app's own log on the platform, or raise `wait-timeout`.",
    )


def _shows_the_deploy(app: App, image: str, before: App | None) -> bool:
    """Whether this answer is about our deploy, not about what was there before."""
    if app.image not in {"", image}:
        return False
    return before is None or before.image != image or app.updated_at != before.updated_at


def _failure(job: Job, app: App) -> str:
    words = app.error or app.message
    said = f': "{words}"' if words else ""
    return f"The platform reports that {job.app!r} is {app.status!r}{said}"
