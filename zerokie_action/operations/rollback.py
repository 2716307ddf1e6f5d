"""Going back to the previous image when the new one does not come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError
from zerokie_action.operations.rollout import (
    RUNNING,
    Rollout,
    recording_final_state,
    registry,
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
    result, previous, now = job.result, rollout.previous, rollout.left
    reason = _why_not(rollout)
    if reason or now is None:
        result.final_state = f"not rolled back: {reason}; {result.final_state}"
        return
    job.ci.info(f"{failure}; rolling back to {previous!r}")
    try:
        with anyio.fail_after(max(job.ends_at - anyio.current_time(), _OWN_TIME)):
            await _deploy_again(job, previous, now)
    except anyio.get_cancelled_exc_class():
        result.final_state = f"the rollback to {previous!r} was cut short; {result.final_state}"
        raise
    except TimeoutError:
        result.final_state = f"the rollback to {previous!r} did not end in time; {result.final_state}"
    except DeployError as error:
        result.final_state = f"the rollback to {previous!r} failed as well: {error}; {result.final_state}"
        failure.hint = " ".join(dict.fromkeys(filter(None, (failure.hint, error.hint))))
    else:
        result.status = "rolled-back"
        result.final_state = f"rolled back: {job.app!r} runs {previous!r} again"


def _why_not(rollout: Rollout) -> str:
    """Why nothing is rolled back; empty when it can be."""
    before, now, previous = rollout.before, rollout.left, rollout.previous
    reason = ""
    if before is None:
        reason = "this was the app's first deploy"
    elif now is None or not rollout.has_our_image(now):
        reason = f"the app does not show {rollout.image!r}"
    elif previous == rollout.image:
        reason = "the previous image has the same name; deploy images under unique tags to go back"
    elif not previous or before.status.lower() != RUNNING:
        reason = f"the previous image, {previous!r}, was not running (its status was {before.status!r})"
    return reason


async def _deploy_again(job: Job, image: str, now: App) -> None:
    """Not in turn with others: a deploy that is in progress is newer than what would be gone back to."""
    back = Rollout(image, now)
    async with recording_final_state(job, back):
        with job.phase("Roll back"):
            back.accepted = await job.client.deploy(now, job.app, image, registry(job))
        await wait_until_running(job, back)
