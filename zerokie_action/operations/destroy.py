"""Deleting an app, for good. What is gone already counts as destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError
from zerokie_action.operations import apps

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job


async def destroy(job: Job) -> None:
    """Delete the app. Needs no checkout.

    Raises:
        ConfigurationError: when the name looks cut off; then nothing is asked of the platform.
    """
    _refuse_half_a_name(job.app)
    apps.warn_of_inputs_for_deploys(job)
    with job.phase("Look up"):
        app = await job.client.find_app(job.app)
    if app is None:
        job.ci.info(f"App {job.app!r} does not exist; nothing to destroy")
        job.result.notes.append(f"App {job.app!r} did not exist (any more).")
        return
    job.result.kind = app.kind
    job.result.previous_image = app.image
    job.result.url = app.url
    if job.settings.dry_run:
        job.plan(f"would destroy app {job.app!r}")
        return
    with job.phase("Destroy"):
        found = await job.client.delete_app(job.app)
    job.result.url = None
    by = "" if found else " (it was already being deleted)"
    job.ci.info(f"Destroyed app {job.app!r}{by}")


def _refuse_half_a_name(app: str) -> None:
    # `site-pr-${{ github.event.number }}` outside of a pull request; host names can't end like this anyway.
    if app != app.strip("-_."):
        raise ConfigurationError(
            f"`app`: {app!r} looks cut off, so it is not destroyed",
            hint="A variable in the name may be empty in this run; check how the workflow sets it.",
        )
