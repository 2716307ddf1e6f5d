"""One call of every endpoint, with the reference's example."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from zerokie_action.http.request import Bytes
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import App, Counts, Domain, Finalized, RemoteFile

Call = Callable[[Client], Awaitable[Any]]

SESSION = "550e8400-e29b-41d4-a716-446655440000"
LOGIN = {"username": "deploy-token", "password": "glpat-xxxx", "server_address": "registry.gitlab.com"}
MACHINE: dict[str, Any] = {"port": 80, "cpu": 256, "memory": 512, "env": {"NODE_ENV": "pr\u00f6duction"}}
CONTAINER: dict[str, Any] = MACHINE | {"image": "nginx:alpine", "registry_auth": LOGIN}
APP: dict[str, Any] = {
    "name": "my-app",
    "image": "nginx:alpine",
    "port": 80,
    "status": "running",
    "url": "https://my-app.platform-dev.zerokie.com",
}
LOCK = {"deploy_session_id": SESSION}
LOCKED = {"locked": True} | LOCK
SUMMARY = {"files_uploaded": 42, "files_deleted": 3, "total_bytes": 1048576}
FINALIZED = {
    "deploy_id": "d-20260307-170000",
    "timestamp": "2026-03-07T17:00:00Z",
    "cache_purged": True,
    "summary": SUMMARY,
}
CNAME = "my-site.platform-dev.zerokie.com"
DOMAIN = {"domain": "www.example.com", "cname_target": CNAME, "tls_status": "pending"}
FILES: list[dict[str, Any]] = [
    {"path": "index.html", "length": 1024, "lastModified": "2026-03-07T17:00:00Z"},
    {"path": "assets/style.css", "length": 2048, "lastModified": "2026-03-07T17:00:00Z"},
]


class Endpoint(NamedTuple):
    """One call of one endpoint, with the reference's example.

    Attributes:
        line: the expected method and path.
        body: the expected JSON, or None without a body.
        answer: the reference's status and JSON.
        value: the call's expected result.
    """

    call: Call
    line: str
    body: Any
    answer: tuple[int, Any]
    value: Any


ENDPOINTS = {
    "create app": Endpoint(
        lambda client: client.create_app("my-app", "container", **CONTAINER),
        "POST /v1/apps",
        {"name": "my-app", "type": "container"} | CONTAINER,
        (201, APP),
        App(**APP),
    ),
    "list apps": Endpoint(
        lambda client: client.list_apps(), "GET /v1/apps", None, (200, [APP]), [App(**APP)]
    ),
    "find app": Endpoint(
        lambda client: client.find_app("my-app"),
        "GET /v1/apps/my-app",
        None,
        (200, APP | {"instances": 1, "cpu": 256, "memory": 512, "updated_at": "2026-01-15T10:30:00Z"}),
        App(**APP, cpu=256, memory=512),
    ),
    "delete app": Endpoint(
        lambda client: client.delete_app("my-app"), "DELETE /v1/apps/my-app", None, (204, None), value=None
    ),
    "deploy": Endpoint(
        lambda client: client.deploy("my-app", "my-registry.com/my-app:v2", LOGIN),
        "POST /v1/apps/my-app/deploy",
        {"image": "my-registry.com/my-app:v2", "registry_auth": LOGIN},
        (200, {"name": "my-app", "image": "my-registry.com/my-app:v2", "status": "deploying"}),
        App(name="my-app", image="my-registry.com/my-app:v2", status="deploying"),
    ),
    "restart": Endpoint(
        lambda client: client.deploy("my-app", None),
        "POST /v1/apps/my-app/deploy",
        {},
        (200, {"name": "my-app", "image": "nginx:alpine", "status": "deploying"}),
        App(name="my-app", image="nginx:alpine", status="deploying"),
    ),
    "list files": Endpoint(
        lambda client: client.list_files("my-site"),
        "GET /v1/apps/my-site/files",
        None,
        (200, FILES),
        {file["path"]: RemoteFile(file["length"], file["lastModified"]) for file in FILES},
    ),
    "put file": Endpoint(
        lambda client: client.put_file("my-site", "a b/\u00e9.txt", Bytes(b"[1]"), "text/plain"),
        "PUT /v1/apps/my-site/files/a%20b/%C3%A9.txt",
        [1],
        (200, None),
        None,
    ),
    "delete file": Endpoint(
        lambda client: client.delete_file("my-site", "a b/\u00e9.txt"),
        "DELETE /v1/apps/my-site/files/a%20b/%C3%A9.txt",
        None,
        (204, None),
        True,  # noqa: FBT003
    ),
    "lock": Endpoint(
        lambda client: client.acquire_lock("my-site", SESSION),
        "POST /v1/apps/my-site/deploy/lock",
        LOCK,
        (200, LOCKED),
        None,
    ),
    "heartbeat": Endpoint(
        lambda client: client.heartbeat("my-site", SESSION),
        "PUT /v1/apps/my-site/deploy/lock",
        LOCK,
        (200, LOCKED),
        None,
    ),
    "finalize": Endpoint(
        lambda client: client.finalize("my-site", SESSION, Counts(**SUMMARY)),
        "POST /v1/apps/my-site/deploy/finalize",
        LOCK | SUMMARY,
        (200, FINALIZED),
        Finalized(deploy_id="d-20260307-170000", cache_purged=True),
    ),
    "add domain": Endpoint(
        lambda client: client.add_domain("my-site", "www.example.com"),
        "POST /v1/apps/my-site/domains",
        {"domain": "www.example.com"},
        (201, DOMAIN),
        Domain(**DOMAIN),
    ),
    "remove domain": Endpoint(
        lambda client: client.remove_domain("my-site", "www.example.com"),
        "DELETE /v1/apps/my-site/domains/www.example.com",
        None,
        (204, None),
        value=True,
    ),
}

EVERY_ENDPOINT = pytest.mark.parametrize("name", ENDPOINTS)
WITH_RECORDS = [name for name, endpoint in ENDPOINTS.items() if endpoint.answer[1] and name != "heartbeat"]


def encoded(content: Any) -> bytes:
    """Return a JSON body; empty for None."""
    return b"" if content is None else json.dumps(content).encode()
