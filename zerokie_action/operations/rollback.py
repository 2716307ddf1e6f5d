"""Going back to the previous image when the new one does not come up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeAlias

from anyio import get_cancelled_exc_class

from zerokie_action.errors import DeployError
from zerokie_action.operations.rollout import request_deploy
from zerokie_action.operations.wait import until_running

if TYPE_CHECKING:
    from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.rollout import Rollout
    from zerokie_action.platform.models import App

    Failure: TypeAlias = DeployFailed | DeployTimedOut | HealthCheckFailed


async def roll_back(job: Job, rollout: Rollout, failure: Failure) -> NoReturn:
    """Deploy the previous image again, wait until it runs, and raise the failure with what came of that.

    The health check is not repeated: it may fail for reasons that the image has nothing to do with.
    """
    previous = rollout.before.image if rollout.before else ""
    if reason := _nothing_to_go_back_to(rollout, previous):
        raise _with(failure, f"not rolled back: {reason}") from failure
    job.ci.info(f"{failure}; rolling back to {previous!r}")
    try:
        await _deploy_again(job, rollout, previous)
    except get_cancelled_exc_class():
        job.warn(
            f"The rollback to {previous!r} was cut short; whether it took place is not known ({failure})"
        )
        raise
    except DeployError as error:
        raise _with(failure, f"the rollback to {previous!r} failed as well: {error}", error.hint) from error
    job.result.status = "rolled-back"
    raise _with(failure, f"rolled back: {job.app!r} runs {previous!r} again") from failure


def _nothing_to_go_back_to(rollout: Rollout, previous: str) -> str:
    """Why not, or empty."""
    if rollout.before is None:
        return "this was the app's first deploy, there is no previous image"
    if not previous:
        return "the platform did not say which image ran before"
    if previous == rollout.image:
        return (
            f"the previous image has the same name, {previous!r}; deploy images under unique tags to go back"
        )
    return ""


async def _deploy_again(job: Job, rollout: Rollout, previous: str) -> None:
    def refuse_to_replace_others(now: App) -> None:
        if now.image and now.image != previous and not rollout.is_ours(now.image):
            raise DeployError(f"somebody else has deployed {now.image!r} meanwhile, and that is left alone")

    with job.phase("Roll back"):
        now = await job.client.get_app(job.app)
        back = await request_deploy(job, now, previous, check=refuse_to_replace_others)
    await until_running(job, back)


def _with(failure: Failure, outcome: str, hint: str = "") -> Failure:
    """The same kind of failure, and so the same exit code, that also tells the outcome."""
    return type(failure)(
        f"{failure}; {outcome}", hint=" ".join(dict.fromkeys(filter(None, (failure.hint, hint))))
    )
