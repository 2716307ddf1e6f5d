"""What a report says is what was seen: nothing is live, created, deleted or left behind by guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.http.servers import always, serve
from tests.operations.containers import NEW, running_web
from tests.support import timewarp
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import World


def test_an_app_that_somebody_else_has_created_meanwhile(world: World) -> None:
    """A lost answer does not make it ours: what they put there is not deleted unasked."""

    def create() -> None:
        world.platform.apps.create_static("new")
        world.platform.put_file("new", "theirs.html", b"x")

    world.once("POST", "/v1/apps$", create)
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
    assert outcome.outputs["domains"] == [{"domain": "www.example.com", "status": "attached already"}]


def test_a_lock_that_nobody_was_asked_for(world: World) -> None:
    """A connection that is refused each time asks for nothing: no lock may be held, and none is released."""
    world.once("GET", "/v1/apps/site$", lambda: world.go_away(1000))
    outcome = world.run()
    assert outcome.exit_code == 5
    assert outcome.seconds < 130
    assert "may still be held" not in outcome.log
    assert outcome.outputs["warnings"] == []


def test_a_request_that_is_not_sent_again(world: World) -> None:
    """`retries: 0` sends none again, so no line says so."""
    world.write({f"{number}.txt": b"x" for number in range(40)})
    world.platform.faults.add(Fault(Kind.STATUS, "PUT", "/files/7.txt", status=503, times=None))
    outcome = world.run(retries=0, concurrency=2)
    assert outcome.exit_code == 5
    assert "retrying" not in outcome.log
