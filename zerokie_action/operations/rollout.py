"""Asking the platform to run an image, and what is known of the app around that moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zerokie_action.lock.waiting import Turn
from zerokie_action.operations import apps
from zerokie_action.platform.client import Busy
from zerokie_action.platform.models import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App


@dataclass(frozen=True, slots=True)
class Rollout:
    """What was asked for, and how to tell it from what was there.

    Attributes:
        image: what the app is to run; empty when a restarted app does not say what it runs.
        before: the app right before; None when this run created it.
        accepted: the app as the platform's answer showed it.
    """

    image: str
    before: App | None
    accepted: App

    def is_ours(self, image: str) -> bool:
        """Whether an app that runs `image` may run what was asked for.

        The platform may write the name in another way (`nginx` as `docker.io/library/nginx:latest`):
        what it called the image when it accepted the deploy counts as well.
        """
        was = self.before.image if self.before else ""
        return image in {self.image, *({self.accepted.image} - {was})}


async def request_deploy(
    job: Job, before: App, image: str | None, *, check: Callable[[App], None] = lambda _app: None
) -> Rollout:
    """Ask for a deploy ("POST /v1/apps/:name/deploy"), waiting while another one is in progress (409).

    Args:
        job: the run.
        before: the app as it is.
        image: what to deploy; None restarts the current image.
        check: given the app before every attempt; what it raises ends the deploy.

    Raises:
        LockHeld: when the other deploy outlasts `lock-timeout`.
    """
    turn = Turn(job.app, job.settings.lock_timeout, job.ci)
    waited_before = job.result.lock_wait_seconds
    login = registry(job)
    check(before)
    while isinstance(accepted := await job.client.deploy(before, job.app, image, login), Busy):
        try:
            await turn.wait(accepted.retry_after)
        finally:
            job.result.lock_wait_seconds = waited_before + turn.waited
        before = await job.client.get_app(job.app)  # the other deploy has changed it
        check(before)
    apps.note(job, accepted)
    return Rollout(image or before.image, before, accepted)


def registry(job: Job) -> Registry | None:
    """The credentials for a private registry, if given."""
    settings = job.settings
    server, user, password = settings.registry_server, settings.registry_username, settings.registry_password
    if server is None or user is None or password is None:
        return None
    return Registry(server, user, password.get_secret_value())
