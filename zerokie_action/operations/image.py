"""Deploying a container image: create or deploy, wait, and record what was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.api.models import Registry
from zerokie_action.api.waiting import Turn
from zerokie_action.operations import apps
from zerokie_action.operations.wait import until_running

if TYPE_CHECKING:
    from zerokie_action.api.models import App
    from zerokie_action.operations.job import Job


async def deploy_image(job: Job, image: str) -> None:
    """Make the container app run the image."""
    job.result.kind = "container"
    job.result.image = image
    job.result.created = False
    with job.phase("Look up"):
        before = await apps.look_up(job, "container")
    if before is not None:
        job.result.previous_image = before.image
    if job.settings.dry_run:
        _preview(job, image, before)
        return
    with job.phase("Deploy"):
        await (_create(job, image) if before is None else request_deploy(job, before, image))
    # The endpoint returns no deploy ID: the run's own session names this deploy.
    job.result.deploy_id = job.session
    if job.settings.wait:
        await until_running(job, image, before)
    else:
        job.result.notes.append("`wait` is off: nobody looked whether the app runs.")
        job.ci.info("Not waiting for the app to run (wait: false)")


async def request_deploy(job: Job, before: App, image: str | None) -> None:
    """Ask for a deploy, waiting under `lock-timeout` while another one is in progress.

    Args:
        image: what to deploy; None restarts the current image.
    """
    turn = Turn(job.app, job.settings.lock_timeout, job.ci)
    while (app := await job.client.deploy(before, job.app, image, registry(job) if image else None)) is None:
        await turn.wait()
        job.result.lock_wait_seconds = turn.waited
    apps.note(job, app)
    job.ci.info(f"Deploying {image!r}, before it was {before.image!r}" if image else f"Restarting {before.image!r}")


def registry(job: Job) -> Registry | None:
    """The credentials for a private registry, if given."""
    settings = job.settings
    if settings.registry_server is None or settings.registry_username is None or settings.registry_password is None:
        return None
    return Registry(settings.registry_server, settings.registry_username, settings.registry_password.get_secret_value())


async def _create(job: Job, image: str) -> None:
    settings = job.settings
    app = await job.client.create_container(
        job.app,
        image,
        port=settings.port,
        cpu=settings.cpu,
        memory=settings.memory,
        env=settings.env,
        registry=registry(job),
    )
    apps.note(job, app)
    job.result.created = True
    job.ci.info(f"Created container app {job.app!r} with {image!r}")


def _preview(job: Job, image: str, before: App | None) -> None:
    plan = f"would deploy {image!r}" + (f" in place of {before.image!r}" if before else f" as new app {job.app!r}")
    job.ci.info(f"Plan: {plan}")
    job.result.notes.append(f"Dry run: {plan}.")
