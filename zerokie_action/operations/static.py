"""Deploys a directory: makes the app's storage zone equal to the directory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

from zerokie_action.errors import ConfigurationError, DeployFailed, HealthCheckFailed
from zerokie_action.files.ignore import names_directory
from zerokie_action.files.local import HINT_CHANGED, find_changes, hash_files
from zerokie_action.files.plan import (
    FRONT_PAGE,
    doubts_about_deletions,
    doubts_about_files,
    make_plan,
    require_no_doubts,
)
from zerokie_action.files.scan import Scan, scan
from zerokie_action.operations import apps
from zerokie_action.operations.domains import preview_domains, update_domains
from zerokie_action.operations.health import check_health
from zerokie_action.operations.zone import EMPTY_ZONE, Update, not_kept, read_zone
from zerokie_action.outcome import was_created
from zerokie_action.platform.models import Counts
from zerokie_action.report.result import Changes, Uploaded
from zerokie_action.text import human_bytes, human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anyio import TaskHandle

    from zerokie_action.files.plan import Doubt, Plan
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
        app = look_up.return_value
        _log_scan(job, directory, found)
        if job.settings.dry_run:
            await _preview(job, source, app)
            return
        if app is None:
            app, _ = await apps.create_or_find(job)
        url = app.address
        sent = await _update(job, source)
    errors = await update_domains(job)
    url = await apps.find_url(job, url)
    try:
        await check_health(job, url, sent)
    except HealthCheckFailed as error:
        errors.append(error)
    if errors:
        errors[0].args = ("; ".join(map(str, errors)),)
        raise errors[0]


async def _preview(job: Job, source: _Source, app: App | None) -> None:
    """Report what a deploy would change now, without the lock and without a write."""
    if app is None:
        job.preview(f"would create static app {job.app!r}")
    zone, plan = await _compare(job, source, app_exists=app is not None)
    job.result.planned = Changes(
        uploaded=[Uploaded(file.path, file.size, plan.sign(file)) for file in plan.uploads],
        deleted={path: zone.files[path].length for path in plan.delete},
        unchanged=len(plan.unchanged),
    )
    preview_domains(job)


async def _update(job: Job, source: _Source) -> dict[str, str]:
    """Make all changes while holding the deploy lock. Return the SHA-256 in hex of all files, by path.

    The release of the lock finalizes the deploy with the counts of the changes.
    """
    changes = job.result.changes = Changes()

    def counts() -> Counts:
        return Counts(len(changes.uploaded), len(changes.deleted), changes.bytes_uploaded)

    try:
        async with job.deploy_lock(counts, is_new_app=bool(was_created(job.changes))) as lock:
            sent = await _make_equal(job, source, lock, changes)
    except BaseException:
        for change in job.changes:
            if change.kind == "files":
                change.seen = changes.state
        raise
    for change in job.changes:
        if change.kind == "files":
            change.seen = "the new version is deployed"
    _log_finalized(job, lock)
    return sent


async def _make_equal(job: Job, source: _Source, lock: DeployLock, changes: Changes) -> dict[str, str]:
    """Carry out the plan in the storage zone, and store the manifests. Return the hashes of all files."""
    zone, plan = await _compare(job, source)
    changes.unchanged = len(plan.unchanged)
    changes.to_upload, changes.to_delete = len(plan.uploads), len(plan.delete)
    update = Update(job, lock, zone, plan, changes)
    if not update.is_needed:
        sent = update.deployed_hashes()
        del update, plan, zone  # frees up to 100,000 records before the second scan creates as many
        await _require_same_directory(job, source, sent)
        return sent
    with job.phase("Upload"):
        await update.store_intent()
        await update.upload(plan.uploads)
    with job.phase("Verify"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_require_same_directory, job, source, update.deployed_hashes())
            tasks.start_soon(update.require_listed)
    with job.phase("Delete and record"):
        await update.delete_stale()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(update.delete_manifests)
            tasks.start_soon(update.store_proof)
    return update.deployed_hashes()


async def _compare(job: Job, source: _Source, *, app_exists: bool = True) -> tuple[Zone, Plan]:
    """Read the zone (empty if the app does not exist yet), then make, log and check the plan.

    Raises:
        ConfigurationError: when it is doubtful whether the changes are intended.
    """
    with job.phase("Compare"):
        zone = await read_zone(job, source.scan.files) if app_exists else EMPTY_ZONE
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
        hashes.clear()  # frees up to 100,000
        _log_plan(job, plan, zone)
        require_no_doubts([*_doubts(job, plan, zone)])
        return zone, plan


def _doubts(job: Job, plan: Plan, zone: Zone) -> Iterator[Doubt]:
    """Doubts about the ownership of the app and its files, and about the deletions."""
    if was_created(job.changes):
        return
    if not job.settings.take_over:
        # If the app may belong to another repository, don't ask as well who owns its files.
        yield from zone.doubts or doubts_about_files(plan, is_known=zone.ours is not None)
    else:
        for doubt in zone.doubts:
            job.ci.info(f"{doubt.problem}; continuing, because `take-over` is set")
        if plan.foreign:
            foreign = f"{human_files(len(plan.foreign))} that no deploy of this action has uploaded"
            deletes = "would delete" if job.settings.dry_run else "deletes"
            job.note(f"`take-over` {deletes} {foreign}: {human_paths(plan.foreign)}")
    deployed = zone.manifest.count or len(not_kept(job.keep, zone.files))
    yield from doubts_about_deletions(plan, deployed=deployed, max_deletes=job.settings.max_deletes)


async def _require_same_directory(job: Job, source: _Source, sent: Mapping[str, str]) -> None:
    """Scan the directory again, and compare it with the deployed files.

    Args:
        job: the run.
        source: the directory with its first scan.
        sent: SHA-256 of the deployed files, in hex by path.

    Raises:
        DeployFailed: when files were added, removed or edited since the first scan.
    """
    try:
        now = await anyio.to_thread.run_sync(_scan, job, source.directory, abandon_on_cancel=True)
    except ConfigurationError as error:
        raise DeployFailed(f"The directory changed during the deploy: {error}", hint=HINT_CHANGED) from error
    changed = await anyio.to_thread.run_sync(
        find_changes, source.scan.files, now.files, sent, abandon_on_cancel=True
    )
    if changed:
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


def _log_plan(job: Job, plan: Plan, zone: Zone) -> None:
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
