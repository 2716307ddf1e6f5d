"""What a report says is what was seen: nothing is live, created, deleted or left behind by guess."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.http.servers import always, serve
from tests.operations.containers import NEW, running_web
from tests.support import timewarp
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import World
    from zerokie_action.sandbox.records import Record


def test_our_own_state_file_is_no_change_of_the_directory(world: World) -> None:
    """On GitLab it lies in the project's directory, which may be what is deployed."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(world.folder), "CI_JOB_ID": "42"}
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert not [path for path in world.stored() if "state" in path]


def test_an_app_that_somebody_else_has_created_meanwhile(world: World) -> None:
    """A lost answer does not make it ours: what they put there is not deleted unasked."""

    def create(record: Record) -> None:
        if record.method == "POST" and record.path == "/v1/apps":
            world.platform.on_request = None
            world.platform.apps.create_static("new")
            world.platform.put_file("new", "theirs.html", b"x")

    world.platform.on_request = create
    world.platform.faults.add(Fault(Kind.STATUS, "POST", "/v1/apps$", status=502))
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2
    assert "take-over" in outcome.outputs["hint"]
    assert world.stored("new") == {"theirs.html": b"x"}
    assert outcome.outputs["created"] is None


def test_a_page_that_was_not_deployed(world: World) -> None:
    """It says nothing about the new version."""
    world.run()
    world.platform.put_file("site", "no/such/file", b"x")
    outcome = world.run(health_check="/no/such/file", keep="no/")
    assert outcome.exit_code == 0, outcome.log
    assert " is live" not in outcome.log


def test_a_page_of_something_else(world: World) -> None:
    """Likewise, though any good answer will do."""
    running_web(world)

    async def check() -> None:
        async with serve(always(200, b"all systems go")) as server:
            outcome = await world.arun(app="web", image=NEW, health_check=f"{server.url}/h")
            assert outcome.exit_code == 0, outcome.log
            assert f"{server.url}/h is healthy" in outcome.log
            assert " is live" not in outcome.log

    timewarp.run(world.loop, check())


def test_a_domain_that_may_be_another_apps(world: World) -> None:
    """After a lost answer a conflict may be with anybody."""
    world.platform.apps.create_static("other")
    world.platform.domains.add("other", "www.example.com")
    world.platform.faults.add(Fault(Kind.STATUS, "POST", "/domains$", status=502))
    outcome = world.run(domains="www.example.com")
    assert json.loads(json.dumps(outcome.outputs["domains"])) == [
        {"domain": "www.example.com", "status": "attached already"}
    ]
