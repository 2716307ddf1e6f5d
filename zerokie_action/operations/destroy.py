"""Deleting an app, for good. What is gone already counts as destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job


async def destroy(job: Job) -> None:
    """Delete the app."""
    app = await job.client.find_app(job.app)
    if app is None:
        job.ci.info(f"App {job.app!r} does not exist; nothing to destroy")
        job.result.notes.append(f"App {job.app!r} did not exist (any more).")
        return
    job.result.kind = app.kind
    job.result.previous_image = app.image
    job.result.url = app.url
    if job.settings.dry_run:
        job.ci.info(f"Plan: would destroy app {job.app!r}")
        job.result.notes.append(f"Dry run: would destroy app {job.app!r}.")
        return
    with job.phase("Destroy"):
        await job.client.delete_app(job.app)
    job.result.url = None
    job.ci.info(f"Destroyed app {job.app!r}")
