"""One attempt to deploy an image: the request, the wait until the app runs it, and the errors.

`rollout` has the rules that decide the wait.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio

from zerokie_action import limits
from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import (
    DeployError,
    DeployFailed,
    DeployTimedOut,
    PlatformUnavailable,
    Replaced,
    WentBack,
)
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.image.rollout import RUNNING, Phase, Rollout
from zerokie_action.platform.models import App
from zerokie_action.platform.polling import Polling
from zerokie_action.report.changes import Change
from zerokie_action.report.headlines import Headline
from zerokie_action.text.numbers import human_seconds

_LOOK_AFTER_SIGNAL = 2.0
"""The most seconds for a lookup of the app after a signal."""
_HINT_LOST = (
    "Check the app on the platform before you run the job again, because the deploy may still take effect. "
    "Then check `api-url`, and whether a gateway responds instead of the platform."
)
_HINT_REPLACED = "If that deploy is newer, do nothing. Otherwise, run this deploy again."
_HINT_UNAVAILABLE = "Check the app on the platform. If it doesn't run, run the job again."


class Attempt:
    """One attempt to deploy an image, or to restart the app with its current image.

    Attributes:
        job: the run.
        image: the image to deploy. None for a restart.
        change: the outcomes of the requests.
        rollout: the responses since the last request.
    """

    def __init__(self, job: Job, image: str | None, before: App | None, change: Change) -> None:
        """Prepare the attempt. `before` is the app before the request, None if there is no app."""
        self.job = job
        self.image = image
        self.change = change
        self.rollout = Rollout(image, before)

    @property
    def new_image(self) -> str:
        """The image to deploy. Empty if a restarted app shows no image."""
        return self.image or self.rollout.shown.previous

    # The request

    async def request(self, look_again: Callable[[], Awaitable[App]], seconds: float | None = None) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy"), after other deploys of the app have ended.

        Args:
            look_again: returns the app as it is now. After another deploy, the attempt starts again with it.
            seconds: the time limit for other deploys; `lock-timeout` by default.

        Raises:
            LockHeld: when another deploy outlasts the time limit.
            RequestRejected: when the platform rejects the deploy.
            PlatformUnavailable: when the platform didn't respond, and the app doesn't show the deploy.
        """

        async def ask() -> None:
            if self.change.deliveries:  # the platform rejected the last request during another deploy
                self.start(await look_again())
            await self._request()

        await self.job.in_turn(ask, seconds=seconds)

    def start(self, before: App) -> None:
        """Start again with the app as it is now, before the next request."""
        self.rollout = Rollout(self.image, before)

    async def _request(self) -> None:
        """Request the deploy, and once more if the response was lost and the app shows no deploy.

        Each request restarts the app, so the app is polled before the second one.
        """
        job, delivery = self.job, self.change.request()
        is_shown = await self._request_once(delivery)
        if not is_shown and job.settings.retry_timeout:
            job.log.info("Requesting the deploy again, because the app doesn't show the first request")
            is_shown = await self._request_once(delivery)
        # If the app shows another deploy's image, only a wait can tell the result of this deploy.
        is_anothers = self.rollout.shown.is_another_deploys
        if not is_shown or (is_anothers and not job.settings.wait):
            raise PlatformUnavailable(
                f"The platform didn't confirm the deploy, and the app doesn't show it: {delivery.lost}",
                hint=_HINT_LOST,
            )
        delivery.outcome = Outcome.UNKNOWN if is_anothers else Outcome.DONE

    async def _request_once(self, delivery: Delivery) -> bool:
        """Request the deploy. Return whether the platform confirmed it, or else whether the app shows it."""
        job, response = self.job, App()
        try:
            credentials = apps.registry_auth(job)
            response = await job.shielded_client.tracked(delivery).deploy(job.app, self.image, credentials)
        except PlatformUnavailable as error:
            if delivery.outcome is not Outcome.UNKNOWN or error.retry_after > limits.MOST_WAITED:
                raise
            job.log.info(f"No response to the deploy ({delivery.lost}). Checking whether the app shows it")
            if not await self._is_shown(error.retry_after):
                return False
        self.note_accepted(response)
        return True

    async def _is_shown(self, seconds: float) -> bool:
        """Poll the app until it shows a deploy, for these seconds or until a GET must show it."""
        self.rollout.note_request(anyio.current_time())
        goal, limit = f"{self.job.app!r} to show the deploy", max(seconds, limits.SETTLING_TIME)
        polling = Polling(self.job.log.info, goal, limit, apps.POLL_PAUSE)
        shown = await self._look()
        while not self.rollout.shows_a_deploy and await polling.again(shown):
            shown = await self._look()
        return self.rollout.shows_a_deploy

    def note_accepted(self, response: App) -> None:
        """Note that the platform accepted the deploy. A lost response is an empty `App`."""
        self.rollout.note_request(anyio.current_time(), response.image)
        self.job.report.image = self.new_image
        apps.note_url(self.job, response)

    # The wait

    async def wait_until_running(self, seconds: float) -> None:
        """Poll the app until it runs the image, and report that. See `require_running`."""
        after = await self.require_running(seconds)
        job, rollout = self.job, self.rollout
        shown = rollout.app.image or self.new_image
        is_unchanged = rollout.shown.looks_unchanged
        if self.image is None or is_unchanged or rollout.shown.lacks_digest:
            job.report.image = shown
        if is_unchanged or rollout.shown.lacks_digest:
            still = "still shows the previous image" if is_unchanged else "shows the image"
            job.report.warn(
                f"{job.app!r} runs after {after}, but {still} {shown!r}. Either {self.new_image!r} is the "
                "same image, or it was replaced. To find out, set `health-check-text`"
            )
            return
        job.report.headline = Headline.RUNNING
        job.log.info(f"{job.app!r} runs {f'{shown!r} ' if shown else ''}after {after}")

    async def require_running(self, seconds: float) -> str:
        """Poll the app until it runs the image. Return the duration of the wait, in words.

        An outage doesn't end the wait, because the platform accepted the deploy.

        Raises:
            DeployFailed: when the deploy failed, or the app runs another image.
            DeployTimedOut: when the app doesn't run after these seconds.
        """
        why = "no response in time"
        polling = Polling(self.job.log.info, f"{self.job.app!r} to run", seconds, apps.POLL_PAUSE)
        while True:
            retry_after = 0.0
            with polling.one_poll():
                try:
                    why = await self._look()
                except PlatformUnavailable as error:
                    why, retry_after = str(error), error.retry_after
            if self.rollout.decided() or not await polling.again(why, retry_after):
                break
        phase = self.rollout.decided(is_last=True)
        after = human_seconds(polling.waited)
        if phase is not Phase.RUNNING:
            raise self._failure(phase) if phase else self._timeout(after, why)
        return after

    async def _look(self) -> str:
        """Look up the app. Return its status as a clause for the log and for errors."""
        job, rollout, delivery = self.job, self.rollout, Delivery()
        last = rollout.app
        app = await job.once_ready(partial(job.client.tracked(delivery).get_app, job.app))
        apps.note_url(job, app)
        rollout.note_response(app, delivery.at)
        status, image = apps.shown_status(job, app), job.client.redact(app.image)
        if (app.status, app.image) != (last.status, last.image):
            job.log.debug(f"{job.app!r} shows the status {status} and the image {image!r}")
        must_hold = f" (must hold for {limits.STEADY_TIME:.0f}s)" if rollout.phase is Phase.RUNNING else ""
        other = "" if rollout.shown.may_be_new else f", image {image!r}"
        return f"status {status}{must_hold}{other}"

    # The errors

    def _failure(self, phase: Phase) -> DeployFailed:
        """Return the error of a deploy that failed, or of an app that runs another image."""
        job, app = self.job, self.rollout.app
        shown = job.client.redact(app.image)
        if phase is Phase.REPLACED:
            what = f"Another deploy replaced {self.new_image!r}: {job.app!r} runs {shown!r}"
            return Replaced(what, hint=_HINT_REPLACED)
        if phase is Phase.WENT_BACK:
            what = f"{job.app!r} runs {shown!r} again, after it showed {self.new_image!r}"
            return WentBack(f"{what}, because the platform or another deploy went back", hint=self._causes())
        reason = job.client.redact(app.error or app.message)
        quote = f': "{reason}"' if reason else ""
        what = f"The platform reports that {job.app!r} is {apps.shown_status(job, app)}{quote}"
        return DeployFailed(what, hint=self._causes())

    def _timeout(self, after: str, why: str) -> DeployTimedOut:
        """Return the error of an app that doesn't run in time. `why` is the last response, as a clause."""
        outage = self.job.client.http.outages()
        what = f"{self.job.app!r} doesn't run {self._quoted_image} after {after}: {outage or why}"
        if self.rollout.shown.is_another_deploys:
            return DeployTimedOut(what, hint=_HINT_REPLACED)
        hint = _HINT_UNAVAILABLE if outage else self._causes()
        return DeployTimedOut(what, hint=f"{hint} If the app needs more time, raise `wait-timeout`.")

    @property
    def _quoted_image(self) -> str:
        return repr(self.new_image) if self.new_image else "the image"

    def _causes(self) -> str:
        """Return the hint for a failed image, with its likely causes."""
        credentials = apps.credentials(self.job) or "no credentials"
        port = self.rollout.app.port or self.job.settings.port
        return (
            f"Check that the platform can pull {self._quoted_image} (it got {credentials}), and that the "
            f"container listens on {f'port {port:g}' if port else '`port`'} and gets all variables that it "
            f"needs in `env`. {apps.HINT_LOG}"
        )

    def how_to_go_back(self) -> str:
        """Return how to deploy the previous image again, or why that is impossible, as a clause.

        Empty if the previous image didn't run or runs again, or if another deploy replaced it.
        """
        rollout = self.rollout
        runs_again = rollout.shown.looks_unchanged and rollout.app.status.lower() == RUNNING
        if not rollout.was_running or self.image is None or runs_again or rollout.shown.is_another_deploys:
            return ""
        if rollout.shown.why_not_redeployable:
            return f"the previous version can't be deployed again: {rollout.shown.why_not_redeployable}"
        return f"to go back, deploy {rollout.shown.previous!r}"

    # The last look

    async def look_up_image(self, seconds: float) -> str:
        """Return the app's image; empty if it is still uncertain after `seconds`."""
        job, rollout, delivery = self.job, self.rollout, Delivery()
        allowance = limits.Allowance(seconds, _LOOK_AFTER_SIGNAL)
        with job.shutdown.shielded_scope(allowance), suppress(DeployError):
            app = await job.client.retrying(UNTIL_DEADLINE).tracked(delivery).get_app(job.app)
            rollout.note_response(app, delivery.at)
            # A request with a lost response may still change the image.
            is_accepted = self.change.outcome is Outcome.DONE or rollout.shows_a_deploy
            is_outdated = rollout.shown.looks_unchanged and delivery.at < rollout.settled_at
            return app.image if is_accepted and not is_outdated else ""
        return ""

    async def look_up_final_state(self) -> str:
        """Put the app's image into the report. Return the app's final state as a clause."""
        job = self.job
        if image := await self.look_up_image(_LOOK_AFTER_SIGNAL):
            job.report.image = image
            status = apps.shown_status(job, self.rollout.app)
            return f"{job.app!r} now has the image {image!r} and the status {status}"
        if self.change.outcome is Outcome.UNKNOWN:
            job.report.image = None
        return f"the image of {job.app!r} is unknown"
