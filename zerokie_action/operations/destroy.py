"""Deletes an app for good. If the app does not exist, the operation succeeds."""

from contextlib import suppress

import anyio

from zerokie_action.doubts import another_repository, require_confirmed
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.files.manifest import find_manifests
from zerokie_action.files.zone import make_zone
from zerokie_action.operations import apps
from zerokie_action.operations.job import Job
from zerokie_action.operations.zone import list_zone
from zerokie_action.outcome import Change
from zerokie_action.platform.answers import BAD_REQUEST, NOT_FOUND
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import App

_HINT = "Run the job again. If it fails again, check `api-url` and proxies."
_LOOK_TIME = 10.0
"""Seconds for a look at the app after its deletion failed."""


async def destroy(job: Job) -> None:
    """Delete the app, and wait until it is gone. A static app is deleted under its deploy lock.

    The wait ends after `wait-timeout` with a warning, because the platform has accepted the deletion.

    Raises:
        ConfigurationError: when the app belongs to another repository.
    """
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
    apps.note_url(job, app)
    if app.is_being_deleted:
        job.note(f"App {job.app!r} is being deleted already")
    elif job.settings.dry_run:
        if app.kind != "container":
            await _require_ownership(job)
        job.preview(f"would destroy app {job.app!r}")
    else:
        await _delete(job, app)
    if job.settings.dry_run:
        return
    left = await apps.wait_until_gone(job, app)
    job.result.url = None
    if left is None:
        job.log.info(f"Destroyed app {job.app!r}")
    else:
        job.warn(
            f"The platform accepted the deletion of app {job.app!r}, and still shows it, with the status "
            f"{apps.shown_status(job, left)}: the deletion takes longer, or somebody has created it again"
        )


async def _delete(job: Job, app: App) -> None:
    """Delete the app. Another run may delete it at the same time, and the deletion takes the lock along."""
    change = job.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    )
    try:
        if app.kind == "container":
            await _request_deletion(job, change, job.shielded_client)
        else:
            await _delete_static(job, app, change)
    except (RequestRejected, PlatformUnavailable, LockHeld, LockLost):  # not a doubt: nothing was sent
        with anyio.move_on_after(_LOOK_TIME), suppress(DeployError):
            left = await job.client.find_app(job.app)
            if left is None or left.is_being_deleted:
                change.seen = change.done
                return
        raise


async def _delete_static(job: Job, app: App, change: Change) -> None:
    """Delete a static app under its lock, which ends with the accepted deletion.

    If the platform refuses a lock to an app of unknown kind, the app is deleted as a container app.
    """
    is_locked = False
    try:
        async with job.deploy_lock() as lock:
            is_locked = True
            await _require_ownership(job)
            await _request_deletion(job, change, lock.writing(job.client))
            lock.end()
    except RequestRejected as error:
        if is_locked or not app.can_be("container") or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        job.result.kind = "container"
        await _request_deletion(job, change, job.shielded_client)


async def _request_deletion(job: Job, change: Change, client: Client) -> None:
    if not await client.delete_app(job.app, write=change.write()):
        raise RequestRejected(
            f"Deleting app {job.app!r} was answered with 404, but the app is still there",
            status=NOT_FOUND,
            hint=_HINT,
        )


async def _require_ownership(job: Job) -> None:
    listed, _ = await list_zone(job)
    zone = make_zone(listed, max(find_manifests(listed), default=None), None, job.keep)
    doubt = another_repository(job.app, zone, job.ci.repository)
    require_confirmed(doubt, take_over=job.settings.take_over)
