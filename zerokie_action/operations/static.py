"""Deploying a directory: its app's storage zone becomes equal to it."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from anyio.from_thread import check_cancelled

from zerokie_action.errors import ConfigurationError, DeployFailed
from zerokie_action.files.local import find_changes, hash_files
from zerokie_action.files.manifest import proved_sha256
from zerokie_action.files.scan import Scan, scan
from zerokie_action.operations import apps
from zerokie_action.operations.compare import compare
from zerokie_action.operations.domains import preview_domains, update_domains
from zerokie_action.operations.health import check_health, preview_health_check
from zerokie_action.operations.verify import require_match
from zerokie_action.operations.zone import Zone
from zerokie_action.platform.models import Counts
from zerokie_action.report.result import Changes, Uploaded
from zerokie_action.text import human_bytes, human_files, human_paths, human_seconds

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from anyio import TaskHandle
    from anyio.abc import TaskGroup

    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App

_FOREIGN = (
    "_headers",
    "_redirects",
    "netlify.toml",
    "vercel.json",
    "firebase.json",
    "staticwebapp.config.json",
)
"""Files that configure other platforms."""
_RELEASED = "The deploy lock is released. Run the deploy again: it uploads what is missing."
_MAYBE_HELD = (
    "The deploy lock may still be held; the log says when it expires. Run the deploy again after that: "
    "it uploads what is missing."
)
"""What to do after an early end that has no hint of its own."""
_NAMED = 10
"""How many files a line names."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What is deployed.

    Attributes:
        directory: the input.
        scan: what it holds.
        hashing: the task that hashes its files.
    """

    directory: Path
    scan: Scan
    hashing: TaskHandle[dict[str, str]]


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's storage zone equal to the directory."""
    job.result.kind = "static"
    job.result.created = False
    async with anyio.create_task_group() as tasks:
        source, app = await _scan_and_look_up(job, directory, tasks)
        if job.settings.dry_run:
            await _preview(job, source, app)
            source.hashing.cancel()
            return
        if app is None:
            await apps.create(job, job.client.create_static(job.app))
            job.ci.info(f"Created static app {job.app!r}")
        await _update(job, source)
    await update_domains(job)
    await check_health(job, source.scan.files)


async def _scan_and_look_up(job: Job, directory: Path, tasks: TaskGroup) -> tuple[_Source, App | None]:
    """The directory, whose files begin to be hashed, and the app if it exists."""
    async with anyio.create_task_group() as both:
        look_up = both.start_soon(apps.look_up, job, "static")
        with job.phase("Scan"):
            found = await anyio.to_thread.run_sync(_scan, job, directory)
        hashing = tasks.start_soon(hash_files, found.files)
        with job.phase("Look up"):  # the rest of it
            await look_up.wait()
    _log_scan(job, found)
    return _Source(directory, found, hashing), look_up.return_value


async def _preview(job: Job, source: _Source, app: App | None) -> None:
    """Report what a deploy would change now, without the lock and without a write."""
    if app is None:
        job.preview(f"would create static app {job.app!r}")
    plan = (await compare(job, source.scan, source.hashing, exists=app is not None)).plan
    job.result.planned = Changes(
        uploaded=[Uploaded(file.path, file.size, plan.sign(file.path)) for file in plan.uploads],
        deleted=list(plan.delete),
        unchanged=len(plan.unchanged),
    )
    preview_domains(job)
    preview_health_check(job)


async def _update(job: Job, source: _Source) -> None:
    """Hold the deploy lock for all changes. Leaving it finalizes it, with the counts of what was changed."""
    changes = job.result.changes = Changes()
    lock: DeployLock | None = None

    def counts() -> Counts:
        return Counts(len(changes.uploaded), len(changes.deleted), changes.bytes_uploaded)

    try:
        async with job.deploy_lock(counts) as lock:
            await _make_equal(job, source, lock, changes)
    except BaseException:
        if lock is not None:
            job.result.hint = _RELEASED if lock.finalized is not None else _MAYBE_HELD
        raise
    finally:
        job.result.final_state = changes.state
        if lock is not None and lock.finalized is not None:  # a failed deploy is finalized as well
            job.result.deploy_id = lock.finalized.deploy_id
            job.result.cache_purged = lock.finalized.cache_purged
    job.result.final_state = "the new version is deployed"
    _log_finalized(job, lock)


async def _make_equal(job: Job, source: _Source, lock: DeployLock, changes: Changes) -> None:
    """Change what has to be changed in the storage zone, and leave a manifest that says so."""
    comparison = await compare(job, source.scan, source.hashing, exists=True)
    plan = comparison.plan
    changes.unchanged = len(plan.unchanged)
    changes.to_upload, changes.to_delete = len(plan.uploads), len(plan.delete)
    zone = Zone(job, lock, comparison, changes)
    lock.on_failure = zone.record_after_failure
    if plan.uploads:
        await _upload(job, zone)
    await _require_same_directory(job, source, zone)
    if plan.delete:
        with job.phase("Delete"):
            await zone.delete(plan.delete)
        job.ci.info(f"Deleted {human_files(len(plan.delete), 'stale file')}")
    if plan.uploads or plan.delete or zone.has_another_owner:
        with job.phase("Verify and record"):
            await zone.record(await require_match(job, source.scan, zone))


async def _upload(job: Job, zone: Zone) -> None:
    """Assets first, HTML last: no page goes live before what it refers to.

    The biggest assets come first: one that begins last would keep all others waiting.
    """
    plan, ci = zone.plan, job.ci
    began = anyio.current_time()
    assets = sorted(plan.upload_assets, key=attrgetter("size"), reverse=True)
    with job.phase("Upload"):
        await zone.upload(assets, plan.upload_pages)
    duration = human_seconds(anyio.current_time() - began)
    ci.info(f"Uploaded {human_files(len(plan.uploads))}, {human_bytes(plan.upload_bytes)} in {duration}")


async def _require_same_directory(job: Job, source: _Source, zone: Zone) -> None:
    """Scan the directory again: what was deployed must still be what is there.

    Raises:
        DeployFailed: when files were added, removed, replaced or edited meanwhile.
    """
    hint = "Let the build finish before the deploy starts, then run the deploy again."
    scanned = await source.hashing

    def hashes(path: str) -> set[str]:
        """What the zone has, and what the file was when the directory was scanned."""
        record = zone.uploaded.get(path)
        sent = record.sha256 if record is not None else proved_sha256(zone.plan.unchanged[path])
        return {sent, scanned.get(path, sent)}

    def scan_again() -> list[str]:
        try:
            now = _scan(job, source.directory, frozenset(file.path for file in source.scan.files))
        except ConfigurationError as error:
            raise DeployFailed(f"The directory changed while it was deployed: {error}", hint=hint) from error
        return find_changes(source.scan.files, now.files, hashes, check_cancelled=check_cancelled)

    changed = await anyio.to_thread.run_sync(scan_again)
    if changed:
        job.ci.debug(*changed)
        more = f" and {len(changed) - _NAMED:,} more" if len(changed) > _NAMED else ""
        what = ", ".join(changed[:_NAMED]) + more
        raise DeployFailed(f"The directory changed while it was deployed: {what}", hint=hint)


def _scan(job: Job, directory: Path, known: Collection[str] = frozenset()) -> Scan:
    return scan(
        directory,
        ignore=job.settings.ignore,
        ignore_file=job.settings.ignore_file,
        exclude=job.own_files,
        known=known,
        check_cancelled=check_cancelled,
    )


def _log_scan(job: Job, found: Scan) -> None:
    if found.ignore_file is not None:
        job.ci.info(f"Ignore file: {found.ignore_file}")
    ignored = f"; {found.ignored:,} ignored" if found.ignored else ""
    job.ci.info(f"Scanned {human_files(len(found.files))}, {human_bytes(found.total_bytes)}{ignored}")
    if found.secrets:
        secrets = human_paths(found.secrets, _NAMED)
        job.ci.info(f"Ignored as possible secrets: {secrets}; `!pattern` in `ignore` brings one back")
    for warning in found.warnings:
        job.warn(warning)
    if foreign := [file.path for file in found.files if file.path in _FOREIGN]:
        job.warn(
            "Files for other platforms, which this one does not read and serves as they are: "
            f"{human_paths(foreign, len(_FOREIGN))}"
        )


def _log_finalized(job: Job, lock: DeployLock) -> None:
    finalized = lock.finalized
    if finalized is None:
        job.warn("The deploy was finalized, but the platform's answer was lost: the deploy ID is not known")
        return
    if not finalized.deploy_id:
        job.warn("The platform named no deploy ID when it finalized the deploy")
    purged = ", CDN cache purged" if finalized.cache_purged else ""
    job.ci.info(f"Finalized {finalized.deploy_id or 'the deploy'}{purged}")
    if finalized.cache_purged is False:
        job.warn("The platform did not purge the CDN cache: visitors may see the old version for a while")
