"""Steps of a container app's deploy and restart, and the claims in the reports."""

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


def test_a_dry_run_outputs_only_the_requested_image(world: World) -> None:
    outputs = deploy(world, dry_run=True).outputs
    assert (outputs["image"], outputs["requested_image"], outputs["changed"]) == (None, NEW, True)


# --- the health check after the wait


def test_a_version_that_went_back_during_the_health_check_is_exit_8(world: World) -> None:
    """The new version ran but was unhealthy, and then the platform went back to the previous one."""
    world.fault(Kind.STATUS, "GET", "^/_apps/web", status=500, times=5)
    world.loop.call_later(10, lambda: says(world, skip=0, times=None, image=OLD, status="running"))
    outcome = deploy(world, health_check="/")
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, "failed"), outcome.log
    assert "is healthy after" in outcome.log
    assert outcome.outputs["error"].startswith("The platform or another deploy went back to 'nginx:1'; ")
    assert outcome.outputs["image"] == OLD
    assert outcome.seconds < 60


def test_one_lookup_after_the_health_check_confirms_the_version(world: World) -> None:
    """A single lookup shows that the new version still runs, so it responded to the health check."""
    outcome = deploy(world, health_check="/")
    assert outcome.exit_code == 0
    asked_last = [record.path for record in outcome.requests if record.method == "GET"][-2:]
    assert asked_last == ["/_apps/web/", "/v1/apps/web"]
    assert outcome.log.count("Waiting for 'web' to run") == 1
    assert "Waiting for 'web' to show" not in outcome.log


def test_after_a_health_check_text_no_lookup_follows(world: World) -> None:
    outcome = deploy(world, health_check="/", health_check_text="nginx:2")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.requests[-1].path == "/_apps/web/"


def test_an_outage_after_the_health_check_proves_nothing(world: World) -> None:
    world.once("GET", "/_apps/web", lambda: world.fault(Kind.STATUS, "GET", LOOK, status=503, times=None))
    outcome = deploy(world, health_check="/", rollback=True, wait=20)
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert outcome.seconds < 8 + 30 + 5


# --- without `wait`


def test_without_wait_the_run_polls_nothing_and_claims_nothing(world: World) -> None:
    """Neither the log nor the reports claim that the new version runs."""
    outcome = deploy(world, BROKEN, wait=False, rollback=True)
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning == "`rollback` has no effect without `wait` or `health-check`, because nothing is checked"
    assert [record.method for record in outcome.requests] == ["GET", "GET", "POST"]
    assert lines(outcome)[1:] == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        "`wait` is off, so the action didn't check the new version",
        "The platform accepted the deploy after 0s, but the new version wasn't checked: http://platform/_apps/web",
    ]
    assert outcome.summary.startswith(
        "## ⏳ `web`: the platform accepted the deploy, but the new version wasn't checked"
    )


def test_without_wait_a_failed_health_check_says_how_to_go_back(world: World) -> None:
    world.platform.set_page("web", 500)
    outcome = deploy(world, wait=False, health_check="/")
    assert outcome.exit_code == 10
    assert "; to go back, deploy 'nginx:1' (" in outcome.outputs["error"]


def test_without_wait_only_a_text_proves_the_new_version(world: World) -> None:
    """Without a text, the health check's response may come from the previous version."""
    outcome = deploy(world, wait=False, health_check="/")
    assert outcome.outputs["notes"] == ["`wait` is off, so the action didn't check the new version."]
    assert outcome.seconds < 5, "the run doesn't poll the app"
    world.fault(Kind.STATUS, path="/_apps/web/", status=200, body=b"nginx:1")
    outcome = deploy(world, OLD, wait=False, health_check="/", health_check_text="nginx:1")
    assert (outcome.exit_code, outcome.outputs["notes"]) == (0, []), outcome.log


# --- a restart


def restart(world: World, app: str = "web", **inputs: object) -> Outcome:
    return world.run(operation="restart", app=app, **inputs)


def test_a_restart_waits_for_the_same_image(world: World) -> None:
    """The instance from before the restart doesn't satisfy the wait."""
    takes(world, 5)
    outcome = restart(world)
    assert outcome.exit_code == 0
    assert (outcome.outputs["status"], outcome.outputs["changed"]) == ("restarted", True)
    assert outcome.outputs["image"] == outcome.outputs["previous_image"] == OLD
    assert outcome.outputs["deploy_id"]
    assert lines(outcome) == [
        "Restarting 'web'",
        "Waiting for 'web' to run: status 'deploying'; 5m 00s left",
        "'web' runs 'nginx:1' after 12s",
        "web is restarted and runs after 12s: http://platform/_apps/web",
    ]


def test_a_rejected_restart_is_called_a_restart(world: World) -> None:
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = restart(world)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("Restarting 'web' was refused (400"), outcome.log


def test_a_restart_reports_the_image_that_it_pulled(world: World) -> None:
    """The tag means another digest now, and the output shows that digest."""
    says(world, skip=0, image=DIGEST, status="running", times=2)
    says(world, skip=0, image=OTHER_DIGEST, status="running", times=None)
    outputs = restart(world).outputs
    assert (outputs["previous_image"], outputs["image"]) == (DIGEST, OTHER_DIGEST)


def test_a_restart_of_an_app_without_an_image_names_no_image(world: World) -> None:
    """The error and its hint say "the image"."""
    world.platform.dialect.speak("image=not-in-get")
    takes(world, 60)
    outputs = restart(world, wait=20).outputs
    assert outputs["error"].startswith("'web' doesn't run the image after 20s: status 'deploying'")
    assert outputs["hint"].startswith("Check that the platform can pull the image (it got no credentials), ")


def test_a_restart_is_health_checked(world: World) -> None:
    """A restart fails if the app is unhealthy afterwards. It isn't rolled back."""
    world.platform.set_page("web", 500)
    outcome = restart(world, health_check="/", wait=9, rollback=True)
    assert outcome.exit_code == 10
    assert outcome.outputs["status"] == "failed"
    assert len(outcome.writes) == 1
    assert "rolled back" not in outcome.outputs["error"]


def test_a_static_app_cannot_be_restarted(world: World) -> None:
    outcome = restart(world, "site")
    assert outcome.exit_code == 2
    assert outcome.writes == []
    said = "App 'site' is a static app, but `operation: restart` is for container apps"
    assert outcome.outputs["error"] == said
    assert "destroy" not in outcome.outputs["hint"]


def test_a_missing_app_cannot_be_restarted(world: World) -> None:
    outcome = restart(world, "nothing")
    assert outcome.exit_code == 4
    assert outcome.outputs["hint"].startswith(
        "Check `app` and `api-url`. To create the app, deploy with `create: true`."
    )


def test_a_restart_does_not_compare_its_credentials_with_the_image(world: World) -> None:
    """A restart doesn't have the input `image`, so the action can't compare the registry."""
    world.platform.apps.deploy("web", image="ghcr.io/o/web:2", private=True)
    login = {"registry_username": "ci", "registry_password": "pass-word"}
    outcome = restart(world, dry_run=True, **login)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (0, [])


def test_a_restart_ignores_inputs_for_new_apps(world: World) -> None:
    outputs = restart(world, port=81, env="A=1").outputs
    assert (outputs["warnings"], outputs["notes"]) == ([], [])
