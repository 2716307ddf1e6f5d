"""Watches the app while an image is deployed: looks at it until the rollout's rules give a verdict.

The second half words the errors, with their likely causes, and the state that the app was left with.
"""

from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

import anyio

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, DeployFailed, DeployTimedOut, Replaced, WentBack
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.request import Outcome
from zerokie_action.image.rollout import RUNNING, Rollout, Verdict
from zerokie_action.limits import SETTLING_TIME, STEADY_TIME, Allowance
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import App
from zerokie_action.platform.polling import Polling
from zerokie_action.report.record import Change, Seen
from zerokie_action.text.numbers import human_seconds

LOOK_TIME = 2.0
"""Seconds for looking up the app's final state after a failure, and the grace for it after a signal."""
_HINT_REPLACED = "If that deploy is newer, there is nothing to do. If not, run this deploy again."
_HINT_UNSEEN = "Look at the app on the platform. If it does not run, run the job again."


async def wait_until_begun(job: Job, rollout: Rollout, seconds: float) -> bool:
    """Look at the app until it shows a deploy. Return False if it does not in time.

    Args:
        job: the run.
        rollout: what the platform shows.
        seconds: the time limit; `SETTLING_TIME` if that is longer.
    """
    polling = Polling(job.log.info, "a sign of the deploy", max(seconds, SETTLING_TIME), apps.LOOK_PAUSE)
    seen = await _look(job, rollout)
    while not rollout.has_begun and await polling.again(seen):
        seen = await _look(job, rollout)
    return rollout.has_begun


async def wait_until_running(job: Job, rollout: Rollout, seconds: float) -> None:
    """Look at the app until it runs the image.

    The platform has accepted the deploy, so an outage does not end the wait.

    Raises:
        DeployFailed: when the deploy failed, or the app runs another image.
        DeployTimedOut: when the app does not run after these seconds.
    """
    polling = Polling(job.log.info, f"{job.app!r} to run", seconds, apps.LOOK_PAUSE)
    why = await _until_judged(job, rollout, polling)
    verdict, after = rollout.judge(is_last=True), human_seconds(polling.waited)
    if verdict is None:
        raise _timeout(job, rollout, after, why)
    if verdict is not Verdict.RUNS:
        raise _failure(job, rollout, verdict)
    images, shown = rollout.images, rollout.app.image or rollout.images.new
    if not images.requested or rollout.shows_same:
        job.record.image = shown
    if rollout.shows_same:
        job.record.warn(
            f"{job.app!r} is running after {after}, and shows the same image as before, {shown!r}: "
            f"{images.new!r} is the same image, or the platform went back to the previous one. "
            "`health-check-text` can tell"
        )
        return
    job.record.seen = Seen.RUNNING
    job.log.info(f"{job.app!r} runs {f'{shown!r} ' if shown else ''}after {after}")


async def require_same_version(job: Job, rollout: Rollout) -> None:
    """Look at the app after the health check, which a previous or a newer version may have answered.

    The deploy was running and healthy. So only a failure or another image counts, and only if it lasts; an
    outage or another status proves nothing.

    Raises:
        DeployFailed: when the deploy failed, or the app runs another image.
    """
    goal = f"{job.app!r} to show {rollout.images.quoted} again"
    # The verdict needs `SETTLING_TIME` from the first answer on.
    polling = Polling(job.log.info, goal, SETTLING_TIME + 2 * apps.LOOK_PAUSE, apps.LOOK_PAUSE)
    with suppress(DeployError):  # a firewall's 403 proves nothing either
        await _until_judged(job, rollout, polling)
    verdict = rollout.judge()
    if verdict not in {None, Verdict.RUNS}:
        raise _failure(job, rollout, verdict)


async def _until_judged(job: Job, rollout: Rollout, polling: Polling) -> str:
    """Look at the app until there is a verdict. Return what was seen last, as a clause."""

    async def why_undecided() -> str:
        seen = await _look(job, rollout)
        return "" if rollout.judge() else seen

    return await polling.until(why_undecided)


async def _look(job: Job, rollout: Rollout) -> str:
    """Look at the app once. Return its status as a clause, for the log and for errors."""
    app, sent_at = await job.once_ready(partial(_get_app, job.app, job.client))
    apps.note_url(job, app)
    is_new = rollout.note_answer(app, sent_at)
    status, image = apps.shown_status(job, app), job.client.redact(app.image)
    if is_new:
        job.log.debug(f"{job.app!r} shows the status {status} and the image {image!r}")
    other = "" if rollout.is_ours(app.image) else f", its image {image!r}"
    must_last = f", which has to last for {STEADY_TIME:.0f} s" if rollout.is_starting else ""
    return f"its status is {status}{other}{must_last}"


async def _get_app(name: str, client: Client) -> tuple[App, float]:
    """The app, and the time when the attempt that was answered was sent: an outage may come before it."""
    times: list[float] = []

    def note_time() -> AbstractContextManager[None]:
        times.append(anyio.current_time())
        return nullcontext()

    return await client.guarded(note_time).get_app(name), times[-1]


# The end of the watch: what went wrong, and what the app was left with


async def look_up_image(job: Job, rollout: Rollout, change: Change, seconds: float) -> str:
    """Look at the app once more. Return its image; empty if it is not certain after these seconds."""
    with job.shutdown.shielded_scope(Allowance(seconds, LOOK_TIME)), suppress(DeployError):
        rollout.note_answer(*await _get_app(job.app, job.client.retrying(UNTIL_DEADLINE)))
        # A request whose answer was lost may still change the image.
        is_accepted = change.outcome is Outcome.DONE or rollout.has_begun
        return rollout.app.image if is_accepted and not rollout.may_be_behind else ""
    return ""


async def look_up_final_state(job: Job, rollout: Rollout, change: Change) -> str:
    """Put the app's image into the record. Return what the app was left with, as a clause."""
    if image := await look_up_image(job, rollout, change, LOOK_TIME):
        job.record.image = image
        return f"{job.app!r} was left with {image!r} and the status {apps.shown_status(job, rollout.app)}"
    if change.outcome is Outcome.UNKNOWN:
        job.record.image = None
    return f"it is not known which image {job.app!r} was left with"


def how_to_go_back(rollout: Rollout) -> str:
    """How to deploy the previous image again, or why nobody can, as a clause.

    It is empty if the previous image did not run, or runs again, and if another deploy has replaced it.
    """
    images = rollout.images
    runs_again = rollout.shows_same and rollout.app.status.lower() == RUNNING
    if not (rollout.status_before == RUNNING and images.requested) or runs_again or rollout.shows_third:
        return ""
    if images.why_not_redeployable:
        return f"the previous version can't be deployed again: {images.why_not_redeployable}"
    return f"to go back, deploy {images.previous!r}"


def _failure(job: Job, rollout: Rollout, verdict: Verdict) -> DeployFailed:
    """The error when the deploy has failed, or when the app runs another image."""
    app, new = rollout.app, rollout.images.new
    shown = job.client.redact(app.image)
    if verdict is Verdict.REPLACED:
        what = f"Another deploy has replaced {new!r}: {job.app!r} runs {shown!r}"
        return Replaced(what, hint=_HINT_REPLACED)
    hint = _likely_causes(job, rollout)
    if verdict is Verdict.WENT_BACK:
        what = f"{job.app!r} runs {shown!r} again, after it showed {new!r}"
        return WentBack(f"{what}: the platform, or another deploy, went back", hint=hint)
    reason = job.client.redact(app.error or app.message)
    quote = f': "{reason}"' if reason else ""
    return DeployFailed(
        f"The platform reports that {job.app!r} is {apps.shown_status(job, app)}{quote}", hint=hint
    )


def _timeout(job: Job, rollout: Rollout, after: str, why: str) -> DeployTimedOut:
    """The error when the app does not run in time.

    Args:
        job: the run.
        rollout: what the platform shows.
        after: the time limit, in words.
        why: what speaks against a running app, as a clause.
    """
    outage = job.client.http.outages()
    hint = _HINT_UNSEEN if outage else _likely_causes(job, rollout)
    return DeployTimedOut(
        f"{job.app!r} does not run {rollout.images.quoted} after {after}: {outage or why}",
        hint=hint if rollout.shows_third else f"{hint} Or raise `wait-timeout`.",
    )


def _likely_causes(job: Job, rollout: Rollout) -> str:
    """A hint: what to look at, the most frequent cause first; the status may rule causes out."""
    if rollout.shows_third:
        return "Another deploy has changed the image: run this deploy again."
    status, port = rollout.app.status.lower(), rollout.app.port or job.settings.port
    login = apps.login(job) or "no login"
    pull = f"Can the platform pull {rollout.images.quoted} (it got {login})?"
    listens = f"Does the container listen on {f'port {port:g}' if port else '`port`'}"
    start = f"{listens}, and does it get all that it needs in `env`?"
    has_pulled = "crash" in status or rollout.is_starting
    causes = [pull] if "pull" in status else [start] if has_pulled else [pull, start]
    return " ".join((*causes, apps.HINT_LOG))
