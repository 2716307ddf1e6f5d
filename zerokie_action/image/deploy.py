"""Steps of an image's deploy, and of a restart with the current image.

`attempt` requests the deploy and waits for it, and `rollout` has the rules that decide the wait. This module
has the order of the steps, the rollback and the last look at the app.
"""

from functools import partial

import anyio

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.health import NoURL, require_healthy
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, DeployFailed, DeployTimedOut, HealthCheckFailed
from zerokie_action.http.request import Outcome
from zerokie_action.image.attempt import Attempt
from zerokie_action.image.names import ImageName
from zerokie_action.image.rollout import RUNNING, Phase
from zerokie_action.limits import SETTLING_TIME, STEADY_TIME
from zerokie_action.platform.models import App
from zerokie_action.platform.polling import Polling
from zerokie_action.report.changes import Change
from zerokie_action.report.headlines import Headline

_REASONS_FOR_ROLLBACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)
_ROLLBACK_TIME = 60.0
"""Seconds that the platform has at least to accept a rollback, and again to run it, even after `timeout`."""


async def deploy_image(job: Job) -> None:
    """Make the container app run the input `image`. A restart has no such input and pulls the image again."""
    settings = job.settings
    with job.time_limit():
        before = await apps.look_up(job, "container")
        if before is not None and not settings.dry_run:
            before = await _watch_unchanged(job, before)
    if before is not None:
        job.report.previous_image = before.image
    attempt = Attempt(job, settings.image, before, job.report.change())
    if before is not None and _runs_already(job, before):
        await _keep(job, before)
        return
    _warn_without_rollback(attempt, is_new=before is None)
    if settings.dry_run:
        _preview(job, before)
        return
    if credentials := apps.credentials(job):
        job.log.info(f"Passing {credentials} to the platform")
    try:
        # `timeout` doesn't limit the rollback and the last look at the app.
        with job.time_limit():
            await _begin(attempt, is_new=before is None)
            await _check(attempt)
    except BaseException as failure:
        if attempt.change.may_be_made:
            await _after_failure(attempt, failure)
        raise


# An image that runs already


def _runs_already(job: Job, app: App) -> bool:
    """Return whether a deploy would only restart the app, because a digest always means the same image.

    With credentials for a registry, a deploy still passes them on.
    """
    new, shown = ImageName.parse(job.settings.image or ""), ImageName.parse(app.image)
    is_same = bool(new.digest) and (new.repository, new.digest) == (shown.repository, shown.digest)
    return is_same and app.status.lower() == RUNNING and apps.registry_auth(job) is None


async def _watch_unchanged(job: Job, app: App) -> App:
    """Poll an app that runs the image already, because a GET may be late. Return the last response."""
    goal = f"{job.app!r} to keep running the same image"
    polling = Polling(job.log.info, goal, SETTLING_TIME, apps.POLL_PAUSE)
    while _runs_already(job, app) and await polling.again():
        app = await _look_again(job)
    return app


async def _keep(job: Job, app: App) -> None:
    """Report that the app runs the image already, and check its health."""
    job.report.note(f"{job.app!r} already runs {app.image!r}")
    if job.settings.dry_run:
        return
    job.report.image = app.image
    job.report.headline = Headline.UNCHANGED
    with job.time_limit():
        await require_healthy(job, await apps.find_url(job), {})


# The steps


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


def _warn_without_rollback(attempt: Attempt, *, is_new: bool) -> None:
    """Warn if `rollback` has no effect."""
    job, settings = attempt.job, attempt.job.settings
    if not (settings.rollback and settings.image):  # a restart has only one image
        return
    if not settings.wait and settings.health_check is None:
        job.report.warn(
            "`rollback` has no effect without `wait` or `health-check`, because nothing is checked"
        )
    elif not is_new and attempt.rollout.shown.why_not_redeployable:
        job.report.warn(f"`rollback` has no effect: {attempt.rollout.shown.why_not_redeployable}")


async def _begin(attempt: Attempt, *, is_new: bool) -> None:
    """Request the deploy, or create the app with the image."""
    job = attempt.job
    if is_new:
        app, creation = await apps.create_or_find(job)
        if creation.outcome is Outcome.DONE:
            attempt.change = creation
            attempt.note_accepted(app)
            return
        attempt.start(app)
    await attempt.request(partial(_look_again, job))
    previous = job.report.previous_image = attempt.rollout.shown.previous
    was = f" (was {previous!r})" if previous else ""
    job.log.info(f"Deploying {attempt.image!r}{was}" if attempt.image else f"Restarting {job.app!r}")


async def _look_again(job: Job) -> App:
    """Return the app as it is now, unless it is being deleted."""
    app = await job.client.get_app(job.app)
    apps.require_not_deleted(job, app)
    return app


async def _check(attempt: Attempt) -> None:
    """Wait until the app runs the image, and check its health."""
    job, settings = attempt.job, attempt.job.settings
    # The platform assigns no ID to the deploy of an image, so the session ID replaces it.
    job.report.deploy_id = job.session_id
    if settings.wait:
        await attempt.wait_until_running(settings.wait_timeout)
    elif not settings.health_check_text:
        job.report.note("`wait` is off, so the action didn't check the new version")
        job.report.headline = Headline.ACCEPTED
    await require_healthy(job, await apps.find_url(job), {})
    if settings.wait and settings.health_check and not settings.health_check_text:
        # Another version may have passed the health check.
        await attempt.require_running(settings.wait_timeout)


# After a failure


async def _after_failure(attempt: Attempt, failure: BaseException) -> None:
    """Roll back if `rollback` is set, or else explain how to. Note the app's final state."""
    job = attempt.job
    reason = (
        failure if isinstance(failure, _REASONS_FOR_ROLLBACK) and not isinstance(failure, NoURL) else None
    )
    if reason and job.settings.rollback and attempt.image:
        await _roll_back(attempt, reason)
        return
    state = await attempt.look_up_final_state()
    advice = attempt.how_to_go_back()
    if advice and reason:
        can_go_back = not attempt.rollout.shown.why_not_redeployable
        automatic = " To roll back automatically next time, set `rollback: true`." if can_go_back else ""
        reason.advise(f"{advice[0].upper()}{advice[1:]}.{automatic}")
    if advice and not isinstance(failure, Exception):  # a cancellation
        state = f"{state}; {advice}"
    attempt.change.final_state = state


class _NotAllowed(Exception):  # noqa: N818 - a decision, and no error
    """The rollback must not be requested. The text is the reason, as a clause."""


async def _roll_back(failed: Attempt, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change gets the result.

    The health check isn't repeated, because it may fail for reasons other than the image.
    """
    job, previous = failed.job, failed.rollout.shown.previous
    # The new change isn't in the report, because the failed deploy's change describes the rollback.
    back = Attempt(job, previous, failed.rollout.app, Change())

    async def look_first() -> App:
        if reason := await _why_no_rollback(failed, failure):
            raise _NotAllowed(reason)
        return failed.rollout.app

    state, is_back = "not rolled back", False
    try:
        await anyio.sleep_until(failed.rollout.settled_at)
        back.start(await look_first())
        job.log.info(f"Rolling back to {previous!r}: {failure}")
        state = f"the platform didn't confirm the rollback to {previous!r}"
        with anyio.CancelScope(deadline=_deadline(job)) as limit:
            await back.request(look_first, _ROLLBACK_TIME)
            state = f"the rollback to {previous!r} didn't finish"
            limit.deadline = _deadline(job)
            await back.wait_until_running(max(job.settings.wait_timeout, _ROLLBACK_TIME))
            state = f"rolled back from {failed.new_image!r}: {job.app!r} runs {previous!r} again"
            failure.run_status = "rolled-back"
            is_back = True
    except _NotAllowed as reason:
        state = f"not rolled back: {reason}"
    except DeployError as error:
        state = f"the rollback to {previous!r} also failed: {error}"
    finally:
        if not is_back:
            last = back if back.change.may_be_made else failed
            state = f"{state}; {await last.look_up_final_state()}"
        failed.change.final_state = state


def _deadline(job: Job) -> float:
    """Return the end of the rollback's own time, which starts now, or of `timeout` if that is later."""
    return max(job.ends_at, anyio.current_time() + _ROLLBACK_TIME)


async def _why_no_rollback(failed: Attempt, failure: DeployError) -> str:
    """Look up the app. Return the reason against a rollback, as a clause. Empty if there is none."""
    job, rollout, image = failed.job, failed.rollout, failed.rollout.shown
    shown = await failed.look_up_image(_ROLLBACK_TIME)
    # One response isn't enough for an app in a crash loop.
    polling = Polling(job.log.info, f"{job.app!r} to keep running", STEADY_TIME, apps.POLL_PAUSE)
    while rollout.phase is Phase.RUNNING and not rollout.decided() and await polling.again():
        shown = await failed.look_up_image(_ROLLBACK_TIME)
    may_be_anothers = image.lacks_digest and not image.looks_unchanged
    runs = rollout.phase is Phase.RUNNING and not isinstance(failure, HealthCheckFailed)
    reasons = (
        ("no previous image was running", not rollout.was_running),
        (image.why_not_redeployable, bool(image.why_not_redeployable)),
        ("the app's image is unknown", not shown),
        (f"{image.previous!r} may be the new image, from another registry", image.may_be_mirrored),
        ("another deploy changed the image", image.is_another_deploys),
        ("another deploy may have changed the image", may_be_anothers),
        ("the app runs the previous image again", rollout.phase is Phase.WENT_BACK),
        ("the app runs now", runs),
    )
    return next((reason for reason, applies in reasons if applies), "")
