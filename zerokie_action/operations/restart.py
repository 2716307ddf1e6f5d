"""Restarting a container app: the platform re-pulls the current image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.operations import apps
from zerokie_action.operations.health import preview_health_check
from zerokie_action.operations.rollout import Rollout, recording_final_state, request_deploy, wait_and_check

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job

_STATIC = (
    "A static app cannot be restarted: the platform serves what was deployed last. To update it, "
    "deploy the directory again."
)


async def restart(job: Job) -> None:
    """Re-pull and restart the current image."""
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
    rollout = Rollout(None, before)
    async with recording_final_state(job, rollout):
        with job.phase("Restart"):
            await request_deploy(job, rollout, before)
        job.result.deploy_id = job.session
        job.result.image = rollout.image
        job.ci.info(f"Restarting {rollout.image!r}")
        await wait_and_check(job, rollout)
