"""A wrong `api-url`, or another server that responds: the action trusts none of its responses."""

import pytest

from sandbox.faults import Kind
from tests.support.containers import NEW, running_web
from tests.support.world import World

PAGE = (b"<!doctype html><title>Not Found</title>", 'an HTML page, "Not Found"')
OBJECT = (b'{"error": {"message": "no route"}}', '"{"error": {"message": "no route"}}"')


@pytest.mark.parametrize(
    ("inputs", "answer"),
    [
        ({"create": True}, OBJECT),
        ({"app": "web", "image": NEW}, PAGE),
        ({"operation": "destroy"}, PAGE),
    ],
    ids=["directory", "image", "destroy"],
)
def test_a_wrong_server_is_exit_5_after_one_request(
    world: World, inputs: dict[str, object], answer: tuple[bytes, str]
) -> None:
    """The error quotes the response without a claim about the app, and the hint says what to check."""
    running_web(world)
    body, told = answer
    world.fault(Kind.STATUS, status=404, body=body, times=None)
    outcome = world.run(**inputs)
    assert outcome.exit_code == 5, outcome.log
    assert f"responded with 404 ({told}), but not in the API's format" in outcome.outputs["error"]
    assert "Check `api-url`" in outcome.outputs["hint"]
    for said in ("not exist", "n't exist", "not found (", "app not found", "Destroyed", "was refused"):
        assert said not in outcome.log
    app = f"/v1/apps/{inputs.get('app', 'site')}"
    asked = {(record.method, record.path) for record in outcome.requests}
    assert ("GET", app) in asked
    assert asked <= {("GET", app), ("GET", f"{app}/files")}, "a deploy lists the files at the same time"


@pytest.mark.parametrize(
    ("method", "path", "inputs"),
    [
        ("DELETE", "/v1/apps/site$", {"operation": "destroy"}),
        ("POST", "/domains$", {"domains": "a.b.example"}),
    ],
)
def test_a_page_for_one_kind_of_request_releases_the_lock(
    world: World, method: str, path: str, inputs: dict[str, object]
) -> None:
    """A gateway may pass some requests on, and its 404 isn't mistaken for the platform's."""
    world.fault(Kind.STATUS, method, path, status=404, body=PAGE[0], times=None)
    outcome = world.run(**inputs)
    assert outcome.exit_code == 5, outcome.log
    assert "Destroyed" not in outcome.log
    assert "was not attached" not in outcome.log
    assert world.platform.lock("site") is None


@pytest.mark.parametrize("create", [False, True], ids=["look up", "create"])
def test_a_wrong_path_in_api_url_is_named_in_the_hint(world: World, *, create: bool) -> None:
    """The platform's 404 for an unknown path looks like the 404 for a missing app."""
    world.fault(Kind.STATUS, status=404, body=b'{"error": "not found"}', times=None)
    outcome = world.run(app="new", create=create)
    assert outcome.exit_code == 4, outcome.log
    assert "`api-url`" in outcome.outputs["hint"]
