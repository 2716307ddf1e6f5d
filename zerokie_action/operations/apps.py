"""Finds or creates the app, checks its kind, and keeps its domains up to date."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError, DeployError, RequestRejected
from zerokie_action.formats import advice_for_app
from zerokie_action.platform.answers import BAD_REQUEST, CONFLICT, NOT_FOUND
from zerokie_action.settings import ONLY_AT_CREATION

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.outcome import Write
    from zerokie_action.platform.models import App, Domain

_ATTACHED_STATUSES = {BAD_REQUEST, 422}
_IS_ATTACHED = re.compile(r"already|exists", re.IGNORECASE)
"""Matches the text of a 400 or 422 which means that the domain is already attached."""
_IS_BUSY = re.compile(r"in progress|\block\b", re.IGNORECASE)
"""Matches the text of a 409 which means that another deploy is changing the app."""
_OTHER_KIND = "The kind of an app can't be changed. Name another app in `app`, or destroy this app first."
_NO_RESTART = (
    "A static app cannot be restarted: the platform serves the files of its last deploy. To update the app, "
    "deploy the directory again."
)


async def look_up(job: Job, kind: str) -> App | None:
    """The existing app; None if the app does not exist and `create` is set.

    Raises:
        ConfigurationError: when the app is not of this kind.
        RequestRejected: when the app does not exist and `create` is not set.
    """
    try:
        app = await job.client.get_app(job.app)
    except RequestRejected as error:
        if error.status == NOT_FOUND:
            if job.settings.create:
                return None
            error.hint = "Correct `app`, or set `create: true` to create it."
        _suggest_name(job, error)
        raise
    accept_existing(job, app, kind)
    return app


async def create_or_find(job: Job, image: str | None = None) -> App | None:
    """Create a container app with the image, or a static app without an image.

    Returns:
        None if this run created the app; else the existing app of this name. After a lost answer, this run
        may have created that app.

    Raises:
        ConfigurationError: when the existing app is of the other kind.
        RequestRejected: when the platform refuses the app, or another account's app has the name.
    """
    kind = "static" if image is None else "container"
    fields: dict[str, object] = {}
    if image is not None:
        inputs = {name: getattr(job.settings, name) for name in ONLY_AT_CREATION}
        fields = {"image": image, "registry_auth": registry_auth(job), **inputs}
    change = job.change(
        "create",
        done="the app was created",
        unknown=f"it is not known whether this run created app {job.app!r}",
    )
    write = change.write()
    try:
        app = await job.shielded_client.create_app(job.app, kind, write=write, **fields)
    except DeployError as error:
        _suggest_name(job, error)
        if not (isinstance(error, RequestRejected) and error.status == CONFLICT):
            raise
        return await _find_existing(job, error, kind, write)
    job.result.kind = kind
    with_image = f" with {image!r}" if image else ""
    job.ci.info(f"Created {kind} app {job.app!r}{with_image}")
    note_url(job, app)
    return None


async def _find_existing(job: Job, conflict: RequestRejected, kind: str, write: Write) -> App:
    """The existing app that has the name already."""
    app = await job.client.find_app(job.app)
    if app is None:
        conflict.hint = "The name is taken, by an app that this API key may not see: choose another `app`."
        raise conflict
    if not write.lost:
        job.ci.info(f"App {job.app!r} was created meanwhile, by somebody else")
    accept_existing(job, app, kind)
    return app


def registry_auth(job: Job) -> dict[str, str] | None:
    """The inputs' credentials for a private registry, as the API takes them; None without credentials."""
    settings = job.settings
    if settings.registry_password is None:  # `validation.check` requires username and password together
        return None
    password = settings.registry_password.get_secret_value()
    login = {"username": settings.registry_username or "", "password": password}
    return login | ({"server_address": settings.registry_server} if settings.registry_server else {})


def _suggest_name(job: Job, error: DeployError) -> None:
    """If the platform refuses an invalid app name, suggest a valid name in the hint."""
    is_refused = isinstance(error, RequestRejected) and error.status in {BAD_REQUEST, NOT_FOUND}
    if is_refused and (better := advice_for_app(job.app)):
        error.hint = f"`app`: {better}."


def note_url(job: Job, app: App) -> None:
    """Put the app's URL into the result."""
    job.result.url = app.address or job.result.url


def accept_existing(job: Job, app: App, kind: str) -> None:
    """Put an existing app into the result, check its kind, and compare it with the inputs of a deploy.

    Raises:
        ConfigurationError: when the app is not of this kind.
    """
    note_url(job, app)
    is_restart = job.settings.operation == "restart"
    job.result.kind = kind if app.can_be(kind) else app.kind or "static"
    if job.result.kind != kind:
        deployed = "`image`" if kind == "container" else "`directory`"
        task = "`operation: restart`" if is_restart else deployed
        raise ConfigurationError(
            f"App {job.app!r} is a {job.result.kind} app; {task} is for {kind} apps",
            hint=_NO_RESTART if is_restart else _OTHER_KIND,
        )
    if kind == "container" and not is_restart:
        _compare_with_inputs(job, app)


def _compare_with_inputs(job: Job, app: App) -> None:
    """Warn about inputs that differ from the app; only note an input that the API does not show."""
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
    """Attach `domains` ("POST /v1/apps/:name/domains"), then remove `remove-domains`.

    After a refusal, the other domains are attached or removed all the same. The result lists each attached
    domain, or the error; removals are notes.

    Raises:
        RequestRejected: at the end, when the platform refused any domain.
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
    """Report the domains that a deploy would attach or remove."""
    for domain in job.settings.domains:
        job.preview(f"would attach {domain!r}")
    for domain in job.settings.remove_domains:
        job.preview(f"would remove {domain!r}")


async def _attach(job: Job, domain: str) -> None:
    async def attempt() -> Domain | None:
        try:
            return await job.client.add_domain(job.app, domain)
        except RequestRejected as error:
            said = error.answer.replace(domain, "")  # the domain may contain these words
            if error.status == CONFLICT:
                is_attached = not _IS_BUSY.search(said)
            else:
                is_attached = error.status in _ATTACHED_STATUSES and bool(_IS_ATTACHED.search(said))
            if not is_attached:
                raise
            return None

    try:
        attached = await job.in_turn(attempt)
    except DeployError as error:
        job.result.domains.append({"domain": domain, "error": str(error)})
        raise
    if attached is None:
        # The API does not say which app has the domain. It is usually this app: every deploy repeats its
        # domains.
        job.ci.info(
            f"{domain!r} is already attached, to this app or another (the platform does not say which)"
        )
        job.result.domains.append({"domain": domain, "status": "attached already"})
        return
    target, tls = attached.cname_target, attached.tls_status
    dns_record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": dns_record}
    job.result.domains.append({"domain": domain, **{name: text for name, text in details.items() if text}})
    to_do = f"; set the DNS record: {dns_record}" if dns_record else ""
    job.ci.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _remove(job: Job, domain: str) -> None:
    removed = await job.in_turn(lambda: job.client.remove_domain(job.app, domain))
    job.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")
