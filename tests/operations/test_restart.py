"""Restarting a container app."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import OLD, lines, running_web, takes

if TYPE_CHECKING:
    from tests.support.world import Outcome, World


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def restart(world: World, app: str = "web", **inputs: object) -> Outcome:
    return world.run(operation="restart", app=app, **inputs)


def test_until_it_runs_again(world: World) -> None:
    """The same image, waited for; what ran before the restart does not count."""
    takes(world, 5)
    outcome = restart(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["status"] == "restarted"
    assert outcome.outputs["image"] == outcome.outputs["previous_image"] == OLD
    assert outcome.outputs["deploy_id"]
    assert lines(outcome) == [
        "Restarting 'nginx:1'",
        "Waiting for 'web' to run: its status is 'deploying'; 5 m 00 s left",
        "'web' runs 'nginx:1' after 12 s",
        "Restarted and running after 12 s: http://platform/_apps/web",
    ]


def test_it_is_checked_as_well(world: World) -> None:
    """A restart that brings the app down is no success; there is nothing to roll back to."""
    world.platform.set_page("web", 500)
    outcome = restart(world, health_check="/", health_check_timeout=5, rollback=True)
    assert outcome.exit_code == 10
    assert outcome.outputs["status"] == "failed"
    assert len(outcome.writes) == 1


@pytest.mark.parametrize("app", ["site", "nothing"])
def test_what_can_not_be_restarted(world: World, app: str) -> None:
    """A static app (2), and none at all (4)."""
    outcome = restart(world, app)
    assert outcome.exit_code == (2 if app == "site" else 4)
    assert {record.method for record in outcome.requests} == {"GET"}
    if app == "site":
        said = "App 'site' is a static app; `operation: restart` is for container apps"
        assert outcome.outputs["error"] == said
        assert "destroy" not in outcome.outputs["hint"]
    else:
        assert outcome.outputs["hint"].startswith("Check `app`. A deploy with `create: true` creates an app")
