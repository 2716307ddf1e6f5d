"""Destroying an app: what is gone is gone, and what looks wrong is not touched."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import OLD, lines, running_web
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import Outcome, World


def destroy(world: World, app: str = "site", **inputs: object) -> Outcome:
    return world.run(operation="destroy", app=app, **inputs)


def test_a_static_app(world: World) -> None:
    """With all its files; there is no deploy ID and no URL any more."""
    world.run()
    outcome = destroy(world)
    assert outcome.exit_code == 0
    assert world.platform.apps.list() == []
    outputs = outcome.outputs
    assert (outputs["status"], outputs["deploy_id"], outputs["url"]) == ("destroyed", None, None)
    assert lines(outcome) == ["Destroyed app 'site'", "Done after 0 s"]


def test_a_container_app(world: World) -> None:
    """The outputs keep what it ran."""
    running_web(world)
    outputs = destroy(world, "web").outputs
    assert (outputs["kind"], outputs["previous_image"], outputs["status"]) == ("container", OLD, "destroyed")


def test_what_is_gone_already(world: World) -> None:
    """A pull request may be closed twice."""
    destroy(world)
    outcome = destroy(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["status"] == "destroyed"
    assert outcome.outputs["notes"] == ["App 'site' did not exist (any more)."]
    assert [record.method for record in outcome.requests] == ["GET"]


def test_somebody_else_is_faster(world: World) -> None:
    """Gone between the look and the deletion: gone."""
    world.platform.on_request = lambda record: (
        world.platform.delete_app("site") if record.method == "DELETE" else None
    )
    outcome = destroy(world)
    assert outcome.exit_code == 0
    assert lines(outcome)[0] == "Destroyed app 'site' (it was already being deleted)"


def test_an_answer_that_was_lost(world: World) -> None:
    """The second attempt finds nothing, because the first one worked."""
    world.platform.faults.add(Fault(Kind.RESET, "DELETE", after=True))
    outcome = destroy(world)
    assert outcome.exit_code == 0
    assert "Destroyed app 'site'" in lines(outcome)


def test_without_a_checkout(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, which stays empty."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert destroy(world).exit_code == 0
    assert os.listdir(empty) == []  # noqa: PTH208 - names are enough


def test_a_locked_app(world: World) -> None:
    """The deploy of a pull request that is closed need not end first."""
    world.platform.take_lock("site", "somebody")
    assert destroy(world).exit_code == 0


@pytest.mark.parametrize(
    "name",
    [
        "${{ github.event.number }}",
        "site-pr-${{ github.event.number }}",
        "site-$[[ inputs.name ]]",
        "site-$CI_MERGE_REQUEST_IID",
        "site-${CI_MERGE_REQUEST_IID}",
        "site-$(number)",
        "$APP",
    ],
)
def test_a_variable_that_was_not_expanded(world: World, name: str) -> None:
    """Not one request."""
    outcome = destroy(world, name)
    assert outcome.exit_code == 2
    assert "looks like a variable that was not expanded" in outcome.outputs["error"]
    assert outcome.requests == []


@pytest.mark.parametrize("name", ["site-", "site-pr-", "-site", "site.", "_site", "-"])
def test_a_variable_that_was_empty(world: World, name: str) -> None:
    """`site-pr-` outside of a pull request: what is meant is not known, so nothing is destroyed."""
    outcome = destroy(world, name)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"] == f"`app`: {name!r} looks cut off, so it is not destroyed"
    assert outcome.outputs["hint"].startswith("A variable in the name may be empty in this run")
    assert outcome.requests == []


@pytest.mark.parametrize("name", [None, "", "  "])
def test_an_empty_name(world: World, name: str | None) -> None:
    """As if it was not given."""
    outcome = world.run(operation="destroy", app=name)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"].startswith("`app` is required")
    assert outcome.requests == []
