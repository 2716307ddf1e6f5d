"""Page at `/` for people, and `/_sandbox` endpoints for programs.

Both show the platform and cause faults. A browser sends an `Origin` with every request that can change
something, and programs don't. The endpoints for programs work without a key but refuse requests with an
`Origin`, so pages can't use them. The switches on the sandbox's own page require the key.
"""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field, ValidationError
from starlette.staticfiles import StaticFiles

from sandbox.addresses import is_same_origin, site_url
from sandbox.faults import ArmedFault, Fault, Kind
from sandbox.platform import Platform
from sandbox.records import ApiError
from sandbox.store import App, Deployment, ImageDeploy


async def _platform(request: Request) -> Platform:
    platform: Platform = request.state.platform
    return platform


Here = Annotated[Platform, Depends(_platform)]
"""Annotates the endpoint parameter that receives the platform."""

OTHER_SESSION = "somebody-else"
"""The session ID of locks that the page takes."""

_API = "^/v1/"
_MILLISECONDS = 1000
_SPACE = "\N{NO-BREAK SPACE}"

Seconds = Annotated[int, Field(ge=1, le=1800)]


class Trouble(BaseModel):
    """The page's form. The fields of other troubles keep their defaults."""

    trouble: Literal["outage", "latency", "rate-limit", "errors", "lock", "pull"]
    outage_seconds: Seconds = 30
    latency_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 500
    retry_after: Seconds = 10
    status: Annotated[int, Field(ge=500, le=599)] = 503
    percent: Annotated[int, Field(ge=1, le=100)] = 20
    app: str = ""
    lock_seconds: Seconds = 60


_FIELDS = {
    "outage": ("outage_seconds",),
    "latency": ("latency_milliseconds",),
    "rate-limit": ("retry_after",),
    "errors": ("status", "percent"),
    "lock": ("app", "lock_seconds"),
}
"""The fields of each trouble."""


class FieldError(ApiError):
    """A form with an invalid value in the field `field`."""

    def __init__(self, status: int, message: str, field: str) -> None:
        """Refuse with this status and message."""
        super().__init__(status, message)
        self.field = field


def _switch(platform: Platform, form: bytes) -> None:
    """Start the chosen trouble, or end all trouble. The form's `key` is the API key.

    Raises:
        FieldError: 403 for a wrong key, 400 for wrong values, 404 for an unknown app. Nothing changes.
    """
    fields = dict(parse_qsl(form.decode("ascii", "replace"), keep_blank_values=True))
    if fields.get("key") not in platform.api_keys:
        raise FieldError(403, "Wrong API key. The sandbox printed the key when it started.", "key")
    if "clear" in fields:
        _clear(platform)
        return
    relevant = ("trouble", *_FIELDS.get(fields.get("trouble", ""), ()))
    try:
        _start(platform, Trouble.model_validate({name: fields[name] for name in relevant if name in fields}))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = str(first["loc"][0])
        raise FieldError(400, f"{field.replace('_', ' ').capitalize()}: {first['msg']}", field) from None


def _start(platform: Platform, wanted: Trouble) -> None:
    match wanted.trouble:
        case "outage":
            outage = Fault(Kind.RESET, times=None, lasts=wanted.outage_seconds)
            # A request is hit only by its first matching fault, and another fault could let it through.
            platform.faults.add(outage, name=f"Outage of {wanted.outage_seconds}{_SPACE}s", first=True)
        case "latency":
            platform.latency = wanted.latency_milliseconds / _MILLISECONDS
        case "rate-limit":
            headers = {"retry-after": str(wanted.retry_after)}
            limit = Fault(
                Kind.STATUS, path=_API, times=None, status=429, headers=headers, lasts=wanted.retry_after
            )
            platform.faults.add(limit, name=f"Rate limit of {wanted.retry_after}{_SPACE}s")
        case "errors":
            errors = Fault(Kind.STATUS, path=_API, times=None, status=wanted.status, percent=wanted.percent)
            platform.faults.add(errors, name=f"Errors {wanted.status}, {wanted.percent}{_SPACE}%")
        case "lock":
            try:
                app = platform.apps.static(wanted.app)
            except ApiError as error:
                raise FieldError(error.status, error.message, "app") from None
            platform.locks.take(app.name, OTHER_SESSION, wanted.lock_seconds)
        case "pull":
            platform.dialect.speak("pull=refused")


def _clear(platform: Platform) -> None:
    """End all trouble, including faults from the command line and from programs."""
    platform.faults.clear()
    platform.latency = 0
    platform.dialect.speak("pull=works")
    for app in platform.apps.list():
        if platform.lock(app.name) == OTHER_SESSION:
            platform.expire_lock(app.name)


def _troubles(platform: Platform) -> list[str]:
    """Describe the current trouble, one sentence each."""
    sentences = [_describe(armed, platform.clock()) for armed in platform.faults.list()]
    if platform.latency:
        sentences.append(f"Latency of {platform.latency * _MILLISECONDS:.0f}{_SPACE}ms")
    if platform.dialect["pull"] != "works":
        without = " without credentials" if platform.dialect["pull"] == "login" else ""
        sentences.append(f"Images can't be pulled{without}")
    for app in platform.apps.list():
        if platform.lock(app.name) == OTHER_SESSION:
            left = platform.locks.seconds_left(app.name)
            sentences.append(f"Lock of {app.name} held by another session: {_seconds_left(left)}")
    return sentences


def _describe(armed: ArmedFault, now: float) -> str:
    parts = [f"{armed.hits}{_SPACE}{'request' if armed.hits == 1 else 'requests'} hit so far"]
    if armed.ends is not None:
        parts.append(_seconds_left(armed.ends - now))
    return f"{armed.name or armed.fault}: {', '.join(parts)}"


def _seconds_left(seconds: float) -> str:
    return f"{seconds:.0f}{_SPACE}s{_SPACE}left"


_REQUESTS, _DEPLOYMENTS, _FILES = 1000, 10, 100
"""The maximum number of rows in each table of the page."""

_CLIENT_FOLDER = "_zerokie/"
"""The folder for clients' own files. The page hides these files, because visitors don't use them."""

_FOLDER = Path(__file__).parent
assets = StaticFiles(directory=_FOLDER / "assets")
people = APIRouter(include_in_schema=False)


@people.get("/")
async def page(request: Request, platform: Here) -> Response:
    """Show the platform."""
    return _page(request, platform)


async def _by_this_page(request: Request) -> None:
    if not is_same_origin(request):
        raise ApiError(403, "only the sandbox's own page can use this; in a program, use /_sandbox/faults")


@people.post("/_sandbox/trouble", dependencies=[Depends(_by_this_page)])
async def switch(request: Request, platform: Here) -> Response:
    """Start or end trouble with the page's form."""
    try:
        _switch(platform, await request.body())
    except FieldError as error:
        return _page(request, platform, error)
    return RedirectResponse("/", 303)


def _page(request: Request, platform: Platform, error: FieldError | None = None) -> Response:
    return html(
        "page.html",
        error.status if error else 200,
        now=platform.clock(),
        error=error,
        origin=f"http://{request.headers.get('host', '')}",
        apps=[_app(request, platform, app) for app in platform.apps.list()],
        troubles=_troubles(platform),
        defaults=Trouble(trouble="outage"),
        deploys=_deploys(platform)[:_DEPLOYMENTS],
        requests=platform.requests[: -_REQUESTS - 1 : -1],
        request_count=len(platform.requests),
    )


def _deploys(platform: Platform) -> list[Deployment | ImageDeploy]:
    """Return the deploys of all apps, newest first."""
    rows: list[Deployment | ImageDeploy] = [*platform.store.all(Deployment), *platform.store.all(ImageDeploy)]
    return sorted(rows, key=_deployed_at)[::-1]


def _deployed_at(deploy: Deployment | ImageDeploy) -> float:
    return deploy.accepted_at if isinstance(deploy, ImageDeploy) else deploy.finished_at


def _app(request: Request, platform: Platform, app: App) -> dict[str, Any]:
    files = [file for file in platform.zone.list(app.name) if not file.path.startswith(_CLIENT_FOLDER)]
    return asdict(app) | {
        "status": platform.apps.status(app),
        "url": site_url(request, app.name),
        "file_count": len(files),
        "size": sum(file.length for file in files),
        "files": files[:_FILES],
        "lock": platform.lock(app.name),
        "seconds_left": platform.locks.seconds_left(app.name),
        "domains": platform.domains.list(app.name),
    }


def html(template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Render a template."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(context), status)


def _size(count: int) -> str:
    """`8.1 MB`, with a no-break space."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004  SI
            break
        size, unit = size / 1000, larger
    return f"{size:.3g}\N{NO-BREAK SPACE}{unit}"


def _left(seconds: float) -> str:
    """`29:05`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}:{rest:02}"


def _clock(seconds: float, form: str = "%H:%M:%S") -> str:
    """`17:00:05`, in this machine's time zone, which is the browser's."""
    return time.strftime(form, time.localtime(seconds))


_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters |= {"size": _size, "left": _left, "clock": _clock}


async def _no_page(request: Request) -> None:
    if "origin" in request.headers:
        raise ApiError(403, "only programs can use this; in a browser, use the page at /")


programs = APIRouter(prefix="/_sandbox", include_in_schema=False, dependencies=[Depends(_no_page)])


@programs.get("/state")
async def state(platform: Here) -> Response:
    """Return the apps with locks, files, deployments and domains, and the records of all requests."""
    apps: dict[str, Any] = {
        app.name: asdict(app)
        | {
            "env": list(app.env),  # names only: the values may be secrets
            "status": platform.apps.status(app),
            "url": platform.url(app.name),
            "lock": platform.lock(app.name),
            "deployments": [asdict(deployment) for deployment in platform.deployments(app.name)],
            "domains": platform.domains.list(app.name),
            "files": [asdict(file) for file in platform.zone.list(app.name)],
        }
        for app in platform.apps.list()
    }
    records = [record.public() for record in platform.requests]
    # JSON's ASCII form can represent a lone surrogate from a client's request. UTF-8 can't.
    text = json.dumps({"apps": apps, "request_count": len(records), "requests": records})
    return Response(text, media_type="application/json")


@programs.get("/dialect")
async def dialect(platform: Here) -> dict[str, str]:
    """Return the platform's API variants."""
    return platform.dialect.answers()


@programs.patch("/dialect")
async def speak(platform: Here, wanted: dict[str, str]) -> dict[str, str]:
    """Change some API variants; 400 for an unknown variant."""
    try:
        platform.dialect.speak(*(f"{name}={answer}" for name, answer in wanted.items()))
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    return platform.dialect.answers()


@programs.post("/faults", status_code=201)
async def add_fault(platform: Here, fault: Fault) -> None:
    """Add a fault; the body has the fields of `Fault`."""
    platform.faults.add(fault)


@programs.delete("/faults", status_code=204, response_class=Response)
async def clear_faults(platform: Here) -> None:
    """Remove all faults."""
    platform.faults.clear()
