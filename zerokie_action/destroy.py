"""Deletes an app for good. If the app does not exist, the operation succeeds."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from enum import Enum

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Outcome, Write
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.answers import BAD_REQUEST, CONFLICT, NOT_ALLOWED, NOT_FOUND
from zerokie_action.platform.models import App
from zerokie_action.report.report import Seen
from zerokie_action.site.read import read_remote
from zerokie_action.site.safety_checks import about_destroying, about_kind, require_no_doubt
from zerokie_action.text.numbers import human_files


class Kind(Enum):
    """The kind of an app, as far as the platform shows it.

    Attributes:
        EMPTY: a static app without files. If the platform refuses its lock, the kind is unknown.
        UNKNOWN: a container app, or a static app whose files can't be checked.
    """

    CONTAINER = "container"
    STATIC = "static"
    EMPTY = "empty"
    UNKNOWN = "unknown"

    @property
    def reported(self) -> str | None:
        """The output `kind`; None if it is unknown."""
        return {Kind.EMPTY: "static", Kind.UNKNOWN: None}.get(self, self.value)


Check = Callable[[Job, App, Kind], Awaitable[str | None]]
"""Checks the app right before the DELETE, a static app under its lock.

Returns the files that are deleted with the app, for log and reports: ` with 214 files`; empty if the number
is unknown. None keeps the app; the log has said why.
"""


async def require_intended(job: Job, app: App, kind: Kind) -> str:
    """The check of a `destroy`: an app that may have another owner stops the run.

    Raises:
        ConfigurationError: when the app may belong to another repository, or may have unmanaged files.
    """
    must_check = not job.settings.take_over
    if kind in {Kind.CONTAINER, Kind.UNKNOWN}:
        require_no_doubt(about_kind(job.app) if kind is Kind.UNKNOWN and must_check else None)
        return ""
    remote = await read_remote(job, app.address)
    require_no_doubt(about_destroying(job.app, remote, job.ci.repository) if must_check else None)
    files, unmanaged = with_files(len(remote.files)), len(remote.unmanaged(remote.files))
    if unmanaged and remote.managed is None:
        return f"{files}, any of which may be unmanaged"
    return f"{files}, {unmanaged:,} of them unmanaged" if unmanaged else files


def with_files(files: int) -> str:
    """The files that are deleted with an app: ` with 214 files`; empty without files."""
    return f" with {human_files(files)}" if files else ""


async def destroy(job: Job, check: Check = require_intended) -> bool:
    """Delete the app. The accepted deletion is the end of the run.

    Returns:
        Whether the app is gone or is being deleted; after a dry run, whether a run would delete the app.

    Raises:
        DeployError: as `find_kind`, `check` and `_delete`.
    """
    app = await job.client.find_app(job.app)
    if app is None:
        job.note(f"App {job.app!r} does not exist: nothing to destroy")
        job.result.seen = Seen.ABSENT
        return True
    job.result.previous_image = app.image
    apps.note_url(job, app)
    if app.is_being_deleted:
        job.result.kind = app.kind or None
        job.note(f"App {job.app!r} is being deleted already")
        return True
    kind = await find_kind(job, app)
    job.result.kind = kind.reported
    if job.settings.dry_run:
        what = await check(job, app, kind)
        if what is not None:
            job.preview(f"would destroy app {job.app!r}{what}")
        return what is not None
    what = await _delete(job, app, kind, check)
    if what is not None:
        job.note(f"Destroyed app {job.app!r}{what}")
        job.result.url = None
    return what is not None


async def find_kind(job: Job, app: App) -> Kind:
    """Find out the kind of an app. A container app has no owner to check, so only clear signs prove it.

    Raises:
        DeployError: when the kind depends on the file list, and the list can't be read.
    """
    if app.type in {"container", "static"}:
        return Kind(app.type)
    try:
        files = await job.client.list_files(job.app)
    except RequestRejected as error:
        if error.status not in {BAD_REQUEST, NOT_FOUND, NOT_ALLOWED}:
            raise
        return Kind.CONTAINER if app.image else Kind.UNKNOWN
    if files:
        return Kind.STATIC
    return Kind.CONTAINER if app.image else Kind.EMPTY


async def _delete(job: Job, app: App, kind: Kind, check: Check) -> str | None:
    """Check the app and delete it, a static app under its lock. Return what `check` returns.

    Raises:
        RequestRejected: when the platform refuses the lock or the deletion.
        PlatformUnavailable: when nobody can tell whether the app was deleted.
        LockHeld: when another run's lock outlasts `lock-timeout`.
        LockLost: when the lock is lost.
    """
    write = job.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    ).write()
    what: str | None = None
    try:
        async with AsyncExitStack() as stack:
            kind, lock = await _acquire(job, kind, stack)
            job.result.kind = kind.reported
            if kind is Kind.UNKNOWN and await _is_gone(job):  # so the platform answered 404 everywhere
                return ""
            what = await check(job, app, kind)
            if what is not None:
                await _send(job, lock, write)
    except (RequestRejected, LockHeld, LockLost) as error:
        # Another run may have deleted the app. After a refused DELETE, `_send` has looked.
        has_looked = isinstance(error, RequestRejected) and what is not None
        if has_looked or not await _is_gone_after(error, job, write, is_sent=write.may_come_late):
            raise
        return what or ""
    return what


async def _acquire(job: Job, kind: Kind, stack: AsyncExitStack) -> tuple[Kind, DeployLock | None]:
    """Acquire the lock of a static app. Return the kind, which a refused lock makes unknown, and the lock."""
    if kind in {Kind.CONTAINER, Kind.UNKNOWN}:
        return kind, None
    try:
        return kind, await stack.enter_async_context(job.deploy_lock())
    except RequestRejected as error:
        if kind is Kind.STATIC or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        return Kind.UNKNOWN, None


async def _send(job: Job, lock: DeployLock | None, write: Write) -> None:
    """Send the DELETE. If it is refused or its response is lost, one GET decides.

    A second DELETE could delete an app that somebody has created since.
    """
    client = lock.writing(job.client) if lock else job.shielded_client
    try:
        await client.delete_app(job.app, write=write)
    except (RequestRejected, PlatformUnavailable) as error:
        if not await _is_gone_after(error, job, write, is_sent=True):
            raise
    if lock:
        lock.session.end()  # with its app


async def _is_gone_after(error: DeployError, job: Job, write: Write, *, is_sent: bool) -> bool:
    """Whether the error has no effect, because the app is gone or is being deleted."""
    is_about_app = isinstance(error, LockHeld | LockLost) or (
        isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
    )
    if not (write.may_come_late or is_about_app) or not await _is_gone(job, is_sent=is_sent):
        return False
    if write.may_come_late:
        write.outcome = Outcome.DONE
    return True


async def _is_gone(job: Job, *, is_sent: bool = False) -> bool:
    """Whether the app is gone or is being deleted; False if the platform doesn't answer.

    Args:
        job: the run.
        is_sent: whether the run sent its DELETE. Only then do `deleted` and similar statuses mean a deletion.
    """
    with suppress(DeployError):
        app = await job.client.find_app(job.app)
        return app is None or (app.is_being_deleted_or_gone if is_sent else app.is_being_deleted)
    return False
