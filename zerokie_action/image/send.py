"""Requests the deploy of an image."""

from dataclasses import dataclass

import anyio

from zerokie_action import limits
from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Outcome, Write
from zerokie_action.image.rollout import Rollout
from zerokie_action.image.watch import wait_until_begun
from zerokie_action.platform.answers import is_conflict
from zerokie_action.platform.models import App
from zerokie_action.report.record import Change

_HINT_LOST = (
    "Look at the app on the platform before you run the job again: a request may still take effect. "
    "Check `api-url`, and whether a gateway answers in the platform's place."
)


@dataclass
class Deploy:
    """A deploy of an image, or a restart with the current image.

    Attributes:
        job: the run.
        rollout: what the platform shows of the deploy.
        change: the outcomes of the deploy's requests. The change of a rollback is not in the run's list:
            the failed deploy's change says how the rollback went.
    """

    job: Job
    rollout: Rollout
    change: Change

    async def begin(self) -> None:
        """Request the deploy, or create the app with the image.

        Raises:
            LockHeld: when another deploy of the app outlasts `lock-timeout`.
            DeployError: as `request`, and as `apps.create_or_find`.
        """
        job = self.job
        if self.rollout.before is None:
            app, creation = await apps.create_or_find(job)
            # If the answer was lost, an app with our image is most likely our own.
            is_ours = creation.outcome is Outcome.UNKNOWN and app.image and self.rollout.is_ours(app.image)
            if creation.outcome is Outcome.DONE or is_ours:
                self.change = creation
                self._note_begin(app)
                return
            self._begin_anew(app)

        async def attempt() -> None:
            if self.change.sent:  # a 409: another deploy has changed the app, or somebody deletes it
                before = await job.client.get_app(job.app)
                apps.require_not_deleted(job, before)
                self._begin_anew(before)
            await self.request()

        await job.in_turn(attempt)
        images = self.rollout.images
        was = f" (was {images.previous!r})" if images.previous else ""
        what = f"Deploying {images.requested!r}{was}" if images.requested else f"Restarting {job.app!r}"
        job.log.info(what)

    async def request(self) -> None:
        """Request the deploy ("POST /v1/apps/:name/deploy").

        Each request restarts the app. So after a lost answer, the app is observed before the second and last
        request.

        Raises:
            RequestRejected: when the platform refuses the deploy; with status 409 during another deploy.
            PlatformUnavailable: when the platform gave no answer, and the app does not show the deploy.
        """
        job, rollout, write = self.job, self.rollout, self.change.request()
        has_begun = await self._request_once(write)
        if not has_begun and job.client.http.retry_timeout:
            job.log.info("Requesting the deploy again: the app shows no sign of the first request")
            has_begun = await self._request_once(write)
        # Beside another deploy's image, only the watch can tell what became of this one.
        if not has_begun or (rollout.shows_third and not job.settings.wait):
            raise PlatformUnavailable(
                f"The deploy was requested, and the app shows no sign of it: {write.lost}", hint=_HINT_LOST
            )
        write.outcome = Outcome.UNKNOWN if rollout.shows_third else Outcome.DONE

    async def _request_once(self, write: Write) -> bool:
        """Request the deploy. Return whether it has begun: the platform's answer says so, or the app."""
        job, rollout, answer = self.job, self.rollout, App()
        try:
            image, login = rollout.images.requested, apps.registry_auth(job)
            answer = await job.shielded_client.deploy(job.app, image, login, write=write)
        except RequestRejected as error:
            if not (is_conflict(error) and write.lost):  # else the deploy in progress is our own
                raise
        except PlatformUnavailable as error:
            if write.outcome is not Outcome.UNKNOWN or error.retry_after > limits.MOST_WAITED:
                raise
            job.log.info(f"No answer to the deploy ({write.lost}); checking whether it took effect")
            rollout.note_request(anyio.current_time())
            if not await wait_until_begun(job, rollout, error.retry_after):
                return False
        self._note_begin(answer)
        return True

    def _note_begin(self, answer: App) -> None:
        """Note that the deploy has begun, and the platform's answer; a lost answer is an empty `App`."""
        self.rollout.note_request(anyio.current_time(), answer.image)
        self.job.record.image = self.rollout.images.new
        apps.note_url(self.job, answer)

    def _begin_anew(self, before: App) -> None:
        """Start over with the app as another deploy has left it."""
        self.rollout = Rollout(self.rollout.images.requested, before)
        self.job.record.previous_image = before.image
