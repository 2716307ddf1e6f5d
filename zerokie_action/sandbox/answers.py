"""How answers are written, in the platform's dialect."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse, PlainTextResponse, Response

from zerokie_action.sandbox.paths import is_hidden
from zerokie_action.sandbox.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.sandbox.platform import Platform
    from zerokie_action.sandbox.store import App, Deployment

    Write = Callable[[str], str | None]

_ELSEWHERE = timezone(timedelta(hours=-9, minutes=-30))


def timestamp(seconds: float) -> str:
    """`2026-03-07T17:00:00Z` for seconds since the epoch, as the reference writes them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


_TIMES: dict[str, Callable[[float], object]] = {
    "seconds": timestamp,
    "fractions": lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
    "offset": lambda seconds: datetime.fromtimestamp(int(seconds), _ELSEWHERE).isoformat(),
    "rfc1123": lambda seconds: formatdate(seconds, usegmt=True),
    "number": int,
    "numbers": int,
    "null": lambda _seconds: None,
}


def _image_parts(image: str) -> tuple[str, str, str, str]:
    """Return host, path, tag and digest, the first two as Docker completes them; the others may be empty."""
    name, _, digest = image.partition("@")
    host, slash, path = name.partition("/")
    if not slash or not (set(".:") & set(host) or host == "localhost"):
        host, path = "docker.io", name if slash else f"library/{name}"
    path, _, tag = path.partition(":")
    return host, path, tag or ("" if digest else "latest"), digest


def _with(tag: str, digest: str) -> str:
    return (tag and f":{tag}") + (digest and f"@{digest}")


def _given(image: str) -> str:
    return image


def _nothing(_image: str) -> None:
    return None


def _in_full(image: str) -> str:
    host, path, tag, digest = _image_parts(image)
    return f"{host}/{path}{_with(tag, digest)}"


def _mirrored(image: str) -> str:
    _, path, tag, digest = _image_parts(image)
    return f"mirror.local/hub/{path}{_with(tag, digest)}"


def _digest(image: str) -> str:
    return _image_parts(image)[3] or f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _by_digest(image: str) -> str:
    host, path, *_ = _image_parts(image)
    return f"{host}/{path}@{_digest(image)}"


def _with_digest(image: str) -> str:
    host, path, tag, _ = _image_parts(image)
    return f"{host}/{path}{_with(tag, _digest(image))}"


_IMAGES: dict[str, tuple[Write, Write]] = {
    "given": (_given, _given),
    "full": (_in_full, _in_full),
    "full-in-get": (_given, _in_full),
    "mirror": (_given, _mirrored),
    "tag-and-digest": (_given, _with_digest),
    "digest": (_given, _by_digest),
    "bare-digest": (_given, _digest),
    "not-in-post": (_nothing, _given),
    "not-in-get": (_given, _nothing),
    "before-in-post": (_given, _given),
}
"""How the answers to POST and to GET write an image; None leaves it out."""


def _image(platform: Platform, image: str | None, *, in_post: bool) -> dict[str, Any]:
    write = _IMAGES[platform.dialect["image"]][0 if in_post else 1]
    written = write(image or "")
    return {} if written is None else {"image": written}


def _url(platform: Platform, app: str) -> dict[str, Any]:
    url = platform.url(app)
    match platform.dialect["url"]:
        case "absent":
            return {}
        case "bare":
            return {"url": url.partition("://")[2]}
    return {"url": url}


def _time(platform: Platform, seconds: float) -> object:
    return _TIMES[platform.dialect["times"]](seconds)


def summary(platform: Platform, app: App, *, in_post: bool = False) -> dict[str, Any]:
    """An app, as POST or the list of all apps shows it."""
    app = replace(app, status=platform.apps.status(app)) if in_post else platform.apps.shown(app)
    if app.type == "static":
        return {"name": app.name, "status": app.status, **_url(platform, app.name)}
    image = _image(platform, app.image, in_post=in_post)
    return {"name": app.name, **image, "port": app.port, "status": app.status, **_url(platform, app.name)}


def detail(platform: Platform, app: App) -> dict[str, Any]:
    """An app in full."""
    machine = {} if app.type == "static" else {"instances": 1, "cpu": app.cpu, "memory": app.memory}
    updated_at = _time(platform, platform.apps.shown(app).updated_at)
    return {
        **summary(platform, app),
        **machine,
        "created_at": _time(platform, app.created_at),
        **({} if platform.dialect["updated-at"] == "absent" else {"updated_at": updated_at}),
    }


def deploying(platform: Platform, app: App, before: App) -> Response:
    """Answer a deploy that was accepted."""
    match platform.dialect["deploy-answer"]:
        case "lost":
            raise ApiError(502, "bad gateway")
        case "empty":
            return Response(status_code=202)
    image = before.image if platform.dialect["image"] == "before-in-post" else app.image
    return JSONResponse({"name": app.name, **_image(platform, image, in_post=True), "status": app.status})


def files(platform: Platform, app: str) -> Response:
    """List an app's files."""
    rows = listing(platform, app)
    if not rows:
        match platform.dialect["empty-zone"]:
            case "null":
                return JSONResponse(None)
            case "204":
                return Response(status_code=204)
            case "404":
                raise ApiError(404, "no files found")
    return JSONResponse(rows)


def listing(platform: Platform, app: str) -> list[dict[str, Any]]:
    """Return what the listing of an app's files has."""
    hides = platform.dialect["hidden"] == "unlisted"
    write = _TIMES.get(platform.dialect["last-modified"])
    paths = platform.dialect["listed-paths"]
    rows: dict[str, dict[str, Any]] = {}
    for file in platform.zone.list(app):
        if hides and is_hidden(file.path):
            continue
        modified = {"lastModified": write(file.modified)} if write else {}
        if paths == "directories":
            folders = file.path.split("/")[:-1]
            for depth in range(len(folders)):
                path = "/".join(folders[: depth + 1]) + "/"
                rows.setdefault(path, {"path": path, "length": 0, **modified})
        path = f"/{file.path}" if paths == "slash" else file.path
        rows[path] = {"path": path, "length": file.length, **modified}
    return list(rows.values())


def heartbeat(platform: Platform, session: str) -> Response:
    """Answer a heartbeat of the lock's holder."""
    match platform.dialect["heartbeat"]:
        case "empty":
            return Response(status_code=200)
        case "204":
            return Response(status_code=204)
    return JSONResponse({"locked": True, "deploy_session_id": session})


def finalized(platform: Platform, deployment: Deployment) -> Response:
    """Answer finalize."""
    answer = platform.dialect["finalize"]
    body = {
        "deploy_id": deployment.deploy_id,
        "timestamp": _time(platform, deployment.finished_at),
        "cache_purged": True,
        "summary": {
            "files_uploaded": deployment.files_uploaded,
            "files_deleted": deployment.files_deleted,
            "total_bytes": deployment.total_bytes,
        },
    }
    if answer == "no-deploy-id":
        del body["deploy_id"]
    return JSONResponse(body, 201 if answer == "201" else 200)


def deleted(platform: Platform) -> Response:
    """Answer DELETE."""
    answer = platform.dialect["delete"]
    return JSONResponse({"deleted": True}) if answer == "body" else Response(status_code=int(answer))


def refused(platform: Platform, problem: ApiError) -> Response:
    """Answer a request that the platform refuses."""
    if problem.status == 409:  # noqa: PLR2004  a conflict
        match platform.dialect["conflict"]:
            case "object":
                return JSONResponse({"message": problem.message}, 409)
            case "text":
                return PlainTextResponse(problem.message, 409)
            case "empty":
                return Response(status_code=409)
    return JSONResponse({"error": problem.message}, problem.status)
