"""Steps of an image's deploy, and of a restart with the current image.

`send` requests the deploy, `watch` polls the app and words a failure, `rollout` has the rules of the verdict,
and `rollback` deploys the previous image again.
"""

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.health import NoURL, require_healthy
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployFailed, DeployTimedOut, HealthCheckFailed
from zerokie_action.image import watch
from zerokie_action.image.rollback import roll_back
from zerokie_action.image.rollout import Rollout
from zerokie_action.image.send import Attempt, Deploy
from zerokie_action.platform.models import App
from zerokie_action.report.headlines import Headline

_REASONS_FOR_ROLLBACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)


async def deploy_image(job: Job) -> None:
    """Make the container app run the input `image`. A restart has no such input and pulls the image again."""
    settings = job.settings
    with job.time_limit():
        before = await apps.look_up(job, "container")
    if before is not None:
        job.report.previous_image = before.image
    rollout = Rollout(settings.image, before)
    _warn_without_rollback(job, rollout)
    if settings.dry_run:
        _preview(job, before)
        return
    if credentials := apps.credentials(job):
        job.log.info(f"Passing {credentials} to the platform")
    deploy = Deploy(job, [Attempt(rollout, job.report.change())])
    try:
        # `timeout` doesn't limit the rollback and the last lookup of the app.
        with job.time_limit():
            await _deploy_and_check(deploy)
        if settings.wait and settings.health_check and not settings.health_check_text:
            await watch.require_same_version(job, deploy.rollout)
    except BaseException as failure:
        if deploy.change.may_be_made:
            await _after_failure(deploy, failure)
        raise


def _preview(job: Job, before: App | None) -> None:
    """Report what a deploy or a restart would do."""
    image = job.settings.image
    if before is None:
        job.report.plan(f"would create container app {job.app!r} with {image!r}")
    elif image is None:
        job.report.plan(f"would restart {before.image or job.app!r}")
    else:
        instead = f" instead of {before.image!r}" if before.image else ""
        job.report.plan(f"would deploy {image!r}{instead}")


def _warn_without_rollback(job: Job, rollout: Rollout) -> None:
    """Warn if `rollback` has no effect."""
    settings = job.settings
    if not (settings.rollback and settings.image):  # a restart has only one image
        return
    if not settings.wait and settings.health_check is None:
        job.report.warn(
            "`rollback` has no effect without `wait` or `health-check`, because nothing is checked"
        )
    elif rollout.before and rollout.images.why_not_redeployable:
        job.report.warn(f"`rollback` has no effect: {rollout.images.why_not_redeployable}")


async def _deploy_and_check(deploy: Deploy) -> None:
    """Deploy the image, wait until it runs, and check the app's health."""
    job, settings = deploy.job, deploy.job.settings
    await deploy.begin()
    # The platform assigns no ID to the deploy of an image, so the session ID replaces it.
    job.report.deploy_id = job.session
    if settings.wait:
        await watch.wait_until_running(job, deploy.rollout, settings.wait_timeout)
    elif not settings.health_check_text:
        job.report.note("`wait` is off, so the action didn't check the new version")
        job.report.headline = Headline.ACCEPTED
    await require_healthy(job, await apps.find_url(job), {})


async def _after_failure(deploy: Deploy, failure: BaseException) -> None:
    """Roll back if `rollback` is set, or else explain how to. Note the app's final state."""
    job, rollout = deploy.job, deploy.rollout
    reason = (
        failure if isinstance(failure, _REASONS_FOR_ROLLBACK) and not isinstance(failure, NoURL) else None
    )
    if reason and job.settings.rollback and job.settings.image:
        await roll_back(deploy, reason)
        return
    state = await watch.look_up_final_state(job, rollout, deploy.change)
    advice = watch.how_to_go_back(rollout)
    if advice and reason:
        can_go_back = not rollout.images.why_not_redeployable
        automatic = " To roll back automatically next time, set `rollback: true`." if can_go_back else ""
        reason.advise(f"{advice[0].upper()}{advice[1:]}.{automatic}")
    if advice and not isinstance(failure, Exception):  # a cancellation
        state = f"{state}; {advice}"
    deploy.change.final_state = state
