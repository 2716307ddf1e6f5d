"""The steps of a folder's deploy, in their order.

A deploy plans first, like a dry run. It takes the lock only to change something.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from zerokie_action import limits
from zerokie_action.app import create_or_find, find_url
from zerokie_action.ci.commits import Source, compare
from zerokie_action.errors import ConfigurationError, DeployError, combine, unwrap
from zerokie_action.health import require_healthy
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.job import Job
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import App, Counts
from zerokie_action.report.changes import Files, UploadedFile
from zerokie_action.report.report import Headline
from zerokie_action.site.confirmed import Confirmed
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
from zerokie_action.site.read import find_site, list_files, read_remote
from zerokie_action.site.remote import FileList
from zerokie_action.site.safety_checks import raise_stops, why_not_delete, why_not_deploy
from zerokie_action.site.scan import Scan, scan
from zerokie_action.site.write import Update
from zerokie_action.text.numbers import human_files, human_paths

T = TypeVar("T")


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's site equal to the folder."""
    _compare_commits(job, Source())
    async with anyio.create_task_group() as tasks:
        finding = tasks.start_soon(find_site, job)
        scanned = await _scan(job, directory)
        app, listed = await finding
    log_scan(job, scanned)
    try:
        plan = await _plan(job, scanned.files, listed)
        # The deploy that is in progress may change the plan, so the checks run under the lock instead.
        if job.settings.dry_run or not plan.remote.is_unfinished:
            await _require_intended(job, plan)
        if job.settings.dry_run:
            _preview(job, app, plan)
            return
        if plan.is_up_to_date:
            confirmed = await _leave(job, directory, plan)
        else:
            if app is None:
                await create_or_find(job)
            confirmed = await _update(job, directory, plan)
        note_pending(job, confirmed.plan)
    finally:
        log_commits(job)
    await _complete(job, confirmed.hashes)


async def _plan(job: Job, files: Sequence[LocalFile], listed: FileList) -> Plan:
    """Read the newest manifest. Plan and log the changes that make the app equal to the folder."""
    settings = job.settings
    async with anyio.create_task_group() as tasks:
        # A thread hashes the folder during the request. Without manifest entries, nothing needs the hashes.
        hashing = tasks.start_soon(_hash, job, files)
        remote = await read_remote(job, listed)
        can_skip = settings.incremental and remote.manifest.files
        hashes = await hashing if can_skip else {}
        tasks.cancel_scope.cancel()
    # A run without a repository can't say whether the last deploy was its own.
    _compare_commits(job, remote.source_for(job.ci.repository) if job.ci.repository else Source())
    plan = await _in_thread(
        lambda: make_plan(
            files,
            remote,
            hashes,
            repository=job.ci.repository,
            keep=compiled(settings.keep),
            delete_stale=settings.delete_stale,
            now=time.time(),
        )
    )
    log_plan(job, plan)
    return plan


async def _require_intended(job: Job, plan: Plan) -> None:
    """Run the safety checks.

    Raises:
        ConfigurationError: if a safety check stops the deploy.
    """
    # Safety checks protect another deploy's files. A new app has none until that deploy stores a manifest.
    if job.report.created and plan.remote.newest is None:
        return
    owner_stop = why_not_deploy(job.app, plan)
    folder_stop = await _in_thread(lambda: why_not_delete(plan, job.settings.max_deletes))
    raise_stops(None if job.settings.take_over else owner_stop, folder_stop)
    if owner_stop:
        job.report.note(f"Continuing because `take-over` is set: {owner_stop.problem}")


def _preview(job: Job, app: App | None, plan: Plan) -> None:
    """Report the changes that a deploy would make now."""
    if app is None:
        job.report.plan(f"would create static app {job.app!r}")
    job.report.files = Files(
        uploaded=[UploadedFile(file.path, file.size, plan.sign(file)) for file in plan.uploads],
        deleted={path: plan.remote.files[path].length for path in plan.delete},
        unchanged=len(plan.unchanged),
    )
    note_pending(job, plan)
    preview_domains(job)


async def _leave(job: Job, directory: Path, plan: Plan) -> Confirmed:
    """Report that the app is up to date, without a write."""
    await _require_same(job, directory, plan.files)
    job.report.commits = job.report.commits._replace(is_unchanged=True)
    job.report.files = Files(unchanged=len(plan.unchanged))
    return Confirmed(plan)


async def _update(job: Job, directory: Path, plan: Plan) -> Confirmed:
    """Make all changes while holding the deploy lock. Its release reports the counts of the changes."""
    files = job.report.files = Files()
    change = job.report.change(files=files)
    async with anyio.create_task_group() as tasks:
        async with job.deploy_lock(
            lambda: Counts(len(files.uploaded), len(files.deleted), files.bytes_uploaded)
        ) as lock:
            try:
                plan = await _plan_again(job, plan)
                if plan.is_up_to_date:
                    confirmed = await _leave(job, directory, plan)
                else:
                    update = Update(job, lock, plan, change, files)
                    confirmed = await _carry_out(job, directory, lock, update)
            finally:
                tasks.start_soon(log_step, job, lambda: "Finalizing")
        tasks.cancel_scope.cancel()
    change.final_state = "the new version is deployed"
    log_finalized(job, lock)
    return confirmed


async def _plan_again(job: Job, plan: Plan) -> Plan:
    """Return a new plan if the app's files may have changed since this plan, which needed no lock.

    Raises:
        ConfigurationError: if a safety check stops the deploy.
    """
    listed = await list_files(job, plan.remote.listed)
    is_changed = listed != plan.remote.listed or bool(listed.not_found)
    if is_changed:
        job.log.info(f"Planning again, because the file list of {job.app!r} may have changed")
        plan = await _plan(job, plan.files, listed)
    if is_changed or plan.remote.is_unfinished:
        await _require_intended(job, plan)
    return plan


async def _carry_out(job: Job, directory: Path, lock: DeployLock, update: Update) -> Confirmed:
    """Make the planned changes in their order. After a failure, the next deploy sends the rest."""
    files = update.confirmed.plan.files
    await update.store_first_manifest()
    try:
        await update.delete_in_the_way()
        await update.upload()
        verified = await update.require_listed()
        await _require_same(job, directory, files)
        await update.delete_stale()
        if lacking := len(files) - len(verified.entries):
            log_unconfirmed(job, lacking)
        update.confirm()
        await update.store_last_manifest(verified.entries)
    except BaseException as failure:
        await _record_failure(job, lock, update, failure)
        raise
    return update.confirmed


async def _require_same(job: Job, directory: Path, files: Sequence[LocalFile]) -> None:
    """Scan the folder again, and compare it with the files of the first scan.

    Raises:
        DeployFailed: if files were added or removed since the first scan, or have another size or time.
    """
    try:
        now = await _scan(job, directory)
    except ConfigurationError as error:
        raise directory_changed(error) from error
    if now.files != files:
        changed = {file.path for file in {*files} ^ {*now.files}}
        raise directory_changed(human_paths(sorted(changed), 20))


async def _record_failure(job: Job, lock: DeployLock, update: Update, failure: BaseException) -> None:
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
    url = await find_url(job)
    try:
        await require_healthy(job, url, hashes)
    except DeployError as error:
        errors.append(error)
    if errors:
        raise combine(errors)
    if job.report.commits.is_unchanged:
        job.report.headline = Headline.UNCHANGED


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
