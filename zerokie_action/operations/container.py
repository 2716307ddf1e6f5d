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
from zerokie_action.operations import apps
from zerokie_action.operations.health import check_health
from zerokie_action.operations.polling import Polling
from zerokie_action.operations.rollout import RUNNING, SETTLING_TIME, Rollout, may_be_same_image
from zerokie_action.outcome import Outcome, was_created
from zerokie_action.platform.answers import CONFLICT
from zerokie_action.shutdown import Allowance
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App

_HINT_FAILED = "Look at the app's own log on the platform."
_HINT_NOT_YET = (
    "Look at the app's own log on the platform, or raise `wait-timeout`. If another deploy has changed the "
    "image, run this deploy again."
)
_HINT_REPLACED = "If that deploy is newer, there is nothing to do. If not, run this deploy again."
_HINT_LOST = (
    "Look at the app on the platform before you run the job again: a request may still take effect. "
    "Check `api-url`, and whether a gateway answers in the platform's place."
)
_LOOKS_AFTER_LOST_ANSWER = (int(SETTLING_TIME), 3 * int(SETTLING_TIME), int(SETTLING_TIME))
"""The number of looks at the app, one a second, after the first, second and third lost answer to a deploy."""
_LOOK_TIME = 2.0
"""Seconds for looking up the app's final state after a failure, and the grace for it after a signal."""
_LAST_LOOK_TIME = 5.0
"""Seconds for the last look, at the end of `wait-timeout`."""
_REASONS_TO_GO_BACK = (DeployFailed, DeployTimedOut, HealthCheckFailed)
_ROLLBACK_TIME = 60.0
"""The shortest time limit of a rollback, in seconds; it applies even after `timeout`."""


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
    if settings.rollback:
        _warn_of_rollback(job, image, before)
    await _roll_out(job, _Deploy(job, image, before))


async def restart(job: Job) -> None:
    """Make the platform pull the current image again, and restart the app."""
    with job.time_limit(), job.phase("Look up"):
        before = await job.client.get_app(job.app)
        apps.accept_existing(job, before, "container")
    job.result.previous_image = before.image
    if job.settings.dry_run:
        job.preview(f"would restart {before.image!r}")
        return
    await _roll_out(job, _Deploy(job, None, before))


def _warn_of_rollback(job: Job, image: str, before: App | None) -> None:
    """Warn when `rollback` can't work."""
    if not job.settings.wait and job.settings.health_check is None:
        job.warn("`rollback` has no effect without `wait` or `health-check`: nothing is checked")
    elif before and not before.image:
        job.warn("`rollback` can't go back: the platform does not show which image the app has")
    elif before and "@" not in before.image + image and may_be_same_image(before.image, image):
        job.warn(
            f"`rollback` can't go back: the app has {before.image!r} already, and nobody can tell which "
            "image this name meant before; give each version a tag of its own"
        )


async def _roll_out(job: Job, deploy: _Deploy) -> None:
    """Request the deploy, wait, and check, within `timeout`. A rollback may follow, outside `timeout`."""
    try:
        with job.time_limit():
            with job.phase("Deploy"):
                await (deploy.create() if deploy.rollout.before is None else deploy.ask_in_turn())
            # The platform gives the deploy of an image no ID, so the session ID stands for it.
            job.result.deploy_id = job.session
            await _wait_and_check(job, deploy)
            for change in job.changes:
                change.seen = ""
    except BaseException as failure:
        if any(change.may_be_made for change in job.changes):
            was_asked = not isinstance(failure, HealthCheckFailed) or failure.was_asked
            if job.settings.rollback and was_asked and isinstance(failure, _REASONS_TO_GO_BACK):
                await _roll_back(job, deploy, failure)
            else:
                await deploy.record_final_state()
        raise


async def _wait_and_check(job: Job, deploy: _Deploy) -> None:
    """Apply `wait` and `health-check`. If both are off, the reports say that the app was not checked."""
    if job.settings.wait:
        await deploy.wait_until_running(job.settings.wait_timeout)
    else:
        job.ci.info("Not waiting for the app to run (wait: false)")
        if job.settings.health_check is None:
            job.result.notes.append("`wait` is off: it was not checked whether the app runs.")
    await check_health(job, job.result.url or "")


async def _roll_back(job: Job, deploy: _Deploy, failure: DeployError) -> None:
    """Deploy the previous image again and wait until it runs. The result has the outcome.

    The health check is not repeated, because it may fail for reasons other than the image.
    """
    result, previous = job.result, deploy.rollout.previous
    await anyio.sleep(deploy.rollout.settling_left)
    left_with = await deploy.record_final_state(_ROLLBACK_TIME)
    why_not = _why_no_rollback(job, deploy.rollout, left_with)
    if why_not:
        deploy.change.seen = f"not rolled back{why_not}; {deploy.change.state}"
        return
    job.ci.info(f"{failure}; rolling back to {previous!r}")
    rollback = _Deploy(job, previous, left_with)
    problem = "did not end"  # stays after the time limit or a signal
    try:
        with anyio.move_on_after(max(job.ends_at - anyio.current_time(), _ROLLBACK_TIME)):
            with job.phase("Roll back"):
                await rollback.ask()  # not `ask_in_turn`: any deploy in progress is newer
            await rollback.wait_until_running(max(job.settings.wait_timeout, _ROLLBACK_TIME))
            problem = ""
    except DeployError as error:
        problem = f"failed as well: {error}"
    finally:
        if problem:
            if rollback.change.may_be_made:
                await rollback.record_final_state()
                deploy.change.seen = rollback.change.state
            rollback.change.seen = ""
            deploy.change.seen = f"the rollback to {previous!r} {problem}; {deploy.change.state}"
        else:
            result.status = "rolled-back"
            failed = deploy.rollout.image
            deploy.change.seen = f"rolled back from {failed!r}: {job.app!r} runs {previous!r} again"


def _why_no_rollback(job: Job, rollout: Rollout, left_with: App | None) -> str:
    """The reason against a rollback, as the middle of a sentence; empty if nothing is against it."""
    before = rollout.before
    if before is None or before.status.lower() != RUNNING:
        return ", as no other image was running"
    if not rollout.previous:
        return ", as the platform did not show the previous image"
    if left_with is None or not rollout.is_ours(left_with.image):
        return f", as the app {'has' if left_with else 'may have'} another image"
    if left_with.image == rollout.previous:
        return ", as the app shows the same image as before"
    if job.settings.wait and not job.result.seen_running and left_with.status.lower() == RUNNING:
        return ", as the new image runs by now"
    return ""


class _Deploy:
    """A deploy of an image, or a restart with the current image.

    Attributes:
        rollout: the progress of the deploy.
    """

    def __init__(self, job: Job, image: str | None, before: App | None) -> None:
        """Prepare a deploy without sending a request. Without an image, it is a restart."""
        self.rollout = Rollout(image, before)
        self.change = job.change("deploy", done=f"the {job.settings.operation} was completed")
        self._job = job
        self._requested = image

    async def create(self) -> None:
        """Create the app with the image. If the app exists by now, deploy the image to it."""
        job = self._job
        existing = await apps.create_or_find(job, self.rollout.image)
        if existing is None:
            self._note_acceptance()
        elif was_created(job.changes) is None and existing.image and self.rollout.is_ours(existing.image):
            job.ci.info(f"App {job.app!r} exists; the answer to an earlier request to create it was lost")
            self._note_acceptance(existing.image)
        else:
            self._begin_anew(existing)
            await self.ask_in_turn()

    async def ask_in_turn(self) -> None:
        """Request the deploy when no other deploy of the app is in progress.

        Raises:
            LockHeld: when another deploy outlasts `lock-timeout`.
            DeployError: as `ask`.
        """
        job = self._job
        is_first = True

        async def attempt() -> None:
            nonlocal is_first
            if not is_first:  # another deploy has changed the app
                self._begin_anew(await job.client.get_app(job.app))
            is_first = False
            await self.ask()

        await job.in_turn(attempt)
        previous = self.rollout.previous
        was = f" (was {previous!r})" if previous else ""
        job.ci.info(
            f"Deploying {self._requested!r}{was}" if self._requested else f"Restarting {self._name!r}"
        )

    async def ask(self) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy").

        Each request restarts the app. So after a lost answer, the app is observed before the next request.
        There are at most three requests.

        Raises:
            RequestRejected: when the platform refuses the deploy; with status 409 during another deploy.
            PlatformUnavailable: when the platform gave no answer, or the app shows no effect of the requests.
        """
        job = self._job
        lost = ""
        for looks in _LOOKS_AFTER_LOST_ANSWER:
            job.client.http.retries_used += bool(lost)
            write = self.change.write()
            try:
                self.change.unknown = f"it is not known which image {job.app!r} was left with"
                app = await job.shielded_client.deploy(
                    job.app, self._requested, apps.registry_auth(job), write=write
                )
            except RequestRejected as error:
                if not lost or error.status != CONFLICT:
                    raise
                self._note_acceptance()  # the deploy in progress is our own
                return
            except PlatformUnavailable as error:
                if write.outcome is not Outcome.UNKNOWN or is_too_long(error.retry_after):
                    raise
                lost, retry_after = write.lost, int(error.retry_after)
                job.ci.info(f"{error}; checking whether the request took effect; if not, it is sent again")
                self.rollout.note_request()
                if await self._shows_deploy(max(looks, retry_after)):
                    self._note_acceptance()
                    return
            else:
                apps.note_url(job, app)
                self._note_acceptance(app.image)
                return
        raise PlatformUnavailable(
            f"The deploy was requested {len(_LOOKS_AFTER_LOST_ANSWER)} times, and the app shows no sign of "
            f"it: {lost}",
            hint=_HINT_LOST,
        )

    async def wait_until_running(self, seconds: float) -> None:
        """Poll "GET /v1/apps/:name" until the app runs the image.

        The platform has accepted the deploy, so an outage does not end the polling.

        Raises:
            DeployFailed: when the platform reports a failure, or another deploy has replaced the image.
            DeployTimedOut: when the app does not run after these seconds.
        """
        job, rollout = self._job, self.rollout
        polling = Polling(job.ci, f"{job.app!r} to run", seconds, steady=SETTLING_TIME)
        why = "the platform did not answer"
        with job.phase("Wait"):
            while True:
                retry_after = 0.0
                with anyio.move_on_after(max(_LAST_LOOK_TIME, polling.left)):
                    try:
                        why = await self._look()
                    except PlatformUnavailable as error:
                        why, retry_after = str(error), error.retry_after
                if rollout.runs:
                    break
                if rollout.has_failed or rollout.was_replaced:
                    raise self._failure()
                if not await polling.again(why, retry_after):
                    if rollout.shows_failure:
                        raise self._failure()
                    after = human_seconds(polling.waited)
                    outage = job.client.http.outages()
                    raise DeployTimedOut(
                        f"{job.app!r} does not run {self._name!r} after {after}: {outage or why}",
                        hint=_HINT_NOT_YET,
                    )
        job.result.seen_running = True
        shown = rollout.app.image or rollout.image
        runs = f"runs {shown!r}" if shown else "runs"
        job.ci.info(f"{job.app!r} {runs} after {human_seconds(polling.waited)}")

    async def record_final_state(self, seconds: float = _LOOK_TIME) -> App | None:
        """Look up the app, and set the result's final state. None if the app's image is not certain."""
        job, rollout = self._job, self.rollout
        change = self.change
        change.seen = f"it is not known which image {job.app!r} was left with"
        with job.shutdown.shielded_scope(Allowance(seconds, _LOOK_TIME)), suppress(DeployError):
            app = await job.client.retrying(UNTIL_DEADLINE).get_app(job.app)
            # Until the deploy is accepted, a request whose answer was lost may still change the image.
            if not app.image or not (rollout.is_accepted or rollout.is_ours(app.image)):
                return None
            if (
                rollout.settling_left
                and app.image == rollout.previous
                and not may_be_same_image(app.image, rollout.image)
            ):
                change.seen = f"the platform accepted {rollout.image!r}, and does not show it yet"
                return None
            job.result.image = app.image
            change.seen = f"{job.app!r} was left with {app.image!r}"
            return app
        return None

    @property
    def _name(self) -> str:
        """The image's name, or else the app's, for messages."""
        return self.rollout.image or self._job.app

    def _begin_anew(self, before: App) -> None:
        """Start over with the app as another deploy has left it."""
        self.rollout = Rollout(self._requested, before)
        self._job.result.previous_image = before.image

    def _note_acceptance(self, image: str = "") -> None:
        """Note that the platform has accepted the deploy; `image` is the image in the answer."""
        self.rollout.note_acceptance(image)
        self._job.result.image = self.rollout.image

    async def _shows_deploy(self, looks: int) -> bool:
        """Look at the app once a second, at most `looks` times; return whether it shows the deploy."""
        for _ in range(looks):
            await self._look()
            if self.rollout.has_begun:
                return True
            await anyio.sleep(1)
        return False

    async def _look(self) -> str:
        """Look at the app once. Return its status as a clause, for the log and for errors."""
        app = await self._job.client.get_app(self._job.app)
        apps.note_url(self._job, app)
        self.rollout.note_answer(app)
        other = "" if self.rollout.is_ours(app.image) else f", its image {app.image!r}"
        return self._job.client.redact(f"its status is {app.status!r}{other}")

    def _failure(self) -> DeployFailed:
        """The error when the deploy has failed or was replaced."""
        app, name, redact = self.rollout.app, self._job.app, self._job.client.redact
        if self.rollout.was_replaced:
            what = f"Another deploy has replaced {self.rollout.image!r}: {name!r} runs {app.image!r}"
            return DeployFailed(redact(what), hint=_HINT_REPLACED)
        reason = app.error or app.message
        quote = f': "{reason}"' if reason else ""
        return DeployFailed(
            redact(f"The platform reports that {name!r} is {app.status!r}{quote}"), hint=_HINT_FAILED
        )
