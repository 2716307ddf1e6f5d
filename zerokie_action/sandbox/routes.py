"""The reference's endpoints.

They answer with ready `JSONResponse`s, so that FastAPI does not check and serialise each answer again:
a listing may have 100,000 files. That the answers agree with the documented models is proven by tests.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from zerokie_action.sandbox import answers, models
from zerokie_action.sandbox.exchange import Exchange
from zerokie_action.sandbox.paths import decode_path, decode_segment, is_hidden
from zerokie_action.sandbox.problems import ApiError

CLIENT_CLOSED_REQUEST = 499

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
    return {status: {"model": models.Error, "description": _ERRORS[status]} for status in documented}


async def _is_ready(request: Request) -> None:
    if name := request.path_params.get("name"):
        Exchange.of(request).platform.apps.check_ready(decode_segment(name))


apps = APIRouter(prefix="/v1/apps", tags=["apps"], dependencies=[Depends(_is_ready)])
static = APIRouter(prefix="/v1/apps/{name}", tags=["static apps"], dependencies=[Depends(_is_ready)])


@apps.post("", status_code=201, response_model=models.AppSummary, responses=_errors(409))
async def create_app(request: Request, body: models.NewApp) -> Response:
    """Create an app. The type is immutable after creation."""
    platform = Exchange.of(request).platform
    if isinstance(body, models.NewStaticApp):
        app = platform.apps.create_static(body.name, env=body.env)
        if platform.dialect["new-site"] == "page":
            platform.put_file(app.name, "index.html", _PAGE, "text/html")
    else:
        app = platform.apps.create_container(
            body.name,
            body.image,
            port=body.port,
            cpu=body.cpu,
            memory=body.memory,
            env=body.env,
            private=body.registry_auth is not None,
        )
    return JSONResponse(answers.summary(platform, app, in_post=True), 201)


@apps.get("", response_model=list[models.AppSummary], responses=_errors())
async def list_apps(request: Request) -> Response:
    """List all apps."""
    platform = Exchange.of(request).platform
    return JSONResponse([answers.summary(platform, app) for app in platform.apps.list()])


@apps.get("/{name}", response_model=models.AppDetail, responses=_errors(404))
async def get_app(request: Request, name: str) -> Response:
    """Get an app."""
    platform = Exchange.of(request).platform
    return JSONResponse(answers.detail(platform, platform.apps.get(decode_segment(name))))


@apps.delete("/{name}", status_code=204, response_class=Response, responses=_errors(404))
async def delete_app(request: Request, name: str) -> Response:
    """Delete an app with all its files, deployments and domains."""
    platform = Exchange.of(request).platform
    platform.delete_app(decode_segment(name))
    return answers.deleted(platform)


@apps.post("/{name}/deploy", response_model=models.DeployAccepted, responses=_errors(404, 409))
async def deploy(request: Request, name: str, body: models.DeployRequest | None = None) -> Response:
    """Deploy an image, or re-pull and restart the current one."""
    platform = Exchange.of(request).platform
    body = body or models.DeployRequest()
    before = platform.apps.get(decode_segment(name))
    app = platform.apps.deploy(before.name, image=body.image, private=body.registry_auth is not None)
    return answers.deploying(platform, app, before)


@static.get("/files", response_model=list[models.RemoteFile], responses=_errors(404))
async def list_files(request: Request, name: str) -> Response:
    """List all files of the app's storage zone."""
    platform = Exchange.of(request).platform
    return answers.files(platform, platform.apps.static(decode_segment(name)).name)


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
async def put_file(request: Request, name: str, path: str) -> Response:
    """Upload a single file."""
    exchange = Exchange.of(request)
    app = exchange.platform.apps.static(decode_segment(name))
    content_type = request.headers.get("content-type", "application/octet-stream")
    path = decode_path(path)
    if exchange.platform.dialect["hidden"] == "refused" and is_hidden(path):
        raise ApiError(400, "invalid path: hidden files are not allowed")
    try:
        with exchange.platform.zone.upload(app.name, path, content_type) as stream:
            async for chunk in request.stream():
                stream.write(chunk)
            exchange.platform.apps.static(app.name)  # may have been deleted in the meantime
            exchange.note_lock_holder()
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return Response(status_code=200)


@static.delete("/files/{path:path}", status_code=204, response_class=Response, responses=_errors(404))
async def delete_file(request: Request, name: str, path: str) -> Response:
    """Delete a file."""
    platform = Exchange.of(request).platform
    platform.zone.delete(platform.apps.static(decode_segment(name)).name, decode_path(path))
    return answers.deleted(platform)


@static.post("/deploy/lock", response_model=models.Locked, responses=_errors(404, 409))
async def acquire_lock(request: Request, name: str, body: models.LockRequest) -> Response:
    """Acquire the deploy lock. 409 when any session holds it, the same one included."""
    platform = Exchange.of(request).platform
    platform.locks.acquire(platform.apps.static(decode_segment(name)).name, body.deploy_session_id)
    return JSONResponse({"locked": True, "deploy_session_id": body.deploy_session_id})


@static.put("/deploy/lock", response_model=models.Locked, responses=_errors(404, 409))
async def keep_lock(request: Request, name: str, body: models.LockRequest) -> Response:
    """Keep the deploy lock alive; it expires after 30 minutes. 404 when nobody holds it."""
    platform = Exchange.of(request).platform
    platform.locks.heartbeat(platform.apps.static(decode_segment(name)).name, body.deploy_session_id)
    return answers.heartbeat(platform, body.deploy_session_id)


@static.post("/deploy/finalize", response_model=models.Finalized, responses=_errors(404, 409))
async def finalize(request: Request, name: str, body: models.FinalizeRequest) -> Response:
    """Finalize a deployment: purge the CDN cache, release the deploy lock, record the deployment."""
    platform = Exchange.of(request).platform
    deployment = platform.finalize(
        platform.apps.static(decode_segment(name)).name,
        body.deploy_session_id,
        uploaded=body.files_uploaded,
        deleted=body.files_deleted,
        total_bytes=body.total_bytes,
    )
    return answers.finalized(platform, deployment)


@static.post("/domains", status_code=201, response_model=models.DomainAdded, responses=_errors(404, 409))
async def add_domain(request: Request, name: str, body: models.DomainRequest) -> Response:
    """Add a custom domain. Apex domains are not supported."""
    platform = Exchange.of(request).platform
    app = platform.apps.static(decode_segment(name))
    domain, status = platform.domains.add(app.name, body.domain)
    return JSONResponse(
        {"domain": domain, "cname_target": f"{app.name}.localhost", "tls_status": "pending"}, status
    )


@static.delete("/domains/{domain}", status_code=204, response_class=Response, responses=_errors(404))
async def delete_domain(request: Request, name: str, domain: str) -> Response:
    """Remove a custom domain."""
    platform = Exchange.of(request).platform
    platform.domains.delete(platform.apps.static(decode_segment(name)).name, decode_segment(domain))
    return answers.deleted(platform)
