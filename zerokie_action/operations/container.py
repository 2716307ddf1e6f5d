"""Deploys an image to a container app, or restarts the app with its current image."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import (
    DeployError,
    DeployFailed,
    DeployTimedOut,
    HealthCheckFailed,
    PlatformUnavailable,
    RequestRejected,
)
from zerokie_action.http.retry import UNTIL_DEADLINE, is_too_long
from zerokie_action.limits import Allowance
from zerokie_action.operations import apps
from zerokie_action.operations.health import check_health
from zerokie_action.operations.polling import Polling, is_conflict
from zerokie_action.operations.rollout import STEADY_TIME, Rollout, Verdict
from zerokie_action.outcome import Outcome
from zerokie_action.platform.answers import NOT_FOUND
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.outcome import Change
    from zerokie_action.platform.models import App

_HINT_NOT_YET = (
    f"{apps.HINT_LOG} Or raise `wait-timeout`. If another deploy has changed the image, run this deploy "
    "again."
)
_HINT_REPLACED = "If that deploy is newer, there is nothing to do. If not, run this deploy again."
_HINT_LOST = (
    "Look at the app on the platform before you run the job again: a request may still take effect. "
    "Check `api-url`, and whether a gateway answers in the platform's place."
)
_LOOK_TIME = 2.0
"""Seconds for looking up the app's final state after a failure, and the grace for it after a signal."""
_REASONS_FOR_ROLLBACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)
_ROLLBACK_TIME = 60.0
"""The shortest time limit of a rollback, in seconds; it applies even after `timeout`."""
_ROLLBACK_PAUSE = 3.0
"""Seconds between two requests for a rollback, while another deploy is in progress."""


async def deploy_image(job: Job, image: str) -> None:
    """Make the container app run the image."""
    settings = job.settings
    with job.time_limit(), job.phase("Look up"):
        before = await apps.look_up(job, "container")
    if before is not None:
        job.result.previous_image = before.image
    if settings.dry_run:
        if before is None:
            job.preview(f"would create container app {job.app!r} with {image!r}")
        else:
            job.preview(f"would deploy {image!r} in place of {before.image!r}")
        return
    deploy = _Deploy(job, image, before)
    if settings.rollback and not settings.wait and settings.health_check is None:
        job.warn("`rollback` has no effect without `wait` or `health-check`: nothing is checked")
    elif settings.rollback and (why_not := deploy.rollout.why_imprecise):
        job.warn(f"`rollback` can't go back: {why_not}")
    await _carry_out(job, deploy)


async def restart(job: Job) -> None:
    """Make the platform pull the current image again, and restart the app."""
    with job.time_limit(), job.phase("Look up"):
        before = await apps.require(job, "container")
    job.result.previous_image = before.image
    if job.settings.dry_run:
        job.preview(f"would restart {before.image!r}")
        return
    await _carry_out(job, _Deploy(job, None, before))


async def _carry_out(job: Job, deploy: _Deploy) -> None:
    """Request the deploy, wait, and check, within `timeout`. A rollback may follow, outside `timeout`."""
    settings = job.settings
    try:
        with job.time_limit():
            with job.phase("Deploy"):
                await deploy.begin()
            # The platform gives the deploy of an image no ID, so the session ID stands for it.
            job.result.deploy_id = job.session
            if settings.wait:
                await deploy.wait_until_running(settings.wait_timeout)
            else:
                job.log.info("Not waiting for the app to run (wait: false)")
                if settings.health_check is None:
                    job.result.notes.append("`wait` is off: it was not checked whether the app runs.")
            url = await apps.find_url(job, deploy.url)
            await check_health(job, url, runs=deploy.is_proved)
    except BaseException as failure:
        if deploy.change.may_be_made:
            was_asked = not isinstance(failure, HealthCheckFailed) or failure.was_asked
            may_go_back = settings.rollback and settings.image is not None and was_asked
            try:
                if may_go_back and isinstance(failure, _REASONS_FOR_ROLLBACK):
                    await _rollback(job, deploy, failure)
            finally:
                if not deploy.change.seen:
                    _, deploy.change.seen = await deploy.left_with()
        raise


async def _rollback(job: Job, deploy: _Deploy, failure: DeployError) -> None:
    """Deploy the previous image again, and wait until it runs. The failed deploy's change says how it went.

    The health check is not repeated, because it may fail for reasons other than the image.
    """
    previous, told = deploy.rollout.previous, deploy.verdict
    if isinstance(failure, HealthCheckFailed):
        told = Verdict.RUNS  # that the image runs is no reason to keep it
    await anyio.sleep(deploy.rollout.settling_left(anyio.current_time()))
    ends_at = anyio.current_time() + STEADY_TIME
    app, left = await deploy.left_with(_ROLLBACK_TIME)
    # A starting app may be in a crash loop. An image that changes at every look never runs for long enough.
    while app and deploy.rollout.is_starting and anyio.current_time() <= ends_at:
        await anyio.sleep(1)
        app, left = await deploy.left_with(_ROLLBACK_TIME)
    why_not = deploy.rollout.why_not_back(told) if app else "nobody can tell which image the app has"
    if why_not:
        deploy.change.seen = f"not rolled back: {why_not}; {left}"
        return
    job.log.info(f"{failure}; rolling back to {previous!r}")
    again = _Deploy(job, previous, app, deploy.change)
    problem: str | None = None  # stays after the time limit or a signal
    try:
        with anyio.move_on_after(max(job.ends_at - anyio.current_time(), _ROLLBACK_TIME)):
            with job.phase("Roll back"):
                # A deploy in progress has another status: after a failure, that is no reason any more.
                asked = None if told is Verdict.FAILED else told
                why_not = await _request_rollback(deploy, again, asked)
            if why_not:
                problem = f"not rolled back: {why_not}"
            else:
                await again.wait_until_running(max(job.settings.wait_timeout, _ROLLBACK_TIME))
                problem = ""
    except DeployError as error:
        problem = f"the rollback to {previous!r} failed as well: {error}"
    finally:
        was_sent = again.write.outcome is not Outcome.REFUSED
        if problem is None:
            problem = f"the rollback to {previous!r} {'did not end' if was_sent else 'was not requested'}"
        if problem:
            _, left = await (again if was_sent else deploy).left_with()
            deploy.change.seen = f"{problem}; {left}"
        else:
            job.result.status = "rolled-back"
            failed = deploy.rollout.image
            deploy.change.seen = f"rolled back from {failed!r}: {job.app!r} runs {previous!r} again"


async def _request_rollback(deploy: _Deploy, again: _Deploy, told: Verdict | None) -> str:
    """Request the rollback when no other deploy is in progress. Return the reason if it was not requested."""
    ends_at = anyio.current_time() + _ROLLBACK_TIME
    while True:
        try:
            await again.request()
        except RequestRejected as error:
            if not is_conflict(error):
                raise
        else:
            return ""
        if anyio.current_time() >= ends_at:
            return "the platform says that a deploy is in progress"
        await anyio.sleep(_ROLLBACK_PAUSE)
        await deploy.look()
        if why_not := deploy.rollout.why_not_back(told):
            return why_not


class _Deploy:
    """A deploy of an image, or a restart with the current image.

    Attributes:
        rollout: what the platform shows of the deploy.
        change: the entry in the run's list of changes.
        write: the request.
        verdict: what became of the deploy, as far as that is known.
        url: the app's URL; empty while no answer had it.
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
        self.change = change or job.change(
            done=f"the {job.settings.operation} was accepted",
            unknown=f"it is not known which image {job.app!r} was left with",
        )
        self.write = self.change.write()
        self.verdict: Verdict | None = None
        self.url = before.address if before else ""
        self._job = job
        self._requested = image
        self._is_new = before is None

    @property
    def is_proved(self) -> bool:
        """Whether the platform has shown that the app runs the image, and not the image from before."""
        return self.verdict is Verdict.RUNS and not self.rollout.shows_same

    async def begin(self) -> None:
        """Request the deploy, or create the app with the image.

        Raises:
            LockHeld: when another deploy of the app outlasts `lock-timeout`.
            DeployError: as `request`, and as `apps.create_or_find`.
        """
        job = self._job
        if self._is_new:
            app, creation = await apps.create_or_find(job, self.rollout.image)
            is_ours = bool(app.image) and self.rollout.is_ours(app.image)
            if creation.outcome is Outcome.DONE or (creation.outcome is Outcome.UNKNOWN and is_ours):
                self.change, self.write = creation, creation.writes[-1]
                self._note_acceptance(app)
                return
            self._begin_anew(app)
        is_first = True

        async def attempt() -> None:
            nonlocal is_first
            if not is_first:  # another deploy has changed the app
                self._begin_anew(await self._get_app())
            is_first = False
            await self.request()

        await job.in_turn(attempt)
        previous = self.rollout.previous
        was = f" (was {previous!r})" if previous else ""
        job.log.info(
            f"Deploying {self._requested!r}{was}" if self._requested else f"Restarting {self._name!r}"
        )

    async def request(self) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy").

        Each request restarts the app. So after a lost answer, the app is observed before the second and last
        request.

        Raises:
            RequestRejected: when the platform refuses the deploy; with status 409 during another deploy.
            PlatformUnavailable: when the platform gave no answer, or the app shows no effect of the requests.
        """
        job, write = self._job, self.write
        attempts = 2 if job.client.http.retry_timeout else 1
        for number in range(attempts):
            if number:
                job.log.info("Requesting the deploy again: the app shows no sign of the first request")
                job.client.http.retries_used += 1
            try:
                login = apps.registry_auth(job)
                app = await job.shielded_client.deploy(job.app, self._requested, login, write=write)
            except RequestRejected as error:
                if not (is_conflict(error) and write.lost):
                    raise
                write.outcome = Outcome.DONE  # the deploy in progress is our own
                self._note_acceptance()
                return
            except PlatformUnavailable as error:
                if write.outcome is not Outcome.UNKNOWN or is_too_long(error.retry_after):
                    raise
                job.log.info(f"{error}; checking whether the request took effect")
                if await self._shows_deploy(error.retry_after):
                    self._note_acceptance()
                    return
            else:
                self._note_acceptance(app)
                return
        times = "twice" if attempts > 1 else "once"
        raise PlatformUnavailable(
            f"The deploy was requested {times}, and the app shows no sign of it: {write.lost}",
            hint=_HINT_LOST,
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
        why = "the platform did not answer"
        with job.phase("Wait"):
            while self.verdict is None:
                retry_after = 0.0
                with anyio.move_on_after(max(apps.LAST_LOOK_TIME, polling.left)):
                    try:
                        why = await self.look()
                    except PlatformUnavailable as error:
                        why, retry_after = str(error), error.retry_after
                self.verdict = rollout.verdict(is_last=not polling.left)
                pause = rollout.next_look(anyio.current_time())
                if self.verdict is None and not await polling.again(why, retry_after, pause):
                    after = human_seconds(polling.waited)
                    outage = job.client.http.outages()
                    raise DeployTimedOut(
                        f"{job.app!r} does not run {self._name!r} after {after}: {outage or why}",
                        hint=_HINT_NOT_YET,
                    )
        if self.verdict is not Verdict.RUNS:
            raise self._failure()
        shown, after = rollout.app.image, human_seconds(polling.waited)
        if not self._requested or rollout.shows_same:
            job.result.image = shown or rollout.image
        if rollout.shows_same:
            job.warn(
                f"{job.app!r} is running after {after}, and shows the same image as before, {shown!r}: "
                f"{self._name!r} is the same image, or the platform went back to the previous one. "
                "`health-check-text` can tell"
            )
            return
        job.result.seen_running = True
        runs = f"runs {shown or rollout.image!r}" if shown or rollout.image else "runs"
        job.log.info(f"{job.app!r} {runs} after {after}")

    async def left_with(self, seconds: float = _LOOK_TIME) -> tuple[App | None, str]:
        """Look at the app once more, for the final state.

        Returns:
            The app, or None if the image that the app has is not certain; and a clause for the final state.
        """
        job, rollout = self._job, self.rollout
        with job.shutdown.shielded_scope(Allowance(seconds, _LOOK_TIME)), suppress(DeployError):
            app, now = await job.client.retrying(UNTIL_DEADLINE).get_app(job.app), anyio.current_time()
            rollout.note_answer(app, now)
            # Until the deploy is accepted, a request whose answer was lost may still change the image.
            if app.image and (self.write.outcome is Outcome.DONE or rollout.has_begun):
                if rollout.settling_left(now) and rollout.shows_same:
                    return None, f"the platform accepted {rollout.image!r}, and does not show it yet"
                job.result.image = app.image
                return app, f"{job.app!r} was left with {app.image!r}"
        return None, f"it is not known which image {job.app!r} was left with"

    async def look(self) -> str:
        """Look at the app once. Return its status as a clause, for the log and for errors."""
        job = self._job
        app = await self._get_app()
        self._note_url(app)
        self.rollout.note_answer(app, anyio.current_time())
        image = app.image if app.image == self._requested else job.client.redact(app.image)
        other = "" if self.rollout.is_ours(app.image) else f", its image {image!r}"
        return f"its status is {apps.shown_status(job, app)}{other}{self.rollout.doubt}"

    async def _get_app(self) -> App:
        """The app. A new app may not be found for a while."""
        job = self._job
        try:
            if self._is_new:
                app = await job.once_ready(lambda: job.client.get_app(job.app))
                self._is_new = False
                return app
            return await job.client.get_app(job.app)
        except RequestRejected as error:
            if error.status == NOT_FOUND:
                error.args = (f"App {job.app!r} is not found any more ({error.answer})",)
                error.hint = (
                    "Somebody may have deleted it: with `create: true`, the next deploy creates it again."
                )
            raise

    @property
    def _name(self) -> str:
        """The image's name, or else the app's, for messages."""
        return self.rollout.image or self._job.app

    def _begin_anew(self, before: App) -> None:
        """Start over with the app as another deploy has left it."""
        self._is_new = False
        self._note_url(before)
        self.rollout = Rollout(self._requested, before)
        self._job.result.previous_image = before.image

    def _note_acceptance(self, app: App | None = None) -> None:
        """Note that the platform has accepted the deploy, with its answer, if there was one."""
        self.rollout.note_request(anyio.current_time(), app.image if app else "")
        self._job.result.image = self.rollout.image
        if app:
            self._note_url(app)

    def _note_url(self, app: App) -> None:
        self.url = app.address or self.url
        apps.note_url(self._job, app)

    async def _shows_deploy(self, seconds: float) -> bool:
        """Look at the app once a second, until it shows the deploy, or for these seconds, 15 at least."""
        began = anyio.current_time()
        self.rollout.note_request(began)
        while True:
            await self.look()
            if self.rollout.has_begun:
                return True
            now = anyio.current_time()
            if not self.rollout.settling_left(now) and now >= began + seconds:
                return False
            await anyio.sleep(self.rollout.next_look(now))

    def _failure(self) -> DeployFailed:
        """The error when the deploy has failed, or when the app runs another image."""
        job, app, image = self._job, self.rollout.app, self.rollout.image
        shown = job.client.redact(app.image)
        if self.verdict is Verdict.REPLACED:
            what = f"Another deploy has replaced {image!r}: {job.app!r} runs {shown!r}"
            return DeployFailed(what, hint=_HINT_REPLACED)
        if self.verdict is Verdict.WENT_BACK:
            what = f"{job.app!r} runs {shown!r} again, after it showed {image!r}"
            return DeployFailed(f"{what}: the platform, or another deploy, went back", hint=apps.HINT_LOG)
        reason = job.client.redact(app.error or app.message)
        quote = f': "{reason}"' if reason else ""
        status = apps.shown_status(job, app)
        return DeployFailed(f"The platform reports that {job.app!r} is {status}{quote}", hint=apps.HINT_LOG)
