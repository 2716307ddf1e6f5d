"""`operation: status` shows what is live, with GET requests only."""

import json
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.support.containers import running_web
from tests.support.schema import check_result
from tests.support.world import SITE, Outcome, World
from zerokie_action.site.manifest import find_manifests, mark_repository, new_manifest_name

COMMIT = "1" * 40
SHOP = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "5",
    "GITHUB_SHA": COMMIT,
}
RUN = "https://github.com/acme/shop/actions/runs/5"


def status(world: World, app: str = "site", **inputs: Any) -> Outcome:
    """Run the operation, and check that it changes nothing."""
    outcome = world.run(operation="status", app=app, **{"directory": None} | inputs)
    assert {record.method for record in outcome.requests} <= {"GET"}
    check_result(outcome.outputs)
    assert outcome.outputs["changed"] is False
    return outcome


def test_a_site_shows_its_files_its_commit_and_its_run(world: World) -> None:
    world.env = dict(SHOP)
    world.run()
    world.env = SHOP | {"GITHUB_RUN_ID": "6", "GITHUB_SHA": "2" * 40}
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    outputs = outcome.outputs
    assert (outputs["status"], outputs["kind"], outputs["app_status"]) == ("shown", "static", "running")
    assert (outputs["files"], outputs["previous_commit"]) == (len(SITE), COMMIT)
    assert (outputs["previous_run_url"], outputs["commit"]) == (RUN, None)
    assert f"Last complete deploy: 1111111, {RUN}" in outcome.log
    assert f"Last complete deploy: [1111111](<{RUN}>)" in outcome.summary
    assert "This repository deployed the app last" in outcome.log
    assert "The last deploy ended at 20" in outcome.log
    assert f"\nsite: {outputs['url']}\n" in outcome.log


def test_another_owners_site_shows_its_commit_without_a_link(world: World) -> None:
    """The manifest doesn't contain the owner's name."""
    world.env = dict(SHOP)
    world.run()
    world.env = SHOP | {"GITHUB_REPOSITORY": "acme/docs"}
    outcome = status(world)
    assert "Another repository deployed the app last" in outcome.summary
    assert outcome.outputs["previous_commit"] == COMMIT
    assert outcome.outputs["previous_run_url"] is None


def test_pending_deletions_are_counted(world: World) -> None:
    world.env = dict(SHOP)
    world.write(SITE | {"old.css": b"x"})
    world.run(delete_stale="7d")
    world.write(SITE)
    world.run(delete_stale="7d")
    assert "The app has 5 files, 1 of them pending deletion" in status(world).log


def test_an_interrupted_deploy_is_shown(world: World) -> None:
    """The commit is that of the last complete deploy."""
    world.env = dict(SHOP)
    world.run()
    world.write(SITE | {"index.html": b"new"})
    world.die(lambda record: record.path.endswith("/files/index.html"))
    world.env = SHOP | {"GITHUB_RUN_ID": "6", "GITHUB_SHA": "2" * 40}
    world.run()
    world.revive()
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    assert "A deploy is in progress or was interrupted" in outcome.log
    assert outcome.outputs["previous_commit"] == COMMIT


def test_a_container_app_shows_its_image(world: World) -> None:
    running_web(world)
    outcome = status(world, "web")
    outputs = outcome.outputs
    assert (outputs["kind"], outputs["image"], outputs["files"]) == ("container", "nginx:1", None)
    assert "It runs the image 'nginx:1'" in outcome.log


def test_an_empty_site_without_a_deploy_is_shown(world: World) -> None:
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    assert (outcome.outputs["files"], outcome.outputs["previous_commit"]) == (0, None)
    assert "This action never deployed the app" in outcome.log


def test_an_unreadable_manifest_leaves_the_commit_out(world: World) -> None:
    world.env = dict(SHOP)
    world.run()
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["previous_commit"] is None


def test_a_hostile_manifest_adds_no_text(world: World) -> None:
    world.env = dict(SHOP)
    world.run()
    files = world.platform.files("site")
    content = json.loads(files[find_manifests(files)[-1].path])
    name = new_manifest_name(10**14, mark_repository("github.com/acme/shop"), content["files"])
    hostile = {"commit": "<b>](x)", "run": "../../x"}
    world.platform.put_file("site", name.path, json.dumps(content | hostile).encode())
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    assert "<b>" not in outcome.log + outcome.summary
    assert outcome.outputs["previous_commit"] is None


def test_a_missing_app_is_exit_4(world: World) -> None:
    outcome = status(world, "nothing")
    assert (outcome.exit_code, outcome.outputs["status"]) == (4, "failed"), outcome.log


@pytest.mark.parametrize("inputs", [{"directory": "."}, {"image": "nginx:1"}, {"create": True}])
def test_inputs_of_a_deploy_are_refused(world: World, inputs: dict[str, Any]) -> None:
    outcome = status(world, **inputs)
    assert (outcome.exit_code, outcome.requests) == (2, []), outcome.log
