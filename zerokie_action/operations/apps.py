"""Finding the app that is deployed to, and judging whether it is the right kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError, RequestRejected

if TYPE_CHECKING:
    from zerokie_action.api.models import App
    from zerokie_action.operations.job import Job

_ONLY_AT_CREATION = ("port", "cpu", "memory", "env")


async def look_up(job: Job, kind: str) -> App | None:
    """The app, if it exists; None when it may be created.

    Raises:
        ConfigurationError: when it is of the other kind.
        RequestRejected: when it does not exist and `create` is not set.
    """
    app = await job.client.find_app(job.app)
    if app is None:
        if not job.settings.create:
            await job.client.get_app(job.app)  # raises, with close matches
            raise RequestRejected(f"App {job.app!r} appeared just now", status=409, hint="Run the deploy again.")
        return None
    note(job, app)
    if app.kind not in {None, kind}:
        wanted = "`image`" if kind == "container" else "`directory`"
        raise ConfigurationError(
            f"App {job.app!r} is a {app.kind} app; {wanted} is for {kind} apps",
            hint="The type of an app can't be changed. Deploy to another app, or destroy this one first.",
        )
    warn_of_inert_inputs(job)
    return app


def note(job: Job, app: App) -> None:
    """Take over what the platform says of an app into the result."""
    job.result.url = app.url or job.result.url


def warn_of_inert_inputs(job: Job) -> None:
    """Say which inputs can't have an effect, because the app exists or is static."""
    given = [f"`{name}`" for name in _ONLY_AT_CREATION if getattr(job.settings, name) is not None]
    if given:
        verb = "is" if len(given) == 1 else "are"
        job.warn(f"{', '.join(given)} {verb} used only when a container app is created; the API can't change it later")
