"""Deploys a directory: makes the app's storage zone equal to the directory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

from zerokie_action import doubts
from zerokie_action.errors import ConfigurationError, DeployFailed, HealthCheckFailed
from zerokie_action.files.ignore import names_directory
from zerokie_action.files.local import HINT_CHANGED, find_changes, hash_files
from zerokie_action.files.plan import FRONT_PAGE, make_plan
from zerokie_action.files.scan import Scan, scan
from zerokie_action.operations import apps
from zerokie_action.operations.domains import preview_domains, update_domains
from zerokie_action.operations.health import check_health
from zerokie_action.operations.update import Update
from zerokie_action.operations.zone import EMPTY_ZONE, not_kept, read_zone
from zerokie_action.outcome import Outcome
from zerokie_action.platform.models import Counts
from zerokie_action.report.result import Changes, Uploaded
from zerokie_action.text import human_bytes, human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anyio import TaskHandle

    from zerokie_action.files.plan import Plan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.zone import Zone
    from zerokie_action.platform.models import App

_MOST_NAMED = 10
"""The most files that a line names."""
_SHOWN_PLAIN = 20
_SHOWN_FOLDED = 50
"""The most changes that are named in a plain log, and in a folded group."""


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
            found = await anyio.to_thread.run_sync(_scan, job, directory, abandon_on_cancel=True)
        source = _Source(directory, found, tasks.start_soon(hash_files, found.files))
        with job.phase("Look up"):  # it began with the scan
            await look_up.wait()
        _log_scan(job, directory, found)
        if job.settings.dry_run:
            await _preview(job, source, look_up.return_value)
            return
        app, created = await _find_or_create(job, look_up.return_value)
        sent = await _update(job, source, app, created)
    await _complete(job, app, sent)


async def _find_or_create(job: Job, existing: App | None) -> tuple[App, Outcome]:
    """The app, and whether this run created it; `UNKNOWN` if the answer was lost."""
    if existing is not None:
        return existing, Outcome.REFUSED
    app, change = await apps.create_or_find(job)
    return app, change.outcome


async def _complete(job: Job, app: App, sent: Mapping[str, str]) -> None:
    """Update the domains and check the health; an error of either does not stop the other."""
    errors = await update_domains(job)
    url = await apps.find_url(job, app.address)
    try:
        await check_health(job, url, sent)
    except HealthCheckFailed as error:
        errors.append(error)
    if errors:  # the first one's exit code counts
        errors[0].args = ("; ".join(map(str, errors)),)
        raise errors[0]


async def _preview(job: Job, source: _Source, app: App | None) -> None:
    """Report what a deploy would change now, without the lock and without a write."""
    if app is None:
        job.preview(f"would create static app {job.app!r}")
    zone, plan = await _compare(job, source, app)
    job.result.changes = Changes(
        uploaded=[Uploaded(file.path, file.size, plan.sign(file)) for file in plan.uploads],
        deleted={path: zone.files[path].length for path in plan.delete},
        unchanged=len(plan.unchanged),
    )
    preview_domains(job)


async def _update(job: Job, source: _Source, app: App, created: Outcome) -> Mapping[str, str]:
    """Make all changes while holding the deploy lock.

    The release of the lock finalizes the deploy with the counts of the changes.

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

    def counts() -> Counts:
        return Counts(len(changes.uploaded), len(changes.deleted), changes.bytes_uploaded)

    try:
        async with job.deploy_lock(counts, is_new_app=created is not Outcome.REFUSED) as lock:
            zone, plan = await _compare(job, source, app, is_ours=created is Outcome.DONE)
            changes.unchanged = len(plan.unchanged)
            changes.to_upload, changes.to_delete = len(plan.uploads), len(plan.delete)
            update = Update(job, lock, zone, plan, changes=changes, change=files)
            if update.is_needed:
                await _carry_out(job, source, update, plan)
            else:
                await _require_same_directory(job, source)
    except BaseException:
        files.seen = changes.state
        raise
    files.seen = "the new version is deployed"
    _log_finalized(job, lock)
    return update.deployed_hashes()


async def _carry_out(job: Job, source: _Source, update: Update, plan: Plan) -> None:
    """Write what differs, check that it arrived, and only then delete what is stale."""
    with job.phase("Upload"):
        await update.store_first_manifest()
        await update.upload(plan.uploads)
    with job.phase("Verify"):
        await update.require_listed()
        await _require_same_directory(job, source)
    with job.phase("Delete and record"):
        await update.delete_stale()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(update.delete_older_manifests)
            tasks.start_soon(update.store_last_manifest)


async def _compare(job: Job, source: _Source, app: App | None, *, is_ours: bool = False) -> tuple[Zone, Plan]:
    """Read the zone (empty if the app does not exist yet), then make, log and check the plan.

    Raises:
        ConfigurationError: when it is doubtful whether the changes are intended.
    """
    with job.phase("Compare"):
        zone = await read_zone(job, app.address, source.scan.files) if app else EMPTY_ZONE
        proofs = zone.manifest.files if job.settings.incremental else {}
        if proofs:
            hashes = await source.hashing
        else:
            hashes = {}
            source.hashing.cancel()
        plan = make_plan(
            source.scan.files,
            zone.files,
            hashes=hashes,
            proofs=proofs,
            ours=zone.ours,
            keep=job.keep,
            delete_stale=job.settings.delete_stale,
        )
        _log_plan(job, source.directory, plan, zone)
        if app and not is_ours:
            _require_intent(job, source, zone, plan)
        return zone, plan


def _require_intent(job: Job, source: _Source, zone: Zone, plan: Plan) -> None:
    """Stop if it is doubtful whether the changes are intended.

    Raises:
        ConfigurationError: with all doubts, and the inputs that confirm the changes.
    """
    about_app = doubts.about_app(
        job.app, zone.files, newest=zone.newest, repository=job.ci.repository, not_found=zone.not_found
    )
    # If the app may belong to another repository, don't ask as well who owns its files.
    about_owner = about_app or doubts.about_files(plan, zone.ours)
    about_deletions = doubts.about_deletions(
        plan,
        not_kept(job.keep, zone.files),
        directory=source.directory,
        deployed=zone.manifest.count,
        max_deletes=job.settings.max_deletes,
    )
    if not job.settings.take_over:
        doubts.require_none([*about_owner, *about_deletions])
    doubts.require_none(about_deletions)
    for doubt in about_app:
        job.ci.info(f"{doubt.problem}; continuing, because `take-over` is set")
    if plan.foreign:
        foreign = f"{human_files(len(plan.foreign))} that no deploy of this action has uploaded"
        deletes = "would delete" if job.settings.dry_run else "deletes"
        job.note(f"`take-over` {deletes} {foreign}: {human_paths(plan.foreign)}")


async def _require_same_directory(job: Job, source: _Source) -> None:
    """Scan the directory again, and compare it with the first scan.

    Raises:
        DeployFailed: when files were added, removed or edited since the first scan.
    """
    try:
        now = await anyio.to_thread.run_sync(_scan, job, source.directory, abandon_on_cancel=True)
    except ConfigurationError as error:
        raise DeployFailed(f"The directory changed during the deploy: {error}", hint=HINT_CHANGED) from error
    if changed := find_changes(source.scan.files, now.files):
        job.ci.debug(*changed)
        more = f" and {len(changed) - _MOST_NAMED:,} more" if len(changed) > _MOST_NAMED else ""
        what = ", ".join(changed[:_MOST_NAMED]) + more
        raise DeployFailed(f"The directory changed during the deploy: {what}", hint=HINT_CHANGED)


def _scan(job: Job, directory: Path) -> Scan:
    return scan(
        directory,
        ignore=job.settings.ignore,
        ignore_file=job.settings.ignore_file,
        exclude=job.settings.own_files.values(),
    )


def _log_scan(job: Job, directory: Path, scan: Scan) -> None:
    """Log the scan, and warn about likely mistakes in the directory."""
    if scan.ignore_file is not None:
        job.ci.info(f"Ignore file: {scan.ignore_file}")
    ignored = f"; {scan.ignored:,} ignored" if scan.ignored else ""
    job.ci.info(f"Scanned {human_files(len(scan.files))}, {human_bytes(scan.total_bytes)}{ignored}")
    if scan.secrets:
        secrets = human_paths(scan.secrets, _MOST_NAMED)
        job.ci.info(f"Ignored as possible secrets: {secrets}; `!pattern` in the input `ignore` deploys one")
    for warning in scan.warnings:
        job.warn(warning)
    if any((file.path, file.size) == (FRONT_PAGE, 0) for file in scan.files):
        job.warn(f"{FRONT_PAGE} is empty, so the site's address shows an empty page")
    for name, patterns in (("ignore", job.settings.ignore), ("keep", job.settings.keep)):
        for pattern in patterns:
            if names_directory(pattern, directory):
                job.warn(
                    f"`{name}`: {pattern!r} begins with the name of `directory`; leave that name out: "
                    "patterns are relative to `directory`"
                )


def _log_plan(job: Job, directory: Path, plan: Plan, zone: Zone) -> None:
    """Log the changes, in a folded group if the log has groups; `log-level: debug` logs all, with reasons."""
    ci = job.ci
    kept = f", {len(plan.kept):,} kept" if plan.kept else ""
    line = (
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(plan.upload_bytes)}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}"
    )
    if ci.shows("debug"):
        ci.group(line, [f"  {sign} {path} ({reason})" for sign, path, reason in plan.changes()])
    else:
        shown = _SHOWN_FOLDED if ci.folds else _SHOWN_PLAIN
        names = [f"  {sign} {path}" for sign, path, _ in islice(plan.changes(), shown)]
        if (more := len(plan.uploads) + len(plan.delete) - shown) > 0:
            names.append(f"  and {more:,} more (`log-level: debug` names them)")
        ci.group(line, names)
    if FRONT_PAGE in plan.delete or not (zone.files or any(file.path == FRONT_PAGE for file in plan.uploads)):
        job.warn(f"The directory has no {FRONT_PAGE} at its root, so the site's address may show no page")
    if zone.newest is None and (inner := doubts.output_directory({file.path for file in plan.files})):
        job.warn(
            f"All pages are below {inner!r}, which looks like the output of a build: to publish only that "
            f"folder, set `directory: {directory / inner}`"
        )


def _log_finalized(job: Job, lock: DeployLock) -> None:
    if lock.finalized is None:
        why = f"was lost ({lock.lost_answer})" if lock.lost_answer else "says nothing"
        job.warn(
            f"The deploy was finalized, but the answer {why}: the deploy ID is not known, and the CDN's "
            "cache may not have been purged, so visitors may see the old version for a while"
        )
        return
    deploy_id, is_purged = lock.finalized.deploy_id, lock.finalized.cache_purged
    job.ci.info(f"Finalized {deploy_id or 'the deploy'}{', CDN cache purged' if is_purged else ''}")
    if not deploy_id:
        job.warn("The platform's answer to finalize has no deploy ID")
    if is_purged is False:
        job.warn("The platform did not purge the CDN cache: visitors may see the old version for a while")
