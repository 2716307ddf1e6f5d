"""The storage zone becomes the folder: lock, compare, upload, delete, verify, record, finalize."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from zerokie_action.files.local import check_unchanged
from zerokie_action.files.plan import keep_patterns, make_plan
from zerokie_action.lock.lock import deploy_lock
from zerokie_action.lock.session import Session
from zerokie_action.lock.waiting import Turn
from zerokie_action.operations import incremental, verify
from zerokie_action.operations.update import ZoneUpdate
from zerokie_action.platform.models import Counts
from zerokie_action.report.progress import start_progress
from zerokie_action.report.result import Changes
from zerokie_action.text import human_bytes, human_files, human_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.files.gitignore import Patterns
    from zerokie_action.files.plan import Plan
    from zerokie_action.files.scan import Scan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job

_SHOWN_PATHS = 50


async def update(job: Job, folder: Scan) -> None:
    """Make the storage zone equal to the folder, under the deploy lock, which finalize gives back."""
    changes = job.result.changes = Changes()
    turn = Turn(job.app, job.settings.lock_timeout, job.ci)
    lock: DeployLock | None = None
    try:
        async with deploy_lock(
            Session(job.client, job.app, job.session),
            counts=lambda: Counts(len(changes.uploaded), len(changes.deleted), changes.bytes_uploaded),
            turn=turn,
            heartbeat=job.settings.lock_heartbeat,
            state=job.state,
            shield=job.shield,
            log=job.ci,
        ) as lock:
            await _change(job, folder, changes, lock)
    finally:
        job.result.lock_wait_seconds = turn.waited
        if lock is not None and lock.finalized is not None:  # a failed deploy is finalized as well
            job.result.deploy_id = lock.finalized.deploy_id
            job.result.cache_purged = lock.finalized.cache_purged
    _tell_of_the_end(job, lock)


async def preview(job: Job, folder: Scan, *, exists: bool) -> None:
    """What a deploy would change now, without the lock and without a write."""
    plan = await _compare(job, folder, keep_patterns(job.settings.keep), exists=exists)
    job.result.planned = Changes(
        uploaded=[(file.path, file.size) for file in plan.uploads],
        deleted=list(plan.delete),
        unchanged=len(plan.unchanged),
    )
    _list_paths(job, "to upload", [file.path for file in plan.uploads])
    _list_paths(job, "to delete", plan.delete)
    if not exists:
        job.result.notes.append(f"App {job.app!r} does not exist yet; it would be created.")


def _list_paths(job: Job, what: str, paths: Sequence[str]) -> None:
    """Fold the paths into a group. What is too much for anybody to read is for the debug log."""
    if not paths:
        return
    with job.ci.group(f"{human_files(len(paths))} {what}"):
        job.ci.info(*(f"  {path}" for path in paths[:_SHOWN_PATHS]))
        if more := paths[_SHOWN_PATHS:]:
            job.ci.info(f"  and {len(more):,} more (`log-level: debug` names them)")
            job.ci.debug(*(f"  {path}" for path in more))


async def _change(job: Job, folder: Scan, changes: Changes, lock: DeployLock) -> None:
    keep = keep_patterns(job.settings.keep)
    plan = await _compare(job, folder, keep, exists=True)
    changes.unchanged = len(plan.unchanged)
    writers = job.platform.writers(
        job.app, fence=lock.check, shield=job.shield, concurrency=job.settings.concurrency
    )
    update = ZoneUpdate(job, folder, keep, plan, lock, writers, changes)
    if plan.uploads:
        with job.phase("Upload"):
            await _upload(update)
    await anyio.to_thread.run_sync(check_unchanged, folder.files)
    if plan.delete:
        with job.phase("Delete"):
            await update.delete(plan.delete)
        job.ci.info(f"Deleted {len(plan.delete):,} stale {'file' if len(plan.delete) == 1 else 'files'}")
    if plan.uploads or plan.delete or plan.old_manifests:
        with job.phase("Verify and record"):
            listing, now = await verify.ensure(update)
            await incremental.record(update, listing, now=now)


async def _compare(job: Job, folder: Scan, keep: Patterns, *, exists: bool) -> Plan:
    """The plan. What it is made from is not kept: of many files, that is a lot of memory."""
    listing = await job.client.list_files(job.app) if exists else []
    evidence = await incremental.gather(job, folder, listing)
    plan = make_plan(
        folder,
        listing,
        hashes=evidence.hashes,
        manifest=evidence.manifest,
        manifest_path=incremental.path_of_manifest(job),
        keep=keep,
        delete_stale=job.settings.delete_stale,
    )
    kept = f", {len(plan.kept):,} kept" if plan.kept else ""
    job.ci.info(
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(plan.upload_bytes)}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}"
    )
    for path in plan.unaddressable:
        job.warn(f"The remote path {path!r} can't be addressed safely; it is left alone")
    return plan


async def _upload(update: ZoneUpdate) -> None:
    """Assets first, HTML last: no page goes live before what it refers to."""
    plan, ci = update.plan, update.job.ci
    began = anyio.current_time()
    with start_progress(
        len(plan.uploads), plan.upload_bytes, write=ci.info, terminal=ci.terminal
    ) as progress:

        def done(size: int) -> None:
            progress.advance(files=1, nbytes=size)

        await update.upload(plan.upload_assets, done)
        await update.upload(plan.upload_pages, done)
    taken = human_seconds(anyio.current_time() - began)
    ci.info(f"Uploaded {human_files(len(plan.uploads))}, {human_bytes(plan.upload_bytes)} in {taken}")


def _tell_of_the_end(job: Job, lock: DeployLock) -> None:
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
