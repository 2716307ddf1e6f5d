"""The answers to what the reference leaves open, as a client sees them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.sandbox.conftest import NOW
from tests.support.timewarp import TimeWarpLoop
from zerokie_action.sandbox.__main__ import main
from zerokie_action.sandbox.dialects import PLATFORMS, QUESTIONS, Dialect, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.sandbox.conftest import Clock
    from zerokie_action.sandbox.platform import Platform

    Look = Callable[[httpx.AsyncClient, Clock], Awaitable[Any]]

API, SITE = "/v1/apps/api", "/v1/apps/site"
MINE, YOURS = {"deploy_session_id": "mine"}, {"deploy_session_id": "yours"}
COUNTS = {"files_uploaded": 1, "files_deleted": 0, "total_bytes": 1}
DOMAIN = {"domain": "www.example.com"}
FULL = "docker.io/library/nginx"
DIGEST = "sha256:442e6b78c878f0c2e04854fe7c5638758b01d4111f47789ed5acee16f1654968"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Virtual time: some answers take more than a minute."""
    return "asyncio", {"loop_factory": TimeWarpLoop}


LOOKS: dict[str, tuple[Look, dict[str, Any]]] = {}


def shows(expected: dict[str, Any]) -> Callable[[Look], Look]:
    """What a look at a platform shows, by the answer that it gives to the question of the same name."""

    def register(look: Look) -> Look:
        LOOKS[look.__name__.replace("_", "-")] = look, expected
        return look

    return register


def body(answer: httpx.Response) -> Any:
    """The JSON of an answer, or its status where it has no body."""
    return answer.json() if answer.content else answer.status_code


@shows(
    {
        "deploy": ["T17:02:00Z", "T17:03:00Z"],
        "image": ["T17:00:00Z", "T17:03:00Z"],
        "never": ["T17:00:00Z", "T17:00:00Z"],
        "absent": ["", ""],
    }
)
async def updated_at(client: httpx.AsyncClient, clock: Clock) -> Any:
    """After a deploy of the same image, and of another one."""
    seen = []
    for wanted in ("nginx:1", "nginx:2"):
        clock.now += 60
        await client.post(f"{API}/deploy", json={"image": wanted})
        seen.append((await client.get(API)).json().get("updated_at", "")[-10:])
    return seen


@shows(
    {
        "given": ["nginx:2", "nginx:2"],
        "full": [f"{FULL}:2", f"{FULL}:2"],
        "full-in-get": ["nginx:2", f"{FULL}:2"],
        "mirror": ["nginx:2", "mirror.local/hub/library/nginx:2"],
        "tag-and-digest": ["nginx:2", f"{FULL}:2@{DIGEST}"],
        "digest": ["nginx:2", f"{FULL}@{DIGEST}"],
        "bare-digest": ["nginx:2", DIGEST],
        "not-in-post": ["absent", "nginx:2"],
        "not-in-get": ["nginx:2", "absent"],
        "before-in-post": ["nginx:1", "nginx:2"],
    }
)
async def image(client: httpx.AsyncClient, _: Clock) -> Any:
    """In the answers to POST and to GET."""
    answers = [await client.post(f"{API}/deploy", json={"image": "nginx:2"}), await client.get(API)]
    return [answer.json().get("image", "absent") for answer in answers]


@shows(
    {
        "seconds": ["deploying broken", "failed broken", "failed broken", "failed broken"],
        "none": ["running broken", "failed broken", "failed broken", "failed broken"],
        "late": ["running 1", "running 1", "deploying broken", "failed broken"],
        "image-first": ["running broken", "deploying broken", "failed broken", "failed broken"],
        "replica": ["running 1", "failed broken", "deploying broken", "failed broken"],
    }
)
async def deploying(client: httpx.AsyncClient, clock: Clock) -> Any:
    """Status and image, 0, 3, 12 and 13 s after a deploy that takes one."""
    await client.post(f"{API}/deploy", json={"image": "nginx:broken"})
    seen = []
    for seconds in (0, 3, 9, 1):
        clock.now += seconds
        app = (await client.get(API)).json()
        seen.append(f"{app['status']} {app['image'].removeprefix('nginx:')}")
    return seen


@shows(
    {
        "wanted": ["deploying broken", "failed broken", "deploying 2", "running 2"],
        "runs": ["deploying 1", "failed 1", "deploying 1", "running 2"],
        "runs-degraded": ["deploying 1", "degraded 1", "deploying 1", "running 2"],
        "runs-progressing": ["deploying 1", "progressing 1", "deploying 1", "running 2"],
    }
)
async def get_image(client: httpx.AsyncClient, clock: Clock) -> Any:
    """During and after a broken deploy, and during and after one that works."""
    seen = []
    for wanted in ("nginx:broken", "nginx:2"):
        await client.post(f"{API}/deploy", json={"image": wanted})
        seen.append(await status_and_tag(client))
        clock.now += 1
        seen.append(await status_and_tag(client))
        image = "nginx:2" if wanted == "nginx:2" else "nginx:1"
        is_served = (await client.get("/_apps/api/")).status_code == 200
        assert is_served is (seen[-1].endswith(image[-1]))
    return seen


async def status_and_tag(client: httpx.AsyncClient) -> str:
    app = (await client.get(API)).json()
    return f"{app['status']} {app['image'].rpartition(':')[2]}"


@shows(
    {
        "stays": ["failed broken", "failed broken", "failed broken", "failed broken", "failed broken"],
        "8s": ["failed broken", "failed broken", "running 1", "running 1", "running 1"],
        "30s": ["failed broken", "failed broken", "failed broken", "running 1", "running 1"],
        "90s": ["failed broken", "failed broken", "failed broken", "failed broken", "running 1"],
        "crash-loop": [
            "running broken",
            "crashed broken",
            "crashed broken",
            "crashed broken",
            "crashed broken",
        ],
    }
)
async def broken_deploy(client: httpx.AsyncClient, clock: Clock) -> Any:
    """0, 4, 8, 30 and 90 s after a deploy that takes one has failed."""
    await client.post(f"{API}/deploy", json={"image": "nginx:broken"})
    clock.now += 1
    seen = []
    for seconds in (0, 4, 4, 22, 60):
        clock.now += seconds
        seen.append(await status_and_tag(client))
    return seen


@shows(
    {
        "integers": '"port":80,"instances":1,"cpu":256,"memory":512',
        "strings": '"port":"80","instances":"1","cpu":"256","memory":"512"',
        "floats": '"port":80.0,"instances":1.0,"cpu":256.0,"memory":512.0',
    }
)
async def numbers(client: httpx.AsyncClient, _: Clock) -> Any:
    text = (await client.get(API)).text
    names = ("port", "instances", "cpu", "memory")
    return ",".join(found[0] for name in names if (found := re.search(rf'"{name}":[^,}}]*', text)))


@shows({"nothing": ["deploying", "running", "running"], "stopped": ["stopped", "deploying", "running"]})
async def before_deploying(client: httpx.AsyncClient, clock: Clock) -> Any:
    """0, 2 and 3 s after a deploy that takes one."""
    await client.post(f"{API}/deploy")
    seen = []
    for seconds in (0, 2, 1):
        clock.now += seconds
        seen.append((await client.get(API)).json()["status"])
    return seen


@shows(
    {
        "sent": [200, "nginx:2", 200, "nginx:3"],
        "lost": [502, "nginx:2", 502, "nginx:3"],
        "empty": [202, "nginx:2", 202, "nginx:3"],
        "lost-before": [502, "nginx:1", 200, "nginx:3"],
    }
)
async def deploy_answer(client: httpx.AsyncClient, _: Clock) -> Any:
    """The status of the answer, and the image that the app has then, twice."""
    seen = []
    for wanted in ("nginx:2", "nginx:3"):
        answer = await client.post(f"{API}/deploy", json={"image": wanted})
        assert bool(answer.content) == (answer.status_code != 202)
        seen += [answer.status_code, (await client.get(API)).json()["image"]]
    return seen


@shows(
    {
        "seconds": ["2026-03-07T17:00:00Z", "2026-03-07T17:01:00Z"],
        "fractions": ["2026-03-07T17:00:00.000000Z", "2026-03-07T17:01:00.250000Z"],
        "offset": ["2026-03-07T07:30:00-09:30", "2026-03-07T07:31:00-09:30"],
        "numbers": [1772902800, 1772902860],
    }
)
async def times(client: httpx.AsyncClient, clock: Clock) -> Any:
    """Those of an app and of a deployment."""
    app = (await client.get(API)).json()
    assert app["created_at"] == app["updated_at"]
    clock.now += 0.25
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    deployment = await client.post(f"{SITE}/deploy/finalize", json=MINE | COUNTS)
    return [app["created_at"], deployment.json()["timestamp"]]


@shows({"sent": True, "absent": False})
async def date(client: httpx.AsyncClient, _: Clock) -> Any:
    return "date" in (await client.get(API)).headers


@shows(
    {
        "any": {200: 50},
        "4": {200: 4, 503: 46},
        "8": {200: 8, 503: 42},
        "16": {200: 16, 503: 34},
        "32": {200: 32, 503: 18},
    }
)
async def at_once(client: httpx.AsyncClient, _: Clock) -> Any:
    """Fifty requests at once."""
    return await fifty(client)


async def fifty(client: httpx.AsyncClient) -> dict[int, int]:
    """How often fifty requests get each status."""
    answers = await asyncio.gather(*(client.get(SITE) for _ in range(50)))
    return dict(Counter(answer.status_code for answer in answers))


@shows({"503": {200: 4, 503: 46}, "500": {200: 4, 500: 46}, "502": {200: 4, 502: 46}, "wait": {200: 50}})
async def above(client: httpx.AsyncClient, _: Clock) -> Any:
    """Fifty requests at once, of which four are served."""
    await client.patch("/_sandbox/dialect", json={"at-once": "4"})
    return await fifty(client)


@shows(
    {
        "any": [40, 0, 40, ""],
        "10": [10, 30, 10, ""],
        "30": [30, 10, 30, ""],
        "10-retry-after": [10, 30, 10, "1"],
        "30-retry-after": [30, 10, 30, "1"],
    }
)
async def rate(client: httpx.AsyncClient, clock: Clock) -> Any:
    """Of forty requests: served, refused, served a second later; and how long to wait."""
    first = [await client.get(SITE) for _ in range(40)]
    clock.now += 1
    second = [await client.get(SITE) for _ in range(40)]
    refused = [answer for answer in first if answer.status_code == 429]
    hint = (refused or first)[0].headers.get("retry-after", "")
    return [40 - len(refused), len(refused), sum(answer.is_success for answer in second), hint]


@shows(
    {
        "ready": [{200}, {200}],
        "404": [{404}, {200}],
        "502": [{502}, {200}],
        "get-404": [{200, 404}, {200}],
        "lock-404": [{200, 404, 409}, {200}],
        "files-404": [{200, 404}, {200}],
    }
)
async def new_app(client: httpx.AsyncClient, clock: Clock) -> Any:
    """What all requests are answered that name an app, right after its creation and 8 s after it."""
    for app in ({"name": "web", "image": "nginx"}, {"name": "new", "type": "static"}):
        assert (await client.post("/v1/apps", json=app)).status_code == 201
    seen = []
    for seconds in (7.9, 0.1):
        clock.now += seconds
        answers = [
            await client.get("/v1/apps/web"),
            await client.post("/v1/apps/web/deploy"),
            await client.get("/v1/apps/new/files"),
            await client.put("/v1/apps/new/files/a", content=b"x"),
            await client.post("/v1/apps/new/deploy/lock", json=MINE),
            await client.put("/v1/apps/new/deploy/lock", json=MINE),
            await client.post("/v1/apps/new/deploy/finalize", json=MINE | COUNTS),
        ]
        seen.append({200 if answer.is_success else answer.status_code for answer in answers})
        refused = {answer.request.url.path for answer in answers if answer.status_code == 404}
        assert len(refused) in {0, 1, 6}
    return seen


@shows({"none": 201, "402": 402, "403": 403})
async def app_limit(client: httpx.AsyncClient, _: Clock) -> Any:
    answer = await client.post("/v1/apps", json={"name": "new", "type": "static"})
    assert answer.is_success or answer.json() == {"error": "app limit reached"}
    return answer.status_code


@shows(
    {
        "at-once": [404, 404, 404, 201, "static"],
        "deleting": ["deleting", 404, 404, 409, 404],
        "Terminating": ["Terminating", 409, 404, 409, 404],
    }
)
async def app_deletion(client: httpx.AsyncClient, clock: Clock) -> Any:
    """GET, DELETE once more, the lock and create after DELETE; GET 15 s later."""
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    assert (await client.delete(SITE)).status_code == 204
    shown = await client.get(SITE)
    seen = [shown.json().get("status", 404)]
    seen.append((await client.delete(SITE)).status_code)
    seen.append((await client.put(f"{SITE}/deploy/lock", json=MINE)).status_code)
    seen.append((await client.post("/v1/apps", json={"name": "site", "type": "static"})).status_code)
    clock.now += 15
    last = await client.get(SITE)
    assert (
        last.is_success or (await client.post("/v1/apps", json={"name": "site", "type": "static"})).is_success
    )
    return [*seen, "static" if last.is_success else 404]


@shows({"empty": [], "page": ["index.html"]})
async def new_site(client: httpx.AsyncClient, _: Clock) -> Any:
    await client.post("/v1/apps", json={"name": "new", "type": "static"})
    return [file["path"] for file in (await client.get("/v1/apps/new/files")).json()]


@shows(
    {
        "https": ["http://HERE/_apps/api", 200, 200],
        "bare": ["HERE/_apps/api", 200, 200],
        "absent": ["", 200, 200],
        "not-in-post": ["http://HERE/_apps/api", 200, 200],
        "late": ["http://HERE/_apps/api", 404, 200],
        "redirect": ["http://HERE/_apps/api", 302, 302],
        "login": ["http://HERE/_apps/api", 401, 401],
    }
)
async def url(client: httpx.AsyncClient, clock: Clock) -> Any:
    """The URL, and what is there 59 and 60 s after the app's creation."""
    seen = [(await client.get(API)).json().get("url", "").replace(client.base_url.netloc.decode(), "HERE")]
    for seconds in (-1, 1):
        clock.now += seconds
        seen.append((await client.get("/_apps/api/")).status_code)
    created = (await client.post("/v1/apps", json={"name": "new", "type": "static"})).json()
    dialect = (await client.get("/_sandbox/dialect")).json()["url"]
    assert ("url" in created) is (dialect not in {"absent", "not-in-post"})
    return seen


@shows(
    {
        "stored": [200, [".x/a", "a.b"], 200],
        "refused": [400, ["a.b"], 404],
        "unlisted": [200, ["a.b"], 200],
        "unserved": [200, [".x/a", "a.b"], 404],
    }
)
async def hidden(client: httpx.AsyncClient, _: Clock) -> Any:
    """The answer to PUT, the listing, and the answer of the site."""
    await client.put(f"{SITE}/files/a.b", content=b"x")
    put = await client.put(f"{SITE}/files/.x/a", content=b"x")
    listed = [file["path"] for file in (await client.get(f"{SITE}/files")).json()]
    return [put.status_code, listed, (await client.get("/_apps/site/.x/a")).status_code]


@shows({"none": [200, 200], "page": [403, 200]})
async def firewall(client: httpx.AsyncClient, _: Clock) -> Any:
    answers = [await client.put(f"{SITE}/files/{name}", content=b"x") for name in ("a/b.php", "b.html")]
    assert answers[0].is_success or answers[0].text.startswith("<!doctype html>")
    return [answer.status_code for answer in answers]


@shows({"none": [200, 200], "1MB": [200, 413]})
async def file_limit(client: httpx.AsyncClient, _: Clock) -> Any:
    contents = b"x" * 1_000_000, b"x" * 1_000_001
    answers = [await client.put(f"{SITE}/files/a", content=content) for content in contents]
    assert answers[1].is_success or answers[1].json() == {"error": "the file is larger than 1 MB"}
    return [answer.status_code for answer in answers]


@shows(
    {
        "seconds": "2026-03-07T17:01:00Z",
        "fractions": "2026-03-07T17:01:00.250000Z",
        "offset": "2026-03-07T07:31:00-09:30",
        "rfc1123": "Sat, 07 Mar 2026 17:01:00 GMT",
        "number": 1772902860,
        "absent": "absent",
        "null": None,
    }
)
async def last_modified(client: httpx.AsyncClient, clock: Clock) -> Any:
    clock.now += 0.25
    await client.put(f"{SITE}/files/a", content=b"x")
    (file,) = (await client.get(f"{SITE}/files")).json()
    return file.get("lastModified", "absent")


@shows({"new-time": [30, 60], "old-time": [0, 60]})
async def same_content(client: httpx.AsyncClient, clock: Clock) -> Any:
    """Seconds by which the time of a file is later after PUT of the same content, and of another."""
    seen = []
    for content in (b"x", b"x", b"y"):
        await client.put(f"{SITE}/files/a", content=content)
        (file,) = (await client.get(f"{SITE}/files")).json()
        seen.append(datetime.fromisoformat(file["lastModified"]).timestamp() - NOW - 60)
        clock.now += 30
    return seen[1:]


@shows(
    {
        "plain": [("a/b/c", 1), ("a/d", 1), ("e", 1)],
        "slash": [("/a/b/c", 1), ("/a/d", 1), ("/e", 1)],
        "directories": [("a/", 0), ("a/b/", 0), ("a/b/c", 1), ("a/d", 1), ("e", 1)],
        "bare-directories": [("a", 0), ("a/b", 0), ("a/b/c", 1), ("a/d", 1), ("e", 1)],
    }
)
async def listed_paths(client: httpx.AsyncClient, _: Clock) -> Any:
    for path in ("a/b/c", "a/d", "e"):
        await client.put(f"{SITE}/files/{path}", content=b"x")
    listed = [(file["path"], file["length"]) for file in (await client.get(f"{SITE}/files")).json()]
    has_directories = ("e", 1) != listed[2] != ("/e", 1)
    assert (await client.delete(f"{SITE}/files/a")).status_code == (204 if has_directories else 404)
    assert len((await client.get(f"{SITE}/files")).json()) == (1 if has_directories else 3)
    return listed


@shows(
    {
        "now": ["abc", "abc", "abc", "ac", "ac"],
        "5s": ["", "abc", "abc", "abc", "ac"],
        "12s": ["", "", "abc", "abc", "abc"],
        "20s": ["", "", "", "abc", "abc"],
        "entries": ["b", "abc", "abc", "ac", "ac"],
        "cached": ["", "", "abc", "abc", "ac"],
    }
)
async def listing(client: httpx.AsyncClient, clock: Clock) -> Any:
    """0, 5, 12 and 20 s after three uploads; a DELETE came at 20 s, and 5 s later another look."""
    await client.get(f"{SITE}/files")
    for path in "abc":
        await client.put(f"{SITE}/files/{path}", content=b"x")
    seen: list[str] = []
    for seconds in (0, 5, 7, 8, 5):
        clock.now += seconds
        if len(seen) == 3:
            await client.delete(f"{SITE}/files/b")
        seen.append("".join(file["path"] for file in (await client.get(f"{SITE}/files")).json()))
    return seen


@shows({"list": [], "null": None, "204": 204, "404": {"error": "no files found"}})
async def empty_zone(client: httpx.AsyncClient, _: Clock) -> Any:
    return body(await client.get(f"{SITE}/files"))


@shows(
    {
        "error": '{"error":"app name already exists"}',
        "object": '{"message":"app name already exists"}',
        "text": "app name already exists",
        "empty": "",
    }
)
async def conflict(client: httpx.AsyncClient, _: Clock) -> Any:
    answer = await client.post("/v1/apps", json={"name": "api", "type": "static"})
    assert answer.status_code == 409
    return answer.text


@shows({"mixed": [404, 409, 409, 409], "404": [404] * 4, "409": [409] * 4})
async def lock_lost(client: httpx.AsyncClient, _: Clock) -> Any:
    """A heartbeat and finalize while the lock is free, and while somebody else has it."""
    seen = []
    for _turn in range(2):
        seen.append((await client.put(f"{SITE}/deploy/lock", json=MINE)).status_code)
        seen.append((await client.post(f"{SITE}/deploy/finalize", json=MINE | COUNTS)).status_code)
        await client.post(f"{SITE}/deploy/lock", json=YOURS)
    return seen


@shows({"object": {"locked": True} | MINE, "empty": 200, "204": 204})
async def heartbeat(client: httpx.AsyncClient, _: Clock) -> Any:
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    return body(await client.put(f"{SITE}/deploy/lock", json=MINE))


@shows(
    {
        "ok": [200, ["cache_purged", "deploy_id", "summary", "timestamp"], 409, 200],
        "201": [201, ["cache_purged", "deploy_id", "summary", "timestamp"], 409, 200],
        "no-deploy-id": [200, ["cache_purged", "summary", "timestamp"], 409, 200],
        "502": [502, ["error"], 409, 404],
        "no-effect": [200, [], 200, 404],
        "no-effect-once": [200, [], 200, 200],
    }
)
async def finalize(client: httpx.AsyncClient, _: Clock) -> Any:
    """The answer, that to the same request once more, and a file of which the CDN knew that it is missing."""
    await client.get("/_apps/site/a")
    await client.put(f"{SITE}/files/a", content=b"x")
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    first, second = [await client.post(f"{SITE}/deploy/finalize", json=MINE | COUNTS) for _ in range(2)]
    seen = (await client.get("/_apps/site/a")).status_code
    return [first.status_code, sorted(first.json()), second.status_code, seen]


@shows(
    {
        "0s": [200, 0, "free", "free"],
        "4s": [200, 4, "free", "free"],
        "30s": [200, 30, "free", "free"],
        "70s": [200, 70, "free", "free"],
        "4s-connected": [200, 4, "free", "mine"],
        "30s-connected": [200, 30, "free", "mine"],
        "70s-connected": [200, 70, "free", "mine"],
        "504": [504, 10, "mine", "free"],
    }
)
async def finalize_time(client: httpx.AsyncClient, _: Clock) -> Any:
    """The answer, when it came, and the lock then; the lock long after the client of another one hung up."""

    async def lock() -> str:
        return (await client.get("/_sandbox/state")).json()["apps"]["site"]["lock"] or "free"

    began = asyncio.get_running_loop().time()
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    answer = await client.post(f"{SITE}/deploy/finalize", json=MINE | COUNTS, timeout=None)
    seen = [answer.status_code, round(asyncio.get_running_loop().time() - began), await lock()]
    await asyncio.sleep(60)
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    with suppress(httpx.ReadTimeout):
        await client.post(f"{SITE}/deploy/finalize", json=MINE | COUNTS, timeout=2)
    await asyncio.sleep(100)
    return [*seen, await lock()]


@shows({"204": 204, "200": 200, "202": 202, "body": {"deleted": True}})
async def delete(client: httpx.AsyncClient, _: Clock) -> Any:
    """A file, a domain and an app, alike."""
    await client.put(f"{SITE}/files/a", content=b"x")
    await client.post(f"{SITE}/domains", json=DOMAIN)
    paths = [f"{SITE}/files/a", f"{SITE}/domains/{DOMAIN['domain']}", SITE]
    seen = [body(await client.delete(path)) for path in paths]
    assert seen == seen[:1] * 3
    assert (await client.get(SITE)).status_code == 404
    return seen[0]


@shows({"404": 404, "204": 204})
async def delete_missing(client: httpx.AsyncClient, _: Clock) -> Any:
    return (await client.delete(f"{SITE}/files/a")).status_code


@shows(
    {
        "exists": [409, "domain already exists"],
        "409": [409, "the domain is in use by another account"],
        "400": [400, "this domain has already been claimed by a different account"],
        "422": [422, "the domain belongs to somebody else"],
    }
)
async def domain_taken(client: httpx.AsyncClient, _: Clock) -> Any:
    await client.post("/v1/apps", json={"name": "other", "type": "static"})
    await client.post("/v1/apps/other/domains", json=DOMAIN)
    answer = await client.post(f"{SITE}/domains", json=DOMAIN)
    return [answer.status_code, answer.json()["error"]]


@shows({answer: [int(answer), 409] for answer in ("409", "400", "422", "200", "201")})
async def domain_attached(client: httpx.AsyncClient, _: Clock) -> Any:
    """The same domain once more, and for another app."""
    await client.post("/v1/apps", json={"name": "other", "type": "static"})
    await client.post(f"{SITE}/domains", json=DOMAIN)
    answers = [await client.post(f"/v1/apps/{app}/domains", json=DOMAIN) for app in ("site", "other")]
    assert all(answer.is_success or "already" in answer.json()["error"] for answer in answers)
    return [answer.status_code for answer in answers]


@shows({"no": [None, "domain already exists"], "once": ["another deploy is in progress", None]})
async def domain_busy(client: httpx.AsyncClient, _: Clock) -> Any:
    """The error, twice."""
    return [(await client.post(f"{SITE}/domains", json=DOMAIN)).json().get("error") for _turn in range(2)]


@pytest.mark.parametrize(
    ("name", "answer"), [(name, answer) for name, (_, expected) in LOOKS.items() for answer in expected]
)
async def test_an_answer(
    client: httpx.AsyncClient, platform: Platform, clock: Clock, name: str, answer: str
) -> None:
    look, expected = LOOKS[name]
    platform.dialect.speak(f"{name}={answer}")
    assert await look(client, clock) == expected[answer]


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_whole_platform(name: str) -> None:
    """It gives the answers that are its own, and the usual ones to the other questions."""
    own = dict(answer.split("=") for answer in PLATFORMS[name].split())
    assert Dialect([name]).answers() == Dialect().answers() | own
    assert all(check(f"{question}={answer}") for question, answer in own.items())


def test_every_answer_is_looked_at() -> None:
    """And the first one is the default."""
    assert {name: list(expected) for name, (_, expected) in LOOKS.items()} == {
        name: list(question.answers) for name, question in QUESTIONS.items()
    }


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("nginx", f"{FULL}:latest"),
        ("me/app:1", "docker.io/me/app:1"),
        ("localhost/app:1", "localhost/app:1"),
        ("registry.example:5000/a/b", "registry.example:5000/a/b:latest"),
        (f"nginx@{DIGEST}", f"{FULL}@{DIGEST}"),
        (f"nginx:2@{DIGEST}", f"{FULL}:2@{DIGEST}"),
    ],
)
async def test_an_image_in_full(
    client: httpx.AsyncClient, platform: Platform, given: str, written: str
) -> None:
    platform.dialect.speak("image=full")
    assert (await client.post(f"{API}/deploy", json={"image": given})).json()["image"] == written


async def test_the_dialect_over_http(client: httpx.AsyncClient, platform: Platform) -> None:
    """It is told and changed without a key; what is unknown changes nothing."""
    answer = await client.patch("/_sandbox/dialect", json={"image": "full", "url": "bare"})
    assert answer.status_code == 200
    assert (await client.get("/_sandbox/dialect")).json() == platform.dialect.answers()
    assert (platform.dialect["image"], platform.dialect["url"]) == ("full", "bare")
    answer = await client.patch("/_sandbox/dialect", json={"image": "given", "url": "ftp"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "'ftp' is no answer to url: https, bare, absent, not-in-post, late, redirect, login"},
    )
    assert platform.dialect["image"] == "full"


UNKNOWN = (
    f"argument --dialect: 'nope' is neither a platform ({', '.join(PLATFORMS)}) nor a question. The questions"
    f" are: {', '.join(QUESTIONS)}"
)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("delete=", "argument --dialect: '' is no answer to delete: 204, 200, 202, body"),
        ("nope=1", UNKNOWN),
    ],
)
def test_what_is_no_dialect(capsys: pytest.CaptureFixture[str], given: str, error: str) -> None:
    """It does not start, and says what there is."""
    with pytest.raises(SystemExit) as caught:
        main(["--dialect", given])
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {error}\n")


def test_help_lists_every_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"{name}={'|'.join(question.answers)}" in text for name, question in QUESTIONS.items())
