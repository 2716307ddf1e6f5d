"""Deletes an app for good. If the app does not exist, the operation succeeds."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from zerokie_action.doubts import about_destroying, require_no_doubt
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.lock.lock import DeployLock
from zerokie_action.numbers import human_files
from zerokie_action.operations import apps
from zerokie_action.operations.job import Job
from zerokie_action.operations.site.zone import read_zone
from zerokie_action.outcome import Outcome
from zerokie_action.platform.answers import BAD_REQUEST, CONFLICT, NOT_FOUND
from zerokie_action.platform.models import App
from zerokie_action.report.result import Seen

Check = Callable[[Job, App], Awaitable[str | None]]
"""Looks at the app right before the DELETE, under the lock if the app has one.

Returns what goes with the app, for log and reports: ` with 214 files`; empty if that is not known. None keeps
the app; the log has said why.
"""


async def require_intended(job: Job, app: App) -> str:
    """The check of a `destroy`: an app that may be somebody else's stops the run.

    Raises:
        ConfigurationError: when the app, or a file in it, may be somebody else's.
    """
    if job.result.kind == "container":
        return ""
    zone, repository = await read_zone(job, app.address), job.ci.repository
    if not job.settings.take_over:
        require_no_doubt(about_destroying(job.app, zone, repository))
    return what_goes(len(zone.files), len(zone.theirs(repository)))


def what_goes(files: int, foreign: int = 0) -> str:
    """What goes with an app: ` with 214 files, 3 of them not ours`; empty without files."""
    theirs = f", {foreign:,} of them not ours" if foreign else ""
    return f" with {human_files(files)}{theirs}" if files else ""


async def destroy(job: Job, check: Check = require_intended) -> bool:
    """Delete the app. The accepted deletion is the end: who creates the app again waits until it is gone.

    Returns:
        Whether the app is gone, or is going; after a dry run, whether it would go.

    Raises:
        DeployError: as `check`, and as `_delete`.
    """
    app = await job.client.find_app(job.app)
    if app is None:
        job.note(f"App {job.app!r} does not exist: nothing to destroy")
        job.result.seen = Seen.ABSENT
        return True
    job.result.kind = app.kind or "static"
    job.result.previous_image = app.image
    apps.note_url(job, app)
    if app.is_being_deleted:
        job.note(f"App {job.app!r} is being deleted already")
        return True
    if job.settings.dry_run:
        what = await check(job, app)
        if what is not None:
            job.preview(f"would destroy app {job.app!r}{what}")
        return what is not None
    what = await _delete(job, app, check)
    if what is not None:
        job.note(f"Destroyed app {job.app!r}{what}")
        job.result.url = None
    return what is not None


async def _delete(job: Job, app: App, check: Check) -> str | None:
    """Check the app and delete it, under its lock if it has one. Returns what `check` returns.

    Raises:
        RequestRejected: when the platform refuses the deletion.
        PlatformUnavailable: when nobody can tell whether the app was deleted.
        LockHeld: when somebody else's lock outlasts `lock-timeout`.
        LockLost: when the lock is lost.
    """
    write = job.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    ).write()
    what: str | None = ""
    try:
        async with AsyncExitStack() as stack:
            lock = await _acquire(job, app, stack)
            what = await check(job, app)
            if what is not None:
                client = lock.writing(job.client) if lock else job.shielded_client
                await client.delete_app(job.app, write=write)
                if lock:
                    lock.session.end()  # with its app
    except (RequestRejected, PlatformUnavailable, LockHeld, LockLost) as error:
        # Another run may have deleted the app, or our own request, though its answer was lost. A second
        # request could delete an app that somebody has created anew since, so one look tells.
        is_about_app = isinstance(error, LockHeld | LockLost) or (
            isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
        )
        if not ((write.may_come_late or is_about_app) and await _is_going(job)):
            raise
        if write.may_come_late:
            write.outcome = Outcome.DONE
    return what


async def _acquire(job: Job, app: App, stack: AsyncExitStack) -> DeployLock | None:
    """Acquire the lock of a static app; None for a container app, which has none.

    If the platform refuses a lock to an app of unknown kind, the app is a container app.
    """
    if app.kind == "container":
        return None
    try:
        return await stack.enter_async_context(job.deploy_lock())
    except RequestRejected as error:
        if not app.can_be("container") or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
    job.result.kind = "container"
    return None


async def _is_going(job: Job) -> bool:
    """Whether the app is gone or is being deleted; False if nobody answers."""
    with suppress(DeployError):
        app = await job.client.find_app(job.app)
        return app is None or app.is_being_deleted
    return False
