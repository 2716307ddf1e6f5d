"""Steps of an image's deploy, and of a restart with the current image.

`attempt` requests the deploy and waits for it, and `rollout` has the rules that decide the wait. This module
has the order of the steps, the rollback and the last look at the app.
"""

from functools import partial

import anyio

from zerokie_action import limits
from zerokie_action.app import create_or_find, look_up
from zerokie_action.errors import DeployError, DeployFailed, DeployTimedOut, HealthCheckFailed, Replaced
from zerokie_action.health import require_healthy
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.request import Outcome
from zerokie_action.image.attempt import Attempt
from zerokie_action.image.names import ANOTHERS
from zerokie_action.image.rollout import RUNNING, Phase
from zerokie_action.inputs.formats import ImageName
from zerokie_action.job import Job
from zerokie_action.platform.models import App
from zerokie_action.platform.polling import Polling
from zerokie_action.report.changes import Change
from zerokie_action.report.report import Headline

_REASONS_FOR_ROLLBACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)


async def deploy_image(job: Job) -> None:
    """Make the container app run the input `image`. A restart has no such input and pulls the image again."""
    settings, report = job.settings, job.report
    with job.time_limit():
        app = await look_up(job, "container")
        before = app.shown if app.exists else None
        attempt = Attempt(job, app, settings.image, before, report.add(Change()))
        report.previous_image = job.redactor.redact(attempt.rollout.app.image) or None
        if before is not None and await _runs_already(attempt):
            report.note(f"{job.app!r} already runs {before.image!r}")
            if not settings.dry_run:
                report.image, report.headline = before.image, Headline.UNCHANGED
                await require_healthy(job, app, {})
            return
    why = attempt.rollout.shown.why_not_redeployable
    if why and before is not None and settings.rollback and settings.image:
        report.warn(f"`rollback` has no effect: {why}")
    if settings.dry_run:
        report.plan(_planned(job, before))
        return
    if credentials := job.settings.registry_words:
        job.log.info(f"Passing {credentials} to the platform")
    try:
        # `timeout` doesn't limit the rollback and the last look at the app.
        with job.time_limit():
            await (_create(attempt) if before is None else _request(attempt))
            await _check(attempt)
    except BaseException as failure:
        if attempt.change.may_be_made:
            await _after_failure(attempt, failure)
        raise


# An image that runs already


async def _runs_already(attempt: Attempt) -> bool:
    """Return whether the app runs the image already, and keeps running it for 15s.

    The first responses may be late. A dry run decides by one response.
    """
    job = attempt.job
    seconds = 0.0 if job.settings.dry_run else limits.SETTLING_TIME
    polling = Polling(job.log.info, f"{job.app!r} to keep running", seconds, limits.POLL_PAUSE)
    while _is_unchanged(job, attempt.rollout.app) and await polling.again():
        await attempt.look()
    return _is_unchanged(job, attempt.rollout.app)


def _is_unchanged(job: Job, app: App) -> bool:
    """Return whether a deploy would only restart the app, because a digest always means the same image.

    With credentials for a registry, a deploy still passes them on.
    """
    new, shown = ImageName.parse(job.settings.image or ""), ImageName.parse(app.image)
    is_same = bool(new.digest) and shown._replace(tag=new.tag) == new
    return is_same and app.status.lower() == RUNNING and job.settings.registry_auth is None


# The steps


def _planned(job: Job, before: App | None) -> str:
    """Return what a deploy or a restart would do."""
    image = job.settings.image
    if before is None:
        return f"would create container app {job.app!r} with {image!r}"
    if image is None:
        return f"would restart {before.image or job.app!r}"
    return f"would deploy {image!r}{f' instead of {before.image!r}' if before.image else ''}"


async def _create(attempt: Attempt) -> None:
    """Create the app with the image. If it exists by now, request the deploy."""
    creation = await create_or_find(attempt.job, attempt.app)
    if attempt.app.is_new:
        attempt.change = creation
        attempt.note_accepted(attempt.app.shown)
    else:
        await _request(attempt)


async def _request(attempt: Attempt) -> None:
    """Request the deploy or the restart."""
    job = attempt.job
    await attempt.request(attempt.look)
    previous = job.report.previous_image = job.redactor.redact(attempt.rollout.shown.previous)
    was = f" (was {previous!r})" if previous else ""
    job.log.info(f"Deploying {attempt.image!r}{was}" if attempt.image else f"Restarting {job.app!r}")


async def _check(attempt: Attempt) -> None:
    """Wait until the app runs the image, and check its health."""
    job, settings = attempt.job, attempt.job.settings
    # The platform assigns no ID to the deploy of an image, so the session ID replaces it.
    job.report.deploy_id = job.lock.session_id
    began = anyio.current_time()
    is_running = settings.wait > 0 and await attempt.wait_until_running(settings.wait)
    if not settings.wait and not settings.health_check_text:
        job.report.note("`wait` is off, so the action didn't check the new version")
        job.report.headline = Headline.ACCEPTED
    waited = anyio.current_time() - began
    await require_healthy(job, attempt.app, {}, waited=waited, is_running=is_running)
    if settings.wait and settings.health_check and not settings.health_check_text:
        # Another version may have passed the health check.
        await attempt.require_running(limits.HEALTH_CHECK)


# After a failure


async def _after_failure(attempt: Attempt, failure: BaseException) -> None:
    """Roll back if `rollback` is set, or else note how to. Note the app's final state."""
    if isinstance(failure, _REASONS_FOR_ROLLBACK) and attempt.job.settings.rollback and attempt.image:
        await _roll_back(attempt, failure)
        return
    attempt.change.final_state = await attempt.look_up_final_state()
    # Any other error isn't about the image.
    is_telling = isinstance(failure, _REASONS_FOR_ROLLBACK) or not isinstance(failure, Exception)
    if is_telling and (advice := attempt.how_to_go_back()):
        attempt.change.final_state += f"; {advice}"


async def _roll_back(failed: Attempt, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change gets the result.

    The health check isn't repeated, because it may fail for reasons other than the image.

    Raises:
        Replaced: when the app has another deploy's image.
    """
    job, previous, why = failed.job, failed.rollout.shown.previous, ""
    result = f"the rollback to {previous!r} didn't finish"
    # The new change isn't in the report, because the failed deploy's change describes the rollback.
    back = Attempt(job, failed.app, previous, failed.rollout.app, Change())
    try:
        await anyio.sleep_until(failed.rollout.settled_at)
        with anyio.CancelScope(deadline=max(job.ends_at, anyio.current_time() + limits.ROLLBACK)):
            await back.request(partial(_look_before_rollback, failed, failure))
            job.log.info(f"Rolling back to {previous!r}: {failure}")
            await back.wait_until_running(max(job.settings.wait, limits.ROLLBACK))
            failure.run_status, result = "rolled-back", f"rolled back from {failed.new_image!r}"
    except Replaced as error:
        raise error from failure
    except DeployError as error:
        why = f": {error}"
    finally:
        last, result = (back, result) if back.change.may_be_made else (failed, "not rolled back")
        failed.change.final_state = f"{result}{why}; {await last.look_up_final_state()}"


async def _look_before_rollback(failed: Attempt, failure: DeployError) -> App:
    """Return the app right before a rollback.

    Raises:
        Replaced: when the app has another deploy's image.
        DeployError: when the app must not be rolled back. The text is the reason, as a clause.
    """
    job, rollout, image = failed.job, failed.rollout, failed.rollout.shown
    is_unhealthy = isinstance(failure, HealthCheckFailed)
    # One response isn't enough for an app in a crash loop.
    seconds = 0.0 if is_unhealthy else limits.ROLLBACK
    polling = Polling(job.log.info, f"{job.app!r} to keep running", seconds, limits.POLL_PAUSE)
    await failed.look(job.client.retrying(RetryPolicy(limits.ROLLBACK)))
    while rollout.phase is Phase.RUNNING and not rollout.decided() and await polling.again():
        await failed.look(job.client.retrying(RetryPolicy(limits.ROLLBACK)))
    if image.identity is ANOTHERS:
        raise failed.error(Phase.REPLACED)
    is_lost = failed.change.outcome is Outcome.UNKNOWN and not rollout.shows_a_deploy
    is_renamed = failed.ran_as not in {"", rollout.app.image}
    may_be_anothers = is_renamed or image.may_be_anothers
    reasons = (
        ("no previous image was running", not rollout.was_running),
        (image.why_not_redeployable, bool(image.why_not_redeployable)),
        ("the app doesn't show the deploy", is_lost),
        ("another deploy may have changed the image", may_be_anothers),
        ("the app runs the previous image again", rollout.phase is Phase.WENT_BACK),
        ("the app runs now", rollout.phase is Phase.RUNNING and not is_unhealthy),
    )
    if reason := next((reason for reason, applies in reasons if applies), ""):
        raise DeployError(reason)
    return rollout.app
