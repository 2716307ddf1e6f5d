"""Rolls a failed deploy back by deploying the previous image again."""

import anyio

from zerokie_action.apps import lookup as apps
from zerokie_action.errors import DeployError, HealthCheckFailed
from zerokie_action.image.rollout import Rollout
from zerokie_action.image.send import Attempt, Deploy
from zerokie_action.image.watch import look_up_final_state, look_up_image, wait_until_running
from zerokie_action.limits import STEADY_TIME
from zerokie_action.report.changes import Change

_OWN_TIME = 60.0
"""Seconds that the platform has at least to accept a rollback, and again to run it, even after `timeout`."""


class _NotAllowed(Exception):  # noqa: N818 - a decision, and no error
    """The rollback must not be requested. The text is the reason, as a clause."""


async def roll_back(failed: Deploy, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change gets the result.

    The health check isn't repeated, because it may fail for reasons other than the image.
    """
    job, images = failed.job, failed.rollout.images
    back = Deploy(job, [])

    async def ask() -> None:
        if back.attempts:  # another deploy was in progress, so the status may be that deploy's
            await _require_allowed(failed, failure if isinstance(failure, HealthCheckFailed) else None)
        # Its change isn't in the run's list, because the failed deploy's change describes the rollback.
        back.attempts.append(Attempt(Rollout(images.previous, failed.rollout.app), Change()))
        await back.request()

    state = "not rolled back"
    is_back = False
    try:
        await anyio.sleep_until(failed.rollout.settled_at)
        await _require_allowed(failed, failure)
        job.log.info(f"Rolling back to {images.previous!r}: {failure}")
        state = f"the platform didn't confirm the rollback to {images.previous!r}"
        with anyio.CancelScope(deadline=_deadline(job.ends_at)) as limit:
            await job.in_turn(ask, seconds=_OWN_TIME)
            state = f"the rollback to {images.previous!r} didn't finish"
            limit.deadline = _deadline(job.ends_at)
            await wait_until_running(job, back.rollout, max(job.settings.wait_timeout, _OWN_TIME))
            state = f"rolled back from {images.new!r}: {job.app!r} runs {images.previous!r} again"
            failure.run_status = "rolled-back"
            is_back = True
    except _NotAllowed as reason:
        state = f"not rolled back: {reason}"
    except DeployError as error:
        state = f"the rollback to {images.previous!r} also failed: {error}"
    finally:
        if not is_back:
            attempts = [*failed.attempts, *back.attempts]
            last = next(attempt for attempt in reversed(attempts) if attempt.change.may_be_made)
            state = f"{state}; {await look_up_final_state(job, last.rollout, last.change)}"
        failed.change.final_state = state


def _deadline(ends_at: float) -> float:
    """Return the end of the rollback's own time, which starts now, or of `timeout` if that is later."""
    return max(ends_at, anyio.current_time() + _OWN_TIME)


async def _require_allowed(failed: Deploy, failure: DeployError | None) -> None:
    """Look up the app, and require that nothing speaks against a rollback.

    Args:
        failed: the failed deploy.
        failure: as for `Rollout.why_no_rollback`.

    Raises:
        _NotAllowed: when the new image is to stay, or the app's image is unknown.
    """
    job, rollout, change = failed.job, failed.rollout, failed.change
    image = await look_up_image(job, rollout, change, _OWN_TIME)
    # One response isn't enough for an app in a crash loop. The limit starts after the first response, because
    # an outage may delay that. Without a limit, an image that changes each time would never end the loop.
    ends_at = anyio.current_time() + STEADY_TIME
    while image and rollout.is_starting and anyio.current_time() <= ends_at:
        await anyio.sleep(apps.POLL_PAUSE)
        image = await look_up_image(job, rollout, change, _OWN_TIME)
    reason = rollout.why_no_rollback(failure) if image else "the app's image is unknown"
    if reason:
        raise _NotAllowed(reason)
