"""Deletes an app for good. If the app does not exist, the operation succeeds."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio

from zerokie_action.doubts import about_destroying, require_no_doubt
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.operations import apps
from zerokie_action.operations.job import Job
from zerokie_action.operations.zone import read_zone
from zerokie_action.platform.answers import BAD_REQUEST, NOT_FOUND
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import App
from zerokie_action.report.result import Seen
from zerokie_action.text import human_files

_HINT = "Run the job again. If it fails again, check `api-url` and proxies."
_LOOK_TIME = 10.0
"""Seconds for a look at the app after its deletion failed."""

Check = Callable[[], Awaitable[str | None]]
"""Looks at the app right before the DELETE, under the lock if the app has one.

Returns what goes with the app, for log and reports: ` with 214 files`; empty if that is not known. None keeps
the app; the log has said why.
"""


async def destroy(job: Job, check: Check | None = None) -> bool:
    """Delete the app, and wait until it is gone. A static app is deleted under its deploy lock.

    Args:
        job: the run.
        check: whether the app goes. Without it, an app that may be somebody else's stops the run, and the end
            of the deletion is waited for.

    Returns:
        Whether the app is gone, or is going; after a dry run, whether it would go.

    Raises:
        ConfigurationError: when the app, or a file in it, may be somebody else's.
    """
    app = await job.client.find_app(job.app)
    if app is None:
        job.note(f"App {job.app!r} does not exist: nothing to destroy")
        job.result.seen = Seen.ABSENT
        return True
    note_app(job, app)
    look = check or partial(_require_intended, job, app)
    what: str | None = ""
    if app.is_being_deleted:
        job.note(f"App {job.app!r} is being deleted already")
    elif not job.settings.dry_run:
        what = await delete(job, app, look)
    elif (what := await look()) is not None:
        job.preview(f"would destroy app {job.app!r}{what}")
    if job.settings.dry_run or what is None:
        return what is not None
    left = None if check else await apps.wait_until_gone(job, app)
    job.result.url = None
    if left is None:
        job.note(f"Destroyed app {job.app!r}{what}")
    else:
        job.warn(
            f"The platform accepted the deletion of app {job.app!r}, and still shows it, with the status "
            f"{apps.shown_status(job, left)}: the deletion takes longer, or somebody has created it again"
        )
    return True


def note_app(job: Job, app: App) -> None:
    """Put into the result what the app is before its deletion."""
    job.result.kind = app.kind or "static"
    job.result.previous_image = app.image
    apps.note_url(job, app)


async def delete(job: Job, app: App, check: Check) -> str | None:
    """Delete the app, and return what `check` returned.

    Another run may delete the app at the same time, and the deletion takes the lock along.
    """
    change = job.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    )

    async def request_deletion(client: Client) -> str | None:
        what = await check()
        if what is not None and not await client.delete_app(job.app, write=change.write()):
            raise RequestRejected(
                f"Deleting app {job.app!r} was answered with 404, but the app is still there",
                status=NOT_FOUND,
                hint=_HINT,
            )
        return what

    try:
        if app.kind == "container":
            return await request_deletion(job.shielded_client)
        return await _delete_static(job, app, request_deletion)
    except (RequestRejected, PlatformUnavailable, LockHeld, LockLost):  # after a doubt, nothing was sent
        with anyio.move_on_after(_LOOK_TIME), suppress(DeployError):
            left = await job.client.find_app(job.app)
            if left is None or left.is_being_deleted:
                change.seen = change.done
                return ""
        raise


async def _delete_static(
    job: Job, app: App, request_deletion: Callable[[Client], Awaitable[str | None]]
) -> str | None:
    """Delete a static app under its lock, which ends with the accepted deletion.

    If the platform refuses a lock to an app of unknown kind, the app is deleted as a container app.
    """
    is_locked = False
    try:
        async with job.deploy_lock() as lock:
            is_locked = True
            what = await request_deletion(lock.writing(job.client))
            if what is not None:
                lock.session.end()
            return what
    except RequestRejected as error:
        if is_locked or not app.can_be("container") or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        job.result.kind = "container"
        return await request_deletion(job.shielded_client)


def what_goes(files: int, foreign: int = 0) -> str:
    """What goes with an app: ` with 214 files, 3 of them not ours`; empty without files."""
    theirs = f", {foreign:,} of them not ours" if foreign else ""
    return f" with {human_files(files)}{theirs}" if files else ""


async def _require_intended(job: Job, app: App) -> str:
    """The `Check` of this operation."""
    if job.result.kind == "container":
        return ""
    zone, repository = await read_zone(job, app.address), job.ci.repository
    if not job.settings.take_over:
        require_no_doubt(about_destroying(job.app, zone, repository))
    return what_goes(len(zone.files), len(zone.theirs(repository)))
