"""Deletes an app for good. If the app does not exist, the operation succeeds."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

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

Check = Callable[[], Awaitable[str | None]]
"""Looks at the app right before the DELETE, under the lock if the app has one.

Returns what goes with the app, for log and reports: ` with 214 files`; empty if that is not known. None keeps
the app; the log has said why.
"""


async def destroy(job: Job, check: Check | None = None) -> bool:
    """Delete the app. The accepted deletion is the end: who creates the app again waits until it is gone.

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
    elif job.settings.dry_run:
        if (what := await look()) is not None:
            job.preview(f"would destroy app {job.app!r}{what}")
    else:
        async with deletion(job, app) as delete:
            if (what := await look()) is not None:
                await delete()
        if what is not None:
            job.note(f"Destroyed app {job.app!r}{what}")
            job.result.url = None
    return what is not None


def note_app(job: Job, app: App) -> None:
    """Put into the result what the app is before its deletion."""
    job.result.kind = app.kind or "static"
    job.result.previous_image = app.image
    apps.note_url(job, app)


@asynccontextmanager
async def deletion(job: Job, app: App) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A context for the deletion of an app, which yields the function that requests it.

    A static app's lock is held in the block, and ends with the accepted deletion. Another run may delete the
    app at the same time: then a refusal in the block, or of the lock, is no error.

    Raises:
        RequestRejected: when the platform refuses the deletion.
        PlatformUnavailable: when nobody can tell whether the app was deleted.
        LockHeld: when somebody else's lock outlasts `lock-timeout`.
        LockLost: when the lock is lost.
    """
    change = job.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    )
    try:
        async with AsyncExitStack() as stack:
            lock = await _acquire(job, app, stack)

            async def delete() -> None:
                client, write = lock.writing(job.client) if lock else job.shielded_client, change.write()
                try:
                    await client.delete_app(job.app, write=write)
                except PlatformUnavailable:
                    # A second request could delete an app that somebody has created anew since, under a lock
                    # of their own. So one look tells what became of the first.
                    if not (write.lost and await _is_going(job)):
                        raise
                    write.outcome = Outcome.DONE
                if lock:
                    lock.session.end()

            yield delete
    except (RequestRejected, LockHeld, LockLost) as error:
        is_about_app = not isinstance(error, RequestRejected) or error.status in {NOT_FOUND, CONFLICT}
        if not (is_about_app and await _is_going(job)):
            raise
        for write in change.writes:
            if write.outcome is Outcome.UNKNOWN:  # our own deletion has ended the lock
                write.outcome = Outcome.DONE


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


def what_goes(files: int, foreign: int = 0) -> str:
    """What goes with an app: ` with 214 files, 3 of them not ours`; empty without files."""
    theirs = f", {foreign:,} of them not ours" if foreign else ""
    return f" with {human_files(files)}{theirs}" if files else ""


async def _require_intended(job: Job, app: App) -> str:
    """Raise an error if the deletion is not clearly intended. Return what goes with the app."""
    if job.result.kind == "container":
        return ""
    zone, repository = await read_zone(job, app.address), job.ci.repository
    if not job.settings.take_over:
        require_no_doubt(about_destroying(job.app, zone, repository))
    return what_goes(len(zone.files), len(zone.theirs(repository)))
