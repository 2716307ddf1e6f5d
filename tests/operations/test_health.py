"""The health check: what counts as healthy, how long it is tried, and what a failure tells."""

import json

import anyio
import pytest
from anyio.abc import ByteStream

from sandbox.faults import Kind
from sandbox.records import Record
from tests.http.servers import always, serve
from tests.support import timewarp
from tests.support.containers import NEW, deploy, lines, running_web
from tests.support.world import API_KEY, SITE, Outcome, World


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def asked(outcome: Outcome) -> list[Record]:
    """The health check's requests: the manifest is read from there as well."""
    return outcome.sent("GET", "/_apps/[a-z]+/(?!_zerokie/)")


def error(outcome: Outcome) -> str:
    """What went wrong, without the port."""
    return "\n".join(lines(outcome)).partition("Error: ")[2].partition("\n")[0]


class TestContainers:
    """Any 2xx or 3xx is healthy."""

    def test_any_2xx_or_3xx_is_healthy(self, world: World) -> None:
        """Asked once, behind the app's URL, and without the key."""
        outcome = deploy(world, health_check="/healthz?full=1")
        assert outcome.exit_code == 0
        (record,) = asked(outcome)
        assert (record.path, record.query) == ("/_apps/web/healthz", "full=1")
        assert "authorization" not in record.headers
        assert API_KEY not in str(record.headers)
        assert lines(outcome)[-2] == "http://platform/_apps/web/healthz is healthy after 0 s"
        assert " is live" in lines(outcome)[-1]

    def test_another_sites_answer_proves_nothing(self, world: World) -> None:
        """It is healthy, but does not say that the image is live."""

        async def run() -> Outcome:
            async with serve(always(200, b"ok")) as server:
                return await world.arun(app="web", image=NEW, health_check=server.url)

        outcome = timewarp.run(world.loop, run())
        assert outcome.exit_code == 0, outcome.log
        assert " is live" not in outcome.log

    def test_errors_at_first_are_asked_again(self, world: World) -> None:
        """Errors at first are nothing: it is asked again, more and more calmly."""
        world.platform.set_page("web", 502)
        world.loop.call_later(30, world.platform.set_page, "web", 200)
        outcome = deploy(world, health_check="/")
        assert outcome.exit_code == 0
        assert 30 < outcome.seconds < 45
        assert len(asked(outcome)) < 12
        assert "Waiting for http" in outcome.log
        assert "/_apps/web/: it answered 502; 2 m 00 s left\n" in outcome.log

    def test_an_unhealthy_app_is_exit_10_with_its_last_answer(self, world: World) -> None:
        """Exit 10 at `health-check-timeout`, with the last answer's status and first bytes."""
        world.platform.set_page("web", 503, b'{"error": "no database"}' + b" " * 100_000)
        outcome = deploy(world, health_check="/h", health_check_timeout="45s")
        assert outcome.exit_code == 10
        assert outcome.seconds == pytest.approx(8 + 45)
        said = 'http://platform/_apps/web/h is not healthy after 45 s: it answered 503 ("no database")'
        assert error(outcome) == f"{said}; 'web' was left with 'nginx:2' and the status 'running'"
        assert outcome.outputs["hint"].startswith("The app's own log may say why.")
        assert "Does the app listen on `port`?" in outcome.outputs["hint"]
        assert outcome.outputs["status"] == "failed"
        assert outcome.outputs["deploy_id"]

    def test_no_answer_is_told_as_what_came_instead(self, world: World) -> None:
        """What came instead of an answer."""
        world.fault(Kind.HANG, path="/_apps/", times=None)
        outcome = deploy(world, health_check="/", health_check_timeout=60)
        assert outcome.exit_code == 10
        assert ": no answer within 20 s; " in error(outcome)
        assert outcome.outputs["hint"].startswith("The app's own log may say why.")
        assert outcome.seconds < 8 + 60 + 3

    def test_no_redirect_is_followed(self, world: World) -> None:
        """It is a good answer. One led a check to a cloud's metadata address."""
        world.platform.set_page("web", 302, headers={"location": "/_apps/site/"})
        outcome = deploy(world, health_check="/h")
        assert outcome.exit_code == 0
        assert [record.path for record in asked(outcome)] == ["/_apps/web/h"]

    def test_a_full_urls_password_and_query_are_not_shown(self, world: World) -> None:
        """It is asked as it is; user, password and query stay out of the log."""
        outcome = deploy(
            world, health_check="http://user:pass-word@127.0.0.1:9/h?token=hush", health_check_timeout=2
        )
        assert outcome.exit_code == 10
        said = "http://127.0.0.1:9/h is not healthy after 2 s: connection refused"
        assert outcome.outputs["error"] == f"{said}; 'web' was left with 'nginx:2' and the status 'running'"
        assert "hush" not in outcome.log
        assert "pass-word" not in outcome.log

    def test_the_url_in_the_answer_to_the_deploy_is_enough(self, world: World) -> None:
        shown = {"name": "web", "image": NEW, "status": "running"}
        for method, body in ("GET", shown), ("POST", shown | {"url": "web.example.com"}):
            said = json.dumps(body).encode()
            world.fault(Kind.STATUS, method, "/v1/apps/web", status=200, body=said, times=None)
        assert deploy(world, wait=False).outputs["url"] == "https://web.example.com"

    def test_a_path_without_the_apps_url_rolls_nothing_back(self, world: World) -> None:
        """It can't be checked, the error says what can, and nothing speaks against the image."""
        body = json.dumps({"name": "web", "image": NEW, "status": "running", "url": "ftp://web.example.com"})
        world.fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body.encode(), skip=1, times=None)
        world.platform.dialect.speak("url=absent")
        outcome = deploy(world, health_check="/h", rollback=True)
        assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed"), outcome.log
        assert "does not give the app's URL" in outcome.outputs["error"]
        assert outcome.outputs["hint"].startswith("Give `health-check` a full URL.")
        assert len(outcome.sent("POST", "/deploy$")) == 1


class TestStatic:
    """What is served must be what was deployed."""

    @pytest.mark.parametrize(
        ("path", "file"),
        [
            ("/about/#top", "about/index.html"),
            ("/assets/style%2Ecss?v=2", "assets/style.css"),
        ],
    )
    def test_the_new_version_is_live(self, world: World, path: str, file: str) -> None:
        """Asked past the CDN's cache, which may hold the old version for every visitor."""
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
        assert f"serves '{file}' as deployed after 0 s" in outcome.log

    def test_other_bytes_than_deployed_are_unhealthy_past_the_cache_too(self, world: World) -> None:
        """A green job would say that the new version is live: it is asked again, each time past the cache."""
        world.fault(
            Kind.STATUS, path="/_apps/site/$", status=200, body=SITE["index.html"].upper(), times=None
        )
        outcome = world.run(health_check="/", health_check_timeout=10)
        assert len({record.query for record in asked(outcome)}) == len(asked(outcome)) > 3
        assert outcome.exit_code == 10
        unhealthy = "http://platform/_apps/site/ is not healthy after 10 s: it answered 200, but not with"
        assert error(outcome) == f"{unhealthy} 'index.html' as it was deployed; the new version is deployed"
        assert outcome.outputs["hint"].startswith("An older version or a cache may still answer: raise")
        assert outcome.outputs["deploy_id"] == world.platform.deployments("site")[0].deploy_id
        assert world.platform.lock("site") is None

    def test_any_good_answer_will_do_for_a_path_that_is_no_file(self, world: World) -> None:
        """Any good answer will do, and the query is left alone. A 404 is at once said to be no wonder."""
        outcome = world.run(health_check="/nothing?x=1", health_check_timeout=3)
        assert outcome.exit_code == 10
        said = "it answered 404 (an HTML page, \"not found\"), and the directory has no 'nothing'"
        assert f"/nothing: {said}; 3 s left\n" in outcome.log
        assert error(outcome).endswith(f"after 3 s: {said}; the new version is deployed")
        assert outcome.outputs["hint"].startswith("Check the path in `health-check`")
        assert asked(outcome)[0].query == "x=1"

    def test_a_deployed_file_that_is_not_served_is_unhealthy(self, world: World) -> None:
        world.fault(Kind.STATUS, path="/_apps/site/empty", status=404, times=None)
        outcome = world.run(health_check="/empty", health_check_timeout=3)
        assert outcome.outputs["hint"].startswith("'empty' was deployed, but the platform does not serve it.")

    def test_a_domain_of_the_deploy_leads_to_its_files(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full URL on a domain that this deploy attaches names the file as its path would."""
        connect_tcp = anyio.connect_tcp

        async def run() -> tuple[Outcome, str]:
            async with serve(always(200, SITE["index.html"])) as server:

                async def connect(host: str, port: int) -> ByteStream:
                    """The domain's name leads to the server."""
                    return await connect_tcp("127.0.0.1", server.port if host == "www.example.com" else port)

                monkeypatch.setattr(anyio, "connect_tcp", connect)
                inputs = {"domains": "WWW.EXAMPLE.COM", "health_check": "http://www.example.com/"}
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
        (200, b"version abc122", "it answered 200 without the text 'abc123', but with \"version abc122\""),
        (302, b"abc123", "it answered 302, a redirect"),
        (500, b"abc123", "it answered 500"),
    ],
)
def test_a_text_proves_that_an_image_is_live(world: World, status: int, body: bytes, flaw: str) -> None:
    """With it, an image is live; a redirect proves nothing."""
    world.platform.set_page("web", status, body)
    outcome = deploy(world, health_check="/v", health_check_text="abc123", health_check_timeout=3, wait=False)
    assert outcome.exit_code == (10 if flaw else 0), outcome.log
    assert flaw in outcome.log
    assert (" is live" in outcome.log) is not bool(flaw)
    assert "certificate" not in outcome.log
    assert ("Does this version print it? An older version" in outcome.log) is (body == b"version abc122")


def test_a_text_in_a_deployed_file_needs_both(world: World) -> None:
    """Both have to be right: the file as it was deployed, and the text in it. Without a page: exit 2."""
    assert world.run(health_check="/", health_check_text="hello").exit_code == 0
    assert world.run(health_check="/", health_check_text="\udcff", health_check_timeout=3).exit_code == 10
    outcome = world.run(health_check="/", health_check_text="goodbye", health_check_timeout=3)
    assert outcome.exit_code == 10
    assert "without the text 'goodbye', but with \"<h1>hello</h1>\"" in outcome.log
    assert outcome.outputs["hint"].startswith("'index.html' was deployed without it: ")
    assert world.run(health_check_text="hello").exit_code == 2
