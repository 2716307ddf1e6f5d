"""Waiting for a container app: when is it ours, when has it failed, and what when nobody says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import BROKEN, LOOK, NEW, OLD, deploy, lines, running_web, says, takes
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import World

APP = "/v1/apps/web"


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_until_it_runs(world: World) -> None:
    """Green means that the platform says so; the log says what is waited for, at a calm rhythm."""
    takes(world, 40)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert 40 <= outcome.seconds < 50
    assert len([record for record in outcome.requests[2:] if record.path == APP]) < 15
    first, waiting, still, runs, last = lines(outcome)
    assert first == "Deploying 'nginx:2' (was 'nginx:1')"
    assert waiting == "Waiting for 'web' to run: its status is 'deploying'; 5 m 00 s left"
    assert still.startswith("Waiting for 'web' to run: its status is 'deploying'; 4 m ")
    assert runs.startswith("'web' runs 'nginx:2' after 4")
    assert last.startswith("Deployed and running after 4")


@pytest.mark.parametrize("word", ["failed", "error", "CRASHED", "stopped"])
def test_a_failure_word_fails_at_once(world: World, word: str) -> None:
    """With what the platform says of it; whatever the case of the word."""
    world.platform.faults.add(says(image=NEW, status=word, error="exit code 137"))
    outcome = deploy(world)
    assert outcome.exit_code == 8
    assert outcome.seconds == 0
    assert outcome.outputs["error"] == (
        f"The platform reports that 'web' is {word!r}: \"exit code 137\"; 'web' was left with 'nginx:2'"
    )
    assert outcome.outputs["status"] == "failed"


@pytest.mark.parametrize("word", ["deploying", "unhealthy", "", "not running", "failing over"])
def test_any_other_word_means_not_yet(world: World, word: str) -> None:
    """The reference lists no words, so an unknown one proves nothing."""
    world.platform.faults.add(says(image=NEW, status=word, times=None))
    outcome = deploy(world, wait_timeout="20s")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(20)
    said = f"'web' does not run 'nginx:2' after 20 s: its status is {word!r}"
    assert outcome.outputs["error"] == f"{said}; 'web' was left with 'nginx:2'"


@pytest.mark.parametrize("status", ["running", "failed"])
@pytest.mark.parametrize("image", [OLD, NEW])
def test_what_was_there_before_does_not_count(world: World, image: str, status: str) -> None:
    """Neither the old image, nor a status that lags behind the new one: it has the time from before."""
    before = world.platform.apps.get("web")
    takes(world, 0)
    time = _time(before.updated_at)
    world.platform.faults.add(
        says(skip=0, image=OLD, status=status, updated_at=time),
        says(skip=0, image=image, status=status, updated_at=time, times=4),
    )
    outcome = deploy(world)
    assert outcome.exit_code == 0, outcome.log
    assert len([record for record in outcome.requests if record.path == APP]) == 1 + 4 + 1


def test_the_same_image_again(world: World) -> None:
    """A moving tag: a status that moved is news, also where the platform gives no times."""
    world.platform.faults.add(
        says(skip=0, image=OLD, status="running"),
        says(skip=0, image=OLD, status="running"),
        says(skip=0, image=OLD, status="deploying"),
        says(skip=0, image=OLD, status="failed"),
    )
    assert deploy(world, OLD).exit_code == 8


@pytest.mark.parametrize("rollback", [False, True])
def test_another_deploy_comes_in_between(world: World, *, rollback: bool) -> None:
    """What somebody else deployed is not ours, however well it runs. It is left alone, and said."""
    world.loop.call_later(20, lambda: world.platform.apps.deploy("web", image="nginx:9", private=False))
    takes(world, 30)
    outcome = deploy(world, rollback=rollback, wait_timeout="90s")
    assert outcome.exit_code == 9
    assert outcome.outputs["status"] == "failed"
    assert sum(record.method == "POST" for record in outcome.requests) == 1
    error = outcome.outputs["error"]
    assert (
        "'web' does not run 'nginx:2' after 1 m 30 s: its status is 'running', its image 'nginx:9'" in error
    )
    assert error.endswith("; 'web' was left with 'nginx:9'")
    assert "If another deploy has changed the image, run this one again." in outcome.outputs["hint"]


def test_the_platform_may_write_the_name_in_another_way(world: World) -> None:
    """What it called the image when it accepted the deploy is our image as well."""
    full = "docker.io/library/nginx:2"
    accepted = b'{"name": "web", "image": "docker.io/library/nginx:2", "status": "deploying"}'
    world.platform.faults.add(
        Fault(Kind.STATUS, "POST", "/deploy$", status=200, body=accepted),
        says(image=full, status="running", times=None),
    )
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert "'web' runs 'docker.io/library/nginx:2'" in outcome.log


def test_an_app_that_is_destroyed_meanwhile(world: World) -> None:
    """There is no more to wait for."""
    takes(world, 60)
    world.loop.call_later(20, world.platform.delete_app, "web")
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("Looking up app 'web' was refused (404")


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.HTML])
def test_a_platform_that_stops_answering(world: World, kind: Kind) -> None:
    """The deploy goes on without us: ask until `wait-timeout`, then tell what does not work."""
    takes(world, 1000)
    world.platform.faults.add(Fault(kind, "GET", LOOK, skip=4, times=None))
    outcome = deploy(world, wait_timeout="5m")
    assert outcome.exit_code == 9
    assert outcome.seconds <= 300 + 2
    error = outcome.outputs["error"]
    assert error.startswith("'web' does not run 'nginx:2' after 5 m 00 s: looking up app 'web' failed (")
    assert error.endswith("; it is not known which image 'web' was left with")


def test_a_platform_that_comes_back(world: World) -> None:
    """Three minutes of an outage in the middle cost nothing but time."""
    takes(world, 30)
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, skip=3, times=None))
    world.loop.call_later(200, world.platform.faults.clear)
    outcome = deploy(world, wait_timeout="5m")
    assert outcome.exit_code == 0
    assert 200 < outcome.seconds < 230


@pytest.mark.parametrize("timeout", ["15s", "5m"])
def test_the_platform_asks_for_time(world: World, timeout: str) -> None:
    """`Retry-After` is honoured: where that is more time than there is, it is not asked again."""
    later = Fault(Kind.STATUS, "GET", LOOK, status=503, headers={"retry-after": "20"}, skip=1)
    world.platform.faults.add(later)
    outcome = deploy(world, wait_timeout=timeout, retries=0)
    assert outcome.exit_code == (9 if timeout == "15s" else 0), outcome.log
    assert outcome.seconds == pytest.approx(0 if timeout == "15s" else 20, abs=2)


def test_nothing_was_checked(world: World) -> None:
    """`wait: false` asks nothing after the deploy, and claims nothing: not in the log, not in the reports."""
    outcome = deploy(world, BROKEN, wait=False, rollback=True)
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning == "`rollback` has no effect without `wait` or `health-check`: nothing is checked"
    assert [record.method for record in outcome.requests] == ["GET", "POST"]
    assert lines(outcome)[1:] == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        "Not waiting for the app to run (wait: false)",
        "Deployed in 0 s: http://platform/_apps/web",
    ]
    assert outcome.outputs["notes"] == ["`wait` is off: it was not checked whether the app runs."]


def test_the_run_ends_before_the_wait(world: World) -> None:
    """`timeout` is for all of it, and says what does not work."""
    takes(world, 1000)
    outcome = deploy(world, timeout="10s")
    assert outcome.exit_code == 9
    assert outcome.outputs["error"] == "The deploy did not end within 10 s; 'web' was left with 'nginx:2'"
    assert outcome.seconds == pytest.approx(10)
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, skip=1, times=None, status=503))
    outcome = deploy(world, "nginx:3", timeout="1m")
    assert outcome.exit_code == 9
    assert "looking up app 'web' failed (the platform answered 503" in outcome.outputs["error"]
    assert "find out what is slow" not in outcome.log


def test_a_lost_answer_and_a_look_that_is_refused(world: World) -> None:
    """The deploy may still be carried out: nobody knows which image the app has."""
    world.platform.faults.add(
        Fault(Kind.DELAY, "POST", "/deploy$", seconds=40),
        Fault(Kind.STATUS, "POST", "/deploy$", status=409, body=b'{"error": "in progress"}'),
        Fault(Kind.STATUS, "GET", LOOK, skip=1, status=403, body=b'{"error": "no"}'),
    )
    outcome = deploy(world)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].endswith("it is not known which image 'web' was left with")


def test_an_answer_that_takes_longer_than_the_timeout(world: World) -> None:
    """Ten seconds more are left for it, as it may take effect; not as long as a request may take."""
    world.platform.faults.add(Fault(Kind.DELAY, "POST", "/deploy$", seconds=25))
    outcome = deploy(world, timeout="5s")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(15, abs=3)


def test_another_deploy_is_waited_for(world: World) -> None:
    """409 waits under `lock-timeout`; the previous image is then the one that the other deploy left."""
    world.platform.hold_deploy("web")

    def end() -> None:
        world.platform.release_deploy("web")
        world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.loop.call_later(20, end)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["previous_image"] == "nginx:other"
    assert 20 <= outcome.outputs["lock_wait_seconds"] < 36
    assert "Waiting for another deploy of 'web' to end; 10 m 00 s left" in outcome.log


def test_another_deploy_that_may_be_our_own(world: World) -> None:
    """An answer was lost, and all that follows is refused: nobody says that nothing was changed."""
    world.platform.hold_deploy("web")
    world.platform.faults.add(Fault(Kind.RESET, "POST", "/deploy$", after=True))
    outcome = deploy(world, lock_timeout="30s")
    assert outcome.exit_code == 6
    assert outcome.outputs["error"].endswith("it is not known which image 'web' was left with")


def test_another_deploy_lasts_too_long(world: World) -> None:
    """Then nothing was deployed, and the exit code says why."""
    world.platform.hold_deploy("web")
    outcome = deploy(world, lock_timeout="30s")
    assert outcome.exit_code == 6
    assert outcome.outputs["lock_wait_seconds"] == pytest.approx(30)
    assert outcome.outputs["error"] == "Another deploy of 'web' is still in progress after 30 s"
    assert outcome.outputs["hint"].startswith("Nothing was changed. ")
    assert world.platform.apps.get("web").image == OLD
