"""Rollbacks to the previous image: conditions, results and reports."""

from typing import Any

import pytest

from sandbox.faults import Fault, Kind
from sandbox.platform import Rollout
from sandbox.records import Record
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
    tell,
)
from tests.support.world import World

CAUSES = (
    "Check that the platform can pull 'nginx:broken' (it got no credentials), "
    "and that the container listens on port 80 and gets all variables that it needs in `env`. "
    "The API has no logs, so look for the app's log where you manage the app."
)
BACK = "to go back, deploy 'nginx:1' (after a failure, `rollback: true` does that)"
LOGIN = {"registry_server": "r.example.com", "registry_username": "u", "registry_password": "pass-word"}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def runs(world: World) -> tuple[str | None, str]:
    """Return the app's image and status."""
    app = world.platform.apps.get("web")
    return app.image, world.platform.apps.status(app)


def test_a_rollback_keeps_the_exit_code_of_the_failure(world: World) -> None:
    """The previous image runs again, and `status` says so."""
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert runs(world) == (OLD, "running")
    outputs = outcome.outputs
    assert outputs["status"] == "rolled-back"
    assert (outputs["image"], outputs["previous_image"], outputs["requested_image"]) == (OLD, OLD, BROKEN)
    failed = "The platform reports that 'web' is 'failed'"
    now = "'web' now has the image 'nginx:1' and the status 'running'"
    assert [line for line in lines(outcome) if not line.startswith("Waiting")] == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        f"Rolling back to 'nginx:1': {failed}",
        "'web' runs 'nginx:1' after …s",
        f"Error: {failed}; rolled back from 'nginx:broken'; {now}",
        f"  {CAUSES}",
    ]


def test_the_rollback_passes_the_credentials_on(world: World) -> None:
    """The previous image may be private as well, so the platform gets the credentials again."""
    outcome = deploy(world, "r.example.com/web:broken", rollback=True, **LOGIN)
    assert outcome.outputs["status"] == "rolled-back"
    assert world.platform.apps.get("web").private
    assert lines(outcome)[0] == "Passing the credentials of 'u' for r.example.com to the platform"
    assert "(it got the credentials of 'u' for r.example.com)," in outcome.outputs["hint"]
    assert "pass-word" not in outcome.log


@pytest.mark.parametrize(
    ("inputs", "code", "seconds"),
    [
        ({"wait": 20}, 9, 20),
        ({"timeout": 1}, 9, 15),
        ({"wait": False, "health_check": "/"}, 10, 15),
    ],
    ids=["`wait`", "`timeout`", "the health check"],
)
def test_a_timeout_or_a_failed_health_check_rolls_back(
    world: World, inputs: dict[str, Any], code: int, seconds: int
) -> None:
    """The rollback has its own time limit, and ends after the previous image ran for seven seconds."""
    takes(world, 25)
    world.platform.set_page("web", 500)
    outcome = deploy(world, rollback=True, **inputs)
    assert outcome.exit_code == code
    assert (outcome.outputs["status"], outcome.outputs["warnings"]) == ("rolled-back", []), outcome.log
    assert runs(world) == (OLD, "running")
    assert outcome.seconds == pytest.approx(seconds + 25 + 7, abs=3)


def test_a_rejected_deploy_is_not_rolled_back(world: World) -> None:
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"]) == (4, "failed")
    assert "Nothing was changed." in outcome.log
    assert (outcome.outputs["image"], outcome.outputs["changed"]) == (None, False)


def test_a_new_app_is_not_rolled_back(world: World) -> None:
    """The error has the reason and the app's image. The URL from a later response is an output."""
    world.platform.dialect.speak("url=not-in-post")
    outcome = world.run(app="new", create=True, image=BROKEN, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, "failed")
    assert outcome.outputs["url"].endswith("/_apps/new")
    state = "'new' now has the image 'nginx:broken' and the status 'failed'"
    assert outcome.outputs["error"].endswith(f"not rolled back: no previous image was running; {state}")


def test_without_a_response_the_app_is_not_rolled_back(world: World) -> None:
    takes(world, 1000)
    world.fault(Kind.STATUS, "GET", skip=3, times=None)
    outcome = deploy(world, BROKEN, rollback=True, wait=10)
    assert (outcome.exit_code, asked(outcome)) == (9, 1)
    assert outcome.outputs["error"].endswith("the image of 'web' is unknown")


def test_an_image_that_started_during_an_outage_is_not_rolled_back(world: World) -> None:
    """The first response after `wait` shows the image running, and it keeps running."""
    takes(world, 10)
    world.loop.call_later(5, world.go_away, 40)
    outcome = deploy(world, rollback=True, wait=30)
    assert outcome.exit_code == 9
    state = "'web' now has the image 'nginx:2' and the status 'running'"
    assert outcome.outputs["error"].endswith(f"; not rolled back: the app runs now; {state}")


def test_a_failed_rollback_is_reported_with_the_first_failure(world: World) -> None:
    """The exit code is still that of the first failure."""
    world.fault(Kind.STATUS, "POST", "/deploy$", skip=1, status=400, body=b'{"error": "no"}')
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"] == (
        "The platform reports that 'web' is 'failed'; not rolled back: "
        "Deploying 'nginx:1' was refused (400: \"no\"); "
        "'web' now has the image 'nginx:broken' and the status 'failed'"
    )
    assert outcome.outputs["hint"] == CAUSES


def test_a_rollback_fails_if_the_previous_image_does_not_run(world: World) -> None:
    world.platform.apps.rollout = Rollout(fail_images=["*"])
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"].endswith(
        "'web' is 'failed'; 'web' now has the image 'nginx:1' and the status 'failed'"
    )


def test_a_rollback_after_timeout_has_a_minute(world: World) -> None:
    """The error mentions the unfinished rollback and the app's image."""
    takes(world, 100)
    outcome = deploy(world, rollback=True, timeout=10)
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(15 + 60), "15s until a GET must show the deploy, and a minute"
    assert outcome.outputs["error"] == (
        "The deploy did not end within 10s; the rollback to 'nginx:1' didn't finish; "
        "'web' now has the image 'nginx:1' and the status 'deploying'"
    )


@pytest.mark.parametrize("after", [False, True], ids=["lost", "arrived"])
def test_timeout_during_the_request_ends_the_run(world: World, *, after: bool) -> None:
    """The request hangs, so a GET proves something only 15s after it."""
    world.fault(Kind.HANG, "POST", "/deploy$", after=after)
    outcome = deploy(world, rollback=True, timeout=10)
    assert (outcome.exit_code, asked(outcome)) == (9, 1), outcome.log
    reason = "the app runs now" if after else "the app doesn't show the deploy"
    assert f"; not rolled back: {reason}; " in outcome.outputs["error"]
    assert outcome.seconds < 10 + 10 + 15 + 60


def test_a_deploy_that_never_arrived_is_not_rolled_back(world: World) -> None:
    """The previous image runs all the time, so a rollback would only restart it."""
    world.fault(Kind.RESET, "POST", "/deploy$")
    outcome = deploy(world, rollback=True, timeout=10)
    assert (outcome.exit_code, asked(outcome)) == (9, 1)
    assert "; not rolled back: the app doesn't show the deploy; " in outcome.outputs["error"]


def test_an_outage_before_the_rollback_ends_the_run_after_a_minute(world: World) -> None:
    """The app must be looked up first."""
    takes(world, 1000)
    world.fault(Kind.STATUS, "GET", LOOK, skip=5, times=None)
    outcome = deploy(world, rollback=True, wait=20)
    assert (outcome.exit_code, asked(outcome)) == (9, 1)
    assert "; not rolled back: Looking up app 'web' failed" in outcome.outputs["error"]
    assert outcome.seconds < 20 + 5 + 60 + 15 + 10


def test_an_error_that_says_nothing_about_the_image_gives_no_advice(world: World) -> None:
    """The app was deleted during the wait."""
    takes(world, 60)
    world.loop.call_later(20, world.platform.delete_app, "web")
    outcome = deploy(world)
    assert outcome.exit_code == 4
    assert "to go back" not in outcome.outputs["error"]


def test_a_signal_during_the_rollback_ends_the_run_immediately(world: World) -> None:
    """The error mentions the unconfirmed rollback."""
    takes(world, 1)
    world.fault(Kind.HANG, "POST", "/deploy$", skip=1, times=None)
    tell(world, after=20)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(20 + 1), "a second for the response"
    assert (outcome.outputs["status"], outcome.outputs["image"]) == ("cancelled", None)
    assert outcome.outputs["error"] == (
        "Cancelled by SIGTERM; the rollback to 'nginx:1' didn't finish; the image of 'web' is unknown"
    )


def test_a_cancelled_run_is_not_rolled_back(world: World) -> None:
    """The log names the app's image and how to go back."""
    takes(world, 100)
    tell(world, after=20)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(20)
    assert asked(outcome) == 1
    assert runs(world)[0] == NEW
    state = f"'web' now has the image 'nginx:2' and the status 'deploying'; {BACK}"
    assert lines(outcome)[-2:] == [f"Error: Cancelled by SIGTERM; {state}", "  Run the deploy again."]


@pytest.mark.parametrize("after", [False, True], ids=["lost", "accepted"])
def test_a_signal_during_the_request_looks_the_app_up_once(world: World, *, after: bool) -> None:
    """The lookup shows an accepted deploy. If it doesn't, the deploy may still take effect."""
    world.fault(Kind.HANG, "POST", "/deploy$", after=after)
    tell(world, after=3)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(4), "a second for the response"
    unknown = "the image of 'web' is unknown"
    known = f"'web' now has the image {NEW!r} and the status 'running'; {BACK}"
    left = known if after else unknown
    assert outcome.outputs["error"] == f"Cancelled by SIGTERM; {left}"


@pytest.mark.parametrize("seconds", [20, 90])
def test_a_conflict_with_the_rollback_is_retried_for_lock_timeout(world: World, seconds: float) -> None:
    """Each retry follows a lookup of the app."""
    world.fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1, times=None, lasts=seconds)
    outcome = deploy(world, BROKEN, rollback=True, lock_timeout="1m")
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == ("rolled-back" if seconds < 60 else "failed"), outcome.log
    assert outcome.log.count("Rolling back") == (seconds < 60)
    if seconds > 60:
        error = outcome.outputs["error"]
        assert "; not rolled back: Another deploy of 'web' is still in progress after 1m 0" in error
        assert error.endswith("; 'web' now has the image 'nginx:broken' and the status 'failed'")


@pytest.mark.parametrize("why", ["failed", "unhealthy"])
def test_a_conflict_that_hides_the_failure_does_not_prevent_the_rollback(world: World, why: str) -> None:
    """During another deploy, the status may change, and an unhealthy app may run. Neither proves success."""
    if why == "unhealthy":
        world.platform.set_page("web", 500)
    busy = Fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1)
    world.platform.faults.add(busy)
    image = BROKEN if why == "failed" else NEW

    def another_status(record: Record) -> None:
        if busy.matches(record) and why == "failed" and runs(world)[1] == "failed":
            says(world, skip=0, image=image, status="deploying")

    world.platform.on_request = another_status
    outcome = deploy(world, image, rollback=True, health_check="/", wait=20)
    assert outcome.exit_code == (8 if why == "failed" else 10)
    assert (outcome.outputs["status"], asked(outcome)) == ("rolled-back", 3), outcome.log


def test_a_crash_loop_that_runs_at_the_end_is_rolled_back(world: World) -> None:
    """An image that ran for less than seven seconds isn't kept."""
    world.platform.dialect.speak("broken-deploy=crash-loop")
    outcome = deploy(world, BROKEN, rollback=True, wait=17)
    assert outcome.exit_code == 9
    assert outcome.outputs["status"] == "rolled-back", outcome.log
    assert runs(world) == (OLD, "running")


def test_the_rollback_does_not_replace_another_deploys_image(world: World) -> None:
    """A 409 shows that another deploy is in progress, and then a GET shows its image."""
    busy = Fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1)
    world.platform.faults.add(busy)

    def other(record: Record) -> None:
        if busy.matches(record) and runs(world)[1] == "failed":
            world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.platform.on_request = other
    outcome = deploy(world, BROKEN, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, "superseded"), outcome.log
    assert outcome.outputs["error"].startswith("Another deploy replaced 'nginx:broken' with 'nginx:other'; ")
    assert runs(world)[0] == "nginx:other"


@pytest.mark.parametrize(
    ("image", "status"), [("nginx:other", "superseded"), (f"nginx@sha256:{'9' * 64}", "failed")]
)
def test_a_failed_health_check_does_not_replace_another_deploys_image(
    world: World, image: str, status: str
) -> None:
    """A digest may be the requested tag's, but not after the app ran under the tag."""

    def other() -> None:
        world.platform.apps.deploy("web", image=image, private=False)
        world.platform.apps.set_status("web", "running")

    world.platform.set_page("web", 500)
    world.loop.call_later(20, other)
    outcome = deploy(world, rollback=True, health_check="/", health_check_timeout=30)
    assert (outcome.outputs["status"], asked(outcome)) == (status, 1), outcome.log
    assert runs(world) == (image, "running")


@pytest.mark.parametrize("seconds", [5, 40])
def test_a_digest_may_be_another_deploys_if_the_previous_image_had_none(world: World, seconds: float) -> None:
    """The app failed, or didn't run in time."""
    world.loop.call_later(
        seconds, lambda: says(world, skip=0, image=f"nginx@sha256:{'9' * 64}", status="failed", times=None)
    )
    takes(world, 100)
    outcome = deploy(world, rollback=True, wait_timeout=60)
    assert (outcome.exit_code, asked(outcome)) == (8, 1), outcome.log
    assert "; not rolled back: another deploy may have changed the image; " in outcome.outputs["error"]


@pytest.mark.parametrize("previous", ["docker.io/library/nginx:broken", "ghcr.io/a/nginx:broken"])
def test_a_name_that_may_be_the_new_version_is_not_rolled_back_to(world: World, previous: str) -> None:
    """The name may mean another image now, or be a mirror's, so each run warns at its start."""
    world.platform.apps.deploy("web", image=previous, private=False)
    world.platform.apps.set_status("web", "running")
    world.loop.jump(60)
    preview = deploy(world, BROKEN, rollback=True, dry_run=True)
    outcome = deploy(world, BROKEN, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (8, 1), outcome.log
    assert lines(outcome)[0].startswith(f"Warning: `rollback` has no effect: {previous!r} may be the new")
    assert preview.outputs["warnings"] == outcome.outputs["warnings"]


def test_another_namespace_is_another_image(world: World) -> None:
    """The app shows the previous image until the end, so the deploy fails, and a rollback is possible."""
    previous, new = "ghcr.io/a/web:1", "ghcr.io/b/web:1"
    world.platform.apps.deploy("web", image=previous, private=False)
    world.platform.apps.set_status("web", "running")
    world.loop.jump(60)
    says(world, image=previous, status="running", times=90)
    outcome = deploy(world, new, rollback=True, wait=60)
    assert (outcome.exit_code, outcome.outputs["status"]) == (9, "rolled-back"), outcome.log
    assert outcome.outputs["warnings"] == []
    assert runs(world)[0] == previous


def test_a_tag_that_may_be_another_deploys_is_not_rolled_back(world: World) -> None:
    """The run deployed a digest, and the app shows a tag. Its failure may be another deploy's."""
    says(world, image="nginx:9", status="failed", times=None)
    outcome = deploy(world, f"nginx@sha256:{'2' * 64}", rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (8, 1), outcome.log
    assert "; not rolled back: another deploy may have changed the image; " in outcome.outputs["error"]
