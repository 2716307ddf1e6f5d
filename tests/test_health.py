"""The health check: healthy responses, retries, and errors."""

import json
from itertools import pairwise

import anyio
import pytest
from anyio.abc import ByteStream

from sandbox.faults import Kind
from sandbox.records import Record
from tests.http.servers import Peer, always, fine, serve
from tests.support import timewarp
from tests.support.containers import NEW, deploy, lines, running_web
from tests.support.world import API_KEY, SITE, Outcome, World

TIME = "Raise `wait` if the app is slow or its host name is new."
INPUTS = "Set `health-check` to an existing page that responds without the API key."
OLD = "Raise `wait` if an older version or a cache still responds."


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def asked(outcome: Outcome) -> list[Record]:
    """Return the health check's requests, without those for the manifest."""
    return outcome.sent("GET", "/_apps/[a-z]+/(?!_zerokie/)")


def error(outcome: Outcome) -> str:
    """Return the error, without the port."""
    return "\n".join(lines(outcome)).partition("Error: ")[2].partition("\n")[0]


def redirect(world: World, path: str, *pages: str) -> None:
    """Redirect from this path of the static app through these pages to the last one."""
    for page, target in pairwise([path[1:], *pages]):
        headers = {"location": f"/_apps/site/{target}"}
        where = f"/_apps/site/{page}$"
        world.fault(Kind.STATUS, path=where, status=302, headers=headers, times=None)


class TestContainers:
    """Any 2xx or 3xx is healthy."""

    def test_any_2xx_or_3xx_is_healthy(self, world: World) -> None:
        """One request to the app's URL, without the API key, is enough."""
        outcome = deploy(world, health_check="/healthz?full=1")
        assert outcome.exit_code == 0
        (record,) = asked(outcome)
        assert (record.path, record.query) == ("/_apps/web/healthz", "full=1")
        assert "authorization" not in record.headers
        assert API_KEY not in str(record.headers)
        assert lines(outcome)[-2] == "http://platform/_apps/web/healthz is healthy after 0s"
        assert " is live" in lines(outcome)[-1]

    def test_another_sites_response_proves_nothing(self, world: World) -> None:
        """The check passes, and the reports don't claim that the image is live."""

        async def run() -> Outcome:
            async with serve(always(200, b"ok")) as server:
                return await world.arun(app="web", image=NEW, health_check=server.url)

        outcome = timewarp.run(world.loop, run())
        assert outcome.exit_code == 0, outcome.log
        assert " is live" not in outcome.log

    def test_errors_at_first_are_retried(self, world: World) -> None:
        """The pauses between the retries grow. After the check, the app must run for seven seconds again."""
        world.platform.set_page("web", 502)
        world.loop.call_later(30, world.platform.set_page, "web", 200)
        outcome = deploy(world, health_check="/")
        assert outcome.exit_code == 0
        assert 30 + 7 < outcome.seconds < 45 + 7
        assert len(asked(outcome)) < 12
        assert "Waiting for http" in outcome.log
        assert "/_apps/web/: it responded with 502; 4m 52s left\n" in outcome.log

    def test_an_unhealthy_app_is_exit_10_with_its_last_response(self, world: World) -> None:
        """The error after `wait` has the last response's status and first bytes."""
        world.platform.set_page("web", 503, b'{"error": "no database"}' + b" " * 100_000)
        outcome = deploy(world, health_check="/h", wait="45s")
        assert outcome.exit_code == 10
        assert outcome.seconds == pytest.approx(45)
        said = 'http://platform/_apps/web/h is not healthy after 37s: it responded with 503 ("no database")'
        state = "'web' now has the image 'nginx:2' and the status 'running'"
        assert error(outcome).startswith(f"{said}; {state}; to go back, deploy 'nginx:1' (")
        assert outcome.outputs["hint"].startswith(TIME)
        assert outcome.outputs["status"] == "failed"
        assert outcome.outputs["deploy_id"]

    def test_the_error_says_what_happened_instead_of_a_response(self, world: World) -> None:
        """The error names the timeout."""
        world.fault(Kind.HANG, path="/_apps/", times=None)
        outcome = deploy(world, health_check="/", wait=60)
        assert outcome.exit_code == 10
        assert ": no response within 20s; " in error(outcome)
        assert outcome.outputs["hint"].startswith(TIME)
        assert outcome.seconds < 60 + 3

    def test_without_a_text_no_redirect_is_followed(self, world: World) -> None:
        """A redirect is healthy. Following it could reach a cloud's metadata address."""
        world.platform.set_page("web", 302, headers={"location": "/_apps/site/"})
        outcome = deploy(world, health_check="/h")
        assert outcome.exit_code == 0
        assert [record.path for record in asked(outcome)] == ["/_apps/web/h"]

    def test_a_full_urls_password_and_query_are_not_shown(self, world: World) -> None:
        """The request has the user, the password and the query. The log doesn't."""
        outcome = deploy(world, health_check="http://user:pass-word@127.0.0.1:9/h?token=hush", wait=9)
        assert outcome.exit_code == 10
        said = "http://127.0.0.1:9/h is not healthy after 30s: connection refused"
        assert error(outcome).startswith(f"{said}; 'web' now has the image 'nginx:2'")
        assert "hush" not in outcome.log
        assert "pass-word" not in outcome.log

    def test_the_url_in_the_response_to_the_deploy_is_enough(self, world: World) -> None:
        shown = {"name": "web", "image": NEW, "status": "running"}
        for method, body in ("GET", shown), ("POST", shown | {"url": "web.example.com"}):
            said = json.dumps(body).encode()
            world.fault(Kind.STATUS, method, "/v1/apps/web", status=200, body=said, times=None)
        assert deploy(world, wait=False).outputs["url"] == "https://web.example.com"

    def test_a_path_without_the_apps_url_causes_no_rollback(self, world: World) -> None:
        """The check sent no request, so nothing speaks against the image."""
        body = json.dumps({"name": "web", "image": NEW, "status": "running", "url": "ftp://web.example.com"})
        world.fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body.encode(), skip=1, times=None)
        world.platform.dialect.speak("url=absent")
        outcome = deploy(world, health_check="/h", rollback=True)
        assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed"), outcome.log
        assert "doesn't give the app's URL" in outcome.outputs["error"]
        assert "`health-check` needs a full URL" in outcome.outputs["error"]
        assert outcome.outputs["hint"] == ""
        assert len(outcome.sent("POST", "/deploy$")) == 1


class TestStatic:
    """The page must be the deployed file."""

    @pytest.mark.parametrize(
        ("path", "file"),
        [
            ("/about/#top", "about/index.html"),
            ("/assets/style%2Ecss?v=2", "assets/style.css"),
        ],
    )
    def test_the_new_version_is_live(self, world: World, path: str, file: str) -> None:
        """The request bypasses the CDN's cache, because that may hold the old version."""
        world.write({**SITE, file: b"old"})
        world.run()
        world.write(SITE)
        address = path.partition("#")[0].partition("?")[0]
        world.platform.cdn.get("site", address.removeprefix("/"), "")
        world.platform.cdn.purge = lambda name: None  # type: ignore[method-assign]  # noqa: ARG005
        outcome = world.run(health_check=path)
        assert outcome.exit_code == 0, outcome.log
        (record,) = asked(outcome)
        assert record.path == "/_apps/site" + address
        assert record.query.startswith("v=2&zerokie=" if "?" in path else "zerokie=")
        assert f"serves '{file}' as deployed after 0s" in outcome.log

    def test_other_bytes_than_deployed_are_unhealthy_past_the_cache_too(self, world: World) -> None:
        """Each retry bypasses the cache."""
        world.fault(
            Kind.STATUS, path="/_apps/site/$", status=200, body=SITE["index.html"].upper(), times=None
        )
        outcome = world.run(health_check="/", wait=10)
        assert len({record.query for record in asked(outcome)}) == len(asked(outcome)) > 3
        assert outcome.exit_code == 10
        unhealthy = "http://platform/_apps/site/ is not healthy after 10s: it responded with 200"
        assert (
            error(outcome)
            == f"{unhealthy}, but not with 'index.html' as deployed; the new version is deployed"
        )
        assert outcome.outputs["hint"].startswith(OLD)
        assert outcome.outputs["deploy_id"] == world.platform.deployments("site")[0].deploy_id
        assert world.platform.lock("site") is None

    def test_a_404_is_final_for_a_page_that_the_folder_lacks(self, world: World) -> None:
        """The query isn't changed, and the error names the missing file."""
        outcome = world.run(health_check="/nothing?x=1")
        assert outcome.exit_code == 10
        said = "it responded with 404 (an HTML page, \"not found\"), and the folder has no file 'nothing'"
        assert error(outcome).endswith(f"after 0s: {said}; the new version is deployed")
        assert outcome.outputs["hint"].startswith(INPUTS)
        (request,) = asked(outcome)
        assert request.query == "x=1"

    @pytest.mark.parametrize("path", ["/about", "/about/", "/assets/style", "/empty.html"])
    def test_a_404_for_a_page_of_the_folder_is_retried(self, world: World, path: str) -> None:
        """The page may have a clean URL, which a CDN serves later."""
        world.write({"about.html": b"x", "assets/style/index.html": b"x", "empty.html": b""})
        world.fault(Kind.STATUS, path=f"/_apps/site{path}$", status=404, times=2)
        outcome = world.run(health_check=path, wait=9)
        assert len(asked(outcome)) > 2, outcome.log

    def test_a_deployed_file_that_is_not_served_is_unhealthy(self, world: World) -> None:
        world.fault(Kind.STATUS, path="/_apps/site/empty", status=404, times=None)
        outcome = world.run(health_check="/empty", wait=3)
        assert outcome.outputs["hint"].startswith(TIME)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_clean_url_serves_the_file(self, world: World, status: int) -> None:
        """The cached old page at the clean URL doesn't matter."""
        world.platform.dialect.speak(f"clean-urls={status}")
        world.write({"about.html": b"old"})
        world.run()
        world.platform.cdn.get("site", "about", "")
        world.platform.cdn.purge = lambda name: None  # type: ignore[method-assign]  # noqa: ARG005
        world.write({"about.html": b"new"})
        outcome = world.run(health_check="/about.html")
        assert outcome.exit_code == 0, outcome.log
        assert [record.path for record in asked(outcome)] == ["/_apps/site/about.html", "/_apps/site/about"]
        assert len({record.query for record in asked(outcome)}) == 2
        assert "serves 'about.html' as deployed after 0s" in outcome.log
        assert " is live" in outcome.log

    def test_old_bytes_at_a_clean_url_are_unhealthy(self, world: World) -> None:
        """A cache that ignores queries serves the old page."""
        world.platform.dialect.speak("clean-urls=308")
        world.fault(Kind.STATUS, path="/_apps/site/about/$", status=200, body=b"old", times=None)
        outcome = world.run(health_check="/about/index.html", wait=3)
        assert outcome.exit_code == 10
        assert "/about/index.html is not healthy after 3s: " in error(outcome)
        assert "not with 'about/index.html' as deployed" in error(outcome)
        assert outcome.outputs["hint"].startswith(OLD)

    def test_up_to_three_redirects_are_followed(self, world: World) -> None:
        redirect(world, "/empty", "1", "2", "index.html")
        outcome = world.run(health_check="/empty", wait=3)
        assert "not with 'empty' as deployed" in error(outcome)
        world.platform.faults.clear()
        redirect(world, "/index.html", "1", "2", "")
        outcome = world.run(health_check="/index.html")
        assert outcome.exit_code == 0, outcome.log
        assert len(asked(outcome)) == 4

    @pytest.mark.parametrize("pages", [("1", "2", "3", ""), ("index.html",)], ids=["four", "loop"])
    def test_a_fourth_redirect_is_unhealthy(self, world: World, pages: tuple[str, ...]) -> None:
        redirect(world, "/index.html", *pages)
        outcome = world.run(health_check="/index.html", wait=0)
        assert outcome.exit_code == 10
        assert "/index.html is not healthy after 0s: it redirects more than 3 times" in error(outcome)
        assert outcome.outputs["hint"].startswith(INPUTS)
        assert len(asked(outcome)) == 4

    def test_another_origin_is_unhealthy(self, world: World) -> None:
        """The other origin would get the URL's password, and its page may differ from the app's."""
        world.platform.dialect.speak("url=redirect")
        outcome = world.run(health_check="/", wait=3)
        assert outcome.exit_code == 10
        said = "http://platform/_apps/site/ is not healthy after 3s: it redirects to another origin, "
        assert error(outcome) == f"{said}https://elsewhere.invalid; the new version is deployed"
        assert outcome.outputs["hint"].startswith(INPUTS)

    def test_redirects_of_a_path_that_is_not_a_file_are_not_followed(self, world: World) -> None:
        """Any redirect is healthy, as for a container."""
        world.platform.dialect.speak("clean-urls=308")
        world.run()
        world.platform.put_file("site", "other.html", b"x")
        outcome = world.run(health_check="/other.html", keep="other.html")
        assert outcome.exit_code == 0, outcome.log
        (record,) = asked(outcome)
        assert record.query == ""

    @pytest.mark.parametrize("login", ["", "user:pass-word@"])
    def test_a_url_on_a_domain_of_the_deploy_is_checked_like_its_path(
        self, world: World, monkeypatch: pytest.MonkeyPatch, login: str
    ) -> None:
        """The deploy attaches the domain, so the page must be the deployed file."""
        connect_tcp = anyio.connect_tcp

        async def run() -> tuple[Outcome, str]:
            async with serve(always(200, SITE["index.html"])) as server:

                async def connect(host: str, port: int) -> ByteStream:
                    """Connect to the server for the domain."""
                    return await connect_tcp("127.0.0.1", server.port if host == "www.example.com" else port)

                monkeypatch.setattr(anyio, "connect_tcp", connect)
                inputs = {"domains": "WWW.EXAMPLE.COM", "health_check": f"http://{login}www.example.com/"}
                return await world.arun(**inputs), server.requests[-1].target

        outcome, target = timewarp.run(world.loop, run())
        assert outcome.exit_code == 0, outcome.log
        assert "serves 'index.html' as deployed" in outcome.log
        assert target.startswith("/?zerokie=")


def test_a_page_that_was_not_deployed_proves_nothing(world: World) -> None:
    world.run()
    world.platform.put_file("site", "no/such/file", b"x")
    outcome = world.run(health_check="/no/such/file", keep="no/")
    assert outcome.exit_code == 0, outcome.log
    assert " is live" not in outcome.log


@pytest.mark.parametrize(
    ("status", "body", "flaw"),
    [
        (200, b"version abc123", ""),
        (
            200,
            b"version abc122",
            "it responded with 200 without the text 'abc123', but with \"version abc122\"",
        ),
        (500, b"abc123", "it responded with 500"),
    ],
)
def test_a_text_proves_that_an_image_is_live(world: World, status: int, body: bytes, flaw: str) -> None:
    """The reports claim that the image is live only if the page has the text."""
    world.platform.set_page("web", status, body)
    outcome = deploy(world, health_check="/v", health_check_text="abc123", wait=9)
    assert outcome.exit_code == (10 if flaw else 0), outcome.log
    assert flaw in outcome.log
    assert (" is live" in outcome.log) is not bool(flaw)
    assert (OLD in outcome.log) is (body == b"version abc122")


@pytest.mark.parametrize("body", [b"version abc123", b"version abc122"])
def test_a_text_is_checked_after_redirects(world: World, body: bytes) -> None:
    """Each request has the URL's password and query. It doesn't have the API key."""

    async def handle(peer: Peer) -> None:
        """Respond like a login page: two redirects, then the page."""
        while True:
            target = (await peer.request()).target
            location = {"/v?x=1": "/login", "/login": "v"}.get(target, "")
            head = f"302 Found\r\nLocation: {location}" if location else "200 OK"
            content = b"" if location else body
            await peer.send(f"HTTP/1.1 {head}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    async def run() -> Outcome:
        async with serve(handle) as server:
            url = server.url.replace("//", "//user:pass-word@") + "/v?x=1"
            inputs = {"health_check": url, "health_check_text": "abc123", "wait": 0}
            outcome = await world.arun(app="web", image=NEW, **inputs)
        assert [request.target for request in server.requests] == ["/v?x=1", "/login", "/v"]
        for request in server.requests:
            assert request.headers["authorization"] == "Basic dXNlcjpwYXNzLXdvcmQ="
            assert request.headers["cache-control"] == "no-cache"
            assert API_KEY not in str(request.headers)
        return outcome

    outcome = timewarp.run(world.loop, run())
    is_live = body == b"version abc123"
    assert outcome.exit_code == (0 if is_live else 10), outcome.log
    assert (" is live" in outcome.log) is is_live
    assert "pass-word" not in outcome.log


def test_redirects_to_another_origin_are_not_followed(world: World) -> None:
    """Otherwise, the other origin would get the URL's password."""

    async def run() -> Outcome:
        async with serve(fine) as other, serve(always(302, b"fine", f"Location: {other.url}/v")) as server:
            url = server.url.replace("//", "//user:pass-word@")
            inputs = {"health_check": url, "health_check_text": "fine", "wait": 9}
            outcome = await world.arun(app="web", image=NEW, **inputs)
        assert other.requests == []
        return outcome

    outcome = timewarp.run(world.loop, run())
    assert outcome.exit_code == 10
    assert "it redirects to another origin, http://127.0.0.1" in outcome.outputs["error"]
    assert outcome.outputs["hint"].startswith(INPUTS)


def test_a_redirect_shows_no_secret(world: World) -> None:
    world.platform.set_page("web", 302, headers={"location": "https://hush-hush.example/hush?hush"})
    outcome = deploy(world, health_check="/", health_check_text="x", wait=9, env="TOKEN=hush-hush")
    assert "it redirects to another origin, https://***.example" in outcome.outputs["error"]
    assert "hush" not in outcome.log


def test_a_text_in_a_deployed_file_needs_both(world: World) -> None:
    """The page must be the deployed file and contain the text. Without `health-check`, the exit code is 2."""
    assert world.run(health_check="/", health_check_text="hello").exit_code == 0
    assert world.run(health_check="/", health_check_text="\udcff", wait=3).exit_code == 10
    outcome = world.run(health_check="/", health_check_text="goodbye", wait=3)
    assert outcome.exit_code == 10
    assert "without the text 'goodbye', but with \"<h1>hello</h1>\"" in outcome.log
    assert outcome.outputs["hint"].startswith(INPUTS)
    assert world.run(health_check_text="hello").exit_code == 2
