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


def test_until_it_runs(world: World) -> None:
    """Green means that the platform says so; the pauses grow from 1 to 10 seconds."""
    takes(world, 60)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    polls = [record for record in outcome.requests[2:] if record.path == APP]
    assert len(polls) == 11
    assert 60 <= outcome.seconds < 70
    assert lines(outcome) == [
        "Deploying 'nginx:2' (was 'nginx:1')",
        "Still waiting for 'web' to run; its last status was 'deploying'",
        "'web' runs 'nginx:2' after 1 m 01 s",
        "Deployed and running after 1 m 01 s: http://platform/_apps/web",
    ]


def test_a_failure_word_fails_at_once(world: World) -> None:
    """With what the platform says of it; whatever the case of the word."""
    world.platform.faults.add(says(image=NEW, status="CRASHED", error="exit code 137"))
    outcome = deploy(world)
    assert outcome.exit_code == 8
    assert outcome.seconds == 0
    assert outcome.outputs["error"] == (
        "The platform reports that 'web' is 'CRASHED': \"exit code 137\"; 'web' was left with 'nginx:2'"
    )
    assert outcome.outputs["hint"] == "Look at the app's own log on the platform."
    assert outcome.outputs["status"] == "failed"


@pytest.mark.parametrize("word", ["failed", "error", "crashed", "stopped"])
def test_every_failure_word(world: World, word: str) -> None:
    """The contract's four."""
    world.platform.faults.add(says(image=NEW, status=word))
    assert deploy(world).exit_code == 8


@pytest.mark.parametrize("word", ["deploying", "pending", "unhealthy", "", "not running", "failing over"])
def test_any_other_word_means_not_yet(world: World, word: str) -> None:
    """The reference lists no words, so an unknown one proves nothing."""
    world.platform.faults.add(says(image=NEW, status=word, times=None))
    outcome = deploy(world, wait_timeout="20s")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(20)
    said = f"'web' does not run 'nginx:2' after 20 s; its last status was {word!r}"
    assert outcome.outputs["error"] == f"{said}; 'web' was left with 'nginx:2'"
    assert outcome.outputs["hint"].startswith("Look at the app's own log on the platform, or raise")


@pytest.mark.parametrize("status", ["running", "failed"])
def test_what_was_there_before_does_not_count(world: World, status: str) -> None:
    """An old image that still runs is no success, and one that has failed before is no failure."""
    takes(world, 0)
    world.platform.faults.add(says(image=OLD, status=status, times=4))
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert len([record for record in outcome.requests if record.path == APP]) == 1 + 4 + 1


def test_the_platform_keeps_the_old_image(world: World) -> None:
    """Green after the platform itself went back to the old image would be a lie."""
    world.platform.faults.add(says(image=OLD, status="running", times=None))
    outcome = deploy(world, wait_timeout=30)
    assert outcome.exit_code == 9
    said = "its last status was 'running' with image 'nginx:1'; 'web' was left with 'nginx:1'"
    assert outcome.outputs["error"].endswith(said)
    assert outcome.outputs["hint"].startswith("The platform kept the image from before, or went back to it")


@pytest.mark.parametrize("rollback", [False, True])
def test_another_deploy_comes_in_between(world: World, *, rollback: bool) -> None:
    """What somebody else deployed is not ours, however well it runs: said at once, and left alone."""
    takes(world, 60)
    world.loop.call_later(40, lambda: world.platform.apps.deploy("web", image="nginx:9", private=False))
    outcome = deploy(world, rollback=rollback)
    assert outcome.exit_code == 8
    assert 40 <= outcome.seconds <= 50
    assert outcome.outputs["status"] == "failed"
    assert sum(record.method == "POST" for record in outcome.requests) == 1
    assert lines(outcome) == [
        "Deploying 'nginx:2' (was 'nginx:1')",
        "Still waiting for 'web' to run; its last status was 'deploying'",
        "Error: Somebody else has deployed to 'web' meanwhile; 'web' was left with 'nginx:9'",
        "  Run this deploy again if it is to win; let the CI run an app's deploys one after another.",
    ]


@pytest.mark.parametrize("timeout", ["10s", "5m"])
@pytest.mark.parametrize("wait", [False, True])
def test_another_deploy_while_the_health_is_checked(world: World, *, wait: bool, timeout: str) -> None:
    """It is theirs that is healthy, or not."""
    world.loop.call_later(20, lambda: world.platform.apps.deploy("web", image="nginx:9", private=False))
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "^/_apps/", status=503, times=12))
    outcome = deploy(world, wait=wait, health_check="/", health_check_timeout=timeout, rollback=True)
    theirs = outcome.seconds > 20
    assert outcome.exit_code == (8 if theirs else 10), outcome.log
    assert theirs == (timeout == "5m")


def test_another_deploy_while_the_app_is_created(world: World) -> None:
    """There is no previous image that could be shown as well."""
    takes(world, 60)
    world.loop.call_later(5, lambda: world.platform.apps.deploy("new", image="nginx:9", private=False))
    outcome = world.run(app="new", image=NEW, create=True)
    assert outcome.exit_code == 8
    assert outcome.seconds < 10


class TestTheSameImageAgain:
    """A moving tag: the image's name tells nothing."""

    def test_stale_answers_do_not_count(self, world: World) -> None:
        """`running` from before the deploy, with the time from before, is not believed."""
        before = world.platform.apps.get("web")
        takes(world, 0)
        seen: list[str] = []

        def note(record: object) -> None:
            seen.append(str(record))

        stale = says(image=OLD, status="running", updated_at=_time(before.updated_at), times=2)
        world.platform.faults.add(stale)
        world.platform.on_request = note
        outcome = deploy(world, OLD)
        assert outcome.exit_code == 0
        assert len(seen) == 1 + 1 + 2 + 1

    def test_a_status_that_moved_is_news(self, world: World) -> None:
        """Also where the platform gives no times."""
        world.platform.faults.add(
            says(skip=0, image=OLD, status="running"),
            says(skip=0, image=OLD, status="deploying"),
            says(skip=0, image=OLD, status="failed"),
        )
        assert deploy(world, OLD).exit_code == 8

    def test_without_any_sign_it_is_believed_in_the_end(self, world: World) -> None:
        """No times, and too quick to be seen deploying: a few looks, then it counts."""
        world.platform.faults.add(says(skip=0, image=OLD, status="running", times=None))
        outcome = deploy(world, OLD)
        assert outcome.exit_code == 0
        assert outcome.seconds == pytest.approx(4.75)


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_status_that_lags_behind_the_image(world: World, status: str) -> None:
    """It is the one from before, with the time from before: it says nothing about the new image."""
    before = world.platform.apps.get("web")
    takes(world, 0)
    time = _time(before.updated_at)
    world.platform.faults.add(
        says(skip=0, image=OLD, status=status, updated_at=time),
        says(skip=0, image=NEW, status=status, updated_at=time, times=2),
    )
    outcome = deploy(world, NEW)
    assert outcome.exit_code == 0, outcome.log
    assert f"'web' runs {NEW!r} after 2.5 s" in outcome.log


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def test_a_created_app_may_not_be_known_everywhere_yet(world: World) -> None:
    """A 404 right after the creation is waited out; one later means that somebody has destroyed it."""
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "/v1/apps/new$", skip=1, times=2, status=404))
    outcome = world.run(app="new", image=NEW, create=True)
    assert outcome.exit_code == 0
    world.loop.call_later(0.5, lambda: world.platform.delete_app("new"))
    outcome = world.run(app="new", image="nginx:3")
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("App 'new' was not found")


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.HANG, Kind.STATUS, Kind.HTML])
def test_a_platform_that_stops_answering(world: World, kind: Kind) -> None:
    """The deploy goes on without us: ask until `wait-timeout`, then tell the last status, and since when."""
    takes(world, 1000)
    world.platform.faults.add(Fault(kind, "GET", LOOK, skip=4, times=None))
    outcome = deploy(world, wait_timeout="5m")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(300)
    said = "'web' does not run 'nginx:2' after 5 m 00 s; its last status was 'deploying', "
    assert outcome.outputs["error"].startswith(said + "and the platform has not answered for 4 m 5")
    assert outcome.outputs["status"] == "failed"


def test_a_platform_that_comes_back(world: World) -> None:
    """Two minutes of silence in the middle cost nothing but time."""
    takes(world, 30)
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, skip=3, times=None))
    world.loop.call_later(200, world.platform.faults.clear)
    outcome = deploy(world, wait_timeout="5m")
    assert outcome.exit_code == 0
    assert 200 < outcome.seconds < 230


def test_a_platform_that_never_answered(world: World) -> None:
    """There is no last status to tell."""
    world.platform.faults.add(Fault(Kind.HANG, "GET", LOOK, skip=1, times=None))
    outcome = deploy(world, wait_timeout="20s")
    said = "the platform has not answered for 20 s (it takes too long)"
    left = "'web' was left with 'nginx:2'"
    assert outcome.outputs["error"] == f"'web' does not run 'nginx:2' after 20 s; {said}; {left}"


def test_a_key_that_stops_working(world: World) -> None:
    """That is no matter of waiting."""
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, skip=1, times=None, status=401))
    assert deploy(world).exit_code == 3


def test_nothing_was_checked(world: World) -> None:
    """`wait: false` asks nothing after the deploy, and claims nothing: not in the log, not in the reports."""
    outcome = deploy(world, BROKEN, wait=False)
    assert outcome.exit_code == 0
    assert [record.method for record in outcome.requests] == ["GET", "POST"]
    assert lines(outcome) == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        "Not waiting for the app to run (wait: false)",
        "Deployed in 0 s: http://platform/_apps/web",
    ]
    assert outcome.outputs["notes"] == ["`wait` is off: it was not checked whether the app runs."]


def test_the_run_ends_before_the_wait(world: World) -> None:
    """`timeout` is for all of it."""
    takes(world, 1000)
    outcome = deploy(world, timeout="10s")
    assert outcome.exit_code == 9
    assert outcome.outputs["error"] == "The deploy did not end within 10 s; 'web' was left with 'nginx:2'"
    assert outcome.seconds == pytest.approx(10)


@pytest.mark.parametrize("limit", ["timeout", "wait_timeout"])
def test_a_platform_that_is_away_when_the_time_is_over(world: World, limit: str) -> None:
    """The error says what failed last."""
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, skip=1, times=None, status=503))
    outcome = deploy(world, **{limit: "1m"})
    assert outcome.exit_code == 9
    assert "looking up app 'web' failed last: the platform answered 503" in outcome.outputs["error"]
    assert "find out what is slow" not in outcome.log


def test_an_answer_that_makes_no_sense_when_the_time_is_over(world: World) -> None:
    """Nothing is down then, but what came is the reason all the same."""
    world.platform.faults.add(Fault(Kind.STATUS, "GET", LOOK, times=None, status=404, body=b"<html>"))
    outcome = deploy(world, timeout="2s")
    assert outcome.exit_code == 9
    assert "looking up app 'web' failed last: " in outcome.outputs["error"]


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
    assert "Another deploy of 'web' is in progress; waiting for it up to 10 m 00 s" in outcome.log


def test_another_deploy_lasts_too_long(world: World) -> None:
    """Then nothing was deployed, and the exit code says why."""
    world.platform.hold_deploy("web")
    outcome = deploy(world, lock_timeout="30s")
    assert outcome.exit_code == 6
    assert outcome.outputs["lock_wait_seconds"] == 30
    assert outcome.outputs["error"].endswith("; 'web' was left with 'nginx:1'")
    assert world.platform.apps.get("web").image == OLD


@pytest.mark.parametrize("retries", [0, 5])
def test_the_platform_asks_for_time(world: World, retries: int) -> None:
    """`Retry-After` is honoured between polls as well, whatever `retries` says."""
    takes(world, 5)
    later = Fault(Kind.STATUS, "GET", LOOK, status=503, headers={"retry-after": "20"}, skip=1)
    world.platform.faults.add(later)
    outcome = deploy(world, retries=retries)
    assert outcome.exit_code == 0, outcome.log
    polls = [record for record in outcome.requests[2:] if record.path == APP]
    assert len(polls) == 2
    assert 20 <= outcome.seconds < 23


def test_the_platform_asks_for_more_time_than_there_is(world: World) -> None:
    """It is not asked again; the run ends when its time is over."""
    later = Fault(Kind.STATUS, "GET", LOOK, status=429, headers={"retry-after": "30"}, skip=1, times=None)
    world.platform.faults.add(later)
    outcome = deploy(world, wait_timeout="15s")
    assert outcome.exit_code == 9
    assert len([record for record in outcome.requests[2:] if record.path == APP]) == 1
    assert outcome.seconds == pytest.approx(15)
