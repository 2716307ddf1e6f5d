"""Deletes an app permanently. A missing app is a success.

The checks come before the lock of a static app, and again under it if the app changed.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import App
from zerokie_action.platform.responses import BAD_REQUEST, CONFLICT, NOT_FOUND
from zerokie_action.report.headlines import Headline
from zerokie_action.site.kind import Kind, find_kind
from zerokie_action.site.read import list_files, read_remote
from zerokie_action.site.remote import Remote
from zerokie_action.site.safety_checks import problem_with_kind, raise_stops, why_not_destroy
from zerokie_action.text.numbers import human_files


class Approval(NamedTuple):
    """Whether an app may be deleted.

    Attributes:
        is_given: False if the app stays. The log has the reason.
        details: the app's files and the reason, as words after its name, such as ` with 214 files`.
    """

    is_given: bool = True
    details: str = ""


Approve = Callable[[Job, Kind, Remote], Approval]
"""Checks the files of a static app, or the kind of another one."""
Confirm = Callable[[Job, Approval], Awaitable[Approval]]
"""Checks right before the DELETE whether the app must still be deleted."""


class Target(NamedTuple):
    """The app to delete, as it was before the lock or as it is under the lock.

    Attributes:
        app: the app from its lookup.
        kind: its kind.
        remote: its files. Empty for a container app.
    """

    app: App
    kind: Kind
    remote: Remote

    @property
    def may_be_gone(self) -> bool:
        """Whether the app may have been deleted since its lookup. Every request for it is then a 404."""
        return self.kind is Kind.UNKNOWN or bool(self.remote.listed.not_found)

    @property
    def may_be_container(self) -> bool:
        """Whether only an empty file list shows that the app is static."""
        return self.app.type != "static" and not self.remote.listed.files


def require_intended(job: Job, kind: Kind, remote: Remote) -> Approval:
    """Approve a `destroy`, unless the app may have another owner.

    Raises:
        ConfigurationError: when the app may belong to another repository, or may have unmanaged files.
    """
    must_check = not job.settings.take_over
    if kind is not Kind.STATIC:
        raise_stops(problem_with_kind(job.app) if kind is Kind.UNKNOWN and must_check else None)
        return Approval()
    raise_stops(why_not_destroy(job.app, remote, job.ci.repository) if must_check else None)
    files, unmanaged = with_files(remote), len(remote.unmanaged(remote.files))
    if unmanaged and remote.managed is None:
        return Approval(details=f"{files}, any of which may be unmanaged")
    return Approval(details=f"{files}, {unmanaged:,} of them unmanaged" if unmanaged else files)


async def _confirm(_: Job, approval: Approval) -> Approval:
    """Confirm every approval of a `destroy`."""
    return approval


def with_files(remote: Remote) -> str:
    """Return an app's files for log and reports: ` with 214 files`. Empty without files."""
    return f" with {human_files(len(remote.files))}" if remote.files else ""


async def destroy(job: Job, approve: Approve = require_intended, confirm: Confirm = _confirm) -> bool:
    """Delete the app. The run ends with the accepted DELETE.

    Returns:
        True if the app is gone or is being deleted. After a dry run, True if a run would delete the app.

    Raises:
        DeployError: as `find_kind`, `approve`, `confirm` and `_delete`.
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
    kind, listed = await find_kind(job, app)
    job.report.kind = kind.value
    target = Target(app, kind, await read_remote(job, listed))
    approval, is_dry = Approval(), job.settings.dry_run
    if target.may_be_gone and await _is_gone(job):
        _note_gone(job)
        return True
    # The deploy that is in progress may change the app, so only the lock makes a stop final.
    if is_dry or not target.remote.is_unfinished:
        approval = approve(job, kind, target.remote)
    if approval.is_given:
        approval = await (
            confirm(job, approval) if is_dry else _delete(job, target, approval, approve, confirm)
        )
    if is_dry and approval.is_given:
        shown = "" if kind is Kind.STATIC else _image_and_url(job, app)
        job.report.plan(f"would delete app {job.app!r}{shown}{approval.details}")
    return approval.is_given


def _image_and_url(job: Job, app: App) -> str:
    """Return an app's image and URL for the plan. No safety check protects a container app."""
    image = f" with image {job.client.redact(app.image)!r}" if app.image else ""
    return f"{image} ({app.address})" if app.address else image


async def _delete(
    job: Job, target: Target, approval: Approval, approve: Approve, confirm: Confirm
) -> Approval:
    """Delete the app, a static app under its lock. Return the last approval.

    Raises:
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
            lock, now = await _acquire(job, target, stack)
            job.report.kind = now.kind.value
            if now is not target and now.may_be_gone and await _is_gone(job):
                if lock:
                    lock.end()
                _note_gone(job)
                return approval
            if now is not target or target.remote.is_unfinished:
                approval = approve(job, now.kind, now.remote)
            if approval.is_given:
                approval = await confirm(job, approval)
            if approval.is_given:
                await _send(job, lock, delivery)
    except (RequestRejected, LockHeld, LockLost) as error:
        # Another run may have deleted the app. After a refused DELETE, `_send` already checked that.
        has_looked = isinstance(error, RequestRejected) and delivery.was_attempted
        if has_looked or not await _is_gone_after(error, job, delivery, is_sent=delivery.may_come_late):
            raise
    if change.may_be_made:
        job.report.note(f"Deleted app {job.app!r}{approval.details}")
        job.report.url = None
    elif approval.is_given:
        _note_gone(job)
    return approval


def _note_gone(job: Job) -> None:
    job.report.note(f"App {job.app!r} is already deleted or being deleted")
    job.report.url = None


async def _acquire(job: Job, target: Target, stack: AsyncExitStack) -> tuple[DeployLock | None, Target]:
    """Acquire the lock of a static app, and list its files again.

    Returns:
        The lock, and the same target or, if the app changed, another one. If the platform refuses the lock of
        an app that only its empty file list shows as static, its kind is unknown.
    """
    if target.kind is not Kind.STATIC:
        return None, target
    try:
        lock = await stack.enter_async_context(job.deploy_lock())
    except RequestRejected as error:
        if not target.may_be_container or error.status not in {BAD_REQUEST, NOT_FOUND}:
            raise
        return None, target._replace(kind=Kind.UNKNOWN)
    listed = await list_files(job)
    if listed == target.remote.listed and not listed.not_found:
        return lock, target
    return lock, target._replace(remote=await read_remote(job, listed))


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
