"""Asking the platform to run an image, and what is known of the app from that moment on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zerokie_action.errors import DeployError, DeployFailed, RequestRejected
from zerokie_action.lock.lock import LockWait
from zerokie_action.operations import apps
from zerokie_action.platform.client import NOT_FOUND, DeployInProgress
from zerokie_action.platform.models import App, Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zerokie_action.operations.job import Job

_LAST_LOOK = 2.0
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
    while isinstance(
        accepted := await job.client.deploy(before, job.app, rollout.requested, login), DeployInProgress
    ):
        try:
            await wait.pause(accepted.retry_after)
        finally:
            job.result.lock_wait_seconds = waited_before + wait.waited
        before = rollout.before = rollout.seen = await job.client.get_app(job.app)
        check(before)
    apps.note(job, accepted)
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
async def telling_what_is_left(job: Job, rollout: Rollout) -> AsyncIterator[None]:
    """When the block fails or is cancelled, the result says which image the app was left with."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, RequestRejected) and error.status == NOT_FOUND:
            rollout.seen = None
        elif rollout.accepted is None and (not isinstance(error, DeployError) or error.ambiguous):
            rollout.seen = await _look(job)
        job.result.final_state = what_is_left(job, rollout)
        raise


def what_is_left(job: Job, rollout: Rollout) -> str:
    """Which image the app has, as far as is known, as the end of a sentence."""
    if rollout.seen is None:
        return f"app {job.app!r} does not exist"
    image = rollout.seen.image or (rollout.image if rollout.accepted else "")
    if not image:
        return f"it is not known which image {job.app!r} was left with"
    return f"{job.app!r} was left with {image!r}"


async def _look(job: Job) -> App | None:
    """The app now. One without an image when there is no answer in time."""
    with job.shutdown.shielded_scope(_LAST_LOOK, grace=_LAST_LOOK):
        try:
            return await job.platform.urgent.find_app(job.app)
        except DeployError:
            pass
    return App()
