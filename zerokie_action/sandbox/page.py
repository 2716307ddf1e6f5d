"""The page at `/` and the reference at `/docs`, for people with a browser."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from zerokie_action.sandbox import trouble
from zerokie_action.sandbox.exchange import Exchange
from zerokie_action.sandbox.hosts import is_same_origin, site_url
from zerokie_action.sandbox.problems import ApiError
from zerokie_action.sandbox.reference import common_answers, endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.sandbox.platform import Platform
    from zerokie_action.sandbox.store import App

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""What keeps pages of other origins out of the sandbox's own, and foreign scripts out of those."""

_REQUESTS, _DEPLOYMENTS, _FILES = 1000, 10, 100
"""How many of each are shown."""

_MANIFESTS = "_zerokie/"
"""Where deploys keep their manifests, which they do not count among an app's files."""

_TAIL, _SHORT = 16, 48
"""Characters: the end of a path, which is shown in any case, and a path that is never cut."""

_FOLDER = Path(__file__).parent
assets = StaticFiles(directory=_FOLDER / "assets")
router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    """Show the platform to a browser; tell a program where things are."""
    if wants_page(request):
        return _page(request)
    return JSONResponse(
        {
            "api": "/v1/apps",
            "reference": "/docs",
            "openapi": "/openapi.json",
            "state": "/_sandbox/state",
            "faults": "/_sandbox/faults",
        }
    )


def _by_this_page(request: Request) -> None:
    if not is_same_origin(request):
        raise ApiError(403, "only the sandbox's own page can do that; programs use /_sandbox/faults")


@router.post("/_sandbox/trouble", dependencies=[Depends(_by_this_page)])
async def switch(request: Request) -> Response:
    """Start or end trouble, as the page's form says."""
    try:
        trouble.switch(Exchange.of(request).platform, await request.body())
    except trouble.FieldError as error:
        return _page(request, error)
    return RedirectResponse("/", 303)


@router.get("/docs")
async def reference(request: Request) -> Response:
    """Show the API reference."""
    document = request.app.openapi()
    return _html(
        "reference.html",
        here="/docs",
        description=document["info"]["description"],
        common=common_answers(document),
        endpoints=endpoints(document),
    )


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Give browsers what they ask for beside a document that names no icon, such as `/openapi.json`."""
    return FileResponse(_FOLDER / "assets" / "icon.svg")


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a document, and not for the API's answer."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/v1/")


def not_found(request: Request) -> Response:
    """Tell a person that there is nothing at this address, and where there is something."""
    return _html("not_found.html", 404, here="", path=request.scope["path"])


def _page(request: Request, error: trouble.FieldError | None = None) -> Response:
    platform = Exchange.of(request).platform
    return _html(
        "page.html",
        error.status if error else 200,
        here="/",
        now=platform.clock(),
        error=error,
        origin=f"http://{request.headers.get('host', '')}",
        apps=[_app(request, platform, app) for app in platform.apps.list()],
        troubles=trouble.describe(platform),
        defaults=trouble.Trouble(trouble="outage"),
        deployments=platform.store.last_deployments(_DEPLOYMENTS),
        requests=platform.requests[: -_REQUESTS - 1 : -1],
        request_count=len(platform.requests),
    )


def _app(request: Request, platform: Platform, app: App) -> dict[str, Any]:
    count, size = platform.store.size(app.name)
    manifest_count, manifest_size = platform.store.size(app.name, _MANIFESTS)
    return {
        "name": app.name,
        "type": app.type,
        "image": app.image,
        "status": platform.apps.status(app),
        "url": site_url(request, app.name),
        "updated_at": app.updated_at,
        "file_count": count - manifest_count,
        "size": size - manifest_size,
        "manifest_count": manifest_count,
        "files": platform.store.files(app.name, _FILES),
        "lock": platform.lock(app.name),
        "seconds_left": platform.locks.seconds_left(app.name),
        "domains": platform.domains.list(app.name),
    }


def _html(template: str, status: int = 200, **context: object) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(context), status)


def _size(count: int) -> str:
    """`8.1 MB`, with a space where no line breaks."""
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


def _clock(seconds: float) -> str:
    """`17:00:05`, by this machine's clock: the browser's, too."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _day(seconds: float) -> str:
    """`2026-03-07 17:00:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _parts(path: str) -> tuple[str, str]:
    """Split a path into its start, which may be cut, and its end; a short one has no start."""
    return (path[:-_TAIL], path[-_TAIL:]) if len(path) > _SHORT else ("", path)


_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters |= {"size": _size, "left": _left, "clock": _clock, "day": _day, "parts": _parts}
