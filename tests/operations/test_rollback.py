"""Going back to the previous image: what is said, what is deployed, and what the exit code is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import BROKEN, LOOK, NEW, OLD, deploy, lines, running_web, says, takes, tell
from zerokie_action.sandbox.apps import Rollout
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
    assert outcome.outputs["error"].endswith("; 'web' was left with 'nginx:1'")


def test_an_outage_is_not_rolled_back(world: World) -> None:
    """Whatever became of the deploy, a platform that is down can't do better; what is left is looked up."""
    world.platform.faults.add(Fault(Kind.RESET, "POST", "/deploy$", times=None))
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 5
    assert outcome.outputs["error"].endswith("; 'web' was left with 'nginx:1'")


def test_the_first_deploy(world: World) -> None:
    """There is nothing to go back to, which is said."""
    outcome = world.run(app="new", image=BROKEN, create=True, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["created"] is True
    assert outcome.outputs["error"].endswith(
        "; not rolled back: this was the app's first deploy, there is no previous image; "
        "'new' was left with 'nginx:broken'"
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
        "; not rolled back: the platform did not say which image ran before; "
        "'web' was left with 'nginx:broken'"
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
        "Deploying 'nginx:1' was refused (400: \"no\"); 'web' was left with 'nginx:broken'"
    )
    assert outcome.outputs["hint"] == (
        "Look at the app's own log on the platform. Check the inputs that went into this request."
    )


def test_the_old_image_does_not_come_up_either(world: World) -> None:
    """That is a failure of the rollback, told as one."""
    world.platform.apps._rollout = Rollout(fail_images=["*"])
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["error"] == (
        "The platform reports that 'web' is 'failed'; the rollback to 'nginx:1' failed as well: "
        "The platform reports that 'web' is 'failed'; 'web' was left with 'nginx:1'"
    )


@pytest.mark.parametrize("status", ["failed", "stopped", "pending", ""])
def test_an_image_that_did_not_run_is_not_gone_back_to(world: World, status: str) -> None:
    """It is no better than the new one, as far as anybody knows."""
    world.platform.apps.set_status("web", status)
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["status"] == "failed"
    assert deployed(outcome) == 1
    assert outcome.outputs["error"].endswith(
        f"; not rolled back: the previous image, 'nginx:1', was not running (its status was {status!r}); "
        "'web' was left with 'nginx:broken'"
    )


def test_somebody_elses_deploy_is_left_alone(world: World) -> None:
    """Going back past it would undo what another job has just done."""

    def other(record: Record) -> None:
        if record.method == "GET" and runs(world)[1] == "failed":
            world.platform.on_response = None
            world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.platform.on_response = other
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["error"].endswith(
        "Somebody else has deployed to 'web' meanwhile; 'web' was left with 'nginx:other'"
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
    assert outcome.outputs["error"].endswith(
        "Somebody else has deployed to 'web' meanwhile; 'web' was left with 'nginx:other'"
    )
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
    assert outcome.outputs["error"] == (
        "Cancelled by SIGTERM; the rollback to 'nginx:1' was cut short; 'web' was left with 'nginx:broken'"
    )


def test_a_signal_before_the_failure_is_known(world: World) -> None:
    """Whoever cancels does not ask for a rollback; the log says what is left."""
    takes(world, 100)
    tell(world, after=20)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(20)
    assert deployed(outcome) == 1
    assert runs(world)[0] == NEW
    assert lines(outcome)[-2:] == [
        "Error: Cancelled by SIGTERM; 'web' was left with 'nginx:2'",
        "  Run the deploy again.",
    ]


@pytest.mark.parametrize("after", [False, True], ids=["lost", "accepted"])
def test_a_signal_while_the_deploy_is_asked_for(world: World, *, after: bool) -> None:
    """Nobody knows whether it was accepted, so one look tells."""
    world.platform.faults.add(Fault(Kind.HANG, "POST", "/deploy$", after=after))
    tell(world, after=3)
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 143
    assert outcome.seconds == pytest.approx(3)
    assert outcome.outputs["error"] == f"Cancelled by SIGTERM; 'web' was left with {NEW if after else OLD!r}"


def test_a_signal_while_the_platform_is_silent(world: World) -> None:
    """What nobody can know is said, within the seconds that a signal leaves."""
    world.platform.faults.add(Fault(Kind.HANG, skip=1, times=None))
    tell(world, after=3)
    outcome = deploy(world)
    assert outcome.exit_code == 143
    assert outcome.seconds <= 3 + 2
    assert outcome.outputs["error"] == (
        "Cancelled by SIGTERM; it is not known which image 'web' was left with"
    )


class TestTheWholeTimeIsOver:
    """`timeout` has passed, and the app must not stay as it is."""

    def test_while_it_is_waited_for(self, world: World) -> None:
        """The rollback has time of its own."""
        takes(world, 25)
        outcome = deploy(world, rollback=True, timeout=10)
        assert outcome.exit_code == 9
        assert outcome.outputs["status"] == "rolled-back"
        assert 35 <= outcome.seconds < 50
        assert runs(world) == (OLD, "running")
        assert lines(outcome) == [
            "Deploying 'nginx:2' (was 'nginx:1')",
            "The deploy did not end within 10 s; rolling back to 'nginx:1'",
            "'web' runs 'nginx:1' after 31 s",
            "Error: The deploy did not end within 10 s; rolled back: 'web' runs 'nginx:1' again",
            "  Raise `timeout`, or find out what is slow with `log-level: debug`.",
        ]

    def test_while_it_is_checked(self, world: World) -> None:
        """An image that runs and does not answer is gone back from as well."""
        world.platform.set_page("web", 500)
        outcome = deploy(world, health_check="/", rollback=True, timeout=10)
        assert outcome.exit_code == 9
        assert outcome.outputs["status"] == "rolled-back"
        assert runs(world) == (OLD, "running")

    def test_before_it_was_accepted(self, world: World) -> None:
        """There is nothing to go back from."""
        world.platform.hold_deploy("web")
        outcome = deploy(world, rollback=True, timeout=10)
        assert outcome.exit_code == 9
        assert outcome.outputs["status"] == "failed"
        assert deployed(outcome) < 10
        assert outcome.outputs["error"] == (
            "The deploy did not end within 10 s; not rolled back: 'nginx:2' was not deployed; "
            "'web' was left with 'nginx:1'"
        )

    def test_before_the_answer_has_come(self, world: World) -> None:
        """The app shows that it was accepted all the same."""
        world.platform.faults.add(Fault(Kind.HANG, "POST", "/deploy$", after=True))
        outcome = deploy(world, rollback=True, timeout=10)
        assert outcome.exit_code == 9
        assert outcome.outputs["status"] == "rolled-back"
        assert runs(world) == (OLD, "running")

    def test_a_minute_and_no_more(self, world: World) -> None:
        """It is said that the rollback did not end, and what is left."""
        takes(world, 100)
        outcome = deploy(world, rollback=True, timeout=10)
        assert outcome.exit_code == 9
        assert outcome.seconds == pytest.approx(10 + 60)
        assert outcome.outputs["status"] == "failed"
        assert outcome.outputs["error"] == (
            "The deploy did not end within 10 s; the rollback to 'nginx:1' did not end in time; "
            "'web' was left with 'nginx:1'"
        )

    def test_what_is_left_of_it_is_the_rollback_s_too(self, world: World) -> None:
        """An image that takes long to come up may do so when the new one has failed early."""

        def slow_now(record: Record) -> None:
            if record.method == "GET" and runs(world) == (BROKEN, "failed"):
                world.platform.on_response = None
                takes(world, 100)

        world.platform.on_response = slow_now
        outcome = deploy(world, BROKEN, rollback=True, timeout=300)
        assert outcome.exit_code == 8
        assert outcome.outputs["status"] == "rolled-back"

    def test_a_signal_then(self, world: World) -> None:
        """A cancel ends the rollback at once, as ever."""
        takes(world, 100)
        tell(world, after=30)
        outcome = deploy(world, rollback=True, timeout=10)
        assert outcome.exit_code == 143
        assert outcome.seconds == pytest.approx(30)
        assert outcome.outputs["error"] == (
            "Cancelled by SIGTERM; the rollback to 'nginx:1' was cut short; 'web' was left with 'nginx:1'"
        )

    def test_without_rollback(self, world: World) -> None:
        """It is said what is left."""
        takes(world, 100)
        outcome = deploy(world, timeout=10)
        assert outcome.seconds == pytest.approx(10)
        assert outcome.outputs["error"] == "The deploy did not end within 10 s; 'web' was left with 'nginx:2'"


def test_an_app_that_is_destroyed_meanwhile(world: World) -> None:
    """Then it has no image."""

    def destroy(record: Record) -> None:
        if record.method == "GET" and runs(world)[1] == "failed":
            world.platform.on_response = None
            world.platform.delete_app("web")

    world.platform.on_response = destroy
    outcome = deploy(world, BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert outcome.outputs["error"].endswith("; app 'web' does not exist")
