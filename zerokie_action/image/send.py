"""Requests the deploy of an image, and handles a lost response."""

from dataclasses import dataclass
from typing import NamedTuple

import anyio

from zerokie_action import limits
from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.image.rollout import Rollout
from zerokie_action.image.watch import wait_until_shown
from zerokie_action.platform.models import App
from zerokie_action.platform.responses import is_conflict
from zerokie_action.report.changes import Change

_HINT_LOST = (
    "Check the app on the platform before you run the job again, because the deploy may still take effect. "
    "Then check `api-url`, and whether a gateway responds instead of the platform."
)


class Attempt(NamedTuple):
    """One attempt to deploy, from the app as it was before the request.

    Attributes:
        rollout: the observations of the app.
        change: the outcomes of the requests.
    """

    rollout: Rollout
    change: Change


@dataclass
class Deploy:
    """A deploy of an image, or a restart with the current image.

    Attributes:
        job: the run.
        attempts: the attempts, oldest first. The last one counts. A new attempt follows if another deploy
            changed the app.
    """

    job: Job
    attempts: list[Attempt]

    @property
    def rollout(self) -> Rollout:
        """The observations of the last attempt."""
        return self.attempts[-1].rollout

    @property
    def change(self) -> Change:
        """The change of the last attempt."""
        return self.attempts[-1].change

    async def begin(self) -> None:
        """Request the deploy, or create the app with the image.

        Raises:
            LockHeld: when another deploy of the app outlasts `lock-timeout`.
            DeployError: as `request`, and as `apps.create_or_find`.
        """
        job = self.job
        if self.rollout.before is None:
            app, creation = await apps.create_or_find(job)
            # If the response was lost, an app with the new image is most likely this run's own.
            is_own = creation.outcome is Outcome.UNKNOWN and app.image and self.rollout.may_be_new(app.image)
            if creation.outcome is Outcome.DONE or is_own:
                self.attempts.append(Attempt(self.rollout, creation))
                self._note_accepted(app)
                return
            self._start_again(app)

        async def ask() -> None:
            if self.change.deliveries:  # after a 409, another deploy or a deletion may have changed the app
                before = await job.client.get_app(job.app)
                apps.require_not_deleted(job, before)
                self._start_again(before)
            await self.request()

        await job.in_turn(ask)
        images = self.rollout.images
        was = f" (was {images.previous!r})" if images.previous else ""
        what = f"Deploying {images.requested!r}{was}" if images.requested else f"Restarting {job.app!r}"
        job.log.info(what)

    async def request(self) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy").

        Each request restarts the app. So after a lost response, the app is observed before the second and
        last request.

        Raises:
            RequestRejected: when the platform rejects the deploy, with status 409 during another deploy.
            PlatformUnavailable: when the platform didn't respond, and the app doesn't show the deploy.
        """
        job, rollout, delivery = self.job, self.rollout, self.change.request()
        is_shown = await self._request_once(delivery)
        if not is_shown and job.settings.retry_timeout:
            job.log.info("Requesting the deploy again, because the app doesn't show the first request")
            is_shown = await self._request_once(delivery)
        # If the app shows another deploy's image, only a wait can tell the result of this deploy.
        if not is_shown or (rollout.shows_another_deploy and not job.settings.wait):
            raise PlatformUnavailable(
                f"The platform didn't confirm the deploy, and the app doesn't show it: {delivery.lost}",
                hint=_HINT_LOST,
            )
        delivery.outcome = Outcome.UNKNOWN if rollout.shows_another_deploy else Outcome.DONE

    async def _request_once(self, delivery: Delivery) -> bool:
        """Request the deploy. Return whether the platform confirmed it, or else whether the app shows it."""
        job, rollout, response = self.job, self.rollout, App()
        try:
            image, credentials = rollout.images.requested, apps.registry_auth(job)
            response = await job.shielded_client.tracked(delivery).deploy(job.app, image, credentials)
        except RequestRejected as error:
            if not (is_conflict(error) and delivery.lost):  # otherwise, this run's own deploy is in progress
                raise
        except PlatformUnavailable as error:
            if delivery.outcome is not Outcome.UNKNOWN or error.retry_after > limits.MOST_WAITED:
                raise
            job.log.info(f"No response to the deploy ({delivery.lost}). Checking whether the app shows it")
            rollout.note_request(anyio.current_time())
            if not await wait_until_shown(job, rollout, error.retry_after):
                return False
        self._note_accepted(response)
        return True

    def _note_accepted(self, response: App) -> None:
        """Note that the platform accepted the deploy. A lost response is an empty `App`."""
        self.rollout.note_request(anyio.current_time(), response.image)
        self.job.report.image = self.rollout.images.new
        apps.note_url(self.job, response)

    def _start_again(self, before: App) -> None:
        """Add an attempt that starts with the app as another deploy left it."""
        self.attempts.append(
            Attempt(Rollout(self.rollout.images.requested, before), self.job.report.change())
        )
        self.job.report.previous_image = before.image
