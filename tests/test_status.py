"""`operation: status` shows what is live, with GET requests only."""

import json
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.previews.code_host import CodeHost, run
from tests.support.checkouts import run_in_checkout
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
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.com/acme/shop",
    "CI_COMMIT_SHA": COMMIT,
    "CI_JOB_ID": "77",
}


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


def test_a_gitlab_job_is_linked(world: World) -> None:
    world.env = dict(GITLAB)
    world.run()
    assert status(world).outputs["previous_run_url"] == "https://gitlab.com/acme/shop/-/jobs/77"


def test_a_checkout_shows_the_link_in_any_shell(world: World) -> None:
    """The remote `origin` has the name of the repository."""
    world.env = dict(SHOP)
    world.run()
    outcome = run_in_checkout(world, "git@github.com:acme/shop.git", operation="status")
    assert "This repository deployed the app last" in outcome.log
    assert outcome.outputs["previous_run_url"] == RUN


def test_the_summary_does_not_link_the_runs_own_commit(world: World) -> None:
    """Next to the app's URL, it would look like the commit that is live."""
    world.env = dict(SHOP)
    world.run()
    world.env = SHOP | {"GITHUB_SHA": "2" * 40}
    outcome = status(world)
    assert f"/commit/{'2' * 40}" not in outcome.summary
    assert f"[Log](<{RUN}>)" in outcome.summary


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
    assert "The static app has 5 files, 1 of them pending deletion" in status(world).log
    world.platform.delete_file("site", "old.css")
    assert "The static app has 4 files\n" in status(world).log


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
    assert "The container app runs the image 'nginx:1'" in outcome.log


def test_a_secret_in_the_name_of_an_image_is_masked(world: World) -> None:
    world.platform.apps.create_container("web", image="registry.test/s3cret:1", port=80)
    outcome = status(world, "web", env="TOKEN=s3cret")
    assert "The container app runs the image 'registry.test/***:1'" in outcome.log
    assert "s3cret" not in outcome.log + outcome.summary


def test_an_app_of_unknown_kind_is_shown(world: World) -> None:
    running_web(world)
    world.platform.dialect.speak("image=not-in-get", "container-files=404")
    outcome = status(world, "web")
    assert (outcome.exit_code, outcome.outputs["app_status"]) == (0, "running"), outcome.log
    assert "doesn't show whether 'web' is a container app or a static app" in outcome.summary


def test_an_image_of_a_static_app_is_not_shown(world: World) -> None:
    """It is the platform's own web server."""
    world.run()
    world.platform.dialect.speak("static-app=image")
    outcome = status(world)
    assert (outcome.outputs["kind"], outcome.outputs["image"]) == ("static", None)
    assert "image" not in outcome.log


def test_a_404_for_the_files_of_a_static_app_says_nothing_about_its_files_and_owner(world: World) -> None:
    world.platform.dialect.speak("shown-type=yes")
    world.run()
    world.fault(Kind.STATUS, "GET", "/files$", status=404)
    outcome = status(world)
    assert (outcome.exit_code, outcome.outputs["files"]) == (0, None), outcome.log
    assert "The platform lists no files of the static app (404" in outcome.summary
    assert "deployed the app" not in outcome.log


def test_an_app_whose_files_cannot_be_listed_shows_its_status_and_its_url(world: World) -> None:
    world.fault(Kind.STATUS, "GET", "/files$", status=502, times=None)
    outcome = status(world, retry_timeout=5)
    assert outcome.exit_code == 5, outcome.log
    assert "App 'site' has the status 'running'" in outcome.summary
    assert outcome.outputs["url"]


def test_an_app_that_is_being_deleted_is_shown(world: World) -> None:
    world.run()
    world.platform.apps.set_status("site", "deleting")
    outcome = status(world)
    assert (outcome.exit_code, outcome.outputs["app_status"]) == (0, "deleting"), outcome.log


def test_an_empty_site_without_a_deploy_is_shown(world: World) -> None:
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    assert (outcome.outputs["files"], outcome.outputs["previous_commit"]) == (0, None)
    assert "This action never deployed the app" in outcome.log


def test_an_unreadable_manifest_leaves_commit_run_and_time_out(world: World) -> None:
    """The summary has the reason."""
    world.env = dict(SHOP)
    world.run()
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    outcome = status(world)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["previous_commit"] is None
    assert "Commit, run and time of the last deploy are unknown" in outcome.summary
    assert "ended at" not in outcome.log


@pytest.mark.parametrize("number", [10**13, 10**15 - 1])
def test_a_time_in_the_future_is_left_out(world: World, number: int) -> None:
    """The clock of that run was wrong. The second number has no date."""
    world.env = dict(SHOP)
    world.run()
    files = world.platform.files("site")
    newest = find_manifests(files)[-1]
    name = new_manifest_name(number, newest.repository, world.stored())
    world.platform.put_file("site", name.path, files[newest.path])
    outcome = status(world)
    assert (outcome.exit_code, outcome.outputs["previous_commit"]) == (0, COMMIT), outcome.log
    assert "ended at" not in outcome.log


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


def test_dry_run_has_no_effect(world: World) -> None:
    assert status(world, dry_run=True).outputs["status"] == "shown"
    outcome = status(world, "nothing", dry_run=True)
    assert "`nothing`: status failed" in outcome.summary
    assert "dry run" not in outcome.log + outcome.summary


def test_a_pull_requests_comment_and_deployments_stay(world: World) -> None:
    host = CodeHost()
    outcome = run(world, host, operation="status", app="site", comment=True, preview_environment="previews")
    assert (outcome.exit_code, host.requests) == (0, []), outcome.log


@pytest.mark.parametrize("inputs", [{"directory": "."}, {"image": "nginx:1"}, {"create": True}])
def test_inputs_of_a_deploy_are_refused(world: World, inputs: dict[str, Any]) -> None:
    outcome = status(world, **inputs)
    assert (outcome.exit_code, outcome.requests) == (2, []), outcome.log
