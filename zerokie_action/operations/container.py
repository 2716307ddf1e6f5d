"""Deploys an image to a container app, or restarts the app with its current image."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import anyio

from zerokie_action.errors import (
    DeployError,
    DeployFailed,
    DeployTimedOut,
    HealthCheckFailed,
    PlatformUnavailable,
    RequestRejected,
)
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.retry import is_too_long
from zerokie_action.limits import Allowance
from zerokie_action.operations import apps
from zerokie_action.operations.health import NoURL, check_health
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.operations.rollout import SETTLING_TIME, STEADY_TIME, Rollout, Verdict
from zerokie_action.outcome import Change, Outcome
from zerokie_action.platform.answers import is_conflict
from zerokie_action.platform.models import App
from zerokie_action.text import human_seconds

_HINT_REPLACED = "If that deploy is newer, there is nothing to do. If not, run this deploy again."
_HINT_UNSEEN = "Look at the app on the platform. If it does not run, run the job again."
_HINT_LOST = (
    "Look at the app on the platform before you run the job again: a request may still take effect. "
    "Check `api-url`, and whether a gateway answers in the platform's place."
)
_LOOK_TIME = 2.0
"""Seconds for looking up the app's final state after a failure, and the grace for it after a signal."""
_REASONS_FOR_ROLLBACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)
_ROLLBACK_TIME = 60.0
"""The shortest time limit of a rollback, in seconds; it applies even after `timeout`."""


async def deploy_image(job: Job) -> None:
    """Make the container app run the input `image`. A restart has none: the current image is pulled again."""
    settings, image = job.settings, job.settings.image
    with job.time_limit():
        before = await apps.look_up(job, "container")
    if before is not None:
        job.result.previous_image = before.image
    if settings.dry_run:
        if before is None:
            job.preview(f"would create container app {job.app!r} with {image!r}")
        elif image is None:
            job.preview(f"would restart {before.image!r}")
        else:
            job.preview(f"would deploy {image!r} in place of {before.image!r}")
        return
    if login := apps.login(job):
        job.log.info(f"The platform gets {login}, to pull the image")
    deploy = _Deploy(job, image, before)
    may_go_back = settings.rollback and image is not None
    if may_go_back and not settings.wait and settings.health_check is None:
        job.warn("`rollback` has no effect without `wait` or `health-check`: nothing is checked")
    elif may_go_back and before and (why_not := deploy.rollout.why_imprecise):
        job.warn(f"`rollback` can't go back: {why_not}")
    await _carry_out(job, deploy, may_go_back=may_go_back)


async def _carry_out(job: Job, deploy: _Deploy, *, may_go_back: bool) -> None:
    """Request the deploy, wait, and check, within `timeout`. A rollback may follow, outside `timeout`."""
    settings = job.settings
    try:
        with job.time_limit():
            await deploy.begin()
            # The platform gives the deploy of an image no ID, so the session ID stands for it.
            job.result.deploy_id = job.session
            if settings.wait:
                await deploy.wait_until_running(settings.wait_timeout)
            elif not settings.health_check_text:
                what = "which version answers" if settings.health_check else "whether the app runs"
                job.note(f"`wait` is off: it was not checked {what}")
                job.result.seen = "answering" if settings.health_check else "accepted"
            await check_health(job, await apps.find_url(job), {})
        # The text proves which version answered. If the app shows the same image as before, another look at
        # the app proves nothing.
        is_decided = settings.health_check_text or deploy.rollout.shows_same
        if settings.wait and settings.health_check and not is_decided:
            await deploy.require_same_version()
    except BaseException as failure:
        if deploy.verdict is Verdict.REPLACED:
            job.result.status = "superseded"
        if deploy.change.may_be_made:
            await _note_failure(job, deploy, failure, may_go_back=may_go_back)
        raise


async def _note_failure(job: Job, deploy: _Deploy, failure: BaseException, *, may_go_back: bool) -> None:
    """Roll back if that is asked for, or say how to. Note which image the app was left with."""
    if isinstance(failure, _REASONS_FOR_ROLLBACK) and not isinstance(failure, NoURL):
        if may_go_back:
            await _roll_back(job, deploy, failure)
            return
        failure.advise(deploy.rollout.way_back)
    _, left = await deploy.left_with()
    if may_go_back and not isinstance(failure, Exception):  # a signal
        still = "" if deploy.verdict else ", and the platform may still be deploying"
        left = f"nothing was rolled back{still}; {left}"
    deploy.change.seen = left


async def _roll_back(job: Job, deploy: _Deploy, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change says how it went.

    The health check is not repeated, because it may fail for reasons other than the image.
    """
    rollout, previous, change = deploy.rollout, deploy.rollout.previous, deploy.change
    # After a failed health check, the fact that the new image runs is no reason to keep it.
    told = Verdict.RUNS if isinstance(failure, HealthCheckFailed) else deploy.verdict
    latest = deploy
    change.seen = "not rolled back"
    try:
        await anyio.sleep(rollout.settling_left(anyio.current_time()))
        if why_not := await _why_not_back(deploy, told):
            change.seen = f"not rolled back: {why_not}"
            return
        job.log.info(f"{failure}; rolling back to {previous!r}")
        change.seen = f"the rollback to {previous!r} was not confirmed"
        latest = _Deploy(job, previous, rollout.app, change)
        with anyio.CancelScope(deadline=max(job.ends_at, anyio.current_time() + _ROLLBACK_TIME)):
            request = partial(_request_rollback, deploy, latest, told)
            if why_not := await job.in_turn(request, seconds=_ROLLBACK_TIME):
                change.seen = f"not rolled back: {why_not}"
                return
            change.seen = f"the rollback to {previous!r} did not end"
            await latest.wait_until_running(max(job.settings.wait_timeout, _ROLLBACK_TIME))
            change.seen = f"rolled back from {rollout.image!r}: {job.app!r} runs {previous!r} again"
            job.result.status = "rolled-back"
    except DeployError as error:
        change.seen = f"the rollback to {previous!r} failed as well: {error}"
    finally:
        if job.result.status != "rolled-back":
            _, left = await latest.left_with()
            change.seen = f"{change.seen}; {left}"


async def _request_rollback(failed: _Deploy, rollback: _Deploy, told: Verdict | None) -> str:
    """Request the rollback. If a deploy in progress refused the last request, look at the app first.

    Returns:
        The reason against the rollback, as a clause; empty once the platform has accepted the request.
    """
    if rollback.change.writes[-1].outcome is Outcome.REFUSED:
        # During a deploy in progress, a status that is no failure is no reason to keep the image.
        if why_not := await _why_not_back(failed, None if told is Verdict.FAILED else told):
            return why_not
        rollback.rollout = Rollout(failed.rollout.previous, failed.rollout.app)
    await rollback.request()
    return ""


async def _why_not_back(failed: _Deploy, told: Verdict | None) -> str:
    """Look at the app before a rollback. Return the reason against the rollback; empty if there is none."""
    app, _ = await failed.left_with(_ROLLBACK_TIME)
    ends_at = anyio.current_time() + STEADY_TIME  # from that look: an outage may have delayed it
    # The app may be in a crash loop. An image that changes at every look never runs for long enough.
    while app and failed.rollout.is_starting and anyio.current_time() <= ends_at:
        await anyio.sleep(apps.LOOK_PAUSE)
        app, _ = await failed.left_with(_ROLLBACK_TIME)
    return failed.rollout.why_not_back(told) if app else "nobody can tell which image the app has"


class _Deploy:
    """A deploy of an image, or a restart with the current image.

    Attributes:
        rollout: what the platform shows of the deploy.
        change: the entry in the run's list of changes.
        verdict: what became of the deploy, as far as that is known.
    """

    def __init__(self, job: Job, image: str | None, before: App | None, change: Change | None = None) -> None:
        """Prepare a deploy without sending a request.

        Args:
            job: the run.
            image: the image to deploy; None for a restart.
            before: the app; None if it does not exist.
            change: the change of the failed deploy, for a rollback.
        """
        self.rollout = Rollout(image, before)
        self.change = change or job.change()
        self.verdict: Verdict | None = None
        self._job = job

    async def begin(self) -> None:
        """Request the deploy, or create the app with the image.

        Raises:
            LockHeld: when another deploy of the app outlasts `lock-timeout`.
            DeployError: as `request`, and as `apps.create_or_find`.
        """
        job = self._job
        if self.rollout.before is None:
            app, creation = await apps.create_or_find(job)
            is_ours = bool(app.image) and self.rollout.is_ours(app.image)
            if creation.outcome is Outcome.DONE or (creation.outcome is Outcome.UNKNOWN and is_ours):
                self.change = creation
                self._note_acceptance(app)
                return
            self._begin_anew(app)

        async def attempt() -> None:
            if self.change.writes:  # another deploy has changed the app
                self._begin_anew(await job.client.get_app(job.app))
            await self.request()

        await job.in_turn(attempt)
        image, previous = self.rollout.requested, self.rollout.previous
        was = f" (was {previous!r})" if previous else ""
        job.log.info(f"Deploying {image!r}{was}" if image else f"Restarting {job.app!r}")

    async def request(self) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy").

        Each request restarts the app. So after a lost answer, the app is observed before the second and last
        request.

        Raises:
            RequestRejected: when the platform refuses the deploy; with status 409 during another deploy.
            PlatformUnavailable: when the platform gave no answer, or the app shows no effect of the requests.
        """
        job, write = self._job, self.change.write()
        for number in range(2 if job.client.http.retry_timeout else 1):
            if number:
                job.log.info("Requesting the deploy again: the app shows no sign of the first request")
            app: App | None = None
            try:
                image, login = self.rollout.requested, apps.registry_auth(job)
                app = await job.shielded_client.deploy(job.app, image, login, write=write)
            except RequestRejected as error:
                if not (is_conflict(error) and write.lost):  # else the deploy in progress is our own
                    raise
            except PlatformUnavailable as error:
                if write.outcome is not Outcome.UNKNOWN or is_too_long(error.retry_after):
                    raise
                job.log.info(f"No answer to the deploy ({write.lost}); checking whether it took effect")
                if not await self._shows_deploy(error.retry_after):
                    continue
            write.outcome = Outcome.DONE
            self._note_acceptance(app)
            return
        raise PlatformUnavailable(
            f"The deploy was requested, and the app shows no sign of it: {write.lost}", hint=_HINT_LOST
        )

    async def wait_until_running(self, seconds: float) -> None:
        """Poll "GET /v1/apps/:name" until the app runs the image.

        The platform has accepted the deploy, so an outage does not end the polling.

        Raises:
            DeployFailed: when the deploy failed, or the app runs another image.
            DeployTimedOut: when the app does not run after these seconds.
        """
        job, rollout = self._job, self.rollout
        polling = Polling(job.log, f"{job.app!r} to run", seconds)
        why = await polling.until(partial(self._undecided, polling), apps.LOOK_PAUSE)
        self.verdict = rollout.verdict(is_last=True)
        shown, after = rollout.app.image, human_seconds(polling.waited)
        if self.verdict is None:
            name = rollout.image or job.app
            outage = job.client.http.outages()
            hint = _HINT_UNSEEN if outage else self._likely_causes()
            raise DeployTimedOut(
                f"{job.app!r} does not run {name!r} after {after}: {outage or why}",
                hint=hint if rollout.shows_third else f"{hint} Or raise `wait-timeout`.",
            )
        if self.verdict is not Verdict.RUNS:
            raise self._failure()
        if not rollout.requested or rollout.shows_same:
            job.result.image = shown or rollout.image
        if rollout.shows_same:
            job.warn(
                f"{job.app!r} is running after {after}, and shows the same image as before, {shown!r}: "
                f"{rollout.image!r} is the same image, or the platform went back to the previous one. "
                "`health-check-text` can tell"
            )
            return
        job.result.seen = "running"
        runs = f"runs {shown or rollout.image!r}" if shown or rollout.image else "runs"
        job.log.info(f"{job.app!r} {runs} after {after}")

    async def require_same_version(self) -> None:
        """Look at the app after the health check, which a previous or a newer version may have answered.

        Only a failure and another image count, if they last: the deploy was running and healthy, so that the
        platform does not answer, or shows another status, proves nothing.

        Raises:
            DeployFailed: when the deploy failed, or the app runs another image.
        """
        goal = f"{self._job.app!r} to show {self.rollout.image!r} again"
        # The verdict needs `SETTLING_TIME` from the first answer on.
        polling = Polling(self._job.log, goal, SETTLING_TIME + 2 * apps.LOOK_PAUSE)
        with suppress(DeployError):
            await polling.until(partial(self._undecided, polling), apps.LOOK_PAUSE)
        self.verdict = self.rollout.verdict() or Verdict.RUNS
        if self.verdict is not Verdict.RUNS:
            raise self._failure()

    async def left_with(self, seconds: float = _LOOK_TIME) -> tuple[App | None, str]:
        """Look at the app once more, for the final state.

        Returns:
            The app, or None if the image that the app has is not certain; and a clause for the final state.
        """
        job, rollout = self._job, self.rollout
        with job.shutdown.shielded_scope(Allowance(seconds, _LOOK_TIME)), suppress(DeployError):
            app, now = await job.client.retrying(UNTIL_DEADLINE).get_app(job.app), anyio.current_time()
            rollout.note_answer(app, now)
            # A request whose answer was lost may still change the image, and an answer may be behind.
            is_certain = self.change.outcome is Outcome.DONE or rollout.has_begun
            is_behind = rollout.settling_left(now) and rollout.shows_same
            if app.image and is_certain and not is_behind:
                job.result.image = app.image
                return app, f"{job.app!r} was left with {app.image!r}"
        if self.change.outcome is Outcome.UNKNOWN:
            job.result.image = None
        return None, f"it is not known which image {job.app!r} was left with"

    async def _undecided(self, polling: Polling) -> str:
        """Look at the app once. Return its status as a clause; empty once the deploy's outcome is known."""
        seen = await self.look()
        polling.log_next(self.rollout.must_last)
        return "" if self.rollout.verdict() else seen

    async def look(self) -> str:
        """Look at the app once. Return its status as a clause, for the log and for errors."""
        job = self._job
        app = await job.once_ready(partial(job.client.get_app, job.app))
        apps.note_url(job, app)
        is_new = self.rollout.note_answer(app, anyio.current_time())
        status, image = apps.shown_status(job, app), job.client.redact(app.image)
        if is_new:
            job.log.debug(f"{job.app!r} shows the status {status} and the image {image!r}")
        other = "" if self.rollout.is_ours(app.image) else f", its image {image!r}"
        return f"its status is {status}{other}{self.rollout.must_last}"

    def _begin_anew(self, before: App) -> None:
        """Start over with the app as another deploy has left it."""
        self.rollout = Rollout(self.rollout.requested, before)
        self._job.result.previous_image = before.image

    def _note_acceptance(self, app: App | None = None) -> None:
        """Note that the platform has accepted the deploy, with its answer, if there was one."""
        self.rollout.note_request(anyio.current_time(), app.image if app else "")
        self._job.result.image = self.rollout.image
        if app:
            apps.note_url(self._job, app)

    async def _shows_deploy(self, seconds: float) -> bool:
        """Look at the app until it shows the deploy, or for these seconds, `SETTLING_TIME` at least."""
        self.rollout.note_request(anyio.current_time())
        polling = Polling(self._job.log, "a sign of the deploy", max(seconds, SETTLING_TIME))
        seen = await self.look()
        while not self.rollout.has_begun and await polling.again(seen, pause=apps.LOOK_PAUSE):
            seen = await self.look()
        return self.rollout.has_begun

    def _failure(self) -> DeployFailed:
        """The error when the deploy has failed, or when the app runs another image."""
        job, app, image = self._job, self.rollout.app, self.rollout.image
        shown = job.client.redact(app.image)
        if self.verdict is Verdict.REPLACED:
            what = f"Another deploy has replaced {image!r}: {job.app!r} runs {shown!r}"
            return DeployFailed(what, hint=_HINT_REPLACED)
        if self.verdict is Verdict.WENT_BACK:
            what = f"{job.app!r} runs {shown!r} again, after it showed {image!r}"
            what = f"{what}: the platform, or another deploy, went back"
            return DeployFailed(what, hint=self._likely_causes())
        reason = job.client.redact(app.error or app.message)
        quote = f': "{reason}"' if reason else ""
        status = apps.shown_status(job, app)
        what = f"The platform reports that {job.app!r} is {status}{quote}"
        return DeployFailed(what, hint=self._likely_causes())

    def _likely_causes(self) -> str:
        """A hint: what to look at, the most frequent cause first; the status may rule causes out."""
        job, app = self._job, self.rollout.app
        if self.rollout.shows_third:
            return "Another deploy has changed the image: run this deploy again."
        status, port = app.status.lower(), app.port or job.settings.port
        login = apps.login(job) or "no login"
        pull = f"Can the platform pull {self.rollout.image!r} (it got {login})?"
        listens = f"Does the container listen on {f'port {port:g}' if port else '`port`'}"
        start = f"{listens}, and does it get all that it needs in `env`?"
        causes = [pull] if "pull" in status else [start] if "crash" in status else [pull, start]
        return " ".join((*causes, apps.HINT_LOG))
