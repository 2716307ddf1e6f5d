"""The app of a run: its lookup, its creation and the facts about it."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from zerokie_action import limits
from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError, Conflict, DeployError, NotFound, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.http.url import host_and_path
from zerokie_action.inputs.settings import ONLY_AT_CREATION
from zerokie_action.job import Job
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import App
from zerokie_action.platform.polling import Polling
from zerokie_action.report.changes import Change

_WORD = re.compile("[A-Za-z_-]{1,40}")


@dataclass(eq=False)
class RunApp:
    """The app of a run. The lookup and the creation note its facts here.

    Attributes:
        name: the app's name.
        exists: whether a response showed the app.
        shown: the last response about the app.
        kind: `container`, `static`, or empty if the platform doesn't show the kind.
        url: the URL in the last response that has one. Empty if no response had one.
        creation: the request that creates the app.
    """

    name: str
    exists: bool = False
    shown: App = field(default_factory=App)
    kind: str = ""
    url: str = ""
    creation: Delivery = field(default_factory=Delivery)

    @property
    def is_new(self) -> bool:
        """Whether this run created the app."""
        return self.creation.outcome is Outcome.DONE

    @property
    def may_be_new(self) -> bool:
        """Whether this run created the app, or may have, because a response was lost."""
        return self.creation.outcome is not Outcome.REFUSED


async def look_up(job: Job, kind: str) -> RunApp:
    """Look up the app. It may be missing only if this run may create it.

    Raises:
        ConfigurationError: when the app isn't of this kind.
        RequestRejected: when the app is being deleted, or when there is none and this run may not create it.
    """
    may_create = job.settings.create and job.settings.operation == "deploy"
    app = RunApp(job.app)
    shown = await (job.client.find_app(app.name) if may_create else job.client.get_app(app.name))
    if shown is not None:
        _accept_existing(job, app, shown, kind)
    return app


async def create_or_find(job: Job, app: RunApp) -> Change:
    """Create a container app with the input `image`, or a static app without that input.

    If another job has just created the app, that app is the run's.

    Returns:
        The change for the report.

    Raises:
        ConfigurationError: when the existing app is of the other kind.
        RequestRejected: when the platform rejects the app, or when the app that has the name is being deleted
            or isn't shown.
    """
    image = job.settings.image
    kind = "static" if image is None else "container"
    fields: dict[str, object] = {}
    if image is not None:
        inputs = {name: getattr(job.settings, name) or None for name in ONLY_AT_CREATION}
        fields = {"image": image, "registry_auth": job.settings.registry_auth, **inputs}
    unknown = f"this run may have created app {app.name!r}"
    change = Change("the app was created", unknown, creates=True, deliveries=[app.creation])
    job.report.add(change)
    try:
        client = job.shielded_client.tracked(app.creation)
        note_response(job, app, await client.create_app(app.name, kind, **fields))
    except Conflict as error:
        _accept_existing(job, app, await _find_taken(job, app, error), kind)
        return change
    note_kind(job, app, kind)
    with_image = f" with {image!r}" if image else ""
    job.log.info(f"Created {kind} app {app.name!r}{with_image}")
    return change


async def _find_taken(job: Job, app: RunApp, conflict: Conflict) -> App:
    """Return the app that has the name. If this run may have created it, retry a 404 for up to a minute.

    Raises:
        RequestRejected: when the platform doesn't show the app.
    """
    try:
        return await get_once_ready(job, app, job.client)
    except NotFound:
        raise RequestRejected(
            f"The platform says that the name is taken, but shows no such app ({conflict.response})",
            status=conflict.status,
            hint="If another job has just created or deleted it, run again. Otherwise choose another name.",
        ) from conflict


async def get_once_ready(job: Job, app: RunApp, client: Client) -> App:
    """Return a response about the app. If this run may have created it, retry a 404 for up to a minute."""
    polling = Polling(job.log.info, f"the new app {app.name!r}", limits.NEW_APP)
    while True:
        try:
            return await client.get_app(app.name)
        except NotFound as error:
            if not app.may_be_new or not await polling.again(retry_after=error.retry_after):
                raise


def _accept_existing(job: Job, app: RunApp, shown: App, kind: str) -> None:
    """Note an existing app, check it, and compare it with the inputs of a deploy.

    Raises:
        ConfigurationError: when the app isn't of this kind.
        RequestRejected: when the app is being deleted.
    """
    require_not_deleted(job, shown)
    note_response(job, app, shown)
    note_kind(job, app, kind if shown.can_be(kind) else shown.kind or "static")
    is_restart = job.settings.operation == "restart"
    if app.kind != kind:
        given = "operation: restart" if is_restart else {"container": "image", "static": "directory"}[kind]
        hint = "Set `app` to another name, or destroy this app first. The kind of an app can't change."
        raise ConfigurationError(
            f"App {app.name!r} is a {app.kind} app, but `{given}` is for {kind} apps",
            hint="To update the site, deploy the directory again." if is_restart else hint,
        )
    if kind == "container" and not is_restart:
        _compare_with_inputs(job, app, shown)


def _compare_with_inputs(job: Job, app: RunApp, shown: App) -> None:
    """Warn about inputs that differ from the app. Add a note for an input that the API doesn't show."""
    for name in ONLY_AT_CREATION:
        wanted, actual = getattr(job.settings, name), getattr(shown, name, None)
        if not wanted or wanted == actual:
            continue
        if actual is not None:
            job.report.warn(
                f"`{name}` has no effect because the app already exists with {actual}, "
                "and the API can't change that"
            )
        elif not app.may_be_new:
            how = page("images.md#change-env")
            job.report.note(f"The app keeps the `{name}` of its creation. To change it, see {how}")


def require_not_deleted(job: Job, app: App) -> None:
    """Require that the app isn't being deleted.

    Raises:
        RequestRejected: when the app is being deleted.
    """
    if app.is_being_deleted_or_gone:
        is_restart = job.settings.operation == "restart"
        so = "it can't be restarted" if is_restart else "run the job again when it is gone"
        raise RequestRejected(
            f"App {job.app!r} is being deleted; {so} (status {shown_status(job, app)})",
            status=HTTPStatus.GONE,  # after a 409, the run would wait for another deploy
        )


async def find_url(job: Job, app: RunApp) -> None:
    """Look up the app again if no response had its URL, and note the URL."""
    if not app.url:
        with suppress(DeployError):
            note_response(job, app, await job.client.get_app(app.name))


def shown_status(job: Job, app: App) -> str:
    """Return the app's status in quotation marks."""
    return repr(status_words(job, app))


def status_words(job: Job, app: App) -> str:
    """Return the app's status. One word isn't masked, even if it is a value of `env`."""
    return app.status if _WORD.fullmatch(app.status) else job.redactor.redact(app.status)


def note_kind(job: Job, app: RunApp, kind: str) -> None:
    """Note the app's kind, and tell the report."""
    app.kind, job.report.kind = kind, kind or None


def note_response(job: Job, app: RunApp, shown: App) -> None:
    """Note a response about the app, and tell the report its kind and URL."""
    app.exists, app.shown = True, shown
    note_kind(job, app, app.kind or shown.kind)
    if shown.address:
        app.url = job.report.url = shown.address
        job.redactor.show(host_and_path(app.url))
