"""Effects of each API variant on a client."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.__main__ import main
from sandbox.dialects import QUESTIONS
from sandbox.platform import Platform
from sandbox.server import serve
from tests.sandbox.conftest import KEY, NOW
from tests.support.timewarp import TimeWarpLoop

API, SITE, NEW = "/v1/apps/api", "/v1/apps/site", "/v1/apps/new"
MINE, YOURS = {"deploy_session_id": "mine"}, {"deploy_session_id": "yours"}
COUNTS = {"files_uploaded": 1, "files_deleted": 0, "total_bytes": 1}
DOMAIN = {"domain": "www.example.com"}

# A client's requests with method, path and JSON body. `NAME=TEXT` replaces `{}` by the text.
REQUESTS: dict[str, tuple[str, str, object]] = {
    "app": ("GET", API, None),
    "deploy": ("POST", f"{API}/deploy", {"image": "nginx:{}"}),
    "login": ("POST", f"{API}/deploy", {"image": "nginx:{}", "registry_auth": {"username": "u"}}),
    "visit": ("GET", "/_apps/{}", None),
    "create": ("POST", "/v1/apps", {"name": "{}", "type": "static"}),
    "get": ("GET", "/v1/apps/{}", None),
    "delete-app": ("DELETE", SITE, None),
    "put": ("PUT", f"{SITE}/files/{{}}", None),
    "delete": ("DELETE", f"{SITE}/files/{{}}", None),
    "files": ("GET", f"{SITE}/files", None),
    "put-new": ("PUT", f"{NEW}/files/a", None),
    "lock-new": ("POST", f"{NEW}/deploy/lock", MINE),
    "lock": ("POST", f"{SITE}/deploy/lock", MINE),
    "their-lock": ("POST", f"{SITE}/deploy/lock", YOURS),
    "heartbeat": ("PUT", f"{SITE}/deploy/lock", MINE),
    "finalize": ("POST", f"{SITE}/deploy/finalize", MINE | COUNTS),
    "domain": ("POST", "/v1/apps/{}/domains", DOMAIN),
}

# Requests that show the answer to each question. `5s` is a pause, `crowd` sends 33 parallel requests, and the
# client of `hang-up` disconnects 2s after finalize.
LOOKS = {
    "updated-at": "60s deploy=1 app 60s deploy=2 app",
    "image": "deploy=2 app",
    "deploying": "deploy=broken app 3s app 9s app 1s app",
    "get-image": "deploy=broken app 1s app visit=api/ deploy=2 app 1s app visit=api/",
    "broken-deploy": "deploy=broken 1s app 4s app 4s app 22s app 60s app",
    "pull": "deploy=2 1s app login=3 1s app",
    "numbers": "app",
    "before-deploying": "deploy=2 app 2s app 1s app",
    "deploy-answer": "deploy=2 app deploy=3 app",
    "times": "app",
    "date": "app",
    "at-once": "crowd",
    "above": "crowd",
    "rate": "crowd",
    "new-app": "create=new get=new lock-new put-new 8s get=new lock-new put-new",
    "app-limit": "create=new",
    "app-deletion": "delete-app get=site delete-app heartbeat create=site 15s get=site",
    "shown-type": "get=site",
    "static-app": "get=site",
    "container-files": "get=api/files",
    "locked-app": "lock delete-app",
    "new-site": "create=new get=new/files",
    "url": "app visit=api/ 40s visit=api/ create=new",
    "clean-urls": "put=a.html visit=site/a.html visit=site/a",
    "hidden": "put=.x/a files visit=site/.x/a",
    "firewall": "put=a.php",
    "file-limit": "put=large",
    "last-modified": "put=a 30s put=a files",
    "same-content": "put=a 30s put=a files",
    "same-name": "put=a put=a/b put=c/d put=c",
    "listed-paths": "put=a/b/c put=a/d put=e files delete=a files",
    "listing": "files put=a put=b put=c files 5s files 7s files 8s delete=b files 5s files",
    "empty-zone": "files",
    "conflict": "create=site",
    "lock-lost": "heartbeat finalize their-lock heartbeat finalize",
    "heartbeat": "lock heartbeat",
    "finalize": "visit=site/a put=a lock finalize finalize visit=site/a",
    "finalize-time": "lock finalize heartbeat 60s lock hang-up 100s heartbeat",
    "delete": "put=a delete=a",
    "delete-missing": "delete=a",
    "domain-attached": "domain=site domain=site",
    "domain-taken": "domain=other domain=site",
}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Use virtual time, because some responses take more than a minute."""
    return "asyncio", {"loop_factory": TimeWarpLoop}


async def take(client: httpx.AsyncClient, step: str) -> object:
    """Send one request of a probe, and return the visible parts of the response."""
    if step.removesuffix("s").isdecimal():
        await asyncio.sleep(int(step[:-1]))
        return None
    if step == "crowd":
        answers = await asyncio.gather(*(client.get(SITE) for _ in range(33)))
        return Counter((answer.status_code, answer.headers.get("retry-after")) for answer in answers)
    name, _, text = step.partition("=")
    method, path, fields = REQUESTS["finalize" if step == "hang-up" else name]
    body = json.dumps(fields).replace("{}", text) if fields else "x" * (1_000_001 if text == "large" else 1)
    timeout = 2 if step == "hang-up" else None
    try:
        answer = await client.request(method, path.format(text), content=body, timeout=timeout)
    except httpx.ReadTimeout:
        return "hung up"
    shown = answer.text.replace(client.base_url.netloc.decode(), "HERE")
    return answer.status_code, "date" in answer.headers, shown


async def look(folder: Path, name: str, answer: str) -> list[tuple[Any, int]]:
    """Probe a new platform with this answer, and return each visible result with its time."""
    now = asyncio.get_running_loop().time
    began = now()
    platform = Platform(folder, clock=lambda: NOW + now() - began)
    platform.apps.create_static("site")
    platform.apps.create_static("other")
    platform.apps.create_container("api", "nginx:1")
    await asyncio.sleep(20)
    platform.dialect.speak(f"{name}={answer}", *(["at-once=4"] if name == "above" else []))
    headers = KEY | {"content-type": "application/json"}
    async with (
        serve(platform) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as client,
    ):
        return [(await take(client, step), round(now() - began)) for step in LOOKS[name].split()]


SHOWN: dict[str, dict[str, list[str]]] = {
    # status and tag at each look at the app
    "deploying": {
        "seconds": ["deploying broken", *["failed broken"] * 3],
        "none": ["running broken", *["failed broken"] * 3],
        "late": ["running 1", "running 1", "deploying broken", "failed broken"],
        "image-first": ["running broken", "deploying broken", "failed broken", "failed broken"],
        "replica": ["running 1", "failed broken", "deploying broken", "failed broken"],
    },
    "get-image": {
        "wanted": ["deploying broken", "failed broken", "deploying 2", "running 2"],
        "runs": ["deploying 1", "failed 1", "deploying 1", "running 2"],
        "runs-degraded": ["deploying 1", "degraded 1", "deploying 1", "running 2"],
        "runs-progressing": ["deploying 1", "progressing 1", "deploying 1", "running 2"],
    },
    "broken-deploy": {
        "stays": ["failed broken"] * 5,
        "8s": [*["failed broken"] * 2, *["running 1"] * 3],
        "30s": [*["failed broken"] * 3, *["running 1"] * 2],
        "90s": [*["failed broken"] * 4, "running 1"],
        "crash-loop": ["running broken", *["crashed broken"] * 4],
    },
    # the paths in each list of files
    "listing": {
        "now": ["", "abc", "abc", "abc", "ac", "ac"],
        "5s": ["", "", "abc", "abc", "abc", "ac"],
        "12s": ["", "", "", "abc", "abc", "abc"],
        "20s": ["", "", "", "", "abc", "abc"],
        "entries": ["", "b", "abc", "abc", "ac", "ac"],
        "cached": ["", "", "", "abc", "abc", "ac"],
    },
}


def in_words(shown: Any) -> str:
    if isinstance(shown, list):
        return "".join(file["path"] for file in shown)
    return f"{shown['status']} {shown['image'].rpartition(':')[2]}"


@pytest.mark.parametrize("name", QUESTIONS)
async def test_each_answer_of_an_api_variant_has_an_effect(tmp_path: Path, name: str) -> None:
    """Compare each answer with the other answers, because a variant without an effect would prove nothing.

    For the most important answers, the test lists the result of each probe.
    """
    seen = {answer: await look(tmp_path / answer, name, answer) for answer in QUESTIONS[name].answers}
    different = list(seen.values())
    assert [different.index(each) for each in different] == [*range(len(different))]
    for answer, expected in SHOWN.get(name, {}).items():
        steps = zip(LOOKS[name].split(), seen[answer], strict=True)
        bodies = [shown[-1] for step, (shown, _) in steps if step in {"app", "files"}]
        assert [in_words(json.loads(body)) for body in bodies] == expected


async def test_programs_can_read_and_change_api_variants(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    """This works without a key. An unknown variant changes nothing."""
    answer = await client.patch("/_sandbox/dialect", json={"image": "full", "url": "bare"})
    assert answer.status_code == 200
    assert (await client.get("/_sandbox/dialect")).json() == platform.dialect.answers()
    assert (platform.dialect["image"], platform.dialect["url"]) == ("full", "bare")
    answer = await client.patch("/_sandbox/dialect", json={"image": "given", "url": "ftp"})
    assert (answer.status_code, platform.dialect["image"]) == (400, "full")


@pytest.mark.parametrize(
    ("given", "error"),
    [("delete=", "delete can't be ''. Choose one of these: 204, 200, 202, body"), ("nope=1", "edge")],
)
def test_an_unknown_api_variant_is_rejected(
    capsys: pytest.CaptureFixture[str], given: str, error: str
) -> None:
    """The sandbox doesn't start, and lists the valid values."""
    with pytest.raises(SystemExit) as caught:
        main(["--dialect", given])
    assert caught.value.code == 2
    assert error in capsys.readouterr().err
