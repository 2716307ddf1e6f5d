"""Going back to the previous image: when, how that ends, and what is said of it."""

from typing import Any

import pytest

from sandbox.faults import Fault, Kind
from sandbox.platform import Rollout
from sandbox.records import Record
from tests.support.containers import BROKEN, NEW, OLD, asked, deploy, lines, running_web, says, takes, tell
from tests.support.world import World
from zerokie_action.apps.lookup import HINT_LOG

CAUSES = (
    "Can the platform pull 'nginx:broken' (it got no login)? "
    "Does the container listen on port 80, and does it get all that it needs in `env`?"
)
LOGIN = {"registry_server": "r.example.com", "registry_username": "u", "registry_password": "pass-word"}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def runs(world: World) -> tuple[str | None, str]:
    """The image, and the status."""
    app = world.platform.apps.get("web")
    return app.image, world.platform.apps.status(app)


def test_a_failed_deploy_goes_back_and_keeps_its_exit_code(world: World) -> None:
    """The old image runs again; the status says so, and the exit code is the failure's."""
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert runs(world) == (OLD, "running")
    outputs = outcome.outputs
    assert outputs["status"] == "rolled-back"
    assert (outputs["image"], outputs["previous_image"], outputs["requested_image"]) == (OLD, OLD, BROKEN)
    failed = "The platform reports that 'web' is 'failed'"
    assert [line for line in lines(outcome) if not line.startswith("Waiting")] == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        f"{failed}; rolling back to 'nginx:1'",
        "'web' runs 'nginx:1' after … s",
        f"Error: {failed}; rolled back from 'nginx:broken': 'web' runs 'nginx:1' again",
        f"  {CAUSES} {HINT_LOG}",
    ]


def test_the_rollback_hands_the_login_on(world: World) -> None:
    """The old image may be a private one, too: the platform gets the login again, and the log says so."""
    outcome = deploy(world, "r.example.com/web:broken", rollback=True, **LOGIN)
    assert outcome.outputs["status"] == "rolled-back"
    assert world.platform.apps.get("web").private
    assert lines(outcome)[0] == "The platform gets the login of 'u' for r.example.com, to pull the image"
    assert "(it got the login of 'u' for r.example.com)?" in outcome.outputs["hint"]
    assert "pass-word" not in outcome.log


@pytest.mark.parametrize(
    ("inputs", "code", "seconds"),
    [
        ({"wait_timeout": 20}, 9, 20),
        ({"timeout": 1}, 9, 15),
        ({"wait": False, "health_check": "/", "health_check_timeout": 5}, 10, 15),
    ],
    ids=["`wait-timeout`", "`timeout`", "the health check"],
)
def test_a_timeout_or_a_failed_health_check_goes_back(
    world: World, inputs: dict[str, Any], code: int, seconds: int
) -> None:
    """The rollback has time of its own, and ends once the old image has run for seven seconds."""
    takes(world, 25)
    world.platform.set_page("web", 500)
    outcome = deploy(world, rollback=True, **inputs)
    assert outcome.exit_code == code
    assert (outcome.outputs["status"], outcome.outputs["warnings"]) == ("rolled-back", []), outcome.log
    assert runs(world) == (OLD, "running")
    assert outcome.seconds == pytest.approx(seconds + 25 + 7, abs=3)


def test_a_refused_deploy_rolls_nothing_back(world: World) -> None:
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"]) == (4, "failed")
    assert "Nothing was changed." in outcome.log
    assert (outcome.outputs["image"], outcome.outputs["changed"]) == (None, False)


def test_a_new_app_is_not_rolled_back(world: World) -> None:
    """It is said why, and which image the app has. The URL of a later answer is an output."""
    world.platform.dialect.speak("url=not-in-post")
    outcome = world.run(app="new", create=True, image=BROKEN, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, "failed")
    assert outcome.outputs["url"].endswith("/_apps/new")
    state = "'new' was left with 'nginx:broken' and the status 'failed'"
    assert outcome.outputs["error"].endswith(f"not rolled back: no other image was running; {state}")


def test_an_app_that_shows_nothing_is_left_alone(world: World) -> None:
    takes(world, 1000)
    world.fault(Kind.STATUS, "GET", skip=3, times=None)
    outcome = deploy(world, BROKEN, rollback=True, wait_timeout=10)
    assert (outcome.exit_code, asked(outcome)) == (9, 1)
    assert outcome.outputs["error"].endswith("it is not known which image 'web' was left with")


def test_an_image_that_came_up_in_an_outage_stays(world: World) -> None:
    """After `wait-timeout`, the first look that is answered shows it running: it is watched, and stays."""
    takes(world, 10)
    world.loop.call_later(5, world.go_away, 40)
    outcome = deploy(world, rollback=True, wait_timeout=30)
    assert outcome.exit_code == 9
    state = (
        "; not rolled back: the new image runs by now; 'web' was left with 'nginx:2' and the status 'running'"
    )
    assert outcome.outputs["error"].endswith(state)


def test_a_failed_rollback_is_told_beside_the_first_failure(world: World) -> None:
    """Both are told; the exit code is still that of the first failure."""
    world.fault(Kind.STATUS, "POST", "/deploy$", skip=1, status=400, body=b'{"error": "no"}')
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"] == (
        "The platform reports that 'web' is 'failed'; the rollback to 'nginx:1' failed as well: "
        "Deploying 'nginx:1' was refused (400: \"no\"); "
        "'web' was left with 'nginx:broken' and the status 'failed'"
    )
    assert outcome.outputs["hint"] == f"{CAUSES} {HINT_LOG}"


def test_an_old_image_that_does_not_run_is_a_failed_rollback(world: World) -> None:
    world.platform.apps.rollout = Rollout(fail_images=["*"])
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"].endswith(
        "'web' is 'failed'; 'web' was left with 'nginx:1' and the status 'failed'"
    )


def test_a_rollback_after_timeout_has_a_minute(world: World) -> None:
    """After `timeout`: it is said that the rollback did not end, and what is left."""
    takes(world, 100)
    outcome = deploy(world, rollback=True, timeout=10)
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(15 + 60), "15 s until the deploy has to show, and a minute"
    assert outcome.outputs["error"] == (
        "The deploy did not end within 10 s; the rollback to 'nginx:1' did not end; "
        "'web' was left with 'nginx:1' and the status 'deploying'"
    )


def test_a_rollback_that_was_refused_for_a_while_has_its_minute_all_the_same(world: World) -> None:
    """To be accepted, and then another one to run."""
    takes(world, 45)
    world.fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1, times=None, lasts=40)
    outcome = deploy(world, BROKEN, rollback=True, timeout=10)
    assert (outcome.exit_code, outcome.outputs["status"]) == (9, "rolled-back"), outcome.log


def test_a_signal_during_the_rollback_says_that_it_is_half_done(world: World) -> None:
    """The run ends at once, and says that the rollback is half done."""
    takes(world, 1)
    world.fault(Kind.HANG, "POST", "/deploy$", skip=1, times=None)
    tell(world, after=20)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(20 + 1), "a second for the answer"
    assert (outcome.outputs["status"], outcome.outputs["image"]) == ("cancelled", None)
    assert outcome.outputs["error"] == (
        "Cancelled by SIGTERM; the rollback to 'nginx:1' was not confirmed; "
        "it is not known which image 'web' was left with"
    )


def test_a_cancel_rolls_nothing_back(world: World) -> None:
    """Whoever cancels does not ask for a rollback; the log says what is left."""
    takes(world, 100)
    tell(world, after=20)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(20)
    assert asked(outcome) == 1
    assert runs(world)[0] == NEW
    state = "'web' was left with 'nginx:2' and the status 'deploying'; to go back, deploy 'nginx:1'"
    assert lines(outcome)[-2:] == [f"Error: Cancelled by SIGTERM; {state}", "  Run the deploy again."]


@pytest.mark.parametrize("after", [False, True], ids=["lost", "accepted"])
def test_a_signal_while_the_deploy_is_asked_for_looks_once(world: World, *, after: bool) -> None:
    """Nobody knows whether it was accepted. One look tells, but that what is not there may still come."""
    world.fault(Kind.HANG, "POST", "/deploy$", after=after)
    tell(world, after=3)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(4), "a second for the answer"
    unknown = "it is not known which image 'web' was left with"
    known = f"'web' was left with {NEW!r} and the status 'running'; to go back, deploy {OLD!r}"
    left = known if after else unknown
    assert outcome.outputs["error"] == f"Cancelled by SIGTERM; {left}"


@pytest.mark.parametrize("seconds", [20, 90])
def test_a_conflict_with_the_rollback_is_asked_again_for_a_minute(world: World, seconds: float) -> None:
    """It is asked again for a minute, each time after a look."""
    world.fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1, times=None, lasts=seconds)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == ("rolled-back" if seconds < 60 else "failed"), outcome.log
    if seconds > 60:
        error = outcome.outputs["error"]
        assert "; the rollback to 'nginx:1' failed as well: Another deploy of 'web' is still in " in error
        assert error.endswith("; 'web' was left with 'nginx:broken' and the status 'failed'")


@pytest.mark.parametrize("why", ["failed", "unhealthy"])
def test_a_conflict_that_hides_the_failure_is_no_reason_to_stay(world: World, why: str) -> None:
    """No reason to keep the image: another status, during that deploy, and that an unhealthy app runs."""
    if why == "unhealthy":
        world.platform.set_page("web", 500)
    busy = Fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1)
    world.platform.faults.add(busy)
    image = BROKEN if why == "failed" else NEW

    def another_status(record: Record) -> None:
        if busy.matches(record) and why == "failed" and runs(world)[1] == "failed":
            says(world, skip=0, image=image, status="deploying")

    world.platform.on_request = another_status
    outcome = deploy(world, image, rollback=True, health_check="/", health_check_timeout=5)
    assert outcome.exit_code == (8 if why == "failed" else 10)
    assert (outcome.outputs["status"], asked(outcome)) == ("rolled-back", 3), outcome.log


def test_a_crash_loop_that_runs_at_the_end_is_rolled_back(world: World) -> None:
    """For less than seven seconds: that is no reason to keep it."""
    world.platform.dialect.speak("broken-deploy=crash-loop")
    outcome = deploy(world, BROKEN, rollback=True, wait_timeout=17)
    assert outcome.exit_code == 9
    assert outcome.outputs["status"] == "rolled-back", outcome.log
    assert runs(world) == (OLD, "running")


def test_another_deploy_during_the_rollback_is_left_alone(world: World) -> None:
    """The 409 was the other deploy's: it is left alone."""
    busy = Fault(Kind.STATUS, "POST", "/deploy$", status=409, skip=1)
    world.platform.faults.add(busy)

    def other(record: Record) -> None:
        if busy.matches(record) and runs(world)[1] == "failed":
            world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.platform.on_request = other
    outcome = deploy(world, BROKEN, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, "failed"), outcome.log
    assert "not rolled back: another deploy has changed the image" in outcome.outputs["error"]
    assert runs(world)[0] == "nginx:other"


def test_a_name_that_moves_is_not_gone_back_to(world: World) -> None:
    """A name that may mean another image by now: the run warns at its start, and does not go back."""
    previous = "docker.io/library/nginx:broken"
    world.platform.apps.deploy("web", image=previous, private=False)
    world.platform.apps.set_status("web", "running")
    world.loop.jump(60)
    outcome = deploy(world, BROKEN, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (8, 1), outcome.log
    assert lines(outcome)[0].startswith("Warning: `rollback` can't go back: ")
    assert previous in lines(outcome)[0]
