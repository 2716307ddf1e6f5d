"""Watching a container app come up: until the platform says that it runs, and until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed, PlatformUnavailable
from zerokie_action.operations.health import check_health
from zerokie_action.operations.pauses import LONGEST_PAUSE, News, pauses
from zerokie_action.operations.rollout import require_not_replaced
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.rollout import Rollout
    from zerokie_action.platform.models import App

RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""

_STALE_ANSWERS = 3
"""So many answers may still show the state from before the deploy, where they can't be told from new ones."""

_SLOW = 5.0
"""Seconds for one answer that are nothing to talk about."""


async def watch(job: Job, rollout: Rollout) -> None:
    """What `wait` and `health-check` ask for. When both are off, it says that nothing was checked.

    Raises:
        DeployFailed, DeployTimedOut, HealthCheckFailed: what they found.
    """
    settings = job.settings
    if settings.wait:
        await until_running(job, rollout)
    else:
        job.ci.info("Not waiting for the app to run (wait: false)")
        if settings.health_check is None:
            job.result.notes.append("`wait` is off: it was not checked whether the app runs.")
    if settings.health_check is not None:
        try:
            await check_health(job)
        except HealthCheckFailed:
            await _look_for_others(job, rollout)
            raise
        await _look_for_others(job, rollout)


async def _look_for_others(job: Job, rollout: Rollout) -> None:
    """A health check takes its time, in which somebody else may have deployed.

    Raises:
        DeployFailed: when they have.
    """
    with anyio.move_on_after(_SLOW):
        try:
            rollout.seen = await job.client.find_app(job.app) or rollout.seen
        except PlatformUnavailable:
            return  # what the check has found counts
        require_not_replaced(job, rollout)


async def until_running(job: Job, rollout: Rollout) -> None:
    """Poll "GET /v1/apps/:name" until it runs what was asked for.

    A platform that stops answering meanwhile is asked again until `wait-timeout`: the deploy was accepted,
    and goes on without us.

    Raises:
        DeployFailed: when the platform says that it failed, or somebody else has deployed.
        DeployTimedOut: when `wait-timeout` has passed.
    """
    began = anyio.current_time()
    sight = _Sight(rollout)
    news = News(job.ci.info)
    with job.phase("Wait"), anyio.move_on_after(job.settings.wait_timeout):
        for pause in pauses():
            app = await _look(job, sight)
            require_not_replaced(job, rollout)
            if app is not None and sight.shows_the_rollout(app):
                if app.status.lower() in FAILURES:
                    raise DeployFailed(_failure(job, app), hint="Look at the app's own log on the platform.")
                if app.status.lower() == RUNNING:
                    job.result.url = app.url or job.result.url
                    job.result.looked = True
                    taken = human_seconds(anyio.current_time() - began)
                    job.ci.info(f"{job.app!r} runs {app.image or rollout.image!r} after {taken}")
                    return
            news.tell(f"Still waiting for {job.app!r} to run; {sight.last}")
            await anyio.sleep(max(pause, sight.retry_after))
    taken = human_seconds(job.settings.wait_timeout)
    sight.trouble = job.platform.outage or sight.trouble
    words = f"{job.app!r} does not run {rollout.image!r} after {taken}; {sight.last}"
    raise DeployTimedOut(words, hint=sight.hint)


async def _look(job: Job, sight: _Sight) -> App | None:
    """The app now, or None when there was no answer about it."""
    try:
        app = await job.client.find_app(job.app)
    except PlatformUnavailable as error:
        sight.trouble, sight.retry_after = str(error), error.retry_after
        return None
    sight.retry_after = 0.0
    if app is None and not sight.may_be_too_new():
        app = await job.client.get_app(job.app)  # raises: somebody has destroyed it
    if app is not None:
        sight.note(app)
    return app


class _Sight:
    """What the polls have shown so far, and whether it is about our deploy.

    Attributes:
        trouble: why there was no answer, the last time when there was none.
        retry_after: seconds for which the platform asked not to be asked again.
    """

    def __init__(self, rollout: Rollout) -> None:
        self.trouble = "it takes too long"
        self.retry_after = 0.0
        self._rollout = rollout
        self._app: App | None = None
        self._answered_at = anyio.current_time()
        self._answers = 0
        self._changed = False

    def note(self, app: App) -> None:
        """An answer."""
        before = self._rollout.before
        self._app = self._rollout.seen = app
        self._answered_at = anyio.current_time()
        self._answers += 1
        if before is not None:
            self._changed |= (app.status, app.updated_at) != (before.status, before.updated_at)

    def may_be_too_new(self) -> bool:
        """Whether a created app may be missing: not every part of the platform need know it at once."""
        self._answers += 1
        return self._rollout.before is None and self._app is None and self._answers <= _STALE_ANSWERS

    def shows_the_rollout(self, app: App) -> bool:
        """Whether the answer just noted is about our deploy, not about what was there before."""
        before = self._rollout.before
        if app.image and not self._rollout.is_ours(app.image):
            return False
        if before is None or (app.image and app.image != before.image):
            return True
        return self._changed or self._answers > _STALE_ANSWERS

    @property
    def last(self) -> str:
        """The last of it, as the end of a sentence."""
        status = ""
        if self._app:
            image = self._app.image
            other = "" if self._rollout.is_ours(image) else f" with image {image!r}"
            status = f"its last status was {self._app.status!r}{other}"
        silence = anyio.current_time() - self._answered_at
        if silence <= LONGEST_PAUSE + _SLOW and status:
            return status
        lasting = f"the platform has not answered for {human_seconds(silence)} ({self.trouble})"
        return f"{status}, and {lasting}" if status else lasting

    @property
    def hint(self) -> str:
        """What to do when the time is over."""
        shown = self._app.image if self._app else ""
        if not shown or self._rollout.is_ours(shown):
            return "Look at the app's own log on the platform, or raise `wait-timeout`."
        return "The platform kept the image from before, or went back to it; the app's own log may say why."


def _failure(job: Job, app: App) -> str:
    words = app.error or app.message
    said = f': "{words}"' if words else ""
    return f"The platform reports that {job.app!r} is {app.status!r}{said}"
