"""The page at `/`, its switches and its protection, without a browser."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import httpx
import pytest

Press = Callable[..., Awaitable[httpx.Response]]

BROWSER = {"accept": "text/html,*/*", "authorization": ""}
OUTAGE = {"trouble": "outage", "outage_seconds": "30"}


@pytest.fixture
def press(client: httpx.AsyncClient) -> Press:
    """Send the page's form like a browser."""

    async def press(**fields: str) -> httpx.Response:
        return await client.post(
            "/_sandbox/trouble",
            content=urlencode({"key": "sandbox-key", **fields}),
            headers=BROWSER
            | {"origin": str(client.base_url), "content-type": "application/x-www-form-urlencoded"},
        )

    return press


async def page(client: httpx.AsyncClient) -> str:
    answer = await client.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


async def test_names_on_the_page_are_escaped(client, platform):
    """The page escapes names of apps, files, images and sessions, and paths."""
    evil = "<script>alert('\"&')</script>"
    platform.apps.create_static(f"app{evil}")
    platform.put_file("site", f"file{evil}", b"")
    platform.apps.create_container("web", f"image{evil}")
    platform.take_lock("site", f"session{evil}")
    await client.get(f"/v1/apps/path{evil}?query{evil}")
    text = await page(client)
    assert text.count("alert") >= 8
    assert text.count("<script") == 1
    assert "alert('" not in text


async def test_the_page_shows_the_last_deploys_of_existing_apps(client, platform, clock):
    """It lists deploys of files and images in their order, without those of deleted apps."""
    platform.apps.deploy("api", image="nginx:2", private=False)
    clock.now += 1
    platform.take_lock("site", "mine")
    deploy = platform.finalize("site", "mine", files_uploaded=1, files_deleted=0, total_bytes=5)
    clock.now += 1
    platform.apps.deploy("api", image=None, private=False)

    def rows(text: str) -> list[str]:
        return re.findall(r'<tr id="deploy-(.+?)">', text)

    assert rows(await page(client))[:3] == ["api-3", deploy.deploy_id, "api-2"]
    assert (await page(client)).count("<td><code>nginx:2</code></td>") == 2
    platform.delete_app("api")
    assert rows(await page(client)) == [deploy.deploy_id]


async def test_the_page_hides_the_clients_own_files(client, platform):
    """The page neither lists nor counts them."""
    platform.put_file("site", "index.html", b"1234")
    platform.put_file("site", "_zerokie/1-a.json", b"x" * 1000)
    text = await page(client)
    assert "_zerokie" not in text
    assert "<summary>1, 4\N{NO-BREAK SPACE}bytes</summary>" in text


async def test_the_page_loads_nothing_from_another_host(client):
    """The page refers only to existing files of its own host, as its policy requires."""
    answer = await client.get("/", headers=BROWSER)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert re.search(r"<style|\sstyle=|\son\w+=|<script(?! src)", answer.text) is None
    needed = set(re.findall(r'(?:src|href)="(/_sandbox/[^"]+)"', answer.text))
    assert len(needed) >= 2
    for asset in needed:
        found = await client.get(asset)
        assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff")


# --- switches


async def test_all_trouble_can_be_cleared(client, press, platform):
    """The other fields of the form don't matter. A deploy's own lock isn't trouble."""
    for trouble in (
        OUTAGE,
        {"trouble": "latency"},
        {"trouble": "errors"},
        {"trouble": "lock", "app": "site"},
        {"trouble": "pull"},
    ):
        assert (await press(**trouble)).status_code == 303
    platform.apps.create_static("other")
    platform.take_lock("other", "mine")
    assert "<li>Images can&#39;t be pulled</li>" in await page(client)
    assert (await press(clear="all", outage_seconds="")).status_code == 303
    assert "None now." in await page(client)
    assert (platform.latency, platform.lock("site"), platform.lock("other")) == (0, None, "mine")
    assert (await client.get("/v1/apps")).status_code == 200
    assert platform.dialect["pull"] == "works"


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({**OUTAGE, "key": "wrong"}, 403, "Wrong API key."),
        ({"clear": "all", "key": ""}, 403, "Wrong API key."),
        ({"trouble": "outage", "outage_seconds": "0"}, 400, "Outage seconds: Input should be greater than"),
        ({"trouble": "lock", "app": "nope"}, 404, "app not found"),
    ],
)
async def test_a_switch_rejects_invalid_values(press, platform, fields, status, message):
    """The page shows the reason, and nothing changes."""
    platform.latency = 0.001
    answer = await press(**fields)
    assert answer.status_code == status
    assert re.search(f'<p id="problem" role="alert">{message}', answer.text)
    assert (platform.faults.list(), platform.lock("site"), platform.latency) == ([], None, 0.001)


# --- who may


FOREIGN = ["http://site.localhost:{port}", "http://localhost:{port}", "null", ""]


@pytest.mark.parametrize("origin", [*FOREIGN, None])
async def test_only_the_sandboxs_own_page_can_use_a_switch(client, server, platform, origin):
    """Other sites, the apps' own pages and programs can't. Programs use `/_sandbox/faults` instead."""
    headers = BROWSER | {"content-type": "application/x-www-form-urlencoded"}
    if origin is not None:
        headers["origin"] = origin.format(port=server.url.rpartition(":")[2])
    answer = await client.post(
        "/_sandbox/trouble", content=urlencode({"key": "sandbox-key", **OUTAGE}), headers=headers
    )
    assert (answer.status_code, answer.json().keys()) == (403, {"error"})
    assert platform.faults.list() == []


@pytest.mark.parametrize("call", ["POST /_sandbox/faults", "DELETE /_sandbox/faults", "GET /_sandbox/state"])
async def test_pages_cannot_use_the_endpoints_for_programs(client, server, platform, call):
    """These endpoints need no key, so a page in a browser must not reach them."""
    method, path = call.split()
    for origin in (*FOREIGN, server.url):
        headers = {"origin": origin.format(port=server.url.rpartition(":")[2])}
        answer = await client.request(method, path, json={"kind": "reset"}, headers=headers)
        assert (answer.status_code, answer.json().keys()) == (403, {"error"})
    assert platform.faults.list() == []


@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/_apps/site/"])
async def test_a_request_with_another_host_name_is_refused(client, server, path):
    """A name that points to 127.0.0.1 (DNS rebinding) doesn't reach the sandbox."""
    for host in ("127.0.0.1.evil.test:{port}", "10.0.0.1", ""):
        headers = BROWSER | {"host": host.format(port=server.url.rpartition(":")[2])}
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.json().keys()) == (421, {"error"})


async def test_the_api_accepts_any_host_name(client):
    """A gateway or a container may use another name. Other sites' pages don't have the key."""
    assert (await client.get("/v1/apps", headers={"host": "gateway.test"})).status_code == 200
