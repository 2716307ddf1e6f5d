"""Only orders the steps of a deploy of a directory, which make the app's storage zone equal to it."""

import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from zerokie_action import limits
from zerokie_action.apps import lookup as apps
from zerokie_action.apps.health import check_health
from zerokie_action.apps.job import Job
from zerokie_action.ci.commits import Source, compare
from zerokie_action.errors import ConfigurationError, DeployError, combine, unwrap
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import App, Counts, Finalized
from zerokie_action.platform.pages import connect_ahead
from zerokie_action.report.record import was_created
from zerokie_action.report.report import Changes, Uploaded
from zerokie_action.site.domains import preview_domains, update_domains
from zerokie_action.site.ignore import compiled, names_directory
from zerokie_action.site.local import directory_changed, hash_files
from zerokie_action.site.plan import Plan, make_plan, needs_update
from zerokie_action.site.read import read_remote, require_listed
from zerokie_action.site.remote import Remote
from zerokie_action.site.rules import FRONT_PAGE
from zerokie_action.site.safety_checks import about_deploying, about_directory, require_no_doubt
from zerokie_action.site.scan import Scan, scan
from zerokie_action.site.write import Update
from zerokie_action.text.numbers import human_bytes, human_files, human_paths, utc_time

T = TypeVar("T")

_NOT_PROVED = "the platform lists no length, or no new time"
_MAY_BE_DELETED = "The platform may delete a directory together with the file of its name."
_SHOWN_PLAIN = 20
_SHOWN_FOLDED = 50
"""The most paths that are named in a plain log, and in a folded group."""


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's storage zone equal to the directory."""
    job.result.commits = compare(job.source, Source(), job.ci.project)
    async with anyio.create_task_group() as tasks:
        look_up = tasks.start_soon(apps.look_up, job, "static")
        scanned = await _scan(job, directory)
        existing = await look_up
    _log_scan(job, scanned)
    if job.settings.dry_run:
        await _preview(job, scanned, existing)
        _log_commits(job)
        return
    app = existing or (await apps.create_or_find(job))[0]
    async with anyio.create_task_group() as tasks:
        # While the lock is asked for and the zone is listed. A new app has no manifest.
        ahead = tasks.start_soon(connect_ahead, existing.address if existing else "", job.client.http)
        try:
            hashes = await _update(job, scanned, app)
        finally:
            _log_commits(job)
        ahead.cancel()
    await _complete(job, hashes)


async def _preview(job: Job, scanned: Scan, app: App | None) -> None:
    """Report what a deploy would change now, without the lock and without a write."""
    if app is None:
        job.preview(f"would create static app {job.app!r}")
    plan = await _compare(job, scanned, app)
    job.result.changes = Changes(
        uploaded=[Uploaded(file.path, file.size, plan.sign(file)) for file in plan.uploads],
        deleted={path: plan.remote.files[path][0] for path in plan.delete},
        unchanged=len(plan.unchanged),
    )
    _note_waiting(job, plan, job.result.changes)
    preview_domains(job)


async def _update(job: Job, scanned: Scan, app: App) -> Mapping[str, str]:
    """Make all changes while holding the deploy lock, whose release finalizes the deploy with their counts.

    Returns SHA-256 of each file that the app has now, in hex by path.
    """
    changes = job.result.changes = Changes()
    job.changes.append(changes)
    async with job.deploy_lock(
        lambda: Counts(len(changes.uploaded), len(changes.deleted), changes.bytes_uploaded)
    ) as lock:
        plan = await _compare(job, scanned, app)
        update = Update(job, lock, plan, changes)
        if needs_update(plan, job.ci.repository):
            await _carry_out(job, scanned, lock, plan, update)
        else:
            await _require_same(job, scanned)
            update.confirm()
            await update.store_source()
    changes.seen = "the new version is deployed"
    _log_finalized(job, lock)
    _note_waiting(job, plan, changes)
    return update.deployed_hashes()


async def _carry_out(job: Job, scanned: Scan, lock: DeployLock, plan: Plan, update: Update) -> None:
    """Make the planned changes in their order. After a failure, the next deploy sends only the rest."""
    await update.store_first_manifest()
    try:
        await update.upload()
        listing = await require_listed(job, update.verify, "Nothing was deleted.")
        await _require_same(job, scanned)
        await update.delete_stale()
        if plan.replaces_file:
            listing = await require_listed(job, update.verify, _MAY_BE_DELETED)
        if lacking := len(plan.files) - len(listing.entries):
            job.log.info(f"The next deploy sends {human_files(lacking)} again: {_NOT_PROVED}")
        update.confirm()
        await update.store_last_manifest(listing.entries)
    except BaseException as failure:
        await _record_failure(job, lock, update, failure)
        raise


async def _record_failure(job: Job, lock: DeployLock, update: Update, failure: BaseException) -> None:
    """Store a manifest with the entries so far: the next deploy sends only the rest. Never raises.

    It takes `limits.RECORD` at most, and nothing is stored unless the lock is still held.
    """
    job.shutdown.end_work()
    with job.shutdown.shielded_scope(limits.RECORD):
        try:
            if await lock.is_held_after(unwrap(failure)):
                await update.store_failure(await job.client.retrying(UNTIL_DEADLINE).list_files(job.app))
        except Exception as error:  # noqa: BLE001 - the first error counts, and the lock has to be released
            job.log.info(f"Before releasing the lock: {unwrap(error)}")


async def _complete(job: Job, hashes: Mapping[str, str]) -> None:
    """Update the domains and check the health; an error of either does not stop the other."""
    errors = await update_domains(job)
    url = await apps.find_url(job)
    try:
        await check_health(job, url, hashes)
    except DeployError as error:
        errors.append(error)
    if errors:
        raise combine(errors)


async def _in_thread(work: Callable[[], T]) -> T:
    """Call a function that looks at the whole site, while signals, `timeout` and heartbeats go on."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


async def _scan(job: Job, directory: Path) -> Scan:
    settings = job.settings
    return await _in_thread(lambda: scan(directory, settings.ignore, settings.own_files.values()))


async def _require_same(job: Job, before: Scan) -> None:
    """Scan the directory again, and compare it with the first scan.

    Raises:
        DeployFailed: when files were added or removed since the first scan, or have another size or time.
    """
    try:
        now = await _scan(job, before.directory)
    except ConfigurationError as error:
        raise directory_changed(error) from error
    if now.files != before.files:
        changed = {file.path for file in {*before.files} ^ {*now.files}}
        raise directory_changed(human_paths(sorted(changed), 20))


async def _compare(job: Job, scanned: Scan, app: App | None) -> Plan:
    """Read the zone, make a plan and log it.

    Args:
        job: the run.
        scanned: the scan of the directory.
        app: the app; None if it does not exist yet.

    Raises:
        ConfigurationError: when it is doubtful whether the changes are intended.
    """
    settings = job.settings
    async with anyio.create_task_group() as tasks:
        hashing = tasks.start_soon(hash_files, scanned.files)  # while the zone is read
        remote = await read_remote(job, app.address) if app else Remote()
        can_skip = settings.incremental and remote.manifest.files
        if not can_skip:
            hashing.cancel()
    hashes = await hashing if can_skip else {}
    _compare_commits(job, remote)
    keep, delete_stale = compiled(job.settings.keep), settings.delete_stale
    plan = await _in_thread(
        lambda: make_plan(
            scanned.files, remote, hashes, keep=keep, delete_stale=delete_stale, now=time.time()
        )
    )
    _log_plan(job, plan)
    if not was_created(job.changes):  # nothing is doubtful in an app that this run created
        owner_doubt = about_deploying(job.app, plan, job.ci.repository)
        directory_doubt = await _in_thread(lambda: about_directory(plan, keep, settings.max_deletes))
        require_no_doubt(None if settings.take_over else owner_doubt, directory_doubt)
        if owner_doubt:
            job.note(f"{owner_doubt.problem}; continuing, because `take-over` is set")
    return plan


def _compare_commits(job: Job, remote: Remote) -> None:
    """Compare the run's commit with that of the last complete deploy of the same repository."""
    repository = job.ci.repository
    previous = remote.source_for(repository) if repository else Source()
    job.result.commits = compare(job.source, previous, job.ci.project)


def _log_commits(job: Job) -> None:
    """Log the run's commit and how it compares, with links."""
    for line in job.result.commits.lines():
        job.log.info(f"{line.text}{line.commits}{line.url and ', '}{line.url}")


def _log_scan(job: Job, scanned: Scan) -> None:
    """Log the scan, and warn about likely mistakes in the inputs."""
    if scanned.ignore_file is not None:
        job.log.info(f"Ignore file: {scanned.ignore_file}")
    ignored = f"; {scanned.ignored:,} ignored" if scanned.ignored else ""
    size = human_bytes(sum(file.size for file in scanned.files))
    job.log.info(f"Scanned {human_files(len(scanned.files))}, {size}{ignored}")
    if scanned.secrets:
        job.log.info(f"Left out names that look like secrets: {human_paths(scanned.secrets, _SHOWN_PLAIN)}")
    for warning in scanned.warnings:
        job.warn(warning)
    for name, patterns in (("ignore", job.settings.ignore), ("keep", job.settings.keep)):
        for pattern in patterns:
            if names_directory(pattern, scanned.directory):
                job.warn(
                    f"`{name}`: {pattern!r} begins with the name of `directory`; leave that name out: "
                    "patterns are relative to `directory`"
                )


def _log_plan(job: Job, plan: Plan) -> None:
    """Log the changes, in a folded group if the log has groups; `log-level: debug` logs all, with reasons."""
    log = job.log
    kept = f", {plan.kept:,} kept" if plan.kept else ""
    wait = f", {len(plan.pending):,} {'waits' if len(plan.pending) == 1 else 'wait'}" if plan.pending else ""
    line = (
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(sum(file.size for file in plan.uploads))}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}{wait}"
    )
    if log.shows("debug"):
        names = [f"  {sign} {path} ({reason})" for sign, path, reason in plan.changes()]
    else:
        shown = _SHOWN_FOLDED if log.folds else _SHOWN_PLAIN
        names = [f"  {sign} {path}" for sign, path, _ in islice(plan.changes(), shown)]
        if (more := len(plan.uploads) + len(plan.delete) - shown) > 0:
            names.append(f"  and {more:,} more (`log-level: debug` names them)")
    log.group(line, names)
    if plan.remote.unsafe:
        paths = human_paths(plan.remote.unsafe)
        job.warn(f"Remote paths that can't be addressed safely are left alone: {paths}")
    is_first = not plan.remote.files
    if FRONT_PAGE in plan.delete or (is_first and FRONT_PAGE not in {file.path for file in plan.files}):
        job.warn(f"The directory has no {FRONT_PAGE} at its root, so the site's address may show no page")


def _note_waiting(job: Job, plan: Plan, changes: Changes) -> None:
    """Say how many files wait, and until when."""
    changes.waiting = len(plan.pending)
    if plan.pending:
        last_since = max(plan.stale.get(path, time.time()) for path in plan.pending)
        changes.waiting_until = utc_time(last_since + job.settings.delete_stale)
        verb, them = ("waits", "it") if len(plan.pending) == 1 else ("wait", "them")
        files, day = human_files(len(plan.pending), "stale file"), changes.waiting_until.partition("T")[0]
        job.note(f"{files} {verb}; the first deploy after {day} deletes {them}")
        if plan.remote.is_unread:
            job.warn(
                "It is not known since when stale files wait, because the manifest can't be read: they wait "
                "anew. If it can never be read, they stay until a deploy with `delete-stale: true`"
            )


def _log_finalized(job: Job, lock: DeployLock) -> None:
    answer = lock.released.answer or Finalized()
    deploy_id, is_purged = answer.deploy_id, answer.cache_purged
    job.log.info(f"Finalized {deploy_id or 'the deploy'}{', CDN cache purged' if is_purged else ''}")
    if not deploy_id:
        job.warn(f"Finalize gave no deploy ID: {lock.released.lost}")
    if is_purged is False or lock.released.answer is None:
        job.warn("The CDN's cache may not have been purged: visitors may see the old version for a while")
