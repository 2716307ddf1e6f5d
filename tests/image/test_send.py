"""Requests for a deploy of an image, during another deploy and after a lost response."""

import re

import pytest

from sandbox.faults import Kind
from tests.support.containers import (
    OLD,
    asked,
    deploy,
    running_web,
    says,
    takes,
)
from tests.support.world import World


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_after_another_deploy_the_previous_image_is_that_deploys(world: World) -> None:
    """`lock-timeout` limits the wait for the other deploy."""
    world.platform.hold_deploy("web")

    def end() -> None:
        world.platform.release_deploy("web")
        world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.loop.call_later(20, end)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["previous_image"] == "nginx:other"
    assert re.search(r"[23]\d s of it waiting for the deploy lock", outcome.summary)
    assert "Waiting for another deploy of 'web' to end; 10 m 00 s left" in outcome.log


def test_another_deploy_that_outlasts_lock_timeout_is_exit_6(world: World) -> None:
    """Nothing is deployed."""
    world.platform.hold_deploy("web")
    outcome = deploy(world, lock_timeout="30s")
    assert outcome.exit_code == 6
    assert "30 s of it waiting for the deploy lock" in outcome.summary
    assert outcome.outputs["error"].startswith("Another deploy of 'web' is still in progress after 30 s: ")
    assert "Nothing was changed." in outcome.log
    assert world.platform.apps.get("web").image == OLD


# --- lost responses


@pytest.mark.parametrize(("arrives", "code"), [(False, 5), (True, 0)])
def test_retry_timeout_0_requests_once(world: World, *, arrives: bool, code: int) -> None:
    """The app shows whether the request arrived."""
    world.fault(Kind.RESET, "POST", "/deploy$", after=arrives)
    outcome = deploy(world, retry_timeout=0)
    assert (outcome.exit_code, asked(outcome)) == (code, 1), outcome.log
    assert (
        "The platform didn't confirm the deploy, and the app doesn't show it" in outcome.log
    ) is not arrives


def test_a_lost_request_is_sent_at_most_twice(world: World) -> None:
    """The deploy may still take effect, so `changed` is true."""
    world.fault(Kind.RESET, "POST", "/deploy$", times=None)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (5, 2)
    assert outcome.seconds == pytest.approx(15 + 15, abs=1)
    assert outcome.outputs["error"].startswith(
        "The platform didn't confirm the deploy, and the app doesn't show it"
    )
    assert outcome.outputs["error"].endswith("; the image of 'web' is unknown")
    assert (outcome.outputs["image"], outcome.outputs["previous_image"]) == (None, OLD)
    assert outcome.outputs["changed"] is True


@pytest.mark.parametrize("wait", [True, False])
def test_after_a_lost_response_another_deploys_image_stays(world: World, *, wait: bool) -> None:
    """The deploy isn't requested again. With `wait`, the run reports the other image after that runs."""

    def other() -> None:
        world.platform.apps.deploy("web", image="nginx:9", private=False)
        world.platform.apps.set_status("web", "running")

    world.fault(Kind.RESET, "POST", "/deploy$")
    world.loop.call_later(3, other)
    outcome = deploy(world, rollback=True, wait=wait, health_check=None if wait else "/")
    assert (outcome.exit_code, asked(outcome)) == (8 if wait else 5, 1), outcome.log
    assert outcome.outputs["status"] == ("superseded" if wait else "failed")
    assert world.platform.apps.get("web").image == outcome.outputs["image"] == "nginx:9"
    said = "Another deploy replaced 'nginx:2': " if wait else "the app doesn't show it: "
    assert said in outcome.outputs["error"]
    assert outcome.seconds == pytest.approx(3 + 15 if wait else 3, abs=2)


def test_a_rejection_after_a_lost_request_is_exit_4(world: World) -> None:
    """A 400 doesn't show that this run's deploy is in progress."""
    world.fault(Kind.RESET, "POST", "/deploy$")
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = deploy(world)
    assert (outcome.exit_code, asked(outcome)) == (4, 2), outcome.log


def test_a_conflict_after_a_lost_request_is_this_runs_own_deploy(world: World) -> None:
    """The app doesn't show the first request yet, so the 409 to the second one is about the first."""
    takes(world, 30)
    world.fault(Kind.RESET, "POST", "/deploy$", after=True)
    world.fault(Kind.STATUS, "POST", "/deploy$", status=409, body=b"")
    says(world, image=OLD, status="running", times=16)
    outcome = deploy(world, lock_timeout=0)
    assert (outcome.exit_code, asked(outcome)) == (0, 2), outcome.log


def test_a_lost_response_with_a_retry_after_of_an_hour_ends_the_run(world: World) -> None:
    """The run doesn't poll for an hour."""
    wait = {"Retry-After": "3600"}
    world.fault(Kind.STATUS, "POST", "/deploy$", status=503, headers=wait)
    outcome = deploy(world)
    assert (outcome.exit_code, outcome.seconds < 5) == (5, True)
    assert "and a Retry-After of 1 h 00 m" in outcome.outputs["error"]
