"""Words the error of an image's deploy: what happened, and the likely causes. Sends no request."""

from zerokie_action.errors import DeployFailed, DeployTimedOut
from zerokie_action.operations import apps
from zerokie_action.operations.job import Job
from zerokie_action.operations.rollout import Rollout, Verdict

_HINT_REPLACED = "If that deploy is newer, there is nothing to do. If not, run this deploy again."
_HINT_UNSEEN = "Look at the app on the platform. If it does not run, run the job again."


def failure(job: Job, rollout: Rollout) -> DeployFailed:
    """The error when the deploy has failed, or when the app runs another image, by the rollout's verdict."""
    app, image = rollout.app, rollout.image
    shown = job.client.redact(app.image)
    if rollout.verdict is Verdict.REPLACED:
        what = f"Another deploy has replaced {image!r}: {job.app!r} runs {shown!r}"
        return DeployFailed(what, hint=_HINT_REPLACED)
    if rollout.verdict is Verdict.WENT_BACK:
        what = f"{job.app!r} runs {shown!r} again, after it showed {image!r}"
        what += ": the platform, or another deploy, went back"
    else:
        reason = job.client.redact(app.error or app.message)
        quote = f': "{reason}"' if reason else ""
        what = f"The platform reports that {job.app!r} is {apps.shown_status(job, app)}{quote}"
    return DeployFailed(what, hint=_likely_causes(job, rollout))


def timeout(job: Job, rollout: Rollout, after: str, why: str) -> DeployTimedOut:
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
        f"{job.app!r} does not run {rollout.quoted_image} after {after}: {outage or why}",
        hint=hint if rollout.shows_third else f"{hint} Or raise `wait-timeout`.",
    )


def _likely_causes(job: Job, rollout: Rollout) -> str:
    """A hint: what to look at, the most frequent cause first; the status may rule causes out."""
    if rollout.shows_third:
        return "Another deploy has changed the image: run this deploy again."
    status, port = rollout.app.status.lower(), rollout.app.port or job.settings.port
    login = apps.login(job) or "no login"
    pull = f"Can the platform pull {rollout.quoted_image} (it got {login})?"
    listens = f"Does the container listen on {f'port {port:g}' if port else '`port`'}"
    start = f"{listens}, and does it get all that it needs in `env`?"
    has_pulled = "crash" in status or rollout.is_starting
    causes = [pull] if "pull" in status else [start] if has_pulled else [pull, start]
    return " ".join((*causes, apps.HINT_LOG))
