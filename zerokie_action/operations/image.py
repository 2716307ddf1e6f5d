"""Deploying a container image: create or deploy, watch it come up, go back when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed
from zerokie_action.operations import apps
from zerokie_action.operations.health import preview_health_check
from zerokie_action.operations.rollback import roll_back
from zerokie_action.operations.rollout import Rollout, registry, request_deploy
from zerokie_action.operations.wait import watch

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App


async def deploy_image(job: Job, image: str) -> None:
    """Make the container app run the image."""
    job.result.kind = "container"
    job.result.image = image
    job.result.created = False
    with job.phase("Look up"):
        before = await apps.look_up(job, "container")
    if before is not None:
        job.result.previous_image = before.image
    _warn_of_an_inert_rollback(job)
    if job.settings.dry_run:
        _preview(job, image, before)
        return
    with job.phase("Deploy"):
        rollout = await (_create(job, image) if before is None else _replace(job, before, image))
    # The endpoint returns no deploy ID: the run's own session names this deploy.
    job.result.deploy_id = job.session
    try:
        await watch(job, rollout)
    except (DeployFailed, DeployTimedOut, HealthCheckFailed) as failure:
        if not job.settings.rollback:
            raise
        await roll_back(job, rollout, failure)


async def _replace(job: Job, before: App, image: str) -> Rollout:
    rollout = await request_deploy(job, before, image)
    if rollout.before is not None:
        job.result.previous_image = rollout.before.image
    job.ci.info(f"Deploying {image!r} (was {job.result.previous_image!r})")
    return rollout


async def _create(job: Job, image: str) -> Rollout:
    settings = job.settings
    request = job.client.create_container(
        job.app,
        image,
        port=settings.port,
        cpu=settings.cpu,
        memory=settings.memory,
        env=settings.env,
        registry=registry(job),
    )
    app = await apps.create(job, request)
    job.ci.info(f"Created container app {job.app!r} with {image!r}")
    return Rollout(image, None, app)


def _preview(job: Job, image: str, before: App | None) -> None:
    if before is None:
        job.plan(f"would create container app {job.app!r} with {image!r}")
    else:
        job.plan(f"would deploy {image!r} in place of {before.image!r}")
    preview_health_check(job)


def _warn_of_an_inert_rollback(job: Job) -> None:
    settings = job.settings
    if settings.rollback and not settings.wait and settings.health_check is None:
        job.warn("`rollback` has no effect: without `wait` and `health-check` nobody notices a failure")
