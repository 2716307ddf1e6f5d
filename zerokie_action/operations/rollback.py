"""Rolls a failed deploy back: deploys the previous image again, unless something speaks against it."""

import anyio

from zerokie_action.errors import DeployError, HealthCheckFailed
from zerokie_action.operations import apps
from zerokie_action.operations.deploy import Deploy
from zerokie_action.operations.rollout import STEADY_TIME, Rollout, Verdict
from zerokie_action.operations.watch import wait_until_running
from zerokie_action.outcome import Change

_OWN_TIME = 60.0
"""Seconds that a rollback has at least, even after `timeout`. It waits as long for another deploy to end."""


class _NotAllowed(Exception):  # noqa: N818 - a decision, and no error
    """The rollback must not be requested. The text is the reason, as a clause."""


async def roll_back(failed: Deploy, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change says how it went.

    The health check is not repeated, because it may fail for reasons other than the image.
    """
    job, rollout, previous = failed.job, failed.rollout, failed.rollout.previous
    back = Deploy(job, Rollout(previous, rollout.app), Change())
    if isinstance(failure, HealthCheckFailed):
        rollout.verdict = Verdict.RUNS  # so that a running app is no reason to keep the new image

    async def request() -> None:
        if back.change.writes:  # a deploy in progress has refused the last request
            if rollout.verdict is Verdict.FAILED:
                rollout.verdict = None  # so that another status, during that deploy, is no reason either
            await _require_allowed(failed)
        back.rollout.note_before(rollout.app)
        await back.request()

    state = "not rolled back"
    try:
        await anyio.sleep(rollout.settling_left(anyio.current_time()))
        await _require_allowed(failed)
        job.log.info(f"{failure}; rolling back to {previous!r}")
        state = f"the rollback to {previous!r} was not confirmed"
        with anyio.CancelScope(deadline=max(job.ends_at, anyio.current_time() + _OWN_TIME)):
            await job.in_turn(request, seconds=_OWN_TIME)
            state = f"the rollback to {previous!r} did not end"
            await wait_until_running(job, back.rollout, max(job.settings.wait_timeout, _OWN_TIME))
            state = f"rolled back from {rollout.image!r}: {job.app!r} runs {previous!r} again"
            job.result.status = "rolled-back"
    except _NotAllowed as reason:
        state = f"not rolled back: {reason}"
    except DeployError as error:
        state = f"the rollback to {previous!r} failed as well: {error}"
    finally:
        if job.result.status != "rolled-back":
            latest = back if back.change.may_be_made else failed
            state = f"{state}; {await latest.look_up_final_state()}"
        failed.change.seen = state


async def _require_allowed(failed: Deploy) -> None:
    """Look at the app before the rollback is requested.

    Raises:
        _NotAllowed: when the new image is to stay, or nobody can tell which image the app has.
    """
    rollout = failed.rollout
    image = await failed.look_up_image(_OWN_TIME)
    ends_at = anyio.current_time() + STEADY_TIME  # after that answer, which an outage may have delayed
    # The app may be in a crash loop, so one answer is not enough. The time limit is for an image that changes
    # at every look, and so never runs for long enough.
    while image and rollout.is_starting and anyio.current_time() <= ends_at:
        await anyio.sleep(apps.LOOK_PAUSE)
        image = await failed.look_up_image(_OWN_TIME)
    if not image:
        raise _NotAllowed("nobody can tell which image the app has")
    if rollout.why_no_rollback:
        raise _NotAllowed(rollout.why_no_rollback)
