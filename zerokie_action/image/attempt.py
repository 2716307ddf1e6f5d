"""One attempt to deploy an image: the request, the wait until the app runs it, and the errors.

`rollout` has the rules that decide the wait.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio

from zerokie_action import limits
from zerokie_action.app import RunApp, get_once_ready, note_response, require_not_deleted, shown_status
from zerokie_action.errors import DeployError, DeployFailed, DeployTimedOut, PlatformUnavailable, Replaced
from zerokie_action.http.policy import UNTIL_DEADLINE, RetryPolicy
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.image.names import ANOTHERS, MAY_BE_NEW
from zerokie_action.image.rollout import Phase, Rollout
from zerokie_action.job import Job
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import App
from zerokie_action.platform.polling import Polling
from zerokie_action.report.changes import Change
from zerokie_action.report.report import Headline
from zerokie_action.text.numbers import human_seconds

_HINT_UNKNOWN = "Check the app before you run the job again, because the deploy may still take effect."
_HINT_REPLACED = "If that deploy is newer, do nothing. Otherwise, run this deploy again."


class Attempt:
    """One attempt to deploy an image, or to restart the app with its current image.

    Attributes:
        job: the run.
        app: the run's app.
        image: the image to deploy. None for a restart.
        change: the outcomes of the requests.
        rollout: the responses since the last request.
        ran_as: the image that the app showed when it ran. Empty before.
    """

    def __init__(self, job: Job, app: RunApp, image: str | None, before: App | None, change: Change) -> None:
        """Prepare the attempt. `before` is the app before it, or None if there is none."""
        self.job = job
        self.app = app
        self.image = image
        self.change = change
        self.rollout = Rollout(image, before)
        self.ran_as = ""

    @property
    def new_image(self) -> str:
        """The image to deploy. Empty if a restarted app shows no image."""
        return self.image or self.rollout.shown.previous

    async def look(self, client: Client | None = None) -> App:
        """Look up the app with this client or the run's, and note the response.

        Raises:
            DeployError: when there is no response, or when the app doesn't exist or is being deleted.
        """
        job, delivery = self.job, Delivery()
        app = await get_once_ready(job, self.app, (client or job.client).tracked(delivery))
        require_not_deleted(job, app)
        note_response(job, self.app, app)
        if app.status != self.rollout.app.status:
            job.log.debug(f"{job.app!r} has the status {shown_status(job, app)}")
        self.rollout.note_response(app, delivery.at, anyio.current_time())
        return app

    # The request

    async def request(self, look_first: Callable[[], Awaitable[App]]) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy").

        Each request restarts the app. So the app is looked up before it, and if the response was lost, the
        request is repeated once, but only if the app shows no deploy. After a 409, the run waits until no
        other deploy of the app is in progress.

        Args:
            look_first: returns the app right before the request. An error means that it may not be sent.

        Raises:
            LockHeld: when another deploy outlasts `lock-timeout`.
            RequestRejected: when the platform rejects the deploy.
            PlatformUnavailable: when the platform didn't respond, and the app doesn't show the deploy.
        """
        await self.job.lock.in_turn(partial(self._request_once, look_first))

    async def _request_once(self, look_first: Callable[[], Awaitable[App]]) -> None:
        job = self.job
        self.rollout = Rollout(self.image, await look_first())
        delivery = self.change.new_delivery()
        is_shown = await self._send(delivery)
        if not is_shown and job.settings.retry_timeout:
            job.log.info("Requesting the deploy again, because the app doesn't show the first request")
            is_shown = await self._send(delivery)
        if not is_shown or self.rollout.shown.identity is ANOTHERS:
            lost = f"The platform didn't confirm the deploy, and the app doesn't show it: {delivery.lost}"
            raise PlatformUnavailable(lost, hint=_HINT_UNKNOWN)
        delivery.outcome = Outcome.DONE

    async def _send(self, delivery: Delivery) -> bool:
        """Send the request. Return whether the platform confirmed it, or else whether the app shows it."""
        job, response = self.job, App()
        self.rollout.note_request(anyio.current_time())
        try:
            credentials = job.settings.registry_auth
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
        polling = Polling(self.job.log.info, goal, limit, limits.POLL_PAUSE)
        while True:
            await self.look()
            if self.rollout.shows_a_deploy or not await polling.again(self._shown()):
                return self.rollout.shows_a_deploy

    def note_accepted(self, response: App) -> None:
        """Note that the platform accepted the deploy. A lost response is an empty `App`."""
        self.rollout.note_request(anyio.current_time(), response.image)
        self.job.report.image = self.new_image
        note_response(self.job, self.app, response)

    # The wait

    async def wait_until_running(self, seconds: float) -> bool:
        """Poll the app until it runs the image, and report that. See `require_running`.

        Returns:
            Whether the app certainly runs the image, and not one that looks the same.
        """
        after = await self.require_running(seconds)
        job, self.ran_as = self.job, self.rollout.app.image
        shown = job.report.image = job.redactor.redact(self.rollout.app.image) or self.new_image
        if self.image and self.rollout.shown.is_unproven:
            job.report.warn(
                f"{job.app!r} runs after {after} and shows {shown!r}. Either {self.new_image!r} is the same "
                "image, or it was replaced. To find out, set `health-check-text`"
            )
            return False
        job.report.headline = Headline.RUNNING
        job.log.info(f"{job.app!r} runs {f'{shown!r} ' if shown else ''}after {after}")
        return True

    async def require_running(self, seconds: float) -> str:
        """Poll the app until it runs the image. Return the duration of the wait, in words.

        An outage doesn't end the wait, because the platform accepted the deploy.

        Raises:
            PlatformUnavailable: when a response has a `Retry-After` of more than ten minutes.
            DeployFailed: when the deploy failed, or the app runs another image.
            DeployTimedOut: when the app doesn't run after these seconds.
        """
        polling = Polling(self.job.log.info, f"{self.job.app!r} to run", seconds, limits.POLL_PAUSE)
        while True:
            with polling.one_poll():
                await self.look(self.job.client.retrying(RetryPolicy(math.inf)))
            if self.rollout.decided() or not await polling.again(self._shown()):
                break
        phase, after = self.rollout.decided(is_last=True), human_seconds(polling.waited)
        if phase is not Phase.RUNNING:
            raise self.error(phase, after)
        return after

    def _shown(self) -> str:
        """Return the app's status as a clause for the log and for errors."""
        job, rollout, app = self.job, self.rollout, self.rollout.app
        must_hold = f" (must hold for {limits.STEADY_TIME:.0f}s)" if rollout.phase is Phase.RUNNING else ""
        other = "" if rollout.shown.identity in MAY_BE_NEW else f", image {job.redactor.redact(app.image)!r}"
        return f"status {shown_status(job, app)}{must_hold}{other}"

    # The errors

    def error(self, phase: Phase | None, after: str = "") -> DeployError:
        """Return the error of an app that doesn't run the image.

        Args:
            phase: the phase that decided the deploy. None if the time is up.
            after: the duration of the wait, in words.
        """
        job, app, new = self.job, self.rollout.app, repr(self.new_image) if self.new_image else "the image"
        shown, outage, hint = job.redactor.redact(app.image), job.client.http.outages(), self._causes(new)
        match phase:
            case Phase.REPLACED:
                return Replaced(f"Another deploy replaced {new} with {shown!r}", hint=_HINT_REPLACED)
            case Phase.WENT_BACK:
                return DeployFailed(f"The platform or another deploy went back to {shown!r}", hint=hint)
            case Phase.FAILED:
                quote = f': "{job.redactor.redact(reason)}"' if (reason := app.error or app.message) else ""
                what = f"The platform reports that {job.app!r} is {shown_status(job, app)}{quote}"
                return DeployFailed(what, hint=hint)
        hint = f"{_HINT_UNKNOWN if outage else hint} If the app needs more time, raise `wait`."
        what = f"{job.app!r} doesn't run {new} after {after}: {outage or self._shown()}"
        return DeployTimedOut(what, hint=hint)

    def _causes(self, new: str) -> str:
        """Return the hint for a failed image, with its likely causes. `new` is its name in quotes."""
        credentials = self.job.settings.registry_words or "no credentials"
        port = self.rollout.app.port or self.job.settings.port
        return (
            f"Check that the platform can pull {new} (it got {credentials}), and "
            f"that the container listens on {f'port {port:g}' if port else '`port`'} and gets all variables "
            "that it needs in `env`. The API has no logs, so look for the app's log where you manage the app."
        )

    # The last look

    async def look_up_final_state(self) -> str:
        """Put the app's image into the report. Return the app's final state as a clause.

        The image is unknown if there is no response, or if the response may be older than the request.
        """
        job, rollout, image = self.job, self.rollout, None
        with job.shutdown.shielded_scope(limits.LAST_LOOK), suppress(DeployError):
            app = await self.look(job.client.retrying(UNTIL_DEADLINE))
            image = job.redactor.redact(app.image) if rollout.is_current or rollout.shows_a_deploy else None
        job.report.image = image or None
        if not image:
            return f"the image of {job.app!r} is unknown"
        return f"{job.app!r} now has the image {image!r} and the status {shown_status(job, rollout.app)}"

    def how_to_go_back(self) -> str:
        """Return how to deploy the previous image again, or why that is impossible, as a clause.

        Empty if the previous image didn't run or runs again, or if another deploy replaced it.
        """
        shown = self.rollout.shown
        if not self.rollout.was_running or self.image is None or shown.identity not in MAY_BE_NEW:
            return ""
        if shown.why_not_redeployable:
            return f"the previous version can't be deployed again: {shown.why_not_redeployable}"
        return f"to go back, deploy {shown.previous!r} (after a failure, `rollback: true` does that)"
