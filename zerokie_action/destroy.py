"""Deletes an app permanently. A missing app is a success."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from enum import Enum

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import App
from zerokie_action.platform.responses import BAD_REQUEST, CONFLICT, NOT_ALLOWED, NOT_FOUND
from zerokie_action.report.headlines import Headline
from zerokie_action.site.read import read_remote
from zerokie_action.site.safety_checks import problem_with_kind, raise_stops, why_not_destroy
from zerokie_action.text.numbers import human_files


class Kind(Enum):
    """The kind of an app, if the platform shows it.

    Attributes:
        EMPTY: a static app without files. If the platform refuses the lock, the kind is unknown.
        UNKNOWN: a container app, or a static app with files that can't be checked.
    """

    CONTAINER = "container"
    STATIC = "static"
    EMPTY = "empty"
    UNKNOWN = "unknown"

    @property
    def reported(self) -> str | None:
        """The value of `kind` in the JSON result. None for an unknown kind."""
        return {Kind.EMPTY: "static", Kind.UNKNOWN: None}.get(self, self.value)


Approve = Callable[[Job, App, Kind], Awaitable[str | None]]
"""Checks the app right before the DELETE. A static app is checked under its lock.

Returns the app's files for log and reports, such as ` with 214 files`, or an empty text if their number is
unknown. Returns None to keep the app, after it has logged the reason.
"""


async def require_intended(job: Job, app: App, kind: Kind) -> str:
    """Approve a `destroy`, unless the app may have another owner.

    Raises:
        ConfigurationError: when the app may belong to another repository, or may have unmanaged files.
    """
    must_check = not job.settings.take_over
    if kind in {Kind.CONTAINER, Kind.UNKNOWN}:
        raise_stops(problem_with_kind(job.app) if kind is Kind.UNKNOWN and must_check else None)
        return ""
    remote = await read_remote(job, app.address)
    raise_stops(why_not_destroy(job.app, remote, job.ci.repository) if must_check else None)
    files, unmanaged = with_files(len(remote.files)), len(remote.unmanaged(remote.files))
    if unmanaged and remote.managed is None:
        return f"{files}, any of which may be unmanaged"
    return f"{files}, {unmanaged:,} of them unmanaged" if unmanaged else files


def with_files(files: int) -> str:
    """Return an app's files for log and reports: ` with 214 files`. Empty without files."""
    return f" with {human_files(files)}" if files else ""


async def destroy(job: Job, approve: Approve = require_intended) -> bool:
    """Delete the app. The run ends with the accepted DELETE.

    Returns:
        True if the app is gone or is being deleted. After a dry run, True if a run would delete the app.

    Raises:
        DeployError: as `find_kind`, `approve` and `_delete`.
    """
    app = await job.client.find_app(job.app)
    if app is None:
        job.report.note(f"App {job.app!r} doesn't exist, so there is nothing to delete")
        job.report.headline = Headline.ABSENT
        return True
    job.report.previous_image = app.image
    apps.note_url(job, app)
    if app.is_being_deleted:
        job.report.kind = app.kind or None
        job.report.note(f"App {job.app!r} is already being deleted")
        return True
    kind = await find_kind(job, app)
    job.report.kind = kind.reported
    is_dry = job.settings.dry_run
    what = await (approve(job, app, kind) if is_dry else _delete(job, app, kind, approve))
    if what is None:
        return False
    if is_dry:
        job.report.plan(f"would delete app {job.app!r}{what}")
    else:
        has_deleted = any(change.may_be_made for change in job.report.changes)
        gone = f"App {job.app!r} is already deleted or being deleted"
        job.report.note(f"Deleted app {job.app!r}{what}" if has_deleted else gone)
        job.report.url = None
    return True


async def find_kind(job: Job, app: App) -> Kind:
    """Return the kind of an app. A container app has no owner to check, so it needs clear evidence.

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


async def _delete(job: Job, app: App, kind: Kind, approve: Approve) -> str | None:
    """Delete the app if `approve` allows it, a static app under its lock. Return the result of `approve`.

    Raises:
        RequestRejected: when the platform refuses the lock or the deletion.
        PlatformUnavailable: when the app may or may not be deleted.
        LockHeld: when another run's lock outlasts `lock-timeout`.
        LockLost: when the lock is lost.
    """
    delivery = job.report.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    ).request()
    what: str | None = ""
    try:
        async with AsyncExitStack() as stack:
            kind, lock = await _acquire(job, kind, stack)
            job.report.kind = kind.reported
            # If the app is gone, the platform responded with 404 to every request.
            if kind is Kind.UNKNOWN and await _is_gone(job):
                return ""
            what = await approve(job, app, kind)
            if what is not None:
                await _send(job, lock, delivery)
    except (RequestRejected, LockHeld, LockLost) as error:
        # Another run may have deleted the app. After a refused DELETE, `_send` already checked that.
        has_looked = isinstance(error, RequestRejected) and delivery.was_attempted
        if has_looked or not await _is_gone_after(error, job, delivery, is_sent=delivery.may_come_late):
            raise
    return what


async def _acquire(job: Job, kind: Kind, stack: AsyncExitStack) -> tuple[Kind, DeployLock | None]:
    """Acquire the lock of a static app. Return the kind and the lock.

    If the platform refuses the lock of an empty app, the kind is unknown.
    """
    if kind in {Kind.CONTAINER, Kind.UNKNOWN}:
        return kind, None
    try:
        return kind, await stack.enter_async_context(job.deploy_lock())
    except RequestRejected as error:
        if kind is Kind.STATIC or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        return Kind.UNKNOWN, None


async def _send(job: Job, lock: DeployLock | None, delivery: Delivery) -> None:
    """Send the DELETE. After a 404, a 409 or a lost response, one GET decides.

    A second DELETE could delete a new app of the same name.
    """
    client = lock.writing(job.client) if lock else job.shielded_client
    try:
        await client.tracked(delivery).delete_app(job.app)
    except (RequestRejected, PlatformUnavailable) as error:
        if not await _is_gone_after(error, job, delivery, is_sent=True):
            raise
    if lock:
        lock.end()  # the lock was deleted with its app


async def _is_gone_after(error: DeployError, job: Job, delivery: Delivery, *, is_sent: bool) -> bool:
    """Return whether the error doesn't matter, because the app is gone or is being deleted."""
    is_about_app = isinstance(error, LockHeld | LockLost) or (
        isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
    )
    if not (delivery.may_come_late or is_about_app) or not await _is_gone(job, is_sent=is_sent):
        return False
    if delivery.may_come_late:
        delivery.outcome = Outcome.DONE
    return True


async def _is_gone(job: Job, *, is_sent: bool = False) -> bool:
    """Return whether the app is gone or is being deleted. False if the platform doesn't respond.

    Args:
        job: the run.
        is_sent: whether the run sent its DELETE. Only then do `deleted` and similar statuses mean a deletion.
    """
    with suppress(DeployError):
        app = await job.client.find_app(job.app)
        return app is None or (app.is_being_deleted_or_gone if is_sent else app.is_being_deleted)
    return False
