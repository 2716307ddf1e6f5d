"""Asking the platform to run an image, and waiting until the app runs it and answers."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, DeployFailed, DeployTimedOut, PlatformUnavailable
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.operations import apps
from zerokie_action.operations.health import check_health
from zerokie_action.operations.poll import NotYet, poll
from zerokie_action.platform.models import App, Registry
from zerokie_action.shutdown import Allowance
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from zerokie_action.operations.job import Job

RUNNING = "running"
_FAILURES = frozenset({"failed", "error", "crashed", "stopped"})
"""The reference lists no status words but "deploying" and "running"; any other means "not yet"."""
_HINT = "Look at the app's own log on the platform, or raise `wait-timeout`."
_HINT_OTHER_IMAGE = (
    "Another deploy, or the platform itself, has changed the image. If yours should win, "
    "run this deploy again."
)
_HINT_PREVIOUS_IMAGE = (
    "The platform kept the previous image, or went back to it; the app's own log may say why. "
    "A longer `wait-timeout` helps if it is only slow."
)
_LOOK = Allowance(2.0, 2.0)
"""For finding out which image the app has."""


@dataclass(slots=True)
class Rollout:
    """A deploy of an image, or the restart of the current one.

    Attributes:
        requested: the image; None restarts the one that the app has.
        before: the app right before; None when this run creates it.
        accepted: the app as the platform's answer showed it; None as long as there was none.
        left: the app after a failure; None when there is none, and without an image when it did not answer.
        may_come: whether a request for it may still be carried out: there was no answer.
    """

    requested: str | None
    before: App | None
    accepted: App | None = None
    left: App | None = None
    may_come: bool = False

    @property
    def image(self) -> str:
        """What the app is to run; empty when a restarted app does not say what it runs."""
        return self.requested or self.previous

    @property
    def previous(self) -> str:
        """The image from before; empty when there was none, or the platform did not say."""
        return self.before.image if self.before else ""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around the request for it, which may be carried out without an answer."""
        self.may_come = True
        try:
            yield
        except DeployError as error:
            self.may_come = error.ambiguous
            raise
        self.may_come = False

    def has_our_image(self, app: App) -> bool:
        """Whether the app has the image that was asked for, or what the platform called it then.

        It may write `nginx` as `docker.io/library/nginx:latest`.
        """
        accepted = self.accepted.image if self.accepted else ""
        return app.image == self.image or app.image == accepted != self.previous

    def is_about_us(self, app: App) -> bool:
        """Whether an answer is about this rollout, not about what was there before."""
        before = self.before
        has_changed = before is None or (app.status, app.updated_at) != (before.status, before.updated_at)
        return has_changed and (not app.image or self.has_our_image(app))


async def request_deploy(job: Job, rollout: Rollout, before: App) -> None:
    """Ask for a deploy ("POST /v1/apps/:name/deploy") of the app that `before` shows, in turn with others.

    Raises:
        LockHeld: when another deploy outlasts `lock-timeout`.
    """
    is_first = True

    async def ask() -> App:
        nonlocal before, is_first
        if not is_first:  # another deploy has changed it
            before = rollout.before = await job.client.get_app(job.app)
        is_first = False
        with rollout.asking():
            client = job.client.guarded(job.shutdown.shielded_request)
            return await client.deploy(before, job.app, rollout.requested, registry(job))

    rollout.accepted = await job.in_turn(ask)
    apps.record_url(job, rollout.accepted)


def registry(job: Job) -> Registry | None:
    """The credentials for a private registry, if given."""
    settings = job.settings
    server, user, password = settings.registry_server, settings.registry_username, settings.registry_password
    if server is None or user is None or password is None:
        return None
    return Registry(server, user, password.get_secret_value())


@asynccontextmanager
async def recording_final_state(job: Job, rollout: Rollout) -> AsyncIterator[None]:
    """When the block fails or is cancelled, one look tells the result which image the app was left with."""
    try:
        yield
    except BaseException:
        left: App | None = App()
        with job.shutdown.shielded_scope(_LOOK), suppress(DeployError):
            left = await job.client.retrying(UNTIL_DEADLINE).find_app(job.app)
        rollout.left = left
        if rollout.may_come and (left is None or not rollout.has_our_image(left)):
            left = App()
        if left is None:
            job.result.final_state = f"app {job.app!r} does not exist"
        elif left.image:
            job.result.final_state = f"{job.app!r} was left with {left.image!r}"
        else:
            job.result.final_state = f"it is not known which image {job.app!r} was left with"
        raise


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
    await check_health(job)


async def wait_until_running(job: Job, rollout: Rollout) -> None:
    """Poll "GET /v1/apps/:name" until the app runs what was asked for.

    A platform that stops answering meanwhile is asked again: the deploy was accepted, and goes on without us.

    Raises:
        DeployFailed: when the platform says that it failed.
        DeployTimedOut: when `wait-timeout` has passed.
    """
    began = anyio.current_time()
    seconds = job.settings.wait_timeout
    last, hint = "the platform did not answer", _HINT

    async def look() -> App | NotYet:
        nonlocal last, hint
        try:
            app = await job.client.get_app(job.app)
        except PlatformUnavailable as error:
            last = str(error)
            return NotYet(f"Waiting for {job.app!r} to run: {last}", error.retry_after)
        if rollout.is_about_us(app):
            if app.status.lower() in _FAILURES:
                raise DeployFailed(_failure(job, app), hint="Look at the app's own log on the platform.")
            if app.status.lower() == RUNNING:
                return app
        last, hint = f"its status is {app.status!r}", _HINT
        if app.image and not rollout.has_our_image(app):
            is_previous = app.image == rollout.previous
            last = f"{last}, its image {app.image!r}"
            hint = _HINT_PREVIOUS_IMAGE if is_previous else _HINT_OTHER_IMAGE
        return NotYet(f"Waiting for {job.app!r} to run: {last}")

    with job.phase("Wait"), anyio.move_on_after(seconds):
        app = await poll(look, seconds=seconds, log=job.ci.info)
        if not isinstance(app, NotYet):
            apps.record_url(job, app)
            job.result.seen_running = True
            duration = human_seconds(anyio.current_time() - began)
            job.ci.info(f"{job.app!r} runs {app.image or rollout.image!r} after {duration}")
            return
    raise DeployTimedOut(
        f"{job.app!r} does not run {rollout.image!r} after {human_seconds(anyio.current_time() - began)}: "
        + (job.client.http.outage or last),
        hint=hint,
    )


def _failure(job: Job, app: App) -> str:
    reason = job.client.http.redact(app.error or app.message)
    quote = f': "{reason}"' if reason else ""
    return f"The platform reports that {job.app!r} is {app.status!r}{quote}"
