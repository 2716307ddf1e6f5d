"""Deletes an app for good. If the app does not exist, the operation succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.doubts import another_repository, require_none
from zerokie_action.errors import LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.files.manifest import find_manifests
from zerokie_action.operations.zone import list_zone
from zerokie_action.platform.answers import BAD_REQUEST, NOT_FOUND

if TYPE_CHECKING:
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App


_HINT = "Run the job again. If it fails again, check `api-url` and proxies."


async def destroy(job: Job) -> None:
    """Delete the app. A static app is deleted while this run holds its deploy lock.

    Raises:
        ConfigurationError: when the app belongs to another repository.
    """
    with job.phase("Look up"):
        app = await job.client.find_app(job.app)
    if app is None:
        # A gateway may have sent the 404. So the platform's list has to lack the app as well.
        if any(listed.name == job.app for listed in await job.client.list_apps()):
            raise PlatformUnavailable(
                f"The platform lists app {job.app!r}, but answers 404 when asked for it", hint=_HINT
            )
        job.note(f"App {job.app!r} does not exist: nothing to destroy")
        return
    job.result.kind = app.kind or "static"
    job.result.previous_image = app.image
    job.result.url = app.address
    if job.settings.dry_run:
        if app.kind != "container":
            await _require_ownership(job)
        job.preview(f"would destroy app {job.app!r}")
        return
    if app.kind == "container":
        await _delete(job)
    else:
        await _destroy_static(job, app)
    job.ci.info(f"Destroyed app {job.app!r}")
    job.result.url = None


async def _destroy_static(job: Job, app: App) -> None:
    """Delete a static app under its lock.

    If the platform refuses a lock to an app of unknown kind, the app is deleted as a container app.
    """
    is_locked = False
    try:
        async with job.deploy_lock() as lock:
            is_locked = True
            await _require_ownership(job)
            await _delete(job, lock)
            lock.end()
    except RequestRejected as error:
        if is_locked or not app.can_be("container") or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        job.result.kind = "container"
        await _delete(job)
    except LockLost:
        # The deletion takes the lock along. If its answer is lost, a heartbeat may find neither.
        if not any(change.may_be_made for change in job.changes) or await job.client.find_app(job.app):
            raise
        for change in job.changes:
            change.seen = change.done


async def _delete(job: Job, lock: DeployLock | None = None) -> None:
    """Delete the app. With a lock, each attempt first checks that the lock is held."""
    change = job.change(
        "delete",
        done=f"app {job.app!r} was deleted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    )
    client = job.shielded_client
    with job.phase("Destroy"):
        client = lock.writing(client) if lock else client
        is_found = await client.delete_app(job.app, write=change.write())
        if not is_found and await job.client.find_app(job.app):
            raise RequestRejected(
                f"Deleting app {job.app!r} was answered with 404, but the app is still there",
                status=NOT_FOUND,
                hint=_HINT,
            )


async def _require_ownership(job: Job) -> None:
    files, _ = await list_zone(job)
    manifests = find_manifests(files)
    doubt = another_repository(job.app, manifests[-1] if manifests else None, job.ci.repository)
    if doubt and not job.settings.take_over:
        require_none([doubt])
