"""Polls the app until the rules of `rollout` give a verdict, and words the failure.

The second half has the errors with their likely causes, and the app's final state.
"""

from contextlib import suppress
from functools import partial

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, DeployFailed, DeployTimedOut, Replaced, WentBack
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.image.rollout import RUNNING, Rollout, Verdict
from zerokie_action.limits import SETTLING_TIME, STEADY_TIME, Allowance
from zerokie_action.platform.polling import Polling
from zerokie_action.report.changes import Change
from zerokie_action.report.headlines import Headline
from zerokie_action.text.numbers import human_seconds

LOOK_TIME = 2.0
"""Seconds to look up the app's final state after a failure, and the grace for that after a signal."""
_HINT_REPLACED = "If that deploy is newer, do nothing. Otherwise, run this deploy again."
_HINT_UNAVAILABLE = "Check the app on the platform. If it doesn't run, run the job again."


async def wait_until_shown(job: Job, rollout: Rollout, seconds: float) -> bool:
    """Poll the app until it shows a deploy. Return whether it does.

    Args:
        job: the run.
        rollout: gets the observations.
        seconds: the time limit, at least `SETTLING_TIME`.
    """
    goal, limit = f"{job.app!r} to show the deploy", max(seconds, SETTLING_TIME)
    polling = Polling(job.log.info, goal, limit, apps.POLL_PAUSE)
    seen = await _observe(job, rollout)
    while not rollout.shows_any_deploy and await polling.again(seen):
        seen = await _observe(job, rollout)
    return rollout.shows_any_deploy


async def wait_until_running(job: Job, rollout: Rollout, seconds: float) -> None:
    """Poll the app until it runs the image.

    An outage doesn't end the wait, because the platform accepted the deploy.

    Raises:
        DeployFailed: when the deploy failed, or the app runs another image.
        DeployTimedOut: when the app doesn't run after these seconds.
    """
    polling = Polling(job.log.info, f"{job.app!r} to run", seconds, apps.POLL_PAUSE)
    why = await _until_judged(job, rollout, polling)
    verdict, after = rollout.judge(is_last=True), human_seconds(polling.waited)
    if verdict is None:
        raise _timeout(job, rollout, after, why)
    if verdict is not Verdict.RUNS:
        raise _failure(job, rollout, verdict)
    images, shown = rollout.images, rollout.app.image or rollout.images.new
    if not images.requested or rollout.looks_unchanged:
        job.report.image = shown
    if rollout.looks_unchanged:
        job.report.warn(
            f"{job.app!r} runs after {after}, but still shows the previous image {shown!r}. Either "
            f"{images.new!r} is the same image, or the platform went back. To find out, set "
            "`health-check-text`"
        )
        return
    job.report.headline = Headline.RUNNING
    job.log.info(f"{job.app!r} runs {f'{shown!r} ' if shown else ''}after {after}")


async def require_same_version(job: Job, rollout: Rollout) -> None:
    """Poll the app after the health check, because another version may have passed that.

    The app was running and healthy, so only a lasting failure or another image matters. An outage or another
    status proves nothing.

    Raises:
        DeployFailed: when the deploy failed, or the app runs another image.
    """
    goal = f"{job.app!r} to show {rollout.images.quoted} again"
    # The verdict needs `SETTLING_TIME` from the first response on.
    polling = Polling(job.log.info, goal, SETTLING_TIME + 2 * apps.POLL_PAUSE, apps.POLL_PAUSE)
    with suppress(DeployError):  # a firewall's 403 doesn't prove anything, either
        await _until_judged(job, rollout, polling)
    verdict = rollout.judge()
    if verdict not in {None, Verdict.RUNS}:
        raise _failure(job, rollout, verdict)


async def _until_judged(job: Job, rollout: Rollout, polling: Polling) -> str:
    """Poll the app until there is a verdict. Return what the last response showed, as a clause."""

    async def why_undecided() -> str:
        seen = await _observe(job, rollout)
        return "" if rollout.judge() else seen

    return await polling.until(why_undecided)


async def _observe(job: Job, rollout: Rollout) -> str:
    """Look up the app once. Return its status as a clause for the log and for errors."""
    delivery = Delivery()
    app = await apps.once_ready(job, partial(job.client.tracked(delivery).get_app, job.app))
    apps.note_url(job, app)
    is_new = rollout.note_response(app, delivery.at)
    status, image = apps.shown_status(job, app), job.client.redact(app.image)
    if is_new:
        job.log.debug(f"{job.app!r} shows the status {status} and the image {image!r}")
    must_hold = f" (must hold for {STEADY_TIME:.0f} s)" if rollout.is_starting else ""
    other = "" if rollout.may_be_new(app.image) else f", image {image!r}"
    return f"status {status}{must_hold}{other}"


# The end: the error, and the app's final state


async def look_up_image(job: Job, rollout: Rollout, change: Change, seconds: float) -> str:
    """Return the app's image; empty if it is still uncertain after `seconds`."""
    with job.shutdown.shielded_scope(Allowance(seconds, LOOK_TIME)), suppress(DeployError):
        delivery = Delivery()
        app = await job.client.retrying(UNTIL_DEADLINE).tracked(delivery).get_app(job.app)
        rollout.note_response(app, delivery.at)
        # A request with a lost response may still change the image.
        is_accepted = change.outcome is Outcome.DONE or rollout.shows_any_deploy
        is_outdated = rollout.looks_unchanged and delivery.at < rollout.settled_at
        return app.image if is_accepted and not is_outdated else ""
    return ""


async def look_up_final_state(job: Job, rollout: Rollout, change: Change) -> str:
    """Put the app's image into the result. Return the app's final state as a clause."""
    if image := await look_up_image(job, rollout, change, LOOK_TIME):
        job.report.image = image
        return f"{job.app!r} now has the image {image!r} and the status {apps.shown_status(job, rollout.app)}"
    if change.outcome is Outcome.UNKNOWN:
        job.report.image = None
    return f"the image of {job.app!r} is unknown"


def how_to_go_back(rollout: Rollout) -> str:
    """Return how to deploy the previous image again, or why that is impossible, as a clause.

    Empty if the previous image didn't run or runs again, or if another deploy replaced it.
    """
    images = rollout.images
    runs_again = rollout.looks_unchanged and rollout.status == RUNNING
    is_restart = images.requested is None
    if rollout.status_before != RUNNING or is_restart or runs_again or rollout.shows_another_deploy:
        return ""
    if images.why_not_redeployable:
        return f"the previous version can't be deployed again: {images.why_not_redeployable}"
    return f"to go back, deploy {images.previous!r}"


def _failure(job: Job, rollout: Rollout, verdict: Verdict) -> DeployFailed:
    """Return the error of a deploy that failed, or of an app that runs another image."""
    app, new = rollout.app, rollout.images.new
    shown = job.client.redact(app.image)
    if verdict is Verdict.REPLACED:
        what = f"Another deploy replaced {new!r}: {job.app!r} runs {shown!r}"
        return Replaced(what, hint=_HINT_REPLACED)
    hint = _likely_causes(job, rollout)
    if verdict is Verdict.WENT_BACK:
        what = f"{job.app!r} runs {shown!r} again, after it showed {new!r}"
        return WentBack(f"{what}, because the platform or another deploy went back", hint=hint)
    reason = job.client.redact(app.error or app.message)
    quote = f': "{reason}"' if reason else ""
    return DeployFailed(
        f"The platform reports that {job.app!r} is {apps.shown_status(job, app)}{quote}", hint=hint
    )


def _timeout(job: Job, rollout: Rollout, after: str, why: str) -> DeployTimedOut:
    """Return the error of an app that doesn't run in time.

    Args:
        job: the run.
        rollout: the observations.
        after: the time limit in words.
        why: what the last response showed, as a clause.
    """
    outage = job.client.http.outages()
    hint = _HINT_UNAVAILABLE if outage else _likely_causes(job, rollout)
    more_time = "" if rollout.shows_another_deploy else " If the app needs more time, raise `wait-timeout`."
    return DeployTimedOut(
        f"{job.app!r} doesn't run {rollout.images.quoted} after {after}: {outage or why}",
        hint=f"{hint}{more_time}",
    )


def _likely_causes(job: Job, rollout: Rollout) -> str:
    """Return a hint with the likely causes, most frequent first. The status may rule causes out."""
    if rollout.shows_another_deploy:
        return "Another deploy changed the image. Run this deploy again."
    port = rollout.app.port or job.settings.port
    credentials = apps.credentials(job) or "no credentials"
    pull = f"the platform can pull {rollout.images.quoted} (it got {credentials})"
    listens = f"the container listens on {f'port {port:g}' if port else '`port`'}"
    start = f"{listens} and gets all variables that it needs in `env`"
    is_pulled = "crash" in rollout.status or rollout.is_starting
    causes = [pull] if "pull" in rollout.status else [start] if is_pulled else [pull, start]
    return f"Check that {', and that '.join(causes)}. {apps.HINT_LOG}"
