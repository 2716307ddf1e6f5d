"""Bodies of requests and responses.

API variants write images, times, URLs and paths in different forms.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag

from sandbox.addresses import is_hidden
from sandbox.apps import CPU, MEMORY, PORT
from sandbox.platform import Platform
from sandbox.static import DOMAIN, MAX_LENGTH
from sandbox.store import App

AppName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", examples=["my-app"])]
Image = Annotated[str, Field(pattern=r"^[!-~]+$", examples=["nginx:alpine"])]
Session = Annotated[str, Field(min_length=1, examples=["550e8400-e29b-41d4-a716-446655440000"])]
Timestamp = Annotated[
    str, Field(examples=["2026-03-07T17:00:00Z"], pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
]
EnvName = Annotated[str, StringConstraints(pattern=r"^[^=\x00]+$")]
Env = Annotated[
    dict[EnvName, str],
    Field(json_schema_extra={"additionalProperties": False, "examples": [{"NODE_ENV": "production"}]}),
]


def _whole(value: object) -> object:
    """Turn 80.0 into 80, because JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=0, lt=2**53), BeforeValidator(_whole)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True)


class Error(BaseModel):
    """The body of every error."""

    error: Annotated[str, Field(examples=["app not found"])]


class RegistryAuth(_Body):
    """Credentials for pulling from a private registry."""

    username: Annotated[str | None, Field(examples=["deploy-token"])] = None
    password: Annotated[str | None, Field(examples=["glpat-xxxx"])] = None
    server_address: Annotated[str | None, Field(examples=["registry.gitlab.com"])] = None


class NewContainerApp(_Body):
    """A container app to create."""

    name: AppName
    type: Literal["container"] = "container"
    image: Image
    port: Annotated[int, Field(ge=1, le=65535), BeforeValidator(_whole)] = PORT
    env: Env = {}
    cpu: Annotated[int, Field(gt=0, lt=2**31), BeforeValidator(_whole)] = CPU
    memory: Annotated[int, Field(gt=0, lt=2**31), BeforeValidator(_whole)] = MEMORY
    registry_auth: RegistryAuth | None = None


class NewStaticApp(_Body):
    """A static app to create. `image`, `port`, `cpu`, `memory` and `registry_auth` are ignored."""

    name: AppName
    type: Literal["static"]
    env: Env = {}


def _type_of(body: object) -> str:
    return "static" if isinstance(body, dict) and body.get("type") == "static" else "container"


NewApp = Annotated[
    Annotated[NewContainerApp, Tag("container")] | Annotated[NewStaticApp, Tag("static")],
    Discriminator(_type_of),
]


class DeployRequest(_Body):
    """The image to deploy; without an image, the current image is deployed again."""

    image: Image | None = None
    registry_auth: RegistryAuth | None = None


class LockRequest(_Body):
    """The session of a lock request."""

    deploy_session_id: Session


class Summary(_Body):
    """The client's own counts."""

    files_uploaded: Count
    files_deleted: Count
    total_bytes: Count


class FinalizeRequest(Summary, LockRequest):
    """The session and the counts of a deployment."""


class DomainRequest(_Body):
    """A custom domain to attach; not an apex domain."""

    # `Domains` checks names, so that apex domains get their own message. This pattern is only documentation.
    domain: Annotated[
        str,
        Field(examples=["www.example.com"], json_schema_extra={"pattern": DOMAIN, "maxLength": MAX_LENGTH}),
    ]


class AppSummary(BaseModel):
    """An app. Static apps omit `image` and `port`, except in some API variants."""

    name: Annotated[str, Field(examples=["my-app"])]
    image: Annotated[str | None, Field(examples=["nginx:alpine"])] = None
    port: Annotated[int | None, Field(examples=[PORT])] = None
    status: Annotated[str, Field(examples=["running"])]
    url: Annotated[str, Field(examples=["https://my-app.platform-dev.zerokie.com"])]


class AppDetail(AppSummary):
    """An app in full. Static apps omit `instances`, `cpu` and `memory`, except in some API variants."""

    type: Literal["container", "static"] | None = None
    instances: int | None = None
    cpu: Annotated[int | None, Field(examples=[CPU])] = None
    memory: Annotated[int | None, Field(examples=[MEMORY])] = None
    created_at: Timestamp
    updated_at: Timestamp


class DeployAccepted(BaseModel):
    """An accepted deploy."""

    name: Annotated[str, Field(examples=["my-app"])]
    image: Annotated[str, Field(examples=["nginx:alpine"])]
    status: Annotated[str, Field(examples=["deploying"])]


class RemoteFile(BaseModel):
    """A file of the storage zone."""

    path: Annotated[str, Field(examples=["assets/style.css"])]
    length: int
    lastModified: Timestamp  # noqa: N815  the reference's name


class Locked(BaseModel):
    """A held lock."""

    locked: Literal[True]
    deploy_session_id: Session


class Finalized(BaseModel):
    """A recorded deployment."""

    deploy_id: Annotated[str, Field(examples=["d-20260307-170000"])]
    timestamp: Timestamp
    cache_purged: bool
    summary: Summary


class DomainAdded(BaseModel):
    """A custom domain that was attached."""

    domain: Annotated[str, Field(examples=["www.example.com"])]
    cname_target: Annotated[str, Field(examples=["my-site.platform-dev.zerokie.com"])]
    tls_status: Annotated[str, Field(examples=["pending"])]


_ELSEWHERE = timezone(timedelta(hours=-9, minutes=-30))

_TIMES: dict[str, Callable[[float], object]] = {
    "seconds": lambda seconds: f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}",
    "fractions": lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
    "offset": lambda seconds: datetime.fromtimestamp(int(seconds), _ELSEWHERE).isoformat(),
    "rfc1123": lambda seconds: formatdate(seconds, usegmt=True),
    "minutes": lambda seconds: f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:00Z}",
    "number": int,
    "numbers": int,
    "null": lambda _seconds: None,
}

_FULL = "{host}/{path}{tag}{at}"

# The values of `image` write an image in these forms in responses to POST and to GET. A value without an
# entry means `{image}`. With an empty form, the response omits the image.
_IN_POST = {"full": _FULL, "not-in-post": ""}
_IN_GET = {
    "full": _FULL,
    "full-in-get": _FULL,
    "mirror": "mirror.local/hub/{path}{tag}{at}",
    "tag-and-digest": "{host}/{path}{tag}@{digest}",
    "digest": "{host}/{path}@{digest}",
    "bare-digest": "{digest}",
    "not-in-get": "",
}


def _image_parts(image: str) -> dict[str, str]:
    """Split an image's name into the fields of these forms, with Docker's defaults and an invented digest."""
    name, at, digest = image.partition("@")
    host, slash, path = name.partition("/")
    if not slash or not (set(".:") & set(host) or host == "localhost"):
        host, path = "docker.io", name if slash else f"library/{name}"
    path, _, tag = path.partition(":")
    return {
        "image": image,
        "host": host,
        "path": path,
        "tag": f":{tag}" if tag else "" if digest else ":latest",
        "at": at + digest,
        "digest": digest or f"sha256:{hashlib.sha256(image.encode()).hexdigest()}",
    }


def image_field(platform: Platform, image: str | None, *, in_post: bool) -> dict[str, str]:
    """Return the app's image, if the API variant shows the image in responses to this method."""
    form = (_IN_POST if in_post else _IN_GET).get(platform.dialect["image"], "{image}")
    parts = _image_parts(image or "")
    if form.startswith(f"{parts['host']}/"):  # a name of the mirror itself
        form = "{image}"
    return {"image": form.format_map(parts)} if form else {}


def _url_field(platform: Platform, app: str, *, in_post: bool) -> dict[str, str]:
    url, form = platform.url(app), platform.dialect["url"]
    if form == "absent" or (form == "not-in-post" and in_post):
        return {}
    return {"url": url.partition("://")[2] if form == "bare" else url}


_STATIC_IMAGE = "registry.local/static-server:1"

_NUMBERS: dict[str, Callable[[int], object]] = {"strings": str, "floats": float}


def _numbers(platform: Platform, numbers: dict[str, int | None]) -> dict[str, object]:
    write = _NUMBERS.get(platform.dialect["numbers"], int)
    return {name: number if number is None else write(number) for name, number in numbers.items()}


def written_time(platform: Platform, seconds: float) -> object:
    """Return a time as all responses except the file list write it."""
    return _TIMES[platform.dialect["times"]](seconds)


def summary(platform: Platform, app: App, *, in_post: bool = False) -> dict[str, Any]:
    """Return an app as the response to POST and the list of apps show it."""
    app = replace(app, status=platform.apps.status(app)) if in_post else platform.apps.shown(app)
    return _summary(platform, app, in_post=in_post)


def _summary(platform: Platform, app: App, *, in_post: bool) -> dict[str, Any]:
    image = {**image_field(platform, app.image, in_post=in_post), **_numbers(platform, {"port": app.port})}
    return {
        "name": app.name,
        **({} if app.type == "static" else image),
        "status": app.status,
        **_url_field(platform, app.name, in_post=in_post),
    }


def detail(platform: Platform, app: App) -> dict[str, Any]:
    """Return an app as the response to GET shows it."""
    app = platform.apps.shown(app)
    updated_at = written_time(platform, app.updated_at)
    return {
        **({"type": app.type} if platform.dialect["shown-type"] == "yes" else {}),
        **_summary(platform, app, in_post=False),
        **(_static_app(platform) if app.type == "static" else _machine(platform, app.cpu, app.memory)),
        "created_at": written_time(platform, app.created_at),
        **({} if platform.dialect["updated-at"] == "absent" else {"updated_at": updated_at}),
    }


def _machine(platform: Platform, cpu: int | None, memory: int | None) -> dict[str, object]:
    return _numbers(platform, {"instances": 1, "cpu": cpu, "memory": memory})


def _static_app(platform: Platform) -> dict[str, object]:
    """Return the container app's fields that GET shows for a static app in some API variants."""
    answer = platform.dialect["static-app"]
    if answer == "bare":
        return {}
    image = {"image": _STATIC_IMAGE} if answer == "image" else {}
    return image | _numbers(platform, {"port": PORT}) | _machine(platform, CPU, MEMORY)


def listing(platform: Platform, app: str) -> list[dict[str, Any]]:
    """Return the entries of an app's file list."""
    answer = platform.dialect["last-modified"]
    write = _TIMES.get("seconds" if answer == "created" else answer)
    rows: dict[str, dict[str, Any]] = {}
    for file in platform.zone.listed(app):
        if platform.dialect["hidden"] == "unlisted" and is_hidden(file.path):
            continue
        modified = {"lastModified": write(file.modified)} if write else {}
        ending = {"directories": "/", "bare-directories": ""}.get(platform.dialect["listed-paths"])
        if ending is not None:
            for folder in list(PurePosixPath(file.path).parents)[-2::-1]:
                rows.setdefault(f"{folder}{ending}", {"path": f"{folder}{ending}", "length": 0, **modified})
        path = f"/{file.path}" if platform.dialect["listed-paths"] == "slash" else file.path
        rows[path] = {"path": path, "length": file.length, **modified}
    return list(rows.values())
