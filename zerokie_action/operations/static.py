"""Deploys a directory: makes the app's storage zone equal to the directory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

from zerokie_action.doubts import find_doubts, require_confirmed
from zerokie_action.errors import ConfigurationError, DeployError, DeployFailed
from zerokie_action.files.ignore import names_directory
from zerokie_action.files.local import HINT_CHANGED, find_changes, hash_files
from zerokie_action.files.plan import FRONT_PAGE, Zone, make_plan
from zerokie_action.files.scan import Scan, scan
from zerokie_action.operations import apps
from zerokie_action.operations.domains import preview_domains, update_domains
from zerokie_action.operations.health import check_health
from zerokie_action.operations.update import Update
from zerokie_action.operations.zone import read_zone
from zerokie_action.outcome import Outcome
from zerokie_action.platform.models import Counts, Finalized
from zerokie_action.report.result import Changes, Uploaded
from zerokie_action.text import human_bytes, human_files, human_paths, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anyio import TaskHandle

    from zerokie_action.files.plan import Plan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App

_SHOWN_PLAIN = 20
_SHOWN_FOLDED = 50
"""The most changes that are named in a plain log, and in a folded group."""
_LONGEST_LIST = 1_000
"""Characters for the changes of a directory, in an error."""


class _Source(NamedTuple):
    """The directory to deploy.

    Attributes:
        directory: its path.
        scan: its files.
        hashing: the task that hashes the files.
    """

    directory: Path
    scan: Scan
    hashing: TaskHandle[dict[str, str]]


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's storage zone equal to the directory."""
    async with anyio.create_task_group() as tasks:
        look_up = tasks.start_soon(apps.look_up, job, "static")
        with job.phase("Scan"):
            found = await _scan(job, directory)
        source = _Source(directory, found, tasks.start_soon(hash_files, found.files))
        with job.phase("Look up"):  # it began with the scan
            existing = await look_up
        _log_scan(job, source)
        if job.settings.dry_run:
            await _preview(job, source, existing)
            return
        if existing is None:
            app, creation = await apps.create_or_find(job)
            created = creation.outcome
        else:
            app, created = existing, Outcome.REFUSED
        hashes = await _update(job, source, app, created)
    await _complete(job, hashes)


async def _preview(job: Job, source: _Source, app: App | None) -> None:
    """Report what a deploy would change now, without the lock and without a write."""
    if app is None:
        job.preview(f"would create static app {job.app!r}")
    plan = await _compare(job, source, app)
    job.result.changes = Changes(
        uploaded=[Uploaded(file.path, file.size, plan.sign(file)) for file in plan.uploads],
        deleted={path: plan.zone.length(path) for path in plan.delete},
        unchanged=len(plan.unchanged),
    )
    preview_domains(job)


async def _update(job: Job, source: _Source, app: App, created: Outcome) -> Mapping[str, str]:
    """Make all changes while holding the deploy lock, whose release finalizes the deploy with their counts.

    Args:
        job: the run.
        source: the directory to deploy.
        app: the app.
        created: whether this run created the app; `UNKNOWN` if the answer was lost.

    Returns:
        SHA-256 of each file that the app has now, in hex by path.
    """
    changes = job.result.changes = Changes()
    files = job.change()
    try:
        async with job.deploy_lock(
            lambda: Counts(len(changes.uploaded), len(changes.deleted), changes.bytes_uploaded),
            is_new_app=created is not Outcome.REFUSED,
        ) as lock:
            plan = await _compare(job, source, app, is_ours=created is Outcome.DONE)
            update = Update(job, lock, plan, changes, files, url=app.address)
            if update.is_needed:
                with job.phase("Upload"):
                    await update.store_first_manifest()
                    await update.upload(plan.uploads)
                with job.phase("Verify"):
                    listing = await update.require_listed()
                    await _require_same(job, source)
                with job.phase("Delete and record"):
                    await update.plan_late(listing, is_new=created is Outcome.DONE)
                    await update.delete_stale()
                    await update.store_last_manifest(listing.proofs)
            else:
                await _require_same(job, source)
    except BaseException:
        files.seen = changes.state
        raise
    files.seen = "the new version is deployed"
    _log_finalized(job, lock)
    return update.deployed_hashes()


async def _complete(job: Job, hashes: Mapping[str, str]) -> None:
    """Update the domains and check the health; an error of either does not stop the other."""
    errors = await update_domains(job)
    url = await apps.find_url(job)
    try:
        await check_health(job, url, hashes)
    except DeployError as error:
        errors.append(error)
    if errors:  # the first one's exit code counts
        errors[0].args = ("; ".join(map(str, errors)),)
        raise errors[0]


async def _scan(job: Job, directory: Path) -> Scan:
    settings = job.settings

    def scan_all() -> Scan:
        exclude = settings.own_files.values()
        return scan(directory, ignore=settings.ignore, ignore_file=settings.ignore_file, exclude=exclude)

    return await anyio.to_thread.run_sync(scan_all, abandon_on_cancel=True)


async def _require_same(job: Job, source: _Source) -> None:
    """Scan the directory again, and compare it with the first scan.

    Raises:
        DeployFailed: when files were added, removed or edited since the first scan.
    """
    try:
        now = await _scan(job, source.directory)
    except ConfigurationError as error:
        raise DeployFailed(f"The directory changed during the deploy: {error}", hint=HINT_CHANGED) from error
    if changed := find_changes(source.scan.files, now.files):
        job.log.debug(*changed)
        what = shorten(", ".join(changed), _LONGEST_LIST)
        raise DeployFailed(f"The directory changed during the deploy: {what}", hint=HINT_CHANGED)


async def _compare(job: Job, source: _Source, app: App | None, *, is_ours: bool = False) -> Plan:
    """Read the zone, make a plan and log it.

    Args:
        job: the run.
        source: the directory to deploy.
        app: the app; None if it does not exist yet.
        is_ours: whether this run created the app, so that nothing in it is doubtful.

    Raises:
        ConfigurationError: when it is doubtful whether the changes are intended.
    """
    with job.phase("Compare"):
        files = source.scan.files
        zone = await read_zone(job, app.address, files) if app else Zone()
        can_skip = job.settings.incremental and zone.manifest.files
        if not can_skip:
            source.hashing.cancel()
        hashes = await source.hashing if can_skip else {}
        plan = make_plan(files, zone, hashes, keep=job.keep, delete_stale=job.settings.delete_stale)
        _log_plan(job, plan)
        if app and not is_ours:
            doubts = find_doubts(
                job.app,
                plan,
                repository=job.ci.repository,
                keep=job.keep,
                directory=source.directory,
                max_deletes=job.settings.max_deletes,
            )
            for doubt in require_confirmed(doubts, take_over=job.settings.take_over):
                job.note(f"{doubt.problem}; continuing, because `take-over` is set")
        return plan


def _log_scan(job: Job, source: _Source) -> None:
    """Log the scan, and warn about likely mistakes in the inputs."""
    found = source.scan
    if found.ignore_file is not None:
        job.log.info(f"Ignore file: {found.ignore_file}")
    ignored = f"; {found.ignored:,} ignored" if found.ignored else ""
    job.log.info(f"Scanned {human_files(len(found.files))}, {human_bytes(found.total_bytes)}{ignored}")
    if found.secrets:
        secrets = human_paths(found.secrets, 10)
        job.log.info(f"Ignored as possible secrets: {secrets}; `!pattern` in the input `ignore` deploys one")
    for warning in found.warnings:
        job.warn(warning)
    for name, patterns in (("ignore", job.settings.ignore), ("keep", job.settings.keep)):
        for pattern in patterns:
            if names_directory(pattern, source.directory):
                job.warn(
                    f"`{name}`: {pattern!r} begins with the name of `directory`; leave that name out: "
                    "patterns are relative to `directory`"
                )


def _log_plan(job: Job, plan: Plan) -> None:
    """Log the changes, in a folded group if the log has groups; `log-level: debug` logs all, with reasons."""
    log = job.log
    kept = f", {len(plan.kept):,} kept" if plan.kept else ""
    line = (
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(plan.upload_bytes)}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}"
    )
    if log.shows("debug"):
        names = [f"  {sign} {path} ({reason})" for sign, path, reason in plan.changes()]
    else:
        shown = _SHOWN_FOLDED if log.folds else _SHOWN_PLAIN
        names = [f"  {sign} {path}" for sign, path, _ in islice(plan.changes(), shown)]
        if (more := len(plan.uploads) + len(plan.delete) - shown) > 0:
            names.append(f"  and {more:,} more (`log-level: debug` names them)")
    log.group(line, names)
    is_first = not plan.zone.files and FRONT_PAGE not in {file.path for file in plan.files}
    if is_first or FRONT_PAGE in plan.delete:
        job.warn(f"The directory has no {FRONT_PAGE} at its root, so the site's address may show no page")


def _log_finalized(job: Job, lock: DeployLock) -> None:
    finalized = lock.finalized or Finalized()
    deploy_id, is_purged = finalized.deploy_id, finalized.cache_purged
    job.log.info(f"Finalized {deploy_id or 'the deploy'}{', CDN cache purged' if is_purged else ''}")
    if not deploy_id:
        why = f"was lost ({lock.lost_answer})" if lock.lost_answer else "has none"
        job.warn(f"The deploy ID is not known: the platform's answer to finalize {why}")
    if is_purged is False or lock.finalized is None:
        job.warn("The CDN's cache may not have been purged: visitors may see the old version for a while")
