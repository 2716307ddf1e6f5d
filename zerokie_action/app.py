"""Finds or creates the app, and checks that it can be deployed."""

import re
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError, Conflict, DeployError, NotFound, RequestRejected
from zerokie_action.inputs.settings import ONLY_AT_CREATION
from zerokie_action.job import Job
from zerokie_action.platform.models import App
from zerokie_action.report.changes import Change

_WORD = re.compile("[A-Za-z_-]{1,40}")


async def look_up(job: Job, kind: str) -> App | None:
    """Return the existing app, or None if there is none and this run may create it.

    Raises:
        ConfigurationError: when the app isn't of this kind.
        RequestRejected: when the app is being deleted, or when there is none and this run may not create it.
    """
    may_create = job.settings.create and job.settings.operation == "deploy"
    app = await (job.client.find_app(job.app) if may_create else job.client.get_app(job.app))
    if app is not None:
        _accept_existing(job, app, kind)
    return app


async def create_or_find(job: Job) -> tuple[App, Change]:
    """Create a container app with the input `image`, or a static app without that input.

    Returns:
        The new app or the existing app of this name, and the change. The change's outcome is `DONE` if this
        run created the app, `UNKNOWN` if it may have, and `REFUSED` if another job did.

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
    change = job.report.change(
        creates=True,
        done="the app was created",
        unknown=f"this run may have created app {job.app!r}",
    )
    try:
        client = job.shielded_client.tracked(change.request())
        app = await client.create_app(job.app, kind, **fields)
    except Conflict as error:
        app = await _find_taken(job, error)
        _accept_existing(job, app, kind)
        return app, change
    job.report.kind = kind
    with_image = f" with {image!r}" if image else ""
    job.log.info(f"Created {kind} app {job.app!r}{with_image}")
    note_url(job, app)
    return app, change


async def _find_taken(job: Job, conflict: Conflict) -> App:
    """Return the app that has the name. If this run may have created it, retry a 404 for up to a minute.

    Raises:
        RequestRejected: when the platform doesn't show the app.
    """
    try:
        return await job.once_ready(partial(job.client.get_app, job.app))
    except NotFound:
        raise RequestRejected(
            f"The platform says that the name is taken, but shows no such app ({conflict.response})",
            status=conflict.status,
            hint="If another job has just created or deleted it, run again. Otherwise choose another name.",
        ) from conflict


def _accept_existing(job: Job, app: App, kind: str) -> None:
    """Put an existing app into the result, check it, and compare it with the inputs of a deploy.

    Raises:
        ConfigurationError: when the app isn't of this kind.
        RequestRejected: when the app is being deleted.
    """
    require_not_deleted(job, app)
    note_url(job, app)
    actual = job.report.kind = kind if app.can_be(kind) else app.kind or "static"
    is_restart = job.settings.operation == "restart"
    if actual != kind:
        given = "operation: restart" if is_restart else {"container": "image", "static": "directory"}[kind]
        hint = "Set `app` to another name, or destroy this app first. The kind of an app can't change."
        raise ConfigurationError(
            f"App {job.app!r} is a {actual} app, but `{given}` is for {kind} apps",
            hint="To update the site, deploy the directory again." if is_restart else hint,
        )
    if kind == "container" and not is_restart:
        _compare_with_inputs(job, app)


def _compare_with_inputs(job: Job, app: App) -> None:
    """Warn about inputs that differ from the app. Add a note for an input that the API doesn't show."""
    for name in ONLY_AT_CREATION:
        wanted, actual = getattr(job.settings, name), getattr(app, name, None)
        if not wanted or wanted == actual:
            continue
        if actual is not None:
            job.report.warn(
                f"`{name}` has no effect because the app already exists with {actual}, "
                "and the API can't change that"
            )
        elif job.report.created is not None:  # after a lost response, this run may have created the app
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


async def find_url(job: Job) -> str:
    """Return the app's URL, with one more lookup if no response had it. Empty if the platform gives none."""
    if not job.report.url:
        with suppress(DeployError):
            note_url(job, await job.client.get_app(job.app))
    return job.report.url or ""


def shown_status(job: Job, app: App) -> str:
    """Return the app's status in quotation marks."""
    return repr(status_words(job, app))


def status_words(job: Job, app: App) -> str:
    """Return the app's status. One word isn't masked, even if it is a value of `env`."""
    return app.status if _WORD.fullmatch(app.status) else job.client.redact(app.status)


def note_url(job: Job, app: App) -> None:
    """Put the app's URL into the result if the response has it."""
    if app.address:
        job.report.url = app.address
