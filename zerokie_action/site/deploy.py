"""The steps of a folder's deploy, in their order.

A deploy plans first, like a dry run. It takes the lock only to change something. `RunApp`, `Record` and
`DeployLock` own the facts (`docs/contributing/architecture.md`).
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from zerokie_action import limits
from zerokie_action.app import RunApp, create_or_find
from zerokie_action.ci.commits import Commits, Source, compare
from zerokie_action.errors import ConfigurationError, DeployError, combine, unwrap
from zerokie_action.health import require_healthy
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.job import Job
from zerokie_action.report.changes import Change
from zerokie_action.report.files import report_paths
from zerokie_action.report.report import Headline
from zerokie_action.site.domains import preview_domains, update_domains
from zerokie_action.site.ignore import compiled
from zerokie_action.site.local import LocalFile, directory_changed, hash_files
from zerokie_action.site.messages import (
    log_finalized,
    log_plan,
    log_scan,
    log_unconfirmed,
    note_files,
    note_pending,
)
from zerokie_action.site.plan import Plan, make_plan
from zerokie_action.site.progress import log_step, logged_step
from zerokie_action.site.read import find_site, list_files, read_remote
from zerokie_action.site.record import Record
from zerokie_action.site.remote import FileList, Remote
from zerokie_action.site.safety_checks import raise_stops, why_not_delete, why_not_deploy
from zerokie_action.site.scan import Scan, scan
from zerokie_action.site.write import Update
from zerokie_action.text.numbers import human_files, human_paths

T = TypeVar("T")


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's site equal to the folder."""
    _note_commits(job, Remote())
    async with anyio.create_task_group() as tasks:
        finding = tasks.start_soon(find_site, job)
        scanned = await _scan(job, directory)
        app, listed = await finding
    log_scan(job, scanned)
    record = Record(await _plan(job, app, scanned.files, listed))
    # The deploy that is in progress may change the plan, so the checks run under the lock instead.
    if job.settings.dry_run or not record.plan.remote.is_unfinished:
        await _require_intended(job, app, record.plan)
    if job.settings.dry_run:
        if not app.exists:
            job.report.plan(f"would create static app {app.name!r}")
        note_files(job, record, is_planned=True)
        note_pending(job, record.plan)
        preview_domains(job)
        return
    if record.plan.is_up_to_date:
        await _confirm_up_to_date(job, directory, record)
    else:
        if not app.exists:
            await create_or_find(job, app)
        await _deploy_under_lock(job, app, directory, record)
    note_pending(job, record.plan)
    await _complete(job, app, record)


async def _plan(job: Job, app: RunApp, files: Sequence[LocalFile], listed: FileList) -> Plan:
    """Read the newest manifest. Plan and log the changes that make the app equal to the folder."""
    settings = job.settings
    async with anyio.create_task_group() as tasks:
        # A thread hashes the folder during the request. Without manifest entries, nothing needs the hashes.
        hashing = tasks.start_soon(_hash, job, files)
        remote = await read_remote(job, app, listed)
        can_skip = settings.incremental and remote.manifest.files
        hashes = await hashing if can_skip else {}
        tasks.cancel_scope.cancel()
    _note_commits(job, remote)
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


async def _require_intended(job: Job, app: RunApp, plan: Plan) -> None:
    """Run the safety checks.

    Raises:
        ConfigurationError: if a safety check stops the deploy.
    """
    # Safety checks protect another deploy's files. A new app has none until that deploy stores a manifest.
    if app.is_new and plan.remote.newest is None:
        return
    owner_stop = why_not_deploy(app.name, plan)
    folder_stop = await _in_thread(lambda: why_not_delete(plan, job.settings.max_deletes))
    raise_stops(None if job.settings.take_over else owner_stop, folder_stop)
    if owner_stop:
        job.report.note(f"Continuing because `take-over` is set: {owner_stop.problem}")


async def _confirm_up_to_date(job: Job, directory: Path, record: Record) -> None:
    """Report that the app is up to date, without a write."""
    await _require_same(job, directory, record.plan.files)
    _note_commits(job, record.plan.remote, is_unchanged=True)
    note_files(job, record)


async def _deploy_under_lock(job: Job, app: RunApp, directory: Path, record: Record) -> None:
    """Make all changes while holding the deploy lock. Its release reports the counts of the changes."""
    change = job.report.add(Change(deliveries=record.deliveries))
    try:
        async with anyio.create_task_group() as tasks:
            async with job.lock.hold(lambda: record.counts, is_new=app.may_be_new):
                try:
                    record.plan = await _plan_again(job, app, record.plan)
                    if record.plan.is_up_to_date:
                        await _confirm_up_to_date(job, directory, record)
                    else:
                        await _write_changes(job, directory, record)
                finally:
                    # The lines appear during the release, which sends finalize.
                    tasks.start_soon(log_step, job, lambda: "Finalizing")
            tasks.cancel_scope.cancel()
    except BaseException:
        change.final_state = record.so_far()
        raise
    finally:
        note_files(job, record)
    change.final_state = "the new version is deployed"
    log_finalized(job)


async def _plan_again(job: Job, app: RunApp, plan: Plan) -> Plan:
    """Return a new plan if the app's files may have changed since this plan, which needed no lock.

    Raises:
        ConfigurationError: if a safety check stops the deploy.
    """
    listed = await list_files(job, plan.remote.listed)
    # A list that is a 404 shows nothing, so two of them may differ.
    is_changed = listed != plan.remote.listed or bool(listed.not_found)
    if is_changed:
        job.log.info(f"Planning again, because the file list of {app.name!r} may have changed")
        plan = await _plan(job, app, plan.files, listed)
    if is_changed or plan.remote.is_unfinished:
        await _require_intended(job, app, plan)
    return plan


async def _write_changes(job: Job, directory: Path, record: Record) -> None:
    """Make the planned changes in their order. After a failure, the next deploy sends the rest."""
    plan, update = record.plan, Update(job, record)
    await update.store_manifest(plan.unchanged)
    try:
        await update.delete(plan.in_the_way)
        await update.upload()
        verified = await update.require_listed()
        await _require_same(job, directory, plan.files)
        await update.delete_stale()
        if lacking := len(plan.files) - len(verified.entries):
            log_unconfirmed(job, lacking)
        # From now on, manifests name this run's commit, even if a later step fails.
        record.source = job.source
        if _note_commits(job, plan.remote, is_deployed=True).is_older:
            job.report.note("This run is older than the one it replaces")
        await update.store_last_manifest(verified.entries)
    except BaseException as failure:
        await _record_failure(job, update, failure)
        raise


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


async def _record_failure(job: Job, update: Update, failure: BaseException) -> None:
    """Store a manifest with the verified files, so that the next deploy sends the rest. Never raises.

    This takes at most `limits.RECORD`. If the lock was lost, nothing is stored.
    """
    job.shutdown.end_work()
    with job.shutdown.shielded_scope(limits.RECORD):
        try:
            if await job.lock.is_held_after(unwrap(failure)):
                await update.store_failure(await job.client.retrying(UNTIL_DEADLINE).list_files(job.app))
        except Exception as error:  # noqa: BLE001 - report the first error, and release the lock
            job.log.info(f"Skipped storing the progress of this deploy: {unwrap(error)}")


async def _complete(job: Job, app: RunApp, record: Record) -> None:
    """Update the domains and check the health. An error of one doesn't stop the other."""
    errors = await update_domains(job, app)
    try:
        await require_healthy(job, app, record.hashes)
    except DeployError as error:
        errors.append(error)
    if errors:
        raise combine(errors)
    if record.plan.is_up_to_date:
        job.report.headline = Headline.UNCHANGED


def _note_commits(
    job: Job, remote: Remote, *, is_deployed: bool = False, is_unchanged: bool = False
) -> Commits:
    """Compare the run's commit with that of the last complete deploy, and tell the report.

    Args:
        job: the run.
        remote: the app's files before the deploy, with their manifest.
        is_deployed: as in `Commits`.
        is_unchanged: as in `Commits`.
    """
    # A run without a repository can't say whether the last deploy was its own.
    previous = remote.source_for(job.ci.repository) if job.ci.repository else Source()
    commits = compare(job.source, previous, job.ci.project)
    job.report.commits = commits._replace(is_deployed=is_deployed, is_unchanged=is_unchanged)
    return commits


async def _scan(job: Job, directory: Path) -> Scan:
    settings = job.settings
    own = [path for path in (*report_paths(settings.report_dir), settings.state_file) if path]
    return await _in_thread(lambda: scan(directory, settings.ignore, own))


async def _hash(job: Job, files: Sequence[LocalFile]) -> dict[str, str]:
    async with logged_step(job, lambda: f"Hashing {human_files(len(files))}"):
        return await _in_thread(lambda: hash_files(files))


async def _in_thread(work: Callable[[], T]) -> T:
    """Call a slow function in a thread, so that signals, `timeout` and heartbeats work during the call."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
