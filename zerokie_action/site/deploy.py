"""The steps of a folder's deploy, in their order."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from zerokie_action import limits
from zerokie_action.apps import lookup as apps
from zerokie_action.apps.health import require_healthy
from zerokie_action.apps.job import Job
from zerokie_action.ci.commits import Source, compare
from zerokie_action.errors import ConfigurationError, DeployError, combine, unwrap
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import App, Counts
from zerokie_action.platform.pages import connect_ahead
from zerokie_action.report.changes import Files, UploadedFile
from zerokie_action.site.domains import preview_domains, update_domains
from zerokie_action.site.ignore import compiled
from zerokie_action.site.local import LocalFile, directory_changed, hash_files
from zerokie_action.site.messages import (
    log_commits,
    log_finalized,
    log_plan,
    log_scan,
    log_unconfirmed,
    note_pending,
)
from zerokie_action.site.plan import Plan, make_plan
from zerokie_action.site.progress import log_step, logged_step
from zerokie_action.site.read import read_remote
from zerokie_action.site.remote import Remote
from zerokie_action.site.safety_checks import raise_stops, why_not_delete, why_not_deploy
from zerokie_action.site.scan import Scan, scan
from zerokie_action.site.write import Update
from zerokie_action.text.numbers import human_files, human_paths

T = TypeVar("T")


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's site equal to the folder."""
    _compare_commits(job, Source())
    async with anyio.create_task_group() as tasks:
        look_up = tasks.start_soon(apps.look_up, job, "static")
        scanned = await _scan(job, directory)
        existing = await look_up
    log_scan(job, scanned)
    if job.settings.dry_run:
        try:
            await _preview(job, scanned, existing)
        finally:
            log_commits(job)
        return
    app = existing or (await apps.create_or_find(job))[0]
    async with anyio.create_task_group() as tasks:
        # This happens while the run acquires the lock and reads the file list. A new app has no manifest.
        tasks.start_soon(connect_ahead, existing.address if existing else "", job.client.http)
        try:
            hashes = await _update(job, scanned, app, tasks)
        finally:
            log_commits(job)
        tasks.cancel_scope.cancel()
    await _complete(job, hashes)


async def _preview(job: Job, scanned: Scan, app: App | None) -> None:
    """Report the changes that a deploy would make now, without a lock or a write."""
    if app is None:
        job.report.plan(f"would create static app {job.app!r}")
    plan = await _plan(job, scanned, app)
    job.report.files = Files(
        uploaded=[UploadedFile(file.path, file.size, plan.sign(file)) for file in plan.uploads],
        deleted={path: plan.remote.files[path].length for path in plan.delete},
        unchanged=len(plan.unchanged),
    )
    note_pending(job, plan, job.report.files)
    preview_domains(job)


async def _update(job: Job, scanned: Scan, app: App, tasks: TaskGroup) -> Mapping[str, str]:
    """Make all changes while holding the deploy lock. Its release reports the counts of the changes.

    Returns:
        The SHA-256 of each file that the app has now, in hex by path.
    """
    files = job.report.files = Files()
    change = job.report.change(files=files)
    async with job.deploy_lock(
        lambda: Counts(len(files.uploaded), len(files.deleted), files.bytes_uploaded)
    ) as lock:
        try:
            plan = await _plan(job, scanned, app)
            update = Update(job, lock, plan, change, files)
            if plan.is_up_to_date:
                await _require_same(job, scanned)
                await update.store_source()
                update.confirm()
            else:
                await _carry_out(job, scanned, lock, plan, update)
        finally:
            tasks.start_soon(log_step, job, lambda: "Finalizing")
    change.final_state = "the new version is deployed"
    log_finalized(job, lock)
    note_pending(job, plan, files)
    return update.hashes


async def _plan(job: Job, scanned: Scan, app: App | None) -> Plan:
    """Read the remote files, make a plan, log it, and run the safety checks.

    Args:
        job: the run.
        scanned: the scan of the folder.
        app: the app. None if it doesn't exist yet.

    Raises:
        ConfigurationError: if a safety check stops the deploy.
    """
    settings = job.settings
    async with anyio.create_task_group() as tasks:
        # A thread hashes the folder during the requests. Without manifest entries, nothing needs the hashes.
        hashing = tasks.start_soon(_hash, job, scanned.files)
        remote = await read_remote(job, app.address) if app else Remote()
        can_skip = settings.incremental and remote.manifest.files
        hashes = await hashing if can_skip else {}
        tasks.cancel_scope.cancel()
    # A run without a repository can't say whether the last deploy was its own.
    _compare_commits(job, remote.source_for(job.ci.repository) if job.ci.repository else Source())
    plan = await _in_thread(
        lambda: make_plan(
            scanned.files,
            remote,
            hashes,
            repository=job.ci.repository,
            keep=compiled(settings.keep),
            delete_stale=settings.delete_stale,
            now=time.time(),
        )
    )
    log_plan(job, plan)
    # Safety checks protect files of an earlier deploy. An app that this run created has none.
    if not job.report.created:
        owner_stop = why_not_deploy(job.app, plan)
        folder_stop = await _in_thread(lambda: why_not_delete(plan, settings.max_deletes))
        raise_stops(None if settings.take_over else owner_stop, folder_stop)
        if owner_stop:
            job.report.note(f"Continuing because `take-over` is set: {owner_stop.problem}")
    return plan


async def _carry_out(job: Job, scanned: Scan, lock: DeployLock, plan: Plan, update: Update) -> None:
    """Make the planned changes in their order. After a failure, the next deploy sends the rest."""
    await update.store_first_manifest()
    try:
        await update.delete_in_the_way()
        await update.upload()
        verified = await update.require_listed()
        await _require_same(job, scanned)
        await update.delete_stale()
        if lacking := len(plan.files) - len(verified.entries):
            log_unconfirmed(job, lacking)
        update.confirm()
        await update.store_last_manifest(verified.entries)
    except BaseException as failure:
        await _report_failure(job, lock, update, failure)
        raise


async def _require_same(job: Job, before: Scan) -> None:
    """Scan the folder again, and compare it with the first scan.

    Raises:
        DeployFailed: if files were added or removed since the first scan, or have another size or time.
    """
    try:
        now = await _scan(job, before.directory)
    except ConfigurationError as error:
        raise directory_changed(error) from error
    if now.files != before.files:
        changed = {file.path for file in {*before.files} ^ {*now.files}}
        raise directory_changed(human_paths(sorted(changed), 20))


async def _report_failure(job: Job, lock: DeployLock, update: Update, failure: BaseException) -> None:
    """Store a manifest with the verified files, so that the next deploy sends the rest. Never raises.

    This takes at most `limits.RECORD`. If the lock was lost, nothing is stored.
    """
    job.shutdown.end_work()
    with job.shutdown.shielded_scope(limits.RECORD):
        try:
            if await lock.is_held_after(unwrap(failure)):
                await update.store_failure(await job.client.retrying(UNTIL_DEADLINE).list_files(job.app))
        except Exception as error:  # noqa: BLE001 - report the first error, and release the lock
            job.log.info(f"Skipped storing the progress of this deploy: {unwrap(error)}")


async def _complete(job: Job, hashes: Mapping[str, str]) -> None:
    """Update the domains and check the health. An error of one doesn't stop the other."""
    errors = await update_domains(job)
    url = await apps.find_url(job)
    try:
        await require_healthy(job, url, hashes)
    except DeployError as error:
        errors.append(error)
    if errors:
        raise combine(errors)


def _compare_commits(job: Job, previous: Source) -> None:
    """Compare the run's commit with that of the last complete deploy."""
    job.report.commits = compare(job.source, previous, job.ci.project)


async def _scan(job: Job, directory: Path) -> Scan:
    settings = job.settings
    return await _in_thread(lambda: scan(directory, settings.ignore, settings.own_files.values()))


async def _hash(job: Job, files: Sequence[LocalFile]) -> dict[str, str]:
    async with logged_step(job, lambda: f"Hashing {human_files(len(files))}"):
        return await _in_thread(lambda: hash_files(files))


async def _in_thread(work: Callable[[], T]) -> T:
    """Call a slow function in a thread, so that signals, `timeout` and heartbeats work during the call."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
