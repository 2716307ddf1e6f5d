"""The app that is deployed to: found or created, of the right kind, and with its domains."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError, DeployError, RequestRejected
from zerokie_action.formats import better_app
from zerokie_action.platform.client import BAD_REQUEST, CONFLICT, NOT_FOUND
from zerokie_action.settings import ONLY_AT_CREATION

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import App, Domain

_MAY_BE_ATTACHED = {BAD_REQUEST, 422}
_IS_ATTACHED = re.compile(r"already|exists", re.IGNORECASE)
_IS_BUSY = re.compile(r"in progress|\block\b", re.IGNORECASE)
"""What the platform says of a domain that is attached, and of an app that another deploy changes."""
_OTHER_KIND = "The kind of an app can't be changed. Name another app in `app`, or destroy this one first."


async def look_up(job: Job, kind: str) -> App | None:
    """The app, if it exists; None when it may be created.

    Raises:
        ConfigurationError: when it is of the other kind.
        RequestRejected: when it does not exist and `create` is not set.
    """
    try:
        app = await job.client.get_app(job.app)
    except RequestRejected as error:
        if error.status == NOT_FOUND:
            if job.settings.create:
                return None
            error.hint = "Correct `app`, or set `create: true` to create it."
        _say_what_to_write(job, error)
        raise
    record(job, app)
    _require_asked(job, app, kind)
    return app


async def create(job: Job, image: str | None = None) -> App | None:
    """Create the app: a container app with the image, or a static one.

    Returns:
        None; or the app of this name that was there already. When an answer was lost, that may be this run's
        own, and `created` stays unknown.

    Raises:
        ConfigurationError: when the app that is there is of the other kind.
        RequestRejected: when the platform refuses to create it, or the name is taken.
    """
    kind = "static" if image is None else "container"
    fields: dict[str, object] = {}
    if image is not None:
        inputs = {name: getattr(job.settings, name) for name in ONLY_AT_CREATION}
        fields = {"image": image, "registry_auth": registry_auth(job), **inputs}
    job.result.created = None
    try:
        with job.change(f"it is not known whether this run created app {job.app!r}") as client:
            app = await client.create_app(job.app, kind, **fields)
    except DeployError as error:
        if not error.ambiguous:
            job.result.created = False
        _say_what_to_write(job, error)
        if not (isinstance(error, RequestRejected) and error.status == CONFLICT):
            raise
        return await _find_existing(job, error, kind)
    job.result.created, job.result.kind = True, kind
    job.result.final_state = "the app was created"
    job.ci.info(f"Created {kind} app {job.app!r}{(image and f' with {image!r}') or ''}")
    record(job, app)
    return None


async def _find_existing(job: Job, conflict: RequestRejected, kind: str) -> App:
    """The app whose name made the platform refuse to create it."""
    app = await job.client.find_app(job.app)
    if app is None:
        conflict.hint = "The name is taken, by an app that this API key may not see: choose another `app`."
        raise conflict
    record(job, app)
    if not conflict.ambiguous:
        job.ci.info(f"App {job.app!r} was created meanwhile, by somebody else")
    _require_asked(job, app, kind)
    return app


def registry_auth(job: Job) -> dict[str, str] | None:
    """The inputs' credentials for a private registry, as the API takes them; None without credentials."""
    settings = job.settings
    if settings.registry_password is None:  # `validation.check` requires username and password together
        return None
    password = settings.registry_password.get_secret_value()
    login = {"username": settings.registry_username or "", "password": password}
    return login | ({"server_address": settings.registry_server} if settings.registry_server else {})


def _say_what_to_write(job: Job, error: DeployError) -> None:
    """If the platform refuses an invalid app name, suggest a valid one."""
    is_refused = isinstance(error, RequestRejected) and error.status in {BAD_REQUEST, NOT_FOUND}
    if is_refused and (better := better_app(job.app)):
        error.hint = f"`app`: {better}."


def record(job: Job, app: App) -> None:
    """Take over the address that the platform says the app has into the result."""
    job.result.url = app.address or job.result.url


def _require_asked(job: Job, app: App, kind: str) -> None:
    """Make sure that an app that was there is of the kind that is deployed, and compare it with the inputs.

    Raises:
        ConfigurationError: when it is of the other kind.
    """
    require_kind(job, app, kind, "`image`" if kind == "container" else "`directory`")
    if kind == "container":
        _compare_with_inputs(job, app)


def require_kind(job: Job, app: App, kind: str, what: str, *, hint: str = _OTHER_KIND) -> None:
    """Make sure that the app is not of the other kind.

    Args:
        job: the run.
        app: what the platform shows.
        kind: the kind that is needed.
        what: the input that works only with this kind.
        hint: what to do.

    Raises:
        ConfigurationError: when it is.
    """
    job.result.kind = kind if app.can_be(kind) else app.kind or "static"
    if job.result.kind != kind:
        what_is_wrong = f"App {job.app!r} is a {job.result.kind} app; {what} is for {kind} apps"
        raise ConfigurationError(what_is_wrong, hint=hint)


def _compare_with_inputs(job: Job, app: App) -> None:
    """Say which inputs are not applied. What the API does not show is no reason for a warning."""
    for name in ONLY_AT_CREATION:
        wanted, actual = getattr(job.settings, name), getattr(app, name, None)
        if wanted and actual is None:
            job.note(
                f"`{name}` was not applied: the API takes it only when a container app is created, and does "
                "not show what this app has. To change it, destroy the app (`operation: destroy`) and deploy "
                "again with `create: true`"
            )
        elif wanted and wanted != actual:
            job.warn(
                f"`{name}` has no effect: it is used only when a container app is created; this app has "
                f"{actual}, and the API can't change that"
            )


# --- custom domains of a static app


async def update_domains(job: Job) -> None:
    """Attach `domains` ("POST /v1/apps/:name/domains"), remove `remove-domains`.

    One that the platform refuses stops no other; the result has the outcomes.

    Raises:
        RequestRejected: afterwards, when the platform refused any.
    """
    settings = job.settings
    if not settings.domains and not settings.remove_domains:
        return
    refused: list[RequestRejected] = []
    with job.phase("Domains"):
        for change, domains in ((_attach, settings.domains), (_remove, settings.remove_domains)):
            for domain in domains:
                try:
                    await change(job, domain)
                except RequestRejected as error:
                    refused.append(error)
    if refused:
        raise RequestRejected("; ".join(map(str, refused)), status=refused[0].status, hint=refused[0].hint)


def preview_domains(job: Job) -> None:
    """Say what would be done."""
    for domain in job.settings.domains:
        job.preview(f"would attach {domain!r}")
    for domain in job.settings.remove_domains:
        job.preview(f"would remove {domain!r}")


async def _attach(job: Job, domain: str) -> None:
    attached: Domain | None = None

    async def attempt() -> None:
        nonlocal attached
        try:
            attached = await job.client.add_domain(job.app, domain)
        except RequestRejected as error:
            said = error.answer.replace(domain, "")  # its own name may have the words
            is_conflict = error.status == CONFLICT
            is_attached = error.status in _MAY_BE_ATTACHED and _IS_ATTACHED.search(said)
            if (is_conflict and _IS_BUSY.search(said)) or not (is_conflict or is_attached):
                raise

    try:
        await job.in_turn(attempt)
    except DeployError as error:
        job.result.domains.append({"domain": domain, "error": str(error)})
        raise
    if attached is None:
        # Nothing in the API tells whose it is; but every deploy brings its domains again.
        job.ci.info(
            f"{domain!r} is already attached, to this app or another (the platform does not say which)"
        )
        job.result.domains.append({"domain": domain, "status": "attached already"})
        return
    target, tls = attached.cname_target, attached.tls_status
    record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": record}
    job.result.domains.append({"domain": domain, **{name: text for name, text in details.items() if text}})
    to_do = f"; set the DNS record: {record}" if record else ""
    job.ci.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _remove(job: Job, domain: str) -> None:
    async def attempt() -> None:
        removed = await job.client.remove_domain(job.app, domain)
        job.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")

    await job.in_turn(attempt)
