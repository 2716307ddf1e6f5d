"""Deploys an image to a container app, or restarts the app with its current image: the order of the steps.

`deploy` requests it, `watch` looks at the app by the rules of `rollout` and words a failure, and `rollback`
deploys the previous image again.
"""

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.health import NoURL, check_health
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed
from zerokie_action.image import watch
from zerokie_action.image.rollback import roll_back
from zerokie_action.image.rollout import Rollout
from zerokie_action.image.send import Deploy
from zerokie_action.platform.models import App
from zerokie_action.report.record import Seen

_REASONS_FOR_ROLLBACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)


async def deploy_image(job: Job) -> None:
    """Make the container app run the input `image`. A restart has none: the current image is pulled again."""
    settings = job.settings
    with job.time_limit():
        before = await apps.look_up(job, "container")
    if before is not None:
        job.record.previous_image = before.image
    if settings.dry_run:
        _preview(job, before)
        return
    deploy = Deploy(job, Rollout(settings.image, before), job.record.change())
    _announce(deploy)
    try:
        # A rollback and the last look at the app are not subject to `timeout`.
        with job.time_limit():
            await _deploy_and_check(deploy)
        if settings.wait and settings.health_check and not settings.health_check_text:
            await watch.require_same_version(job, deploy.rollout)
    except BaseException as failure:
        if deploy.change.may_be_made:
            await _conclude(deploy, failure)
        raise


def _preview(job: Job, before: App | None) -> None:
    """Report what a deploy or a restart would do."""
    image = job.settings.image
    if before is None:
        job.record.plan(f"would create container app {job.app!r} with {image!r}")
    elif image is None:
        job.record.plan(f"would restart {before.image or job.app!r}")
    else:
        in_place = f" in place of {before.image!r}" if before.image else ""
        job.record.plan(f"would deploy {image!r}{in_place}")


def _announce(deploy: Deploy) -> None:
    """Say which login the platform gets, and warn if `rollback` can have no effect."""
    job, settings, rollout = deploy.job, deploy.job.settings, deploy.rollout
    if login := apps.login(job):
        job.log.info(f"The platform gets {login}, to pull the image")
    if not (settings.rollback and settings.image):  # a restart has no other image to go back to
        return
    if not settings.wait and settings.health_check is None:
        job.record.warn("`rollback` has no effect without `wait` or `health-check`: nothing is checked")
    elif rollout.before and rollout.images.why_not_redeployable:
        job.record.warn(f"`rollback` can't go back: {rollout.images.why_not_redeployable}")


async def _deploy_and_check(deploy: Deploy) -> None:
    """Deploy the image, wait until it runs, and check the app's health."""
    job, settings = deploy.job, deploy.job.settings
    await deploy.begin()
    # The platform gives the deploy of an image no ID, so the session ID stands for it.
    job.record.deploy_id = job.session
    if settings.wait:
        await watch.wait_until_running(job, deploy.rollout, settings.wait_timeout)
    elif not settings.health_check_text:
        job.record.note("`wait` is off: it was not checked whether the new version runs")
        job.record.seen = Seen.ACCEPTED
    await check_health(job, await apps.find_url(job), {})


async def _conclude(deploy: Deploy, failure: BaseException) -> None:
    """Roll back if that is asked for, or say how to. Note which image the app was left with."""
    job, rollout = deploy.job, deploy.rollout
    if isinstance(failure, _REASONS_FOR_ROLLBACK) and not isinstance(failure, NoURL):
        if job.settings.rollback and job.settings.image:
            await roll_back(deploy, failure)
            return
        if advice := watch.how_to_go_back(rollout):
            or_else = (
                "" if rollout.images.why_not_redeployable else ", or set `rollback: true` for the next time"
            )
            failure.advise(f"{advice[0].upper()}{advice[1:]}{or_else}.")
    state = await watch.look_up_final_state(job, rollout, deploy.change)
    if not isinstance(failure, Exception) and (advice := watch.how_to_go_back(rollout)):  # a cancellation
        state = f"{state}; {advice}"
    deploy.change.seen = state
