"""The order of a container app's deploy and of its restart: wait, health check, and what is claimed."""

import pytest

from sandbox.faults import Kind
from tests.support.containers import (
    BROKEN,
    LOOK,
    NEW,
    OLD,
    asked,
    deploy,
    lines,
    running_web,
    says,
    takes,
)
from tests.support.world import Outcome, World

DIGEST, OTHER_DIGEST = f"nginx@sha256:{'2' * 64}", f"nginx@sha256:{'3' * 64}"


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_a_dry_run_has_the_requested_image_and_no_other(world: World) -> None:
    outputs = deploy(world, dry_run=True).outputs
    assert (outputs["image"], outputs["requested_image"], outputs["changed"]) == (None, NEW, True)


# --- the health check after the wait


def test_another_version_after_the_health_check_is_told(world: World) -> None:
    """The new one ran, and was not healthy; then the platform has gone back."""
    world.fault(Kind.STATUS, "GET", "^/_apps/web", status=500, times=5)
    world.loop.call_later(10, lambda: says(world, skip=0, times=None, image=OLD, status="running"))
    outcome = deploy(world, health_check="/")
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, "failed"), outcome.log
    assert "is healthy after" in outcome.log
    assert outcome.outputs["error"].startswith("'web' runs 'nginx:1' again, after it showed 'nginx:2'")
    assert outcome.outputs["image"] == OLD
    assert outcome.seconds < 60


def test_one_more_look_shows_that_the_version_stays(world: World) -> None:
    """One more look, and no more, shows that the version which runs is the one that has answered."""
    outcome = deploy(world, health_check="/")
    assert outcome.exit_code == 0
    asked_last = [record.path for record in outcome.requests if record.method == "GET"][-2:]
    assert asked_last == ["/_apps/web/", "/v1/apps/web"]
    assert outcome.log.count("Waiting for 'web' to run") == 1
    assert "Waiting for 'web' to show" not in outcome.log


def test_after_a_text_that_only_the_new_version_has_nothing_more_is_asked(world: World) -> None:
    outcome = deploy(world, health_check="/", health_check_text="nginx:2")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.requests[-1].path == "/_apps/web/"


@pytest.mark.parametrize("status", [503, 403])
def test_no_answer_after_the_health_check_is_green(world: World, status: int) -> None:
    """The platform is away after the health check, or a firewall refuses."""
    world.once("GET", "/_apps/web", lambda: world.fault(Kind.STATUS, "GET", LOOK, status=status, times=None))
    outcome = deploy(world, health_check="/", rollback=True, timeout=20)
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert outcome.seconds < 30


# --- without `wait`


def test_without_wait_nothing_is_asked_and_nothing_claimed(world: World) -> None:
    """Not in the log, and not in the reports."""
    outcome = deploy(world, BROKEN, wait=False, rollback=True)
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning == "`rollback` has no effect without `wait` or `health-check`: nothing is checked"
    assert [record.method for record in outcome.requests] == ["GET", "POST"]
    assert lines(outcome)[1:] == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        "`wait` is off: it was not checked whether the new version runs",
        (
            "Deploy accepted after 0 s; it was not checked whether the new version runs: "
            "http://platform/_apps/web"
        ),
    ]
    assert outcome.summary.startswith("## ⏳ `web`: the platform accepted the deploy; it was not checked")


def test_without_wait_only_a_text_tells_the_versions_apart(world: World) -> None:
    """The previous one may have answered the health check."""
    outcome = deploy(world, wait=False, health_check="/")
    assert outcome.outputs["notes"] == ["`wait` is off: it was not checked whether the new version runs."]
    assert outcome.seconds < 5, "and no look at the app"
    outcome = deploy(world, OLD, wait=False, health_check="/", health_check_text="nginx:1")
    assert (outcome.exit_code, outcome.outputs["notes"]) == (0, []), outcome.log


# --- a restart


def restart(world: World, app: str = "web", **inputs: object) -> Outcome:
    return world.run(operation="restart", app=app, **inputs)


def test_a_restart_waits_for_the_same_image(world: World) -> None:
    """The same image, waited for; what ran before the restart does not count."""
    takes(world, 5)
    outcome = restart(world)
    assert outcome.exit_code == 0
    assert (outcome.outputs["status"], outcome.outputs["changed"]) == ("restarted", True)
    assert outcome.outputs["image"] == outcome.outputs["previous_image"] == OLD
    assert outcome.outputs["deploy_id"]
    assert lines(outcome) == [
        "Restarting 'web'",
        "Waiting for 'web' to run: its status is 'deploying'; 5 m 00 s left",
        "'web' runs 'nginx:1' after 12 s",
        "Restarted and running after 12 s: http://platform/_apps/web",
    ]


def test_a_refused_restart_is_called_a_restart(world: World) -> None:
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = restart(world)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("Restarting 'web' was refused (400"), outcome.log


def test_a_restart_reports_the_image_that_it_pulled(world: World) -> None:
    """The output is the image that runs, not the image of the same name that ran before."""
    says(world, skip=0, image=DIGEST, status="running")
    says(world, skip=0, image=OTHER_DIGEST, status="running", times=None)
    outputs = restart(world).outputs
    assert (outputs["previous_image"], outputs["image"]) == (DIGEST, OTHER_DIGEST)


def test_a_restart_without_an_image_does_without_its_name(world: World) -> None:
    """The error and its hint do without a name."""
    world.platform.dialect.speak("image=not-in-get")
    takes(world, 60)
    outputs = restart(world, wait_timeout=20).outputs
    assert outputs["error"].startswith("'web' does not run the image after 20 s: its status is 'deploying'")
    assert outputs["hint"].startswith("Can the platform pull the image (it got no login)?")


def test_a_restart_is_health_checked(world: World) -> None:
    """A restart that brings the app down is no success; there is nothing to roll back to."""
    world.platform.set_page("web", 500)
    outcome = restart(world, health_check="/", health_check_timeout=5, rollback=True)
    assert outcome.exit_code == 10
    assert outcome.outputs["status"] == "failed"
    assert len(outcome.writes) == 1
    assert "rolled back" not in outcome.outputs["error"]


def test_a_static_app_can_not_be_restarted(world: World) -> None:
    outcome = restart(world, "site")
    assert outcome.exit_code == 2
    assert outcome.writes == []
    said = "App 'site' is a static app; `operation: restart` is for container apps"
    assert outcome.outputs["error"] == said
    assert "destroy" not in outcome.outputs["hint"]


def test_no_app_can_not_be_restarted(world: World) -> None:
    outcome = restart(world, "nothing")
    assert outcome.exit_code == 4
    assert outcome.outputs["hint"].startswith("Check `app`. To create the app, deploy with `create: true`.")


def test_a_restart_asks_nothing_about_its_login(world: World) -> None:
    """It names no image, so nobody can tell which registry is meant."""
    world.platform.apps.deploy("web", image="ghcr.io/o/web:2", private=True)
    login = {"registry_username": "ci", "registry_password": "pass-word"}
    outcome = restart(world, dry_run=True, **login)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (0, [])


def test_a_restart_does_not_compare_inputs_of_a_creation(world: World) -> None:
    outputs = restart(world, port=81, env="A=1").outputs
    assert (outputs["warnings"], outputs["notes"]) == ([], [])
