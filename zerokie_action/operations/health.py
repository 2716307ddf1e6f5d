"""The health check after a deploy, for runs that ask for one; the others do not load what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.operations.job import Job


async def check_health(job: Job, files: Sequence[LocalFile] = ()) -> None:
    """Ask until the app is healthy, if `health-check` is set.

    Args:
        job: the run.
        files: what was deployed to a static app.

    Raises:
        HealthCheckFailed: when `health-check-timeout` has passed; with the last answer.
    """
    if job.settings.health_check is not None:
        from zerokie_action.operations import probe  # noqa: PLC0415 - it loads httpx

        await probe.check(job, job.settings.health_check, files)


def preview_health_check(job: Job) -> None:
    """Say what would be asked; nothing is deployed that could answer."""
    if job.settings.health_check is not None:
        from zerokie_action.operations import probe  # noqa: PLC0415 - it loads httpx

        probe.preview(job, job.settings.health_check)
