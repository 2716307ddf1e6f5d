"""Deploying a container image: create or deploy, wait until it runs, roll back when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed
from zerokie_action.operations import apps
from zerokie_action.operations.health import preview_health_check
from zerokie_action.operations.rollback import roll_back
from zerokie_action.operations.rollout import (
    Rollout,
    recording_final_state,
    registry,
    request_deploy,
    wait_and_check,
)

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App


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
        _preview(job, image, before)
        return
    rollout = Rollout(image, before)
    try:
        with job.time_limit():
            async with recording_final_state(job, rollout):
                await _roll_out(job, rollout)
    except (DeployFailed, DeployTimedOut, HealthCheckFailed) as failure:
        if job.settings.rollback:
            await roll_back(job, rollout, failure)
        raise


async def _roll_out(job: Job, rollout: Rollout) -> None:
    """Deploy the image, and wait until it runs and answers."""
    with job.phase("Deploy"):
        if rollout.before is None:
            await _create(job, rollout)
        else:
            await request_deploy(job, rollout, rollout.before)
            job.result.previous_image = rollout.previous
            job.ci.info(f"Deploying {rollout.image!r} (was {rollout.previous!r})")
    # The endpoint returns no deploy ID: the run's own session names this deploy.
    job.result.deploy_id = job.session
    await wait_and_check(job, rollout)


async def _create(job: Job, rollout: Rollout) -> None:
    settings = job.settings
    request = job.client.guarded(job.shutdown.shielded_request).create_container(
        job.app,
        rollout.image,
        port=settings.port,
        cpu=settings.cpu,
        memory=settings.memory,
        env=settings.env,
        registry=registry(job),
    )
    with rollout.asking():
        rollout.accepted = await apps.create(job, request)
    job.ci.info(f"Created container app {job.app!r} with {rollout.image!r}")


def _preview(job: Job, image: str, before: App | None) -> None:
    if before is None:
        job.preview(f"would create container app {job.app!r} with {image!r}")
    else:
        job.preview(f"would deploy {image!r} in place of {before.image!r}")
    preview_health_check(job)
