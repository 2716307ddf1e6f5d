"""After a failure or a cancel of a static deploy the error says what state the site is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zerokie_action.sandbox.faults import Kind

if TYPE_CHECKING:
    from tests.support.world import Outcome, World


def error(outcome: Outcome) -> str:
    """The error, which the log has as well."""
    said = str(outcome.outputs["error"])
    assert said in outcome.log
    return said


@pytest.mark.parametrize("path", ["/deploy/lock", "/files$"])
def test_nothing_was_begun(world: World, path: str) -> None:
    """Then nothing was changed. A lock that was held had to be finalized, so there is a deploy ID."""
    world.fault(Kind.STATUS, path=path, status=400)
    outcome = world.run()
    assert "uploaded" not in error(outcome)
    assert outcome.outputs["nothing_changed"]
    assert "\n\nNothing was changed.\n\n" in outcome.summary
    assert "\n  Nothing was changed.\n" in outcome.log
    finalized = [deployment.deploy_id for deployment in world.platform.deployments("site")]
    assert outcome.outputs["deploy_id"] == (finalized[-1] if finalized else None)


def test_nothing_was_to_be_done(world: World) -> None:
    """Then the state is what was to be reached: no count of no files."""
    world.run()
    world.fault(Kind.STATUS, "POST", "/finalize", status=400)
    outcome = world.run()
    assert error(outcome).startswith("Finalizing the deploy was refused (400")
    assert "uploaded" not in error(outcome)
    assert outcome.outputs["nothing_changed"]
