"""Rolls a failed deploy back: deploys the previous image again, unless something speaks against it."""

import anyio

from zerokie_action.apps import lookup as apps
from zerokie_action.errors import DeployError, HealthCheckFailed
from zerokie_action.image.rollout import Rollout
from zerokie_action.image.send import Deploy
from zerokie_action.image.watch import look_up_final_state, look_up_image, wait_until_running
from zerokie_action.limits import STEADY_TIME
from zerokie_action.report.record import Change

_OWN_TIME = 60.0
"""Seconds that a rollback has at least, even after `timeout`: to be accepted, and then to run."""


class _NotAllowed(Exception):  # noqa: N818 - a decision, and no error
    """The rollback must not be requested. The text is the reason, as a clause."""


async def roll_back(failed: Deploy, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change says how it went.

    The health check is not repeated, because it may fail for reasons other than the image.
    """
    job, images = failed.job, failed.rollout.images
    back = Deploy(job, Rollout(images.previous, failed.rollout.app), Change())

    async def request() -> None:
        if back.change.sent:  # a deploy in progress has refused the last request
            # The status may be that deploy's, so it does not tell whether the failure is over.
            await _require_allowed(failed, failure if isinstance(failure, HealthCheckFailed) else None)
        back.rollout = Rollout(images.previous, failed.rollout.app)
        await back.request()

    state = "not rolled back"
    is_back = False
    try:
        await anyio.sleep(failed.rollout.settling_left(anyio.current_time()))
        await _require_allowed(failed, failure)
        job.log.info(f"{failure}; rolling back to {images.previous!r}")
        state = f"the rollback to {images.previous!r} was not confirmed"
        with anyio.CancelScope(deadline=_deadline(job.ends_at)) as limit:
            await job.in_turn(request, seconds=_OWN_TIME)
            state = f"the rollback to {images.previous!r} did not end"
            limit.deadline = _deadline(job.ends_at)
            await wait_until_running(job, back.rollout, max(job.settings.wait_timeout, _OWN_TIME))
            state = f"rolled back from {images.new!r}: {job.app!r} runs {images.previous!r} again"
            failure.run_status = "rolled-back"
            is_back = True
    except _NotAllowed as reason:
        state = f"not rolled back: {reason}"
    except DeployError as error:
        state = f"the rollback to {images.previous!r} failed as well: {error}"
    finally:
        if not is_back:
            latest = back if back.change.may_be_made else failed
            state = f"{state}; {await look_up_final_state(job, latest.rollout, latest.change)}"
        failed.change.seen = state


def _deadline(ends_at: float) -> float:
    """The end of the rollback's own time, which begins now, or of `timeout` if that is later."""
    return max(ends_at, anyio.current_time() + _OWN_TIME)


async def _require_allowed(failed: Deploy, failure: DeployError | None) -> None:
    """Look at the app before the rollback is requested; `failure` as for `Rollout.why_no_rollback`.

    Raises:
        _NotAllowed: when the new image is to stay, or nobody can tell which image the app has.
    """
    job, rollout, change = failed.job, failed.rollout, failed.change
    image = await look_up_image(job, rollout, change, _OWN_TIME)
    ends_at = anyio.current_time() + STEADY_TIME  # after that answer, which an outage may have delayed
    # The app may be in a crash loop, so one answer is not enough. The time limit is for an image that changes
    # at every look, and so never runs for long enough.
    while image and rollout.is_starting and anyio.current_time() <= ends_at:
        await anyio.sleep(apps.LOOK_PAUSE)
        image = await look_up_image(job, rollout, change, _OWN_TIME)
    reason = rollout.why_no_rollback(failure) if image else "nobody can tell which image the app has"
    if reason:
        raise _NotAllowed(reason)
