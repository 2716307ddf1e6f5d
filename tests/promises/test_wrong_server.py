"""A wrong `api-url`, or something that answers in the platform's place: nothing that it says is believed."""

import pytest

from tests.support.containers import NEW, running_web
from tests.support.world import Outcome, World
from zerokie_action.sandbox.faults import Kind

PAGE = b"<!doctype html><title>Not Found</title>"
OBJECT = b'{"error": {"message": "no route"}}'
IMAGE: dict[str, object] = {"app": "web", "image": NEW}
DESTROY: dict[str, object] = {"operation": "destroy"}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def is_told(outcome: Outcome, answer: str) -> None:
    """What came, what to check, and no word about the app."""
    assert outcome.exit_code == 5, outcome.log
    assert f"answered 404 ({answer}), but not in the API's format" in outcome.outputs["error"]
    assert "Check `api-url`" in outcome.outputs["hint"]
    for said in ("not exist", "not found (", "app not found", "Destroyed", "was refused", "was not attached"):
        assert said not in outcome.log


@pytest.mark.parametrize(
    ("inputs", "body", "told"),
    [
        ({"create": True}, OBJECT, '"{"error": {"message": "no route"}}"'),
        (IMAGE, PAGE, 'an HTML page, "Not Found"'),
        (DESTROY, PAGE, 'an HTML page, "Not Found"'),
    ],
    ids=["directory", "image", "destroy"],
)
def test_a_wrong_server_is_exit_5_after_one_question(
    world: World, inputs: dict[str, object], body: bytes, told: str
) -> None:
    """Whatever is asked of it, the run ends with exit code 5 and has asked nothing but its first question."""
    world.fault(Kind.STATUS, status=404, body=body, times=None)
    outcome = world.run(**inputs)
    is_told(outcome, told)
    assert {(record.method, record.path) for record in outcome.requests} == {
        ("GET", f"/v1/apps/{inputs.get('app', 'site')}")
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


@pytest.mark.parametrize(
    ("method", "path", "inputs"),
    [
        ("PUT", "/files/index.html$", {}),
        ("DELETE", "/v1/apps/site$", DESTROY),
        ("POST", "/web/deploy$", IMAGE),
        ("POST", "/domains$", {"domains": "www.example.com"}),
    ],
    ids=["upload", "destroy", "image", "domain"],
)
def test_a_wrong_answer_to_one_kind_of_request_releases_the_lock(
    world: World, method: str, path: str, inputs: dict[str, object]
) -> None:
    """A gateway may let some requests through; the lock is released then."""
    world.fault(Kind.STATUS, method, path, status=404, body=PAGE, times=None)
    outcome = world.run(**inputs)
    is_told(outcome, 'an HTML page, "Not Found"')
    assert world.platform.lock("site") is None
