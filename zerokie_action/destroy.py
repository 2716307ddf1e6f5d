"""Deletes an app permanently. A missing app is a success.

The checks come before the lock of a static app, and again under it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

from zerokie_action.app import RunApp, note_response
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.job import Job
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.responses import BAD_REQUEST, CONFLICT, NOT_FOUND
from zerokie_action.site.read import Kind, list_files, read_app, read_remote
from zerokie_action.site.remote import Remote
from zerokie_action.site.safety_checks import problem_with_kind, raise_stops, why_not_destroy
from zerokie_action.text.numbers import human_files

Check = Callable[[Job, Kind, Remote], None]
"""Raises an error if the app must stay, because of its kind or its files."""
Confirm = Callable[[], Awaitable[None]]
"""Raises an error right before the DELETE if the app must stay."""


class _Gone(Exception):  # noqa: N818 - a success, not an error
    """The app was deleted or is being deleted."""


class Target(NamedTuple):
    """The app to delete, as it was before the lock or as it is under the lock.

    Attributes:
        app: the run's app.
        kind: its kind.
        remote: its files. Empty for a container app.
    """

    app: RunApp
    kind: Kind
    remote: Remote


def require_intended(job: Job, kind: Kind, remote: Remote) -> None:
    """Require that the app belongs to this run's repository. A container app shows no owner.

    Raises:
        ConfigurationError: when the app may belong to another repository, or may have unmanaged files.
    """
    if not job.settings.take_over:
        stop = why_not_destroy(job.app, remote, job.ci.repository)
        raise_stops(problem_with_kind(job.app) if kind is Kind.UNKNOWN else stop)


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
    shown, app = await job.client.find_app(job.app), RunApp(job.app)
    if shown is None:
        report.note(f"App {job.app!r} doesn't exist, so there is nothing to delete")
        return
    report.previous_image, report.kind = shown.image, shown.kind or None
    note_response(job, app, shown)
    try:
        target = await _find_target(job, app)
        # The deploy that is in progress may change the app, so only the lock makes a stop final.
        if is_dry or not target.remote.is_unfinished:
            await _check(job, target, check)
        if is_dry:
            report.plan(f"would delete app {job.app!r}{_image_and_url(job, target)}{_files(target)}{reason}")
            return
        target = await _delete(job, target, check, confirm)
        report.note(f"Deleted app {job.app!r}{_files(target)}{reason}")
    except _Gone:
        report.note(f"App {job.app!r} is already deleted or being deleted")
    report.url = None


async def _find_target(job: Job, app: RunApp) -> Target:
    """Return the app with its kind and its files.

    Raises:
        _Gone: when the app is being deleted.
    """
    if app.shown.is_being_deleted:
        raise _Gone
    kind, remote = await read_app(job, app)
    job.report.kind = kind.value
    return Target(app, kind, remote)


async def _check(job: Job, target: Target, check: Check) -> None:
    """Call the check, unless the app is gone. Every request for a missing app is a 404."""
    if (target.kind is Kind.UNKNOWN or target.remote.listed.not_found) and await _is_gone(job):
        raise _Gone
    check(job, target.kind, target.remote)


def _image_and_url(job: Job, target: Target) -> str:
    """Return a container app's image and URL for the plan, because no safety check protects the app."""
    if target.kind is Kind.STATIC:
        return ""
    image, url = job.redactor.redact(target.app.shown.image), target.app.url
    return (f" with image {image!r}" if image else "") + (f" ({url})" if url else "")


def _files(target: Target) -> str:
    """Return an app's files for log and reports: ` with 214 files`. Empty without files."""
    remote, unmanaged = target.remote, len(target.remote.unmanaged(target.remote.files))
    files = f" with {human_files(len(remote.files))}" if remote.files else ""
    if unmanaged and remote.managed is None:
        return f"{files}, any of which may be unmanaged"
    return f"{files}, {unmanaged:,} of them unmanaged" if unmanaged else files


async def _delete(job: Job, target: Target, check: Check, confirm: Confirm | None) -> Target:
    """Delete the app, a static app under its lock. Return the app as it was then.

    Raises:
        _Gone: when something else deleted the app.
        RequestRejected: when the platform refuses the lock or the deletion.
        PlatformUnavailable: when the app may or may not be deleted.
        LockHeld: when another run's lock outlasts `lock-timeout`.
        LockLost: when the lock is lost.
    """
    change = job.report.change(
        done=f"the deletion of app {job.app!r} was accepted",
        unknown=f"it is not known whether app {job.app!r} was deleted",
    )
    delivery = change.request()
    try:
        async with AsyncExitStack() as stack:
            lock, target = await _acquire(job, target, stack)
            await _check(job, target, check)
            if confirm:
                await confirm()
            await _send(job, lock, delivery)
    except (LockHeld, LockLost):
        # Another run may have deleted the app with its lock.
        if not await _is_gone(job, delivery):
            raise
    if not change.may_be_made:
        raise _Gone
    return target


async def _acquire(job: Job, target: Target, stack: AsyncExitStack) -> tuple[DeployLock | None, Target]:
    """Acquire the lock of a static app, and return the app as it is now.

    The kind becomes unknown, without a lock, if the platform refuses the lock and only an empty file list
    shows that the app is static.
    """
    app, kind, remote = target
    if kind is not Kind.STATIC:
        return None, target
    try:
        await stack.enter_async_context(job.lock.hold())
    except RequestRejected as error:
        if await _is_gone(job):
            raise _Gone from error
        is_certain = app.shown.type == "static" or remote.listed.files
        if is_certain or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        job.report.kind = None
        return None, target._replace(kind=Kind.UNKNOWN)
    listed = await list_files(job)
    if listed != remote.listed or listed.not_found:
        target = target._replace(remote=await read_remote(job, app, listed))
    return job.lock, target


async def _send(job: Job, lock: DeployLock | None, delivery: Delivery) -> None:
    """Send the DELETE. After a 404, a 409 or a lost response, one GET decides.

    A second DELETE could delete a new app of the same name.
    """
    client = lock.writing(job.client) if lock else job.shielded_client
    try:
        await client.tracked(delivery).delete_app(job.app)
    except (RequestRejected, PlatformUnavailable) as error:
        is_about_app = isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
        if not (is_about_app or delivery.may_come_late) or not await _is_gone(job, delivery):
            raise
    if lock:
        lock.end()  # the lock was deleted with its app


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
