"""Deleting an app, for good. One that is gone already counts as destroyed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.files.manifest import find_manifests
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.operations.zone import require_ownership
from zerokie_action.platform.client import NOT_FOUND

if TYPE_CHECKING:
    from zerokie_action.http.retry import Guard
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.client import Client

_RECHECK_TIME = 10.0
"""Seconds to find out, after an error, whether the app is gone all the same."""


async def destroy(job: Job) -> None:
    """Delete the app, a static one under its deploy lock. Needs no checkout.

    Raises:
        ConfigurationError: when the app is another repository's.
    """
    with job.phase("Look up"):
        app = await job.client.find_app(job.app)
    if app is None:
        await job.client.list_apps()  # what can't list any is not the platform, and a 404 of it says nothing
        job.note(f"App {job.app!r} does not exist: nothing to destroy")
        return
    job.result.kind = app.kind
    job.result.previous_image = app.image
    job.result.url = app.url
    if job.settings.dry_run:
        if app.kind == "static":
            await _require_ownership(job)
        job.preview(f"would destroy app {job.app!r}")
        return
    if app.kind == "static":
        await _destroy_static(job)
    else:
        with job.phase("Destroy"):
            await _delete(job, job.shutdown.shielded_request)
    job.ci.info(f"Destroyed app {job.app!r}")
    job.result.url = None


async def _destroy_static(job: Job) -> None:
    """Delete the app under its lock, which ends with it."""
    try:
        async with job.deploy_lock() as lock:
            with job.phase("Destroy"):
                await _require_ownership(job)
                await _delete(job, lock.write)
            lock.end()
    except Exception:
        # Whatever went wrong: a heartbeat may have found no app, or the answer was lost.
        with anyio.move_on_after(_RECHECK_TIME), suppress(DeployError):
            if await _is_gone(job.client.retrying(UNTIL_DEADLINE), job.app):
                return
            job.result.final_state = ""  # it was not deleted
        raise


async def _delete(job: Job, guard: Guard) -> None:
    job.result.final_state = f"it is not known whether app {job.app!r} was deleted"
    found = await job.client.guarded(guard).delete_app(job.app)
    if not found and not await _is_gone(job.client, job.app):
        raise RequestRejected(
            f"Deleting app {job.app!r} was answered with 404, but the app is still there",
            status=NOT_FOUND,
            hint="Run it again. If it fails again, check `api-url` and proxies.",
        )
    job.result.final_state = f"app {job.app!r} was deleted"


async def _is_gone(client: Client, name: str) -> bool:
    """Whether the platform lists its apps, and not this one: many servers say 404."""
    return all(app.name != name for app in await client.list_apps())


async def _require_ownership(job: Job) -> None:
    listing = await job.client.list_files(job.app)
    require_ownership(job, find_manifests(file.path for file in listing))
