"""Deploying an image to a container app, or restarting the one that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed
from zerokie_action.operations import apps
from zerokie_action.operations.health import check_health, preview_health_check
from zerokie_action.operations.rollout import Rollout, roll_back

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job

_STATIC = (
    "A static app cannot be restarted: the platform serves what was deployed last. To update it, "
    "deploy the directory again."
)


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
