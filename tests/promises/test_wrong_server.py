"""A wrong `api-url`, or something that answers in the platform's place: nothing that it says is believed."""

import pytest

from tests.support.containers import NEW, running_web
from tests.support.world import Outcome, World
from zerokie_action.sandbox.faults import Kind

PAGE = b"<!doctype html><title>Not Found</title>"
OPERATIONS: dict[str, dict[str, object]] = {
    "directory": {"create": True},
    "image": {"app": "web", "image": NEW},
    "destroy": {"operation": "destroy"},
}
ANSWERS = {
    "a page": (404, PAGE, '404 (an HTML page, "Not Found")'),
    "an object": (404, b'{"error": {"message": "no route"}}', '404 ("{"error": {"message": "no route"}}")'),
}
SINGLE_REQUESTS: dict[str, tuple[str, str, dict[str, object]]] = {
    "upload": ("PUT", "/files/index.html$", {}),
    "destroy": ("DELETE", "/v1/apps/site$", OPERATIONS["destroy"]),
    "deploy an image": ("POST", "/web/deploy$", OPERATIONS["image"]),
    "attach a domain": ("POST", "/domains$", {"domains": "www.example.com"}),
}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def is_told(outcome: Outcome, world: World, answer: str) -> None:
    """What came and from where, what to check, and no word about the app."""
    assert outcome.exit_code == 5, outcome.log
    assert world.server is not None
    error, hint = outcome.outputs["error"], outcome.outputs["hint"]
    assert f"{world.server.url} answered {answer}, but not in the API's format" in error
    assert "Check `api-url`" in hint
    for said in ("not exist", "not found (", "app not found", "Destroyed", "was refused", "was not attached"):
        assert said not in outcome.log


@pytest.mark.parametrize(
    ("operation", "answer"), [("directory", "an object"), ("image", "a page"), ("destroy", "a page")]
)
def test_a_wrong_server_is_exit_5_after_one_question(world: World, operation: str, answer: str) -> None:
    """Whatever is asked of it, the run ends with exit code 5 and has asked nothing but its first question."""
    status, body, told = ANSWERS[answer]
    world.fault(Kind.STATUS, status=status, body=body, times=None)
    outcome = world.run(**OPERATIONS[operation])
    is_told(outcome, world, told)
    assert {(record.method, record.path) for record in outcome.requests} == {
        ("GET", f"/v1/apps/{OPERATIONS[operation].get('app', 'site')}")
    }


@pytest.mark.parametrize("path", ["/deploy/lock$", "/files/about"])
def test_a_firewalls_page_is_final_and_quoted(world: World, path: str) -> None:
    """Its page about one request is final, and its title is quoted; the lock is released."""
    page = PAGE.replace(b"Not Found", b"Blocked by policy")
    world.fault(Kind.STATUS, path=path, status=403, body=page)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert 'was refused (403: an HTML page, "Blocked by policy")' in outcome.outputs["error"]
    assert "firewall" in outcome.outputs["hint"]
    assert ("`ignore`" in outcome.outputs["hint"]) == ("files" in path)
    assert outcome.seconds < 1
    assert world.platform.lock("site") is None


@pytest.mark.parametrize("request_", SINGLE_REQUESTS)
def test_a_wrong_answer_to_one_kind_of_request_releases_the_lock(world: World, request_: str) -> None:
    """A gateway may let some requests through; the lock is released then."""
    method, path, inputs = SINGLE_REQUESTS[request_]
    status, body, told = ANSWERS["a page"]
    world.fault(Kind.STATUS, method, path, status=status, body=body, times=None)
    outcome = world.run(**inputs)
    is_told(outcome, world, told)
    assert {app.name for app in world.platform.apps.list()} == {"site", "web"}
    assert world.platform.apps.get("web").image != NEW
    assert world.platform.lock("site") is None
