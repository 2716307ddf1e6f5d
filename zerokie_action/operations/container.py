"""Deploying an image to a container app, or restarting the one that it has."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
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
from zerokie_action.operations.health import check_health, preview_health_check
from zerokie_action.operations.job import NotYet
from zerokie_action.platform.models import App, Registry
from zerokie_action.shutdown import Allowance
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from zerokie_action.operations.job import Job
    from zerokie_action.platform.client import Client

_STATIC = (
    "A static app cannot be restarted: the platform serves what was deployed last. To update it, "
    "deploy the directory again."
)
_RUNNING = "running"
_FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""
_HINT = "Look at the app's own log on the platform, or raise `wait-timeout`."
_HINT_OTHER_IMAGE = (
    "Another deploy, or the platform itself, has changed the image. If yours should win, "
    "run this deploy again."
)
_LOOK = Allowance(2.0, 2.0)
"""For finding out which image the app has."""
_ROLLBACK_TIME = 60.0
"""Seconds that a rollback has at least, even if `timeout` has passed."""


async def deploy_image(job: Job, image: str) -> None:
    """Make the container app run the image. `timeout` is for all but the rollback."""
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
        preview_health_check(job)
        return
    if job.settings.rollback and not job.settings.wait and job.settings.health_check is None:
        job.warn("`rollback` has no effect without `wait` or `health-check`: nothing is checked")
    rollout = Rollout(job, image, before)
    try:
        with job.time_limit():
            async with rollout.recording_final_state():
                with job.phase("Deploy"):
                    await _request(job, rollout)
                await _wait_and_check(job, rollout)
    except (DeployFailed, DeployTimedOut, HealthCheckFailed) as failure:
        if job.settings.rollback:
            await roll_back(job, rollout, failure)
        raise


async def restart(job: Job) -> None:
    """Have the platform pull the current image again, and restart it."""
    with job.phase("Look up"):
        before = await job.client.get_app(job.app)
        apps.record_url(job, before)
        apps.require_kind(job, before, "container", "`operation: restart`", hint=_STATIC)
    job.result.kind = "container"
    job.result.image = job.result.previous_image = before.image
    if job.settings.dry_run:
        job.preview(f"would restart {before.image!r}")
        preview_health_check(job)
        return
    rollout = Rollout(job, None, before)
    async with rollout.recording_final_state():
        with job.phase("Restart"):
            await rollout.deploy_in_turn()
        job.result.image = rollout.image
        job.ci.info(f"Restarting {rollout.image!r}")
        await _wait_and_check(job, rollout)


async def _request(job: Job, rollout: Rollout) -> None:
    if rollout.before is None:
        await rollout.create()
        job.ci.info(f"Created container app {job.app!r} with {rollout.image!r}")
    else:
        await rollout.deploy_in_turn()
        job.result.previous_image = rollout.previous
        job.ci.info(f"Deploying {rollout.image!r} (was {rollout.previous!r})")


async def _wait_and_check(job: Job, rollout: Rollout) -> None:
    """What `wait` and `health-check` ask for. When both are off, the reports say that nothing was checked."""
    # The endpoint returns no deploy ID: the run's own session names this deploy.
    job.result.deploy_id = job.session
    if job.settings.wait:
        await rollout.wait_until_running()
    else:
        job.ci.info("Not waiting for the app to run (wait: false)")
        if job.settings.health_check is None:
            job.result.notes.append("`wait` is off: it was not checked whether the app runs.")
    await check_health(job)


class Rollout:
    """A deploy of an image, or the restart of the current one.

    Attributes:
        before: the app right before; None when this run creates it.
        after: the app as a failure has left it; None when there is none. It has no image when nobody knows.
    """

    def __init__(self, job: Job, image: str | None, before: App | None) -> None:
        """Ask for nothing yet. No image restarts the one that the app has."""
        self.before = before
        self.after: App | None = None
        self._job = job
        self._requested = image
        self._accepted = App()
        self._may_come = False

    @property
    def image(self) -> str:
        """What the app is to run; empty when a restarted app does not say what it runs."""
        return self._requested or self.previous

    @property
    def previous(self) -> str:
        """The image from before; empty when there was none, or the platform did not say."""
        return self.before.image if self.before else ""

    # Asking for it

    async def create(self) -> None:
        """Create the app with the image."""
        settings = self._job.settings
        request = self._client.create_container(
            self._job.app,
            self.image,
            port=settings.port,
            cpu=settings.cpu,
            memory=settings.memory,
            env=settings.env,
            registry=self._registry,
        )
        await self._accept(apps.create(self._job, request))

    async def deploy(self) -> None:
        """Deploy the image to the app as it was before ("POST /v1/apps/:name/deploy")."""
        before = self.before or App()
        await self._accept(
            self._client.deploy(before, self._job.app, self._requested, registry=self._registry)
        )

    async def deploy_in_turn(self) -> None:
        """Likewise, once no other deploy of the app is in progress.

        Raises:
            LockHeld: when one outlasts `lock-timeout`.
        """
        is_first = True

        async def attempt() -> None:
            nonlocal is_first
            if not is_first:  # another deploy has changed it
                self.before = await self._job.client.get_app(self._job.app)
            is_first = False
            await self.deploy()

        await self._job.in_turn(attempt)

    async def _accept(self, request: Awaitable[App]) -> None:
        """Send it; as long as there is no answer, it may still be carried out."""
        self._may_come = True
        try:
            self._accepted = await request
        except DeployError as error:
            self._may_come = error.ambiguous
            raise
        self._may_come = False
        apps.record_url(self._job, self._accepted)

    @property
    def _client(self) -> Client:
        return self._job.client.guarded(self._job.shutdown.shielded_request)

    @property
    def _registry(self) -> Registry | None:
        settings = self._job.settings
        server, user = settings.registry_server, settings.registry_username
        password = settings.registry_password
        if server is None or user is None or password is None:
            return None
        return Registry(server, user, password.get_secret_value())

    # Watching it

    async def wait_until_running(self) -> None:
        """Poll "GET /v1/apps/:name" until the app runs what was asked for.

        A platform that stops answering meanwhile is asked again: the deploy was accepted, and goes on without
        us.

        Raises:
            DeployFailed: when the platform says that it failed.
            DeployTimedOut: when `wait-timeout` has passed.
        """
        job = self._job
        began = anyio.current_time()
        seconds = job.settings.wait_timeout
        redact = job.client.http.redact
        last, hint = "the platform did not answer", _HINT

        async def look() -> App | NotYet:
            nonlocal last, hint
            try:
                app = await job.client.get_app(job.app)
            except PlatformUnavailable as error:
                last = str(error)
                return NotYet(last, error.retry_after)
            status = app.status.lower()
            if self._is_about_us(app) and status in _FAILURES:
                reason = app.error or app.message
                quote = f': "{reason}"' if reason else ""
                raise DeployFailed(
                    redact(f"The platform reports that {job.app!r} is {app.status!r}{quote}"),
                    hint="Look at the app's own log on the platform.",
                )
            if self._is_about_us(app) and status == _RUNNING:
                return app
            last, hint = f"its status is {app.status!r}", _HINT
            if app.image and not self.has_our_image(app):
                last = f"{last}, its image {app.image!r}"
                hint = _HINT if app.image == self.previous else _HINT_OTHER_IMAGE
            last = redact(last)
            return NotYet(last)

        with job.phase("Wait"), anyio.move_on_after(seconds):
            app = await job.poll(look, f"{job.app!r} to run", seconds)
            if not isinstance(app, NotYet):
                apps.record_url(job, app)
                job.result.seen_running = True
                duration = human_seconds(anyio.current_time() - began)
                job.ci.info(f"{job.app!r} runs {app.image or self.image!r} after {duration}")
                return
        duration = human_seconds(anyio.current_time() - began)
        raise DeployTimedOut(
            f"{job.app!r} does not run {self.image!r} after {duration}: {job.client.http.outages() or last}",
            hint=hint,
        )

    @asynccontextmanager
    async def recording_final_state(self) -> AsyncIterator[None]:
        """When the block fails or is cancelled, one look tells which image the app was left with."""
        job = self._job
        try:
            yield
        except BaseException:
            self.after = App()
            with job.shutdown.shielded_scope(_LOOK), suppress(DeployError):
                self.after = await job.client.retrying(UNTIL_DEADLINE).find_app(job.app)
            if self._may_come and (self.after is None or not self.has_our_image(self.after)):
                self.after = App()
            if self.after is None:
                state = f"app {job.app!r} does not exist"
            elif self.after.image:
                state = f"{job.app!r} was left with {self.after.image!r}"
            else:
                state = f"it is not known which image {job.app!r} was left with"
            job.result.final_state = state
            raise

    def has_our_image(self, app: App) -> bool:
        """Whether the app has the image that was asked for, or what the platform called it then.

        It may write `nginx` as `docker.io/library/nginx:latest`.
        """
        return app.image == self.image or app.image == self._accepted.image != self.previous

    def _is_about_us(self, app: App) -> bool:
        """Whether an answer is about this rollout, not about what was there before."""
        before = self.before
        has_changed = before is None or (app.status, app.updated_at) != (before.status, before.updated_at)
        return has_changed and (not app.image or self.has_our_image(app))


async def roll_back(job: Job, rollout: Rollout, failure: DeployError) -> None:
    """Deploy the previous image again and wait until it runs. The result says how that ended.

    The health check is not repeated: it may fail for reasons that the image has nothing to do with.
    """
    result, previous = job.result, rollout.previous
    if reason := _why_not(rollout):
        result.final_state = f"not rolled back: {reason}; {result.final_state}"
        return
    job.ci.info(f"{failure}; rolling back to {previous!r}")
    back = Rollout(job, previous, rollout.after)
    problem = "was cut short"
    try:
        with anyio.fail_after(max(job.ends_at - anyio.current_time(), _ROLLBACK_TIME)):
            async with back.recording_final_state():
                with job.phase("Roll back"):
                    await back.deploy()  # not in turn: what is in progress is newer
                await back.wait_until_running()
        problem = ""
    except TimeoutError:
        problem = "did not end in time"
    except DeployError as error:
        problem = f"failed as well: {error}"
    finally:
        if problem:
            result.final_state = f"the rollback to {previous!r} {problem}; {result.final_state}"
        else:
            result.status = "rolled-back"
            result.final_state = f"rolled back: {job.app!r} runs {previous!r} again"


def _why_not(rollout: Rollout) -> str:
    """Why nothing is rolled back; empty when it can be."""
    before, after, previous = rollout.before, rollout.after, rollout.previous
    if before is None:
        return "this was the app's first deploy"
    if after is None or not rollout.has_our_image(after):
        return f"the app does not show {rollout.image!r}"
    if previous == rollout.image:
        return "the previous image has the same name; deploy images under unique tags to go back"
    if not previous or before.status.lower() != _RUNNING:
        return f"the previous image, {previous!r}, was not running (its status was {before.status!r})"
    return ""
