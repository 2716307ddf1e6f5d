"""Holding the deploy lock for an operation."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from zerokie_action.lock.lock import Turn, deploy_lock
from zerokie_action.lock.session import Session
from zerokie_action.platform.models import Counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job


@asynccontextmanager
async def locked(job: Job, counts: Callable[[], Counts] = Counts) -> AsyncIterator[DeployLock]:
    """Hold the app's deploy lock while the body runs (see `deploy_lock`); `counts` are what it changed."""
    turn = Turn(job.app, job.settings.lock_timeout, job.ci)
    try:
        async with deploy_lock(
            Session(job.platform, job.app, job.session),
            counts=counts,
            turn=turn,
            heartbeat=job.settings.lock_heartbeat,
            state=job.state,
            shutdown=job.shutdown,
            log=job.ci,
        ) as lock:
            yield lock
    finally:
        job.result.lock_wait_seconds = turn.waited
