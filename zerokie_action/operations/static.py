"""Deploying a static folder: scan, look up, create; then the storage zone; then domains and health."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from zerokie_action.files.scan import Scan, scan
from zerokie_action.operations import apps
from zerokie_action.operations.domains import preview_domains, update_domains
from zerokie_action.operations.health import check_health, preview_health_check
from zerokie_action.text import human_bytes, human_files

if TYPE_CHECKING:
    from pathlib import Path

    from zerokie_action.operations.job import Job


async def deploy_directory(job: Job, directory: Path) -> None:
    """Make the app's storage zone equal to the folder."""
    job.result.kind = "static"
    job.result.created = False
    folder, exists = await _scan_and_look_up(job, directory)
    # Imported by now, while the platform looked: the first request does not have to wait for it.
    from zerokie_action.operations import zone  # noqa: PLC0415

    if job.settings.dry_run:
        await zone.preview(job, folder, exists=exists)
        preview_domains(job)
        preview_health_check(job)
        return
    if not exists:
        await _create(job)
    await zone.update(job, folder)
    await update_domains(job)
    await check_health(job, folder.files)


async def _scan_and_look_up(job: Job, directory: Path) -> tuple[Scan, bool]:
    """The folder, and whether the app exists. Both at once: neither changes anything."""
    exists = False

    async def look_up() -> None:
        nonlocal exists
        exists = await apps.look_up(job, "static") is not None

    with job.phase("Scan"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_up)
            folder = await anyio.to_thread.run_sync(_scan, job, directory)
    ignored = f"; {folder.ignored:,} ignored" if folder.ignored else ""
    job.ci.info(f"Scanned {human_files(len(folder.files))}, {human_bytes(folder.total_bytes)}{ignored}")
    for warning in folder.warnings:
        job.warn(warning)
    return folder, exists


def _scan(job: Job, directory: Path) -> Scan:
    # In its thread, beside the first request
    from anyio.from_thread import check_cancelled  # noqa: PLC0415

    import zerokie_action.operations.zone  # noqa: F401, PLC0415

    return scan(
        directory,
        ignore=job.settings.ignore,
        ignore_file=job.settings.ignore_file,
        exclude=job.own_files,
        check_cancelled=check_cancelled,
    )


async def _create(job: Job) -> None:
    await apps.create(job, job.client.create_static(job.app))
    job.ci.info(f"Created static app {job.app!r}")
