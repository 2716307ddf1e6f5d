import pytest

CONTAINER = {
    "name": "web",
    "image": "nginx:alpine",
    "port": 8000,
    "env": {"A": "b"},
    "cpu": 512,
    "memory": 1024,
}


async def test_an_app_has_all_fields_of_the_reference(client, server):
    """GET shows all of the reference's fields, with times in UTC and whole seconds."""
    assert (await client.get("/v1/apps/api")).json() == {
        "name": "api",
        "image": "nginx:1",
        "port": 80,
        "status": "running",
        "url": f"{server.url}/_apps/api",
        "instances": 1,
        "cpu": 256,
        "memory": 512,
        "created_at": "2026-03-07T17:00:00Z",
        "updated_at": "2026-03-07T17:00:00Z",
    }


@pytest.mark.parametrize(
    ("field", "value"), [("name", "Web"), ("env", {"A": 1}), ("registry_auth", {"password": ["secret"]})]
)
async def test_invalid_values_are_a_400(client, platform, field, value):
    """The error names the field without repeating a secret, and creates nothing."""
    answer = await client.post("/v1/apps", json=CONTAINER | {field: value})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"invalid request: {field}")
    assert "secret" not in answer.text
    assert [app.name for app in platform.apps.list()] == ["api", "site"]


async def test_registry_credentials_are_never_shown(client, platform):
    """The platform stores only whether an app has credentials."""
    auth = {"username": "me", "password": "glpat-secret", "server_address": "registry.gitlab.com"}
    answers = [
        await client.post("/v1/apps", json=CONTAINER | {"registry_auth": auth}),
        await client.post("/v1/apps/web/deploy", json={"registry_auth": auth}),
        await client.get("/v1/apps/web"),
        await client.get("/_sandbox/state"),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    assert not any("glpat-secret" in answer.text for answer in answers)
    assert platform.apps.get("web").private
    await client.post("/v1/apps/web/deploy")
    assert not platform.apps.get("web").private


async def test_deleting_an_app_deletes_everything_in_it(client, platform):
    """The response is a 204 without a body. Files, lock, deployments, domains and URL are gone."""
    platform.put_file("site", "index.html", b"hello")
    platform.take_lock("site", "s")
    platform.finalize("site", "s", files_uploaded=1, files_deleted=0, total_bytes=5)
    platform.take_lock("site", "t")
    platform.domains.add("site", "www.example.com")
    assert (await client.get("/_apps/site/")).status_code == 200
    answer = await client.delete("/v1/apps/site")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get("/_apps/site/")).status_code == 404
    platform.apps.create_static("site")
    assert platform.files("site") == {}
    assert platform.lock("site") is None
    assert platform.deployments("site") == []
    assert platform.domains.list("site") == []
    assert (await client.get("/_apps/site/")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("POST", "site/deploy", "not a container app"),
        ("PUT", "api/files/a.txt", "not a static app"),
        ("GET", "api/files", "not a static app"),
    ],
)
async def test_an_endpoint_for_another_type_of_app_is_a_400(client, method, path, error):
    answer = await client.request(method, f"/v1/apps/{path}")
    assert (answer.status_code, answer.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    ("domain", "error"),
    [("example.com", "apex domains are not supported"), ("www.example.com\n", "invalid domain")],
)
async def test_an_invalid_domain_is_rejected(client, platform, domain, error):
    answer = await client.post("/v1/apps/site/domains", json={"domain": domain})
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert platform.domains.list("site") == []
