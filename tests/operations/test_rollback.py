"""Going back to the previous image: what is said, what is deployed, and what the exit code is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import BROKEN, LOOK, NEW, OLD, deploy, lines, running_web, says, takes, tell
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import Outcome, World
    from zerokie_action.sandbox.records import Record

LOGIN = {"registry_server": "r.example.com", "registry_username": "u", "registry_password": "pass-word"}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def deployed(outcome: Outcome) -> int:
    """How many deploys were asked for."""
    return sum(record.method == "POST" for record in outcome.requests)


def runs(world: World) -> tuple[str | None, str]:
    """The image, and the status."""
    app = world.platform.apps.get("web")
    return app.image, world.platform.apps.status(app)


def test_after_a_failed_deploy(world: World) -> None:
    """The old image runs again; the status says so, and the exit code is the failure's."""
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert runs(world) == (OLD, "running")
    outputs = outcome.outputs
    assert outputs["status"] == "rolled-back"
    assert (outputs["image"], outputs["previous_image"]) == (BROKEN, OLD)
    assert lines(outcome) == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        "The platform reports that 'web' is 'failed'; rolling back to 'nginx:1'",
        "'web' runs 'nginx:1' after 1 s",
        "Error: The platform reports that 'web' is 'failed'; rolled back: 'web' runs 'nginx:1' again",
        "  Look at the app's own log on the platform.",
    ]


def test_after_a_wait_that_took_too_long(world: World) -> None:
    """Exit 9."""
    world.platform.faults.add(says(image=NEW, status="deploying", times=7))
    outcome = deploy(world, wait_timeout=20, rollback=True)
    assert outcome.exit_code == 9
    assert outcome.outputs["status"] == "rolled-back"
    assert runs(world) == (OLD, "running")


def test_after_an_unhealthy_answer(world: World) -> None:
    """Exit 10; the check is not repeated for the old image, which may have nothing to do with it."""
    world.platform.set_page("web", 500)
    outcome = deploy(world, health_check="/", health_check_timeout=5, rollback=True)
    assert outcome.exit_code == 10
    assert outcome.outputs["error"].endswith("; rolled back: 'web' runs 'nginx:1' again")
    assert runs(world) == (OLD, "running")


def test_with_the_registry_credentials(world: World) -> None:
    """The old image may be a private one too."""
    assert deploy(world, BROKEN, rollback=True, **LOGIN).outputs["status"] == "rolled-back"
    assert world.platform.apps.get("web").private


def test_without_rollback(world: World) -> None:
    """Nothing is done that was not asked for."""
    outcome = deploy(world, BROKEN)
    assert outcome.outputs["status"] == "failed"
    assert deployed(outcome) == 1


def test_a_success_is_not_rolled_back(world: World) -> None:
    """Of course."""
    outcome = deploy(world, rollback=True)
    assert outcome.outputs["status"] == "deployed"
    assert deployed(outcome) == 1


def test_a_refused_deploy_is_not_rolled_back(world: World) -> None:
    """The platform said no, so the old image still runs."""
    world.platform.faults.add(Fault(Kind.STATUS, "POST", "/deploy$", status=400))
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 4
    assert deployed(outcome) == 1


def test_the_first_deploy(world: World) -> None:
    """There is nothing to go back to, which is said."""
    outcome = world.run(app="new", image=BROKEN, create=True, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["created"] is True
    assert outcome.outputs["error"].endswith(
        "; not rolled back: this was the app's first deploy, there is no previous image"
    )


def test_the_same_name_again(world: World) -> None:
    """Deploying a moving tag again would pull the same broken image."""
    deploy(world, BROKEN)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.outputs["status"] == "failed"
    assert (
        "; not rolled back: the previous image has the same name, 'nginx:broken'" in outcome.outputs["error"]
    )
    assert deployed(outcome) == 1


def test_an_unknown_previous_image(world: World) -> None:
    """The platform need not say what runs."""
    body = b'{"name": "web", "type": "container", "status": "running"}'
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, status=200, body=body))
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.outputs["error"].endswith(
        "; not rolled back: the platform did not say which image ran before"
    )


def test_the_rollback_fails_as_well(world: World) -> None:
    """Both are told; the exit code is still that of the first failure."""
    world.platform.faults.add(
        Fault(Kind.STATUS, "POST", "/deploy$", skip=1, status=400, body=b'{"error": "no"}')
    )
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"] == (
        "The platform reports that 'web' is 'failed'; the rollback to 'nginx:1' failed as well: "
        "Deploying 'nginx:1' was refused (400: \"no\")"
    )
    assert outcome.outputs["hint"] == (
        "Look at the app's own log on the platform. Check the inputs that this request is made of."
    )


def test_the_old_image_does_not_come_up_either(world: World) -> None:
    """That is a failure of the rollback, told as one."""
    world.platform.apps.deploy("web", image="old:broken", private=False)
    world.loop.jump(60)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"].count("The platform reports that 'web' is 'failed'") == 2


def test_somebody_elses_deploy_is_left_alone(world: World) -> None:
    """Going back past it would undo what another job has just done."""

    def other(record: Record) -> None:
        if record.method == "GET" and runs(world)[1] == "failed":
            world.platform.on_response = None
            world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.platform.on_response = other
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert (
        "somebody else has deployed 'nginx:other' meanwhile, and that is left alone"
        in outcome.outputs["error"]
    )
    assert runs(world)[0] == "nginx:other"


def test_another_deploy_is_waited_for(world: World) -> None:
    """409 again waits under `lock-timeout`; both waits are added up."""
    world.platform.hold_deploy("web")
    world.loop.call_later(5, world.platform.release_deploy, "web")

    def hold(record: Record) -> None:
        if record.method == "GET" and runs(world) == (BROKEN, "failed"):
            world.platform.on_response = None
            world.platform.hold_deploy("web")
            world.loop.call_later(10, world.platform.release_deploy, "web")

    world.platform.on_response = hold
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.outputs["status"] == "rolled-back"
    assert outcome.outputs["lock_wait_seconds"] >= 15
    assert runs(world) == (OLD, "running")


def test_another_deploy_that_was_waited_for_is_left_alone(world: World) -> None:
    """What it brought is newer than what would be gone back to."""

    def hold(record: Record) -> None:
        if record.method == "GET" and runs(world) == (BROKEN, "failed"):
            world.platform.on_response = None
            world.platform.hold_deploy("web")
            world.loop.call_later(10, end)

    def end() -> None:
        world.platform.release_deploy("web")
        world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.platform.on_response = hold
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert "somebody else has deployed 'nginx:other' meanwhile" in outcome.outputs["error"]
    assert runs(world)[0] == "nginx:other"


def test_the_phases_are_told_one_after_the_other(world: World) -> None:
    """None lies inside another: the timeline adds them up."""
    outcome = deploy(world, BROKEN, rollback=True)
    assert [phase["name"] for phase in outcome.outputs["phases"]] == [
        "Look up",
        "Deploy",
        "Wait",
        "Roll back",
        "Wait",
    ]
    assert sum(phase["seconds"] for phase in outcome.outputs["phases"]) == outcome.seconds


@pytest.mark.parametrize("seconds", [1.5, 30])
def test_a_signal_during_the_rollback(world: World, seconds: float) -> None:
    """The run ends at once, and says that the rollback is half done."""
    takes(world, 1)
    world.platform.faults.add(Fault(Kind.HANG, "POST", "/deploy$", skip=1, times=None))
    tell(world, after=seconds)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(seconds)
    assert outcome.outputs["status"] == "cancelled"
    (warning,) = outcome.outputs["warnings"]
    assert warning == (
        "The rollback to 'nginx:1' was cut short; whether it took place is not known "
        "(The platform reports that 'web' is 'failed')"
    )


def test_a_signal_before_the_failure_is_known(world: World) -> None:
    """Whoever cancels does not ask for a rollback."""
    takes(world, 100)
    tell(world, after=20)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert deployed(outcome) == 1
    assert runs(world)[0] == NEW


def test_the_whole_time_is_over(world: World) -> None:
    """`timeout` is also for the rollback."""
    world.platform.faults.add(Fault(Kind.HANG, "POST", "/deploy$", skip=1, times=None))
    outcome = deploy(world, BROKEN, rollback=True, timeout=30)
    assert outcome.exit_code == 9
    assert outcome.outputs["error"] == "The deploy did not end within 30 s"
    assert "The rollback to 'nginx:1' was cut short" in outcome.log


def test_nothing_would_notice_a_failure(world: World) -> None:
    """`rollback` without `wait` and `health-check` has no effect, which is said."""
    outcome = deploy(world, BROKEN, rollback=True, wait=False)
    assert outcome.exit_code == 0
    assert outcome.outputs["warnings"] == [
        "`rollback` has no effect: without `wait` and `health-check` nobody notices a failure"
    ]


def test_for_a_static_app_it_is_harmless(world: World) -> None:
    """One workflow may deploy both kinds."""
    outcome = world.run(rollback=True, wait=False, wait_timeout=1)
    assert outcome.exit_code == 0
    assert outcome.outputs["warnings"] == []
