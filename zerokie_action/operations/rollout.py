"""Asking the platform to run an image, and waiting until the app runs it and answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import (
    DeployError,
    DeployFailed,
    DeployTimedOut,
    HealthCheckFailed,
    PlatformUnavailable,
    RequestRejected,
)
from zerokie_action.lock.lock import LockWait
from zerokie_action.operations import apps
from zerokie_action.operations.health import check_health
from zerokie_action.platform.client import CONFLICT, NOT_FOUND
from zerokie_action.platform.models import App, Registry
from zerokie_action.polling import LONGEST_PAUSE, Polling
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zerokie_action.operations.job import Job

RUNNING = "running"
FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""

_STALE_ANSWERS = 3
"""So many answers may still show the state from before the deploy, where they can't be told from new ones."""
_SLOW = 5.0
"""Seconds for one answer that are nothing to talk about."""
_FINAL_STATE_TIME = 2.0
"""Seconds to find out which image the app has, also after a signal."""


@dataclass(slots=True)
class Rollout:
    """What was asked for, how to tell it from what was there, and what is there now.

    Attributes:
        requested: the image; None restarts the one that the app has.
        before: the app right before; None when this run creates it.
        accepted: the app as the platform's answer showed it; None as long as there was none.
        seen: the app as it was seen last; None when there is none.
    """

    requested: str | None
    before: App | None
    accepted: App | None = None
    seen: App | None = field(init=False)

    def __post_init__(self) -> None:
        """So far, only what was there before has been seen."""
        self.seen = self.before

    @property
    def image(self) -> str:
        """What the app is to run; empty when a restarted app does not say what it runs."""
        return self.requested or self.previous

    @property
    def previous(self) -> str:
        """The image from before; empty when there was none, or the platform did not say."""
        return self.before.image if self.before else ""

    @property
    def is_replaced(self) -> bool:
        """Whether the app has an image that is neither the previous one nor ours: somebody else's."""
        image = self.seen.image if self.seen else ""
        return bool(image) and image != self.previous and not self.is_ours(image)

    def is_ours(self, image: str) -> bool:
        """Whether an app that runs `image` may run what was asked for.

        The platform may write the name in another way (`nginx` as `docker.io/library/nginx:latest`):
        what it called the image when it accepted the deploy counts as well.
        """
        accepted = self.accepted.image if self.accepted else ""
        return image == self.image or image == accepted != self.previous


async def request_deploy(
    job: Job, rollout: Rollout, before: App, *, check: Callable[[App], None] = lambda _app: None
) -> None:
    """Ask for a deploy ("POST /v1/apps/:name/deploy"), waiting while another one is in progress (409).

    Args:
        job: the run.
        rollout: notes what becomes known.
        before: the app as it is.
        check: given the app after another deploy; what it raises ends this one.

    Raises:
        LockHeld: when the other deploy outlasts `lock-timeout`.
    """
    wait = LockWait(job.app, job.settings.lock_timeout, job.ci)
    waited_before = job.result.lock_wait_seconds
    login = registry(job)
    accepted: App | None = None
    while accepted is None:
        retry_after = 0.0
        try:
            accepted = await job.client.deploy(before, job.app, rollout.requested, login)
            break
        except RequestRejected as error:
            if error.status != CONFLICT:
                raise
            retry_after = error.retry_after
        try:
            await wait.pause(retry_after)
        finally:
            job.result.lock_wait_seconds = waited_before + wait.waited
        before = rollout.before = rollout.seen = await job.client.get_app(job.app)
        check(before)
    apps.record_url(job, accepted)
    rollout.accepted = rollout.seen = accepted


def registry(job: Job) -> Registry | None:
    """The credentials for a private registry, if given."""
    settings = job.settings
    server, user, password = settings.registry_server, settings.registry_username, settings.registry_password
    if server is None or user is None or password is None:
        return None
    return Registry(server, user, password.get_secret_value())


def require_not_replaced(job: Job, rollout: Rollout) -> None:
    """Leave alone what somebody else has deployed.

    Raises:
        DeployFailed: when the app was last seen with an image of theirs.
    """
    if rollout.is_replaced:
        raise DeployFailed(
            f"Somebody else has deployed to {job.app!r} meanwhile",
            hint="Run this deploy again if it is to win; let the CI run an app's deploys one after another.",
        )


@asynccontextmanager
async def recording_final_state(job: Job, rollout: Rollout) -> AsyncIterator[None]:
    """When the block fails or is cancelled, the result says which image the app was left with."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, RequestRejected) and error.status == NOT_FOUND:
            rollout.seen = None
        elif rollout.accepted is None and (not isinstance(error, DeployError) or error.ambiguous):
            rollout.seen = await _find_app_in_time(job)
        job.result.final_state = final_state(job, rollout)
        raise


async def _find_app_in_time(job: Job) -> App | None:
    """The app now. One without an image when there is no answer in time."""
    with job.shutdown.shielded_scope(_FINAL_STATE_TIME, grace=_FINAL_STATE_TIME):
        try:
            return await job.client.urgent.find_app(job.app)
        except DeployError:
            pass
    return App()


def final_state(job: Job, rollout: Rollout) -> str:
    """Which image the app has, as far as is known, as the end of a sentence."""
    if rollout.seen is None:
        return f"app {job.app!r} does not exist"
    image = rollout.seen.image or (rollout.image if rollout.accepted else "")
    if not image:
        return f"it is not known which image {job.app!r} was left with"
    return f"{job.app!r} was left with {image!r}"


async def wait_and_check(job: Job, rollout: Rollout) -> None:
    """What `wait` and `health-check` ask for. When both are off, it says that nothing was checked.

    Raises:
        DeployFailed, DeployTimedOut, HealthCheckFailed: what they found.
    """
    settings = job.settings
    if settings.wait:
        await wait_until_running(job, rollout)
    else:
        job.ci.info("Not waiting for the app to run (wait: false)")
        if settings.health_check is None:
            job.result.notes.append("`wait` is off: it was not checked whether the app runs.")
    if settings.health_check is not None:
        try:
            await check_health(job)
        except HealthCheckFailed:
            await _require_not_replaced_now(job, rollout)
            raise
        await _require_not_replaced_now(job, rollout)


async def _require_not_replaced_now(job: Job, rollout: Rollout) -> None:
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


async def wait_until_running(job: Job, rollout: Rollout) -> None:
    """Poll "GET /v1/apps/:name" until it runs what was asked for.

    A platform that stops answering meanwhile is asked again until `wait-timeout`: the deploy was accepted,
    and goes on without us.

    Raises:
        DeployFailed: when the platform says that it failed, or somebody else has deployed.
        DeployTimedOut: when `wait-timeout` has passed.
    """
    began = anyio.current_time()
    status = _RolloutStatus(job, rollout)
    polling = Polling(job.ci.info)
    with job.phase("Wait"), anyio.move_on_after(job.settings.wait_timeout):
        while True:
            app = await status.poll()
            require_not_replaced(job, rollout)
            if app is not None:
                if app.status.lower() in FAILURES:
                    raise DeployFailed(_failure(job, app), hint="Look at the app's own log on the platform.")
                if app.status.lower() == RUNNING:
                    apps.record_url(job, app)
                    job.result.seen_running = True
                    duration = human_seconds(anyio.current_time() - began)
                    job.ci.info(f"{job.app!r} runs {app.image or rollout.image!r} after {duration}")
                    return
            line = f"Still waiting for {job.app!r} to run; {status}"
            await polling.pause(line, at_least=status.retry_after)
    duration = human_seconds(job.settings.wait_timeout)
    raise DeployTimedOut(
        f"{job.app!r} does not run {rollout.image!r} after {duration}; {status}", hint=status.hint
    )


class _RolloutStatus:
    """What the polls have shown so far; as text, the end of a sentence about it.

    Attributes:
        retry_after: seconds for which the platform asked not to be asked again.
    """

    def __init__(self, job: Job, rollout: Rollout) -> None:
        self.retry_after = 0.0
        self._job = job
        self._rollout = rollout
        self._app: App | None = None
        self._answers = 0
        self._answered_at = anyio.current_time()
        self._changed = False
        self._unavailable = "it takes too long"

    async def poll(self) -> App | None:
        """Look the app up. Returns it if the answer is about our deploy, not about what was there before.

        Raises:
            RequestRejected: when somebody has destroyed the app.
        """
        client, name, before = self._job.client, self._job.app, self._rollout.before
        try:
            app = await client.find_app(name)
        except PlatformUnavailable as error:
            self._unavailable, self.retry_after = str(error), error.retry_after
            return None
        self.retry_after = 0.0
        self._answers += 1
        if app is None:
            # One that was just created: not every part of the platform need know it at once.
            if before is None and self._app is None and self._answers <= _STALE_ANSWERS:
                return None
            app = await client.get_app(name)  # raises
        self._app = self._rollout.seen = app
        self._answered_at = anyio.current_time()
        if before is not None:
            self._changed |= (app.status, app.updated_at) != (before.status, before.updated_at)
        return app if self._is_about_our_deploy(app) else None

    def _is_about_our_deploy(self, app: App) -> bool:
        before = self._rollout.before
        if app.image and not self._rollout.is_ours(app.image):
            return False
        return before is None or self._changed or self._answers > _STALE_ANSWERS

    def __str__(self) -> str:
        """The last status, and for how long there has been no answer."""
        status = ""
        if self._app:
            image = self._app.image
            other = "" if self._rollout.is_ours(image) else f" with image {image!r}"
            status = f"its last status was {self._app.status!r}{other}"
        silence = anyio.current_time() - self._answered_at
        if silence <= LONGEST_PAUSE + _SLOW and status:
            return status
        why = self._job.client.http.outage or self._unavailable
        silent = f"the platform has not answered for {human_seconds(silence)} ({why})"
        return f"{status}, and {silent}" if status else silent

    @property
    def hint(self) -> str:
        """What to do when the time is over."""
        shown = self._app.image if self._app else ""
        if not shown or self._rollout.is_ours(shown):
            return "Look at the app's own log on the platform, or raise `wait-timeout`."
        return "The platform kept the image from before, or went back to it; the app's own log may say why."


def _failure(job: Job, app: App) -> str:
    reason = app.error or app.message
    quote = f': "{reason}"' if reason else ""
    return f"The platform reports that {job.app!r} is {app.status!r}{quote}"
