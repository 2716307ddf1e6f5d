"""Going back to the previous image when the new one does not come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import get_cancelled_exc_class

from zerokie_action.errors import DeployError
from zerokie_action.operations.rollout import (
    RUNNING,
    Rollout,
    final_state,
    recording_final_state,
    request_deploy,
    require_not_replaced,
    wait_until_running,
)

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App

_OWN_TIME = 60.0
"""Seconds that a rollback has at least, even if `timeout` has passed."""


async def roll_back(job: Job, rollout: Rollout, failure: DeployError) -> None:
    """Deploy the previous image again and wait until it runs. The result says how that ended.

    The health check is not repeated: it may fail for reasons that the image has nothing to do with.
    """
    result, previous = job.result, rollout.previous
    if reason := _nothing_to_go_back_to(rollout):
        result.final_state = f"not rolled back: {reason}; {result.final_state}"
        return
    job.ci.info(f"{failure}; rolling back to {previous!r}")
    left = job.ends_at - anyio.current_time()
    try:
        with anyio.fail_after(max(left, _OWN_TIME)):
            outcome = await _deploy_again(job, rollout)
    except get_cancelled_exc_class():
        result.final_state = f"the rollback to {previous!r} was cut short; {result.final_state}"
        raise
    except TimeoutError:
        outcome = f"the rollback to {previous!r} did not end in time; {result.final_state}"
    except DeployError as error:
        outcome = f"the rollback to {previous!r} failed as well: {error}; {result.final_state}"
        failure.hint = " ".join(dict.fromkeys(filter(None, (failure.hint, error.hint))))
    result.final_state = outcome


def _nothing_to_go_back_to(rollout: Rollout) -> str:
    """Why not, or empty."""
    if rollout.before is None:
        return "this was the app's first deploy, there is no previous image"
    previous = rollout.previous
    if not previous:
        return "the platform did not say which image ran before"
    if previous == rollout.image:
        return (
            f"the previous image has the same name, {previous!r}; deploy images under unique tags to go back"
        )
    if rollout.before.status.lower() != RUNNING:
        return f"the previous image, {previous!r}, was not running (its status was {rollout.before.status!r})"
    return ""


async def _deploy_again(job: Job, rollout: Rollout) -> str:
    """Returns how that ended, as the result says it."""

    def require_still_ours(now: App) -> None:
        rollout.seen = now
        require_not_replaced(job, rollout)

    back = Rollout(rollout.previous, rollout.seen)
    async with recording_final_state(job, back):
        with job.phase("Roll back"):
            now = back.before = back.seen = await job.client.get_app(job.app)
            require_still_ours(now)
            if rollout.accepted is None and not rollout.is_ours(now.image):
                return f"not rolled back: {rollout.image!r} was not deployed; {final_state(job, back)}"
            await request_deploy(job, back, now, check=require_still_ours)
        await wait_until_running(job, back)
    job.result.status = "rolled-back"
    return f"rolled back: {job.app!r} runs {rollout.previous!r} again"
