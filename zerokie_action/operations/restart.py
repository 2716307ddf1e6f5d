"""Restarting a container app: the platform re-pulls the current image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError
from zerokie_action.operations import apps
from zerokie_action.operations.image import request_deploy
from zerokie_action.operations.wait import until_running

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job


async def restart(job: Job) -> None:
    """Re-pull and restart the current image."""
    job.result.kind = "container"
    before = await job.client.get_app(job.app)
    apps.note(job, before)
    if before.kind == "static":
        raise ConfigurationError(f"App {job.app!r} is a static app; only container apps can be restarted")
    job.result.image = job.result.previous_image = before.image
    if job.settings.dry_run:
        job.ci.info(f"Plan: would restart {before.image!r}")
        job.result.notes.append(f"Dry run: would restart {before.image!r}.")
        return
    await request_deploy(job, before, None)
    job.result.deploy_id = job.session
    if job.settings.wait:
        await until_running(job, before.image, before)
