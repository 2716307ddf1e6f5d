"""Deploying an image to a container app, or restarting the one that it has."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import (
    DeployError,
    DeployFailed,
    DeployTimedOut,
    HealthCheckFailed,
    PlatformUnavailable,
)
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.operations import apps
from zerokie_action.operations.health import check_health
from zerokie_action.operations.job import Polling
from zerokie_action.platform.models import App
from zerokie_action.shutdown import Allowance
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job

_STATIC = (
    "A static app cannot be restarted: the platform serves what was deployed last. To update it, "
    "deploy the directory again."
)
_RUNNING = "running"
_FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""
_HINT_FAILED = "Look at the app's own log on the platform."
_HINT_NOT_YET = (
    "Look at the app's own log on the platform, or raise `wait-timeout`. If another deploy has changed the "
    "image, run this one again."
)
_LOOK = 2.0
"""Seconds to find out which image the app has, where nothing depends on it or a signal has come."""
_REASONS_TO_GO_BACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)
_ROLLBACK_TIME = 60.0
"""Seconds that a rollback has at least, even if `timeout` has passed."""


async def deploy_image(job: Job, image: str) -> None:
    """Make the container app run the image."""
    job.result.kind = "container"
    job.result.image = image
    job.result.created = False
    with job.time_limit(), job.phase("Look up"):
        before = await apps.look_up(job, "container")
    if before is not None:
        job.result.previous_image = before.image
    if job.settings.dry_run:
        if before is None:
            job.preview(f"would create container app {job.app!r} with {image!r}")
        else:
            job.preview(f"would deploy {image!r} in place of {before.image!r}")
        return
    if job.settings.rollback and not job.settings.wait and job.settings.health_check is None:
        job.warn("`rollback` has no effect without `wait` or `health-check`: nothing is checked")
    await _roll_out(job, Rollout(job, image, before))


async def restart(job: Job) -> None:
    """Have the platform pull the current image again, and restart it."""
    with job.time_limit(), job.phase("Look up"):
        before = await job.client.get_app(job.app)
        apps.record_url(job, before)
        apps.require_kind(job, before, "container", "`operation: restart`", hint=_STATIC)
    job.result.kind = "container"
    job.result.image = job.result.previous_image = before.image
    if job.settings.dry_run:
        job.preview(f"would restart {before.image!r}")
        return
    await _roll_out(job, Rollout(job, None, before))


async def _roll_out(job: Job, rollout: Rollout) -> None:
    """Ask for it, wait, and check. `timeout` is for all of that, and not for what a failure brings."""
    try:
        with job.time_limit():
            with job.phase("Deploy"):
                await (rollout.create() if rollout.before is None else rollout.deploy_in_turn())
            # The endpoint returns no deploy ID: the run's own session names this deploy.
            job.result.deploy_id = job.session
            await _wait_and_check(job, rollout)
    except BaseException as failure:
        if job.result.final_state:  # something was asked for, and not refused
            if job.settings.rollback and isinstance(failure, _REASONS_TO_GO_BACK):
                await _roll_back(job, rollout, failure)
            else:
                await rollout.look_after_failure()
        raise


async def _wait_and_check(job: Job, rollout: Rollout) -> None:
    """What `wait` and `health-check` ask for. When both are off, the reports say that nothing was checked."""
    if job.settings.wait:
        await rollout.wait_until_running()
    else:
        job.ci.info("Not waiting for the app to run (wait: false)")
        if job.settings.health_check is None:
            job.result.notes.append("`wait` is off: it was not checked whether the app runs.")
    await check_health(job)


async def _roll_back(job: Job, rollout: Rollout, failure: DeployError) -> None:
    """Deploy the previous image again and wait until it runs. The result says how that ended.

    The health check is not repeated: it may fail for reasons that the image has nothing to do with.
    """
    result, before, previous = job.result, rollout.before, rollout.previous
    left_with = await rollout.look_after_failure(_ROLLBACK_TIME)
    if before is None or previous in {"", rollout.image} or before.status.lower() != _RUNNING:
        result.final_state = f"not rolled back, as no other image was running; {result.final_state}"
        return
    if left_with is None:
        result.final_state = f"not rolled back; {result.final_state}"
        return
    if not rollout.is_ours(left_with.image):
        result.final_state = f"not rolled back, as that is not {rollout.image!r}; {result.final_state}"
        return
    job.ci.info(f"{failure}; rolling back to {previous!r}")
    back, state = Rollout(job, previous, left_with), result.final_state
    problem = "did not end"
    try:
        with anyio.move_on_after(max(job.ends_at - anyio.current_time(), _ROLLBACK_TIME)):
            with job.phase("Roll back"):
                await back.deploy()  # not in turn: what is in progress is newer
            await back.wait_until_running()
            problem = ""
    except DeployError as error:
        problem = f"failed as well: {error}"
    finally:
        if problem:
            if result.final_state != state:  # it was asked for, and not refused
                await back.look_after_failure()
            result.final_state = f"the rollback to {previous!r} {problem}; {result.final_state}"
        else:
            result.status = "rolled-back"
            result.final_state = f"rolled back: {job.app!r} runs {previous!r} again"


class Rollout:
    """A deploy of an image, or the restart of the current one.

    Attributes:
        before: the app right before; None when this run creates it.
    """

    def __init__(self, job: Job, image: str | None, before: App | None) -> None:
        """Ask for nothing yet. No image restarts the one that the app has."""
        self.before = before
        self._job = job
        self._requested = image
        self._accepted: App | None = None

    @property
    def image(self) -> str:
        """What the app is to run; empty when a restarted app does not say what it runs."""
        return self._requested or self.previous

    @property
    def previous(self) -> str:
        """The image from before; empty when there was none, or the platform did not say."""
        return self.before.image if self.before else ""

    async def create(self) -> None:
        """Create the app with the image."""
        self._accepted = await apps.create(self._job, self.image)
        self._job.ci.info(f"Created container app {self._job.app!r} with {self.image!r}")

    async def deploy(self) -> None:
        """Deploy the image to the app as it was before ("POST /v1/apps/:name/deploy")."""
        job, before = self._job, self.before or App()
        with job.change(f"it is not known which image {job.app!r} was left with") as client:
            self._accepted = await client.deploy(
                before, job.app, self._requested, registry=apps.registry(job)
            )
        apps.record_url(job, self._accepted)

    async def deploy_in_turn(self) -> None:
        """Likewise, once no other deploy of the app is in progress.

        Raises:
            LockHeld: when one outlasts `lock-timeout`.
        """
        job = self._job

        async def attempt() -> None:
            if job.result.lock_wait_seconds:  # another deploy has changed it
                self.before = await job.client.get_app(job.app)
            await self.deploy()

        await job.in_turn(attempt)
        job.result.image, job.result.previous_image = self.image, self.previous
        was = f"Deploying {self.image!r} (was {self.previous!r})"
        job.ci.info(was if self._requested else f"Restarting {self.image!r}")

    async def wait_until_running(self) -> None:
        """Poll "GET /v1/apps/:name" until the app runs what was asked for.

        A platform that stops answering meanwhile is asked again: the deploy was accepted, and goes on without
        us.

        Raises:
            DeployFailed: when the platform says that it failed.
            DeployTimedOut: when `wait-timeout` has passed.
        """
        job, seconds = self._job, self._job.settings.wait_timeout
        polling = Polling(job.ci, f"{job.app!r} to run", seconds)
        missing = "the platform did not answer"
        with job.phase("Wait"), anyio.move_on_after(seconds):
            while True:
                pause = 0.0
                try:
                    app = await job.client.get_app(job.app)
                except PlatformUnavailable as error:
                    missing, pause = str(error), error.retry_after
                else:
                    missing = self._what_is_missing(app)
                    if not missing:
                        apps.record_url(job, app)
                        job.result.seen_running = True
                        after = human_seconds(polling.waited)
                        job.ci.info(f"{job.app!r} runs {app.image or self.image!r} after {after}")
                        return
                if not await polling.again(missing, pause):
                    break
        after = human_seconds(polling.waited)
        raise DeployTimedOut(
            f"{job.app!r} does not run {self.image!r} after {after}: {job.client.http.outages() or missing}",
            hint=_HINT_NOT_YET,
        )

    def _what_is_missing(self, app: App) -> str:
        """Why an app does not run yet what was asked for; empty when it does.

        Raises:
            DeployFailed: when it never will.
        """
        before, status = self.before, app.status.lower()
        # What has not changed since tells of what was there before.
        has_changed = before is None or (app.status, app.updated_at) != (before.status, before.updated_at)
        is_about_us = has_changed and (not app.image or self.is_ours(app.image))
        if is_about_us and status == _RUNNING:
            return ""
        redact = self._job.client.http.redact
        if is_about_us and status in _FAILURES:
            reason = app.error or app.message
            quote = f': "{reason}"' if reason else ""
            raise DeployFailed(
                redact(f"The platform reports that {self._job.app!r} is {app.status!r}{quote}"),
                hint=_HINT_FAILED,
            )
        other = f", its image {app.image!r}" if app.image and not self.is_ours(app.image) else ""
        return redact(f"its status is {app.status!r}{other}")

    async def look_after_failure(self, seconds: float = _LOOK) -> App | None:
        """Find out which image the app was left with, for the final state. None when nobody knows."""
        job = self._job
        job.result.final_state = f"it is not known which image {job.app!r} was left with"
        with job.shutdown.shielded_scope(Allowance(seconds, _LOOK)), suppress(DeployError):
            app = await job.client.retrying(UNTIL_DEADLINE).get_app(job.app)
            # As long as the request is not answered, it may still be carried out.
            if app.image and (self._accepted is not None or self.is_ours(app.image)):
                job.result.final_state = f"{job.app!r} was left with {app.image!r}"
                return app
        return None

    def is_ours(self, image: str) -> bool:
        """Whether it is the image that was asked for, or what the platform called it then.

        It may write `nginx` as `docker.io/library/nginx:latest`.
        """
        accepted = self._accepted.image if self._accepted is not None else ""
        return image == self.image or image == accepted != self.previous
