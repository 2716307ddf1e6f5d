"""Watches the app while an image is deployed: looks at it until the rollout's rules give a verdict."""

from contextlib import suppress
from functools import partial

import anyio

from zerokie_action.errors import DeployError
from zerokie_action.operations import apps, diagnosis
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.operations.rollout import SETTLING_TIME, Rollout, Verdict
from zerokie_action.report.result import Seen
from zerokie_action.text import human_seconds


async def look(job: Job, rollout: Rollout) -> str:
    """Look at the app once. Return its status as a clause, for the log and for errors."""
    app = await job.once_ready(partial(job.client.get_app, job.app))
    apps.note_url(job, app)
    is_new = rollout.note_answer(app, anyio.current_time())
    status, image = apps.shown_status(job, app), job.client.redact(app.image)
    if is_new:
        job.log.debug(f"{job.app!r} shows the status {status} and the image {image!r}")
    other = "" if rollout.is_ours(app.image) else f", its image {image!r}"
    return f"its status is {status}{other}{rollout.must_last}"


async def wait_until_begun(job: Job, rollout: Rollout, seconds: float) -> bool:
    """Look at the app until it shows the deploy. Return False if it does not in time.

    Args:
        job: the run.
        rollout: what the platform shows.
        seconds: the time limit; `SETTLING_TIME` if that is longer.
    """
    polling = Polling(job.log, "a sign of the deploy", max(seconds, SETTLING_TIME), apps.LOOK_PAUSE)
    seen = await look(job, rollout)
    while not rollout.has_begun and await polling.again(seen):
        seen = await look(job, rollout)
    return rollout.has_begun


async def wait_until_running(job: Job, rollout: Rollout, seconds: float) -> None:
    """Look at the app until it runs the image.

    The platform has accepted the deploy, so an outage does not end the wait.

    Raises:
        DeployFailed: when the deploy failed, or the app runs another image.
        DeployTimedOut: when the app does not run after these seconds.
    """
    polling = Polling(job.log, f"{job.app!r} to run", seconds, apps.LOOK_PAUSE)
    why = await _until_judged(job, rollout, polling)
    rollout.verdict, after = rollout.judge(is_last=True), human_seconds(polling.waited)
    if rollout.verdict is None:
        raise diagnosis.timeout(job, rollout, after, why)
    if rollout.verdict is not Verdict.RUNS:
        raise diagnosis.failure(job, rollout)
    shown = rollout.app.image or rollout.image
    if not rollout.requested or rollout.shows_same:
        job.result.image = shown
    if rollout.shows_same:
        job.warn(
            f"{job.app!r} is running after {after}, and shows the same image as before, {shown!r}: "
            f"{rollout.image!r} is the same image, or the platform went back to the previous one. "
            "`health-check-text` can tell"
        )
        return
    job.result.seen = Seen.RUNNING
    job.log.info(f"{job.app!r} runs {f'{shown!r} ' if shown else ''}after {after}")


async def require_same_version(job: Job, rollout: Rollout) -> None:
    """Look at the app after the health check, which a previous or a newer version may have answered.

    The deploy was running and healthy. So only a failure or another image counts, and only if it lasts; an
    outage or another status proves nothing.

    Raises:
        DeployFailed: when the deploy failed, or the app runs another image.
    """
    goal = f"{job.app!r} to show {rollout.quoted_image} again"
    # The verdict needs `SETTLING_TIME` from the first answer on.
    polling = Polling(job.log, goal, SETTLING_TIME + 2 * apps.LOOK_PAUSE, apps.LOOK_PAUSE)
    with suppress(DeployError):  # a firewall's 403 proves nothing either
        await _until_judged(job, rollout, polling)
    rollout.verdict = rollout.judge() or Verdict.RUNS
    if rollout.verdict is not Verdict.RUNS:
        raise diagnosis.failure(job, rollout)


async def _until_judged(job: Job, rollout: Rollout, polling: Polling) -> str:
    """Look at the app until there is a verdict. Return what was seen last, as a clause."""

    async def why_undecided() -> str:
        seen = await look(job, rollout)
        polling.log_next(rollout.must_last)
        return "" if rollout.judge() else seen

    return await polling.until(why_undecided)
