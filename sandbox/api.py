"""The reference's API as a FastAPI application.

Endpoints return `JSONResponse`s, because FastAPI would validate any other result, and a file list may have
100,000 files. Tests check that the responses match the documented models.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import request_response

from sandbox import admin, bodies
from sandbox.addresses import decode_path, decode_segment, is_hidden
from sandbox.admin import Here
from sandbox.cdn import PREFIX, serve_site
from sandbox.platform import Platform
from sandbox.records import ApiError
from sandbox.store import App

CLIENT_CLOSED_REQUEST = 499
_MEGABYTE = 1_000_000
_GATEWAY, _BEHIND_GATEWAY = 10.0, 30.0
"""Seconds until a gateway responds to finalize with a 504, and until finalize ends."""

_PAGE = b"<!doctype html><title>Welcome</title><p>Nothing is deployed here yet.</p>\n"

_ERRORS: dict[int, str] = {
    400: "Invalid request (missing required fields, invalid values)",
    401: "Missing or invalid API key",
    404: "App not found",
    409: "App name already exists / deploy lock conflict",
    500: "Internal server error",
    502: "Upstream service error (e.g. CDN failure)",
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    documented = sorted({400, 401, 500, 502, *statuses})
    return {status: {"model": bodies.Error, "description": _ERRORS[status]} for status in documented}


async def _app(request: Request, platform: Here, name: str) -> App:
    return platform.apps.ready(decode_segment(name), f"{request.method} {request.scope['path']}")


Named = Annotated[App, Depends(_app)]


async def _site(platform: Here, app: Named) -> str:
    return platform.apps.static(app.name).name


Site = Annotated[str, Depends(_site)]

apps = APIRouter(prefix="/v1/apps", tags=["apps"])
named = APIRouter(prefix="/v1/apps/{name}", tags=["apps"])
static = APIRouter(prefix="/v1/apps/{name}", tags=["static apps"])


@apps.post("", status_code=201, response_model=bodies.AppSummary, responses=_errors(409))
async def create_app(platform: Here, body: bodies.NewApp) -> Response:
    """Create an app. The type is immutable after creation."""
    limit = platform.dialect["app-limit"]
    if limit != "none" and platform.apps.list():
        raise ApiError(int(limit), "app limit reached")
    if isinstance(body, bodies.NewStaticApp):
        app = platform.apps.create_static(body.name, env=body.env)
        if platform.dialect["new-site"] == "page":
            platform.put_file(app.name, "index.html", _PAGE, "text/html")
    else:
        settings = body.model_dump(exclude={"type", "registry_auth"})
        app = platform.apps.create_container(**settings, private=body.registry_auth is not None)
    return JSONResponse(bodies.summary(platform, app, in_post=True), 201)


@apps.get("", response_model=list[bodies.AppSummary], responses=_errors())
async def list_apps(platform: Here) -> Response:
    """List all apps."""
    return JSONResponse([bodies.summary(platform, app) for app in platform.apps.list()])


@named.get("", response_model=bodies.AppDetail, responses=_errors(404))
async def get_app(platform: Here, app: Named) -> Response:
    """Get an app."""
    return JSONResponse(bodies.detail(platform, app))


@named.delete("", status_code=204, response_class=Response, responses=_errors(404))
async def delete_app(platform: Here, app: Named) -> Response:
    """Delete an app with all its files, deployments and domains."""
    platform.delete_app(app.name)
    return _deleted(platform)


def _deleted(platform: Platform) -> Response:
    answer = platform.dialect["delete"]
    return JSONResponse({"deleted": True}) if answer == "body" else Response(status_code=int(answer))


@named.post("/deploy", response_model=bodies.DeployAccepted, responses=_errors(404, 409))
async def deploy(platform: Here, app: Named, body: bodies.DeployRequest | None = None) -> Response:
    """Deploy an image, or re-pull and restart the current one."""
    body = body or bodies.DeployRequest()
    deployed = platform.apps.deploy(app.name, image=body.image, private=body.registry_auth is not None)
    match platform.dialect["deploy-answer"]:
        case "lost":
            raise ApiError(502, "bad gateway")
        case "empty":
            return Response(status_code=202)
    shown = app if platform.dialect["image"] == "before-in-post" else deployed
    image = bodies.image_field(platform, shown.image, in_post=True)
    return JSONResponse({"name": deployed.name, **image, "status": deployed.status})


@static.get("/files", response_model=list[bodies.RemoteFile], responses=_errors(404))
async def list_files(platform: Here, app: Named) -> Response:
    """List all files of the app's storage zone."""
    answer = platform.dialect["container-files"]
    if app.type == "container" and answer == "list":
        return JSONResponse([])
    if app.type == "container":
        raise ApiError(int(answer), "not a static app")
    site = platform.apps.static(app.name).name
    rows, empty = bodies.listing(platform, site), platform.dialect["empty-zone"]
    if rows or empty == "list":
        return JSONResponse(rows)
    if empty == "404":
        raise ApiError(404, "no files found")
    return JSONResponse(None) if empty == "null" else Response(status_code=204)


@static.put(
    "/files/{path:path}",
    response_class=Response,
    responses=_errors(404),
    openapi_extra={
        "requestBody": {
            "description": "The raw file content; set Content-Type based on the file extension",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def put_file(request: Request, platform: Here, site: Site, path: str) -> Response:
    """Upload a single file."""
    content_type = request.headers.get("content-type", "application/octet-stream")
    path = decode_path(path)
    if platform.dialect["hidden"] == "refused" and is_hidden(path):
        raise ApiError(400, "invalid path: hidden files are not allowed")
    if platform.dialect["firewall"] == "page" and path.endswith(".php"):
        return HTMLResponse("<!doctype html><title>Request blocked</title>", 403)
    if platform.dialect["file-limit"] == "1MB" and int(request.headers.get("content-length", 0)) > _MEGABYTE:
        raise ApiError(413, "the file is larger than 1 MB")
    try:
        with platform.zone.upload(site, path, content_type) as stream:
            async for chunk in request.stream():
                stream.write(chunk)
            platform.apps.static(site)  # another request may delete the app during the upload
            request.state.record.lock_holder = platform.lock(site)
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return Response(status_code=200)


@static.delete("/files/{path:path}", status_code=204, response_class=Response, responses=_errors(404))
async def delete_file(platform: Here, site: Site, path: str) -> Response:
    """Delete a file."""
    platform.zone.delete(site, decode_path(path))
    return _deleted(platform)


@static.post("/deploy/lock", response_model=bodies.Locked, responses=_errors(404, 409))
async def acquire_lock(platform: Here, site: Site, body: bodies.LockRequest) -> Response:
    """Acquire the deploy lock; 409 when any session holds it, even the same session."""
    platform.locks.acquire(site, body.deploy_session_id)
    return JSONResponse({"locked": True, "deploy_session_id": body.deploy_session_id})


@static.put("/deploy/lock", response_model=bodies.Locked, responses=_errors(404, 409))
async def keep_lock(platform: Here, site: Site, body: bodies.LockRequest) -> Response:
    """Keep the deploy lock alive, which expires after 30 minutes; 404 when the lock is free."""
    platform.locks.heartbeat(site, body.deploy_session_id)
    if bare := {"empty": 200, "204": 204}.get(platform.dialect["heartbeat"]):
        return Response(status_code=bare)
    return JSONResponse({"locked": True, "deploy_session_id": body.deploy_session_id})


@static.post("/deploy/finalize", response_model=bodies.Finalized, responses=_errors(404, 409))
async def finalize(request: Request, platform: Here, site: Site, body: bodies.FinalizeRequest) -> Response:
    """Finalize a deployment: purge the CDN cache, release the deploy lock, record the deployment."""
    platform.locks.require(site, body.deploy_session_id)
    answer = platform.dialect["finalize"]
    if answer == "no-effect" or (answer == "no-effect-once" and platform.dialect.every_other(answer, site)):
        return JSONResponse({})
    seconds, _, connected = platform.dialect["finalize-time"].partition("s")
    if seconds == "504":
        await asyncio.sleep(_GATEWAY)
        rest = BackgroundTask(_finalize_later, platform, site, body)
        return JSONResponse({"error": "gateway timeout"}, 504, background=rest)
    await asyncio.sleep(int(seconds))
    if connected and request.scope["state"]["connection"].lost.is_set():
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    deployment = platform.finalize(site, **body.model_dump())
    finalized = {
        **({} if answer == "no-deploy-id" else {"deploy_id": deployment.deploy_id}),
        "timestamp": bodies.written_time(platform, deployment.finished_at),
        "cache_purged": True,
        "summary": body.model_dump(exclude={"deploy_session_id"}),
    }
    return JSONResponse(finalized, 201 if answer == "201" else 200)


async def _finalize_later(platform: Platform, site: str, body: bodies.FinalizeRequest) -> None:
    await asyncio.sleep(_BEHIND_GATEWAY - _GATEWAY)
    with suppress(ApiError):
        platform.finalize(site, **body.model_dump())


@static.post("/domains", status_code=201, response_model=bodies.DomainAdded, responses=_errors(404, 409))
async def add_domain(platform: Here, site: Site, body: bodies.DomainRequest) -> Response:
    """Add a custom domain. Apex domains are not supported."""
    domain, status = platform.domains.add(site, body.domain)
    target = f"{site}.localhost"
    return JSONResponse({"domain": domain, "cname_target": target, "tls_status": "pending"}, status)


@static.delete("/domains/{domain}", status_code=204, response_class=Response, responses=_errors(404))
async def delete_domain(platform: Here, site: Site, domain: str) -> Response:
    """Remove a custom domain."""
    platform.domains.delete(site, decode_segment(domain))
    return _deleted(platform)


_DESCRIPTION = """
The Zerokie platform's REST API, served by a local sandbox.

All requests require an Authorization header with your API key. All errors have the same format.
"""

_UNNAMED = {"body", "container", "static"}
"""Parts of an error's location that are not names of fields."""


_ROUTERS = (apps, named, static, admin.people, admin.programs)


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a response in the reference's error format."""
    return JSONResponse({"error": message}, status, headers)


async def _refused(request: Request, problem: ApiError) -> Response:
    platform: Platform = request.state.platform
    match platform.dialect["conflict"] if problem.status == HTTPStatus.CONFLICT else "error":
        case "empty":
            return Response(status_code=problem.status)
        case "text":
            return PlainTextResponse(problem.message, problem.status)
        case "object":
            return JSONResponse({"message": problem.message}, problem.status)
    return error(problem.status, problem.message, problem.headers)


async def _invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
    first = problem.errors()[0]
    # The input isn't shown, because it may be a credential.
    place = ".".join(str(part) for part in first["loc"] if part not in _UNNAMED)
    return error(400, ": ".join(filter(None, ["invalid request", place, first["msg"]])))


async def _http_error(_: Request, problem: HTTPException) -> Response:
    return error(problem.status_code, problem.detail.lower(), problem.headers)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Return FastAPI's document with the bearer key, and with 400 instead of FastAPI's 422."""
        document = super().openapi()
        components = document["components"]
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        for name in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(name, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        return document


API = _Api(
    title="Zerokie",
    version="1",
    description=_DESCRIPTION,
    docs_url=None,
    redoc_url=None,
    redirect_slashes=False,
    generate_unique_id_function=lambda route: route.name,
    exception_handlers={ApiError: _refused, RequestValidationError: _invalid, HTTPException: _http_error},
)
"""The application for all platforms of the process, because building one is slow; see `server.Sandbox`."""

for _router in _ROUTERS:
    API.include_router(_router)
API.mount(PREFIX, request_response(serve_site))
API.mount("/_sandbox/assets", admin.assets)
