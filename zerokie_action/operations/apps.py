"""Finds and creates the app, checks its kind, and waits for the end of an app that is being deleted."""

import re
from contextlib import suppress

import anyio

from zerokie_action import DOCS
from zerokie_action.errors import ConfigurationError, DeployError, DeployTimedOut, RequestRejected
from zerokie_action.limits import SETTLING_TIME
from zerokie_action.numbers import human_seconds
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.outcome import Change
from zerokie_action.platform.answers import CONFLICT, is_conflict
from zerokie_action.platform.models import App
from zerokie_action.settings import ONLY_AT_CREATION

_HOW_TO_CHANGE = f"{DOCS}/images.md#change-env"
HINT_LOG = "The app's own log may say why. The platform's API has no logs: look where you manage the app."
LOOK_PAUSE = 1.0
"""Seconds between two looks at an app that is about to change: it may crash, or be created again."""
_NAME_TIME = 60.0
"""Seconds until a name counts as taken. Until then, the app of that name may be too new to be found."""
_WORD = re.compile("[A-Za-z_-]{1,40}")


async def look_up(job: Job, kind: str) -> App | None:
    """The existing app; None if it does not exist, or is deleted by now, and this run may create it.

    Raises:
        ConfigurationError: when the app is not of this kind.
        DeployTimedOut: when the app is still being deleted after `wait-timeout`.
        RequestRejected: when the app does not exist or is being deleted, and this run may not create it.
    """
    settings = job.settings
    may_create = settings.create and settings.operation == "deploy"
    app = await (job.client.find_app(job.app) if may_create else job.client.get_app(job.app))
    if app is not None and app.is_being_deleted:
        if not may_create:
            raise RequestRejected(
                f"App {job.app!r} is being deleted: its status is {shown_status(job, app)}",
                status=CONFLICT,
                hint="A deploy with `create: true` waits for the end of the deletion, and creates the app "
                "again.",
            )
        app = None if settings.dry_run else await _wait_for_name(job, app)
    if app is not None:
        _accept_existing(job, app, kind)
    return app


async def create_or_find(job: Job) -> tuple[App, Change]:
    """Create a container app with the input `image`, or a static app without that input.

    Returns:
        The new app, or the existing app of this name; and the change. Its outcome is `DONE` if this run
        created the app, `UNKNOWN` if it may have, `REFUSED` if somebody else did.

    Raises:
        ConfigurationError: when the existing app is of the other kind.
        RequestRejected: when the platform refuses the app, or the name is taken by an app that is not found.
    """
    image = job.settings.image
    kind = "static" if image is None else "container"
    fields: dict[str, object] = {}
    if image is not None:
        inputs = {name: getattr(job.settings, name) or None for name in ONLY_AT_CREATION}
        fields = {"image": image, "registry_auth": registry_auth(job), **inputs}
    change = job.change(
        creates=True,
        done="the app was created",
        unknown=f"it is not known whether this run created app {job.app!r}",
    )
    write = change.write()

    async def attempt() -> App:
        try:
            app = await job.shielded_client.create_app(job.app, kind, write=write, **fields)
        except RequestRejected as error:
            if not is_conflict(error):
                raise
            existing = await look_up(job, kind)
            if existing is None:  # a GET may be behind, or the app may have been deleted since
                error.advise("If the name is taken, choose another `app`.")
                raise
            return existing
        job.result.kind = kind
        with_image = f" with {image!r}" if image else ""
        job.log.info(f"Created {kind} app {job.app!r}{with_image}")
        note_url(job, app)
        return app

    polling = Polling(
        job.log, f"the name {job.app!r}, which is taken by an app that is not found", _NAME_TIME
    )
    return await polling.repeat(attempt, is_conflict), change


async def _wait_for_name(job: Job, app: App) -> App | None:
    """Wait until an app that is being deleted is gone. Return the app if somebody has created it again.

    Raises:
        DeployTimedOut: when the app is still being deleted after `wait-timeout`.
    """
    polling = Polling(job.log, f"app {job.app!r} to be gone", job.settings.wait_timeout, LOOK_PAUSE)
    left: App | None = app
    last_deleting = anyio.current_time()

    async def look() -> str:
        nonlocal left, last_deleting
        left, now = await job.client.find_app(job.app), anyio.current_time()
        last_deleting = now if left and left.is_being_deleted else last_deleting
        # An answer may be behind, and show the app as it was before the deletion.
        if left is None or now >= last_deleting + SETTLING_TIME:
            return ""
        return f"its status is {shown_status(job, left)}"

    await polling.until(look)
    if left is not None and left.is_being_deleted:
        after = human_seconds(job.settings.wait_timeout)
        raise DeployTimedOut(
            f"App {job.app!r} is still being deleted after {after}: its status is {shown_status(job, left)}",
            hint="Run the job again later, or raise `wait-timeout`.",
        )
    return left


async def find_url(job: Job) -> str:
    """The app's URL; empty if the platform gives none. Without one so far, the app is looked up once more."""
    if not job.result.url:
        with suppress(DeployError):
            note_url(job, await job.client.get_app(job.app))
    return job.result.url or ""


def registry_auth(job: Job) -> dict[str, str] | None:
    """The inputs' credentials for a private registry, as the API takes them; None without credentials."""
    settings = job.settings
    password = settings.registry_password.get_secret_value()
    if not password:  # `validation.check` requires username and password together
        return None
    login = {"username": settings.registry_username or "", "password": password}
    return login | ({"server_address": settings.registry_server} if settings.registry_server else {})


def login(job: Job) -> str:
    """The inputs' credentials for a private registry in words, without the password; empty without any."""
    auth = registry_auth(job)
    server = job.settings.registry_server or "Docker Hub, the default"
    return f"the login of {auth['username']!r} for {server}" if auth else ""


def shown_status(job: Job, app: App) -> str:
    """The app's status, in quotation marks. A status of one word is shown even if it is a value of `env`."""
    return repr(app.status if _WORD.fullmatch(app.status) else job.client.redact(app.status))


def note_url(job: Job, app: App) -> None:
    """Put the app's URL into the result, if the answer has it."""
    if app.address:
        job.result.url = app.address


def _accept_existing(job: Job, app: App, kind: str) -> None:
    """Put an existing app into the result, check its kind, and compare it with the inputs of a deploy.

    Raises:
        ConfigurationError: when the app is not of this kind.
    """
    note_url(job, app)
    actual = job.result.kind = kind if app.can_be(kind) else app.kind or "static"
    is_restart = job.settings.operation == "restart"
    if actual != kind:
        given = "operation: restart" if is_restart else {"container": "image", "static": "directory"}[kind]
        hint = "The kind of an app can't be changed. Name another app in `app`, or destroy this app first."
        raise ConfigurationError(
            f"App {job.app!r} is a {actual} app; `{given}` is for {kind} apps",
            hint="To update the site, deploy the directory again." if is_restart else hint,
        )
    if kind == "container" and not is_restart:
        _compare_with_inputs(job, app)


def _compare_with_inputs(job: Job, app: App) -> None:
    """Warn about inputs that differ from the app; only note an input that the API does not show."""
    for name in ONLY_AT_CREATION:
        wanted, actual = getattr(job.settings, name), getattr(app, name, None)
        if wanted and actual is None:
            job.note(f"The app keeps the `{name}` of its creation. How to change it: {_HOW_TO_CHANGE}")
        elif wanted and wanted != actual:
            job.warn(
                f"`{name}` has no effect: it is used only when a container app is created; this app has "
                f"{actual}, and the API can't change that"
            )
