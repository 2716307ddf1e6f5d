"""Deletes an app permanently. A missing app is a success.

The checks come before the lock of a static app, and again under it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from zerokie_action.app import RunApp, note_kind, note_response
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.job import Job
from zerokie_action.platform.responses import BAD_REQUEST, CONFLICT, NOT_FOUND
from zerokie_action.report.changes import Change
from zerokie_action.site.read import list_files, read_app, read_remote
from zerokie_action.site.remote import Remote
from zerokie_action.site.safety_checks import problem_with_kind, raise_stops, why_not_destroy
from zerokie_action.text.numbers import human_files

Check = Callable[[Job, RunApp, Remote], None]
"""Raises an error if the app must stay, because of its kind or its files."""
Confirm = Callable[[], Awaitable[None]]
"""Raises an error right before the DELETE if the app must stay."""


class _Gone(Exception):  # noqa: N818 - a success, not an error
    """The app was deleted or is being deleted."""


def require_intended(job: Job, app: RunApp, remote: Remote) -> None:
    """Require that the app belongs to this run's repository. A container app shows no owner.

    Raises:
        ConfigurationError: when the app may belong to another repository, or may have unmanaged files.
    """
    if not job.settings.take_over:
        stop = why_not_destroy(job.app, remote, job.ci.repository)
        raise_stops(problem_with_kind(job.app) if not app.kind else stop)


async def destroy(
    job: Job, check: Check = require_intended, confirm: Confirm | None = None, reason: str = ""
) -> None:
    """Delete the app. The run ends with the accepted DELETE.

    Args:
        job: the run.
        check: called before the lock, and again under it.
        confirm: called once, right before the DELETE.
        reason: the reason for the deletion, as the end of a sentence, such as `: pull request #1 is closed`.

    Raises:
        DeployError: as `read_app`, `check`, `confirm` and `_delete`.
    """
    report, is_dry = job.report, job.settings.dry_run
    app, shown = RunApp(job.app), await job.client.find_app(job.app)
    if shown is None:
        report.note(f"App {job.app!r} doesn't exist, so there is nothing to delete")
        return
    report.previous_image = job.redactor.redact(shown.image)
    note_response(job, app, shown)
    try:
        remote = await _read(job, app)
        # The deploy that is in progress may change the app, so only the lock makes a stop final.
        if is_dry or not remote.is_unfinished:
            await _check(job, app, remote, check)
        if app.kind != "static" and not reason:
            report.note(f"No owner is recorded for {app.name!r}, so only the name in `app` protects it")
        if is_dry:
            report.plan(f"would delete app {job.app!r}{_image_and_url(job, app)}{_files(remote)}{reason}")
            return
        remote = await _delete(job, app, remote, check, confirm)
        report.note(f"Deleted app {job.app!r}{_files(remote)}{reason}")
    except _Gone:
        report.note(f"App {job.app!r} is already deleted or being deleted")
    report.url = None


async def _read(job: Job, app: RunApp) -> Remote:
    """Return the app's files, unless the app is being deleted."""
    if app.shown.is_being_deleted:
        raise _Gone
    return await read_app(job, app)


async def _check(job: Job, app: RunApp, remote: Remote, check: Check) -> None:
    """Call the check, unless the app is gone. Every request for a missing app is a 404."""
    if (not app.kind or remote.listed.not_found) and await _is_gone(job):
        job.lock.end()
        raise _Gone
    check(job, app, remote)


def _image_and_url(job: Job, app: RunApp) -> str:
    """Return a container app's image and URL for the plan, because no safety check protects the app."""
    if app.kind == "static":
        return ""
    image = job.redactor.redact(app.shown.image)
    return (f" with image {image!r}" if image else "") + (f" ({app.url})" if app.url else "")


def _files(remote: Remote) -> str:
    """Return an app's files for log and reports: ` with 214 files`. Empty without files."""
    unmanaged = len(remote.unmanaged(remote.files))
    files = f" with {human_files(len(remote.files))}" if remote.files else ""
    if unmanaged and remote.managed is None:
        return f"{files}, any of which may be unmanaged"
    return f"{files}, {unmanaged:,} of them unmanaged" if unmanaged else files


async def _delete(job: Job, app: RunApp, remote: Remote, check: Check, confirm: Confirm | None) -> Remote:
    """Delete the app, a static app under its lock. Return its files at that time.

    Raises:
        _Gone: when something else deleted the app.
        RequestRejected: when the platform refuses the lock or the deletion.
        PlatformUnavailable: when the app may or may not be deleted.
        LockHeld: when another run's lock outlasts `lock-timeout`.
        LockLost: when the lock is lost.
    """
    done = f"the deletion of app {job.app!r} was accepted"
    change = job.report.add(Change(done, f"it is not known whether app {job.app!r} was deleted"))
    delivery = change.new_delivery()
    try:
        async with AsyncExitStack() as stack:
            is_locked, remote = await _acquire(job, app, remote, stack)
            await _check(job, app, remote, check)
            if confirm:
                await confirm()
            await _send(job, delivery, is_locked=is_locked)
    except (LockHeld, LockLost):
        # Another run may have deleted the app with its lock.
        if not await _is_gone(job, delivery):
            raise
        job.lock.end()
    if not change.may_be_made:
        raise _Gone
    return remote


async def _acquire(job: Job, app: RunApp, remote: Remote, stack: AsyncExitStack) -> tuple[bool, Remote]:
    """Acquire the lock of a static app. Return whether the run holds it, and the app's files.

    The kind becomes unknown, without a lock, if the platform refuses the lock and only an empty file list
    shows that the app is static.
    """
    if app.kind != "static":
        return False, remote
    try:
        await stack.enter_async_context(job.lock.hold())
    except RequestRejected as error:
        if await _is_gone(job):
            raise _Gone from error
        is_certain = app.shown.type == "static" or remote.listed.files
        if is_certain or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        note_kind(job, app, "")
        return False, remote
    listed = await list_files(job)
    if listed != remote.listed or listed.not_found:
        remote = await read_remote(job, app, listed)
    return True, remote


async def _send(job: Job, delivery: Delivery, *, is_locked: bool) -> None:
    """Send the DELETE. After a 404, a 409 or a lost response, one GET decides.

    A second DELETE could delete a new app of the same name.
    """
    client = job.lock.writing(job.client) if is_locked else job.shielded_client
    try:
        await client.tracked(delivery).delete_app(job.app)
    except (RequestRejected, PlatformUnavailable) as error:
        is_about_app = isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
        if not (is_about_app or delivery.may_come_late) or not await _is_gone(job, delivery):
            raise
    if is_locked:
        job.lock.end()  # the lock was deleted with its app


async def _is_gone(job: Job, delivery: Delivery | None = None) -> bool:
    """Return whether the app is gone or is being deleted. False if the platform doesn't respond.

    After the run's own DELETE, `deleted` and similar statuses mean a deletion too.
    """
    is_sent = delivery is not None and delivery.was_attempted
    with suppress(DeployError):
        app = await job.client.find_app(job.app)
        if app and not (app.is_being_deleted_or_gone if is_sent else app.is_being_deleted):
            return False
        if delivery and delivery.may_come_late:
            delivery.outcome = Outcome.DONE
        return True
    return False
