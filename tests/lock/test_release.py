"""The end of the deploy lock: released with the true counts, or left to the lock cleanup."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sandbox.faults import Fault, Kind
from sandbox.platform import EXPIRY
from tests.ci.grammar import file_command
from tests.support import timewarp
from tests.support.cleanup import clean_up, recorded, state_file
from tests.support.containers import tell
from tests.support.world import Outcome, World

EXPIRES = "If the lock is still held, it expires by TIME UTC."
LOCK, FINALIZE, HEARTBEAT = ("POST", "/lock$"), ("POST", "/finalize$"), ("PUT", "/lock$")
INDEX = ("PUT", "/files/index.html$")


def untimed(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)


def statuses(outcome: Outcome, request: tuple[str, str]) -> list[int | None]:
    return [record.status for record in outcome.sent(*request)]


# --- after a success


@pytest.mark.parametrize(
    ("fault", "at_least"),
    [
        (Fault(Kind.HANG, *FINALIZE, times=None), 240),
        (Fault(Kind.STATUS, *FINALIZE, times=None, headers={"Retry-After": "3600"}), 120),
    ],
    ids=["hangs", "says when to come back"],
)
def test_finalize_is_retried_for_as_long_as_any_request(world: World, fault: Fault, at_least: float) -> None:
    """`Retry-After` and `timeout` don't matter. Then the hint says when the lock expires."""
    state = state_file(world)
    world.platform.faults.add(fault)
    outcome = world.run(timeout="10s")
    assert outcome.exit_code == 5
    assert at_least <= outcome.seconds < at_least + 10
    assert untimed(outcome.outputs["hint"]).startswith(f"{EXPIRES} ")
    told = datetime.fromisoformat(outcome.outputs["hint"].partition("expires by ")[2][:19]).replace(
        tzinfo=UTC
    )
    assert told.timestamp() == pytest.approx(timewarp.wall_clock(world.loop) + EXPIRY, abs=3)
    assert recorded(state) == [("site", world.platform.lock("site"))]


def test_after_a_signal_finalize_gets_all_the_time_left(world: World) -> None:
    """The purge of the CDN's cache takes seconds, so the request in flight isn't cut short."""
    state = state_file(world)
    world.fault(Kind.HANG, *FINALIZE, after=True)
    tell(world, after=3)
    outcome = world.run()
    assert statuses(outcome, FINALIZE) == [None]
    assert (outcome.exit_code, world.platform.lock("site")) == (143, None)
    assert "The platform didn't confirm the release of the deploy lock in time" in outcome.outputs["error"]
    assert untimed(outcome.outputs["hint"]).startswith(f"{EXPIRES} ")
    assert recorded(state), "the lock cleanup needs it"


@pytest.mark.parametrize(("timeout", "code"), [("30m", 143), ("5s", 0)], ids=["signal", "timeout"])
def test_a_cancel_between_two_finalize_attempts_does_not_undo_the_success(
    world: World, timeout: str, code: int
) -> None:
    """The next attempt succeeds. The result is the same as if that attempt had been in flight."""
    state = state_file(world)
    world.fault(Kind.STATUS, *FINALIZE, times=None, lasts=6)
    if code:
        tell(world, after=5)
    outcome = world.run(timeout=timeout)
    assert set(statuses(outcome, FINALIZE)[:-1]) == {503}
    assert outcome.exit_code == code, outcome.log
    assert 6 < outcome.seconds < 7.5
    assert outcome.outputs["error"] == ("Cancelled by SIGTERM; the new version is deployed" if code else "")
    assert f"Finalized {outcome.outputs['deploy_id']}" in outcome.log
    assert (world.platform.lock("site"), world.stored()) == (None, world.read())
    assert recorded(state) == []


# --- after a failure


@pytest.mark.parametrize(
    ("work", "code", "longest", "away"),
    [
        (Fault(Kind.STATUS, *INDEX, status=400), 4, 60, Fault(Kind.STATUS, status=404, body=b"<html>")),
        (Fault(Kind.HANG, *INDEX), 9, 20 + 60, Fault(Kind.HANG)),
    ],
    ids=["failure", "timeout"],
)
def test_the_release_after_a_failure_ends_within_a_minute(
    world: World, work: Fault, code: int, longest: float, away: Fault
) -> None:
    """The limit applies to every response. The state file keeps the lock for the lock cleanup."""
    state = state_file(world)
    world.platform.faults.add(work)
    world.once(*INDEX, lambda: world.platform.faults.add(replace(away, times=None)))
    outcome = world.run(timeout="20s")
    assert outcome.exit_code == code, outcome.log
    assert longest - 5 < outcome.seconds <= longest
    assert EXPIRES in untimed(outcome.log)
    assert recorded(state) == [("site", world.platform.lock("site"))]


def test_uploads_in_flight_get_ten_seconds_after_a_failure(world: World) -> None:
    """They may still take effect. Then the run releases the lock without their responses."""
    world.fault(Kind.STATUS, *INDEX, status=400)
    world.fault(Kind.HANG, "PUT", "/files/about")
    outcome = world.run()
    assert outcome.exit_code == 4, outcome.log
    assert outcome.seconds == pytest.approx(10, abs=1)
    assert world.platform.lock("site") is None


@pytest.mark.parametrize(("holder", "code"), [("other", 7), (None, 4)], ids=["lost", "held"])
def test_after_a_409_to_a_write_a_heartbeat_checks_who_holds_the_lock(
    world: World, holder: str | None, code: int
) -> None:
    """The run sends no other write before the heartbeat's response."""
    state = state_file(world)
    if holder:
        world.once(*INDEX, lambda: world.platform.take_lock("site", "other"))
    world.fault(Kind.STATUS, *INDEX, status=409)
    outcome = world.at_once(1).run()
    assert outcome.exit_code == code
    assert len(outcome.sent(*HEARTBEAT)) == 1
    (refused,) = (record.index for record in outcome.sent(*INDEX))
    written = [record.status for record in outcome.writes if record.index > refused]
    assert bool(written) is (holder is None), "the manifest of the failed deploy, and finalize"
    assert world.platform.lock("site") == holder
    assert bool(recorded(state)) is (holder is not None)


def test_a_lock_lost_during_a_failure_is_not_reported_as_held(world: World) -> None:
    """The run reports the failure's error. No report says that the lock may still be held."""
    world.once(*INDEX, lambda: world.platform.expire_lock("site"))
    world.fault(Kind.STATUS, *INDEX, status=413, body=b"too large")
    outcome = world.run()
    assert outcome.exit_code == 4, outcome.log
    assert "The run lost the deploy lock: " in outcome.log
    assert outcome.outputs["warnings"] == []
    assert "may still be held" not in outcome.log + outcome.outputs["error"]


def test_the_lock_is_released_even_if_the_failures_manifest_is_not_stored(world: World) -> None:
    """The log has the reason why the run didn't store the manifest."""
    world.fault(Kind.STATUS, "PUT", "/files/about", status=400)
    world.fault(Kind.STATUS, "GET", "/files$", status=400, skip=2)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert (
        "Skipped storing the progress of this deploy: Listing the files of 'site' was refused (400"
        in outcome.log
    )
    assert world.platform.lock("site") is None


def test_a_file_list_that_hangs_leaves_finalize_its_time(world: World) -> None:
    """After a failure, the manifest has 20s of the minute."""
    world.fault(Kind.STATUS, *INDEX, status=400)
    world.once(*INDEX, lambda: world.fault(Kind.HANG, "GET", "/files$", times=None))
    world.fault(Kind.DELAY, *FINALIZE, seconds=30)
    outcome = world.run()
    assert outcome.exit_code == 4, outcome.log
    assert outcome.seconds == pytest.approx(50, abs=1)
    assert world.platform.lock("site") is None


def test_an_upload_that_hangs_leaves_finalize_its_time_after_a_signal(world: World) -> None:
    """The run waits for responses for one of the five seconds."""
    world.fault(Kind.HANG, *INDEX, times=None)
    world.fault(Kind.DELAY, *FINALIZE, seconds=2.8)
    tell(world, after=3)
    outcome = world.run()
    assert outcome.exit_code == 143, outcome.log
    assert outcome.seconds == pytest.approx(3 + 4, abs=0.5)
    assert world.platform.lock("site") is None


# --- during the lock request


def test_a_cancelled_run_releases_a_lock_whose_response_was_lost(world: World) -> None:
    """A heartbeat shows that the run holds the lock."""
    world.fault(Kind.HANG, *LOCK, after=True)
    tell(world, after=3)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert [statuses(outcome, each) for each in (LOCK, HEARTBEAT, FINALIZE)] == [[None], [200], [200]]
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert outcome.seconds < 8
    assert world.platform.lock("site") is None


def test_a_lock_that_may_be_held_is_a_warning_and_stays_saved(world: World) -> None:
    """The heartbeat's response is lost as well. The warning says when the lock expires."""
    state = state_file(world)
    world.fault(Kind.HANG, *LOCK, after=True)
    world.fault(Kind.HANG, *HEARTBEAT, times=None)
    tell(world, after=3)
    outcome = world.run()
    assert EXPIRES in untimed(outcome.log)
    assert outcome.seconds < 8
    assert recorded(state) == [("site", world.platform.lock("site"))]


def test_a_lock_granted_after_the_end_is_left_to_the_lock_cleanup(world: World) -> None:
    """A gateway responds with 504, and the platform grants the lock after the run's finalize."""
    state = state_file(world)
    world.fault(Kind.STATUS, *LOCK, status=504)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    ((_, session),) = recorded(state)
    world.platform.take_lock("site", session)
    assert "released the deploy lock" in clean_up(world)
    assert world.platform.lock("site") is None


# --- the saved state


@pytest.mark.parametrize("code", [404, 409])
def test_a_lost_lock_may_still_be_held_and_stays_saved(world: World, code: int) -> None:
    """Another server may have responded. The lock cleanup releases the lock."""
    state = state_file(world)
    world.fault(Kind.STATUS, *FINALIZE, status=code, body=b'{"error": "no lock"}')
    outcome = world.run()
    assert outcome.exit_code == 7
    assert EXPIRES in untimed(outcome.log)
    assert recorded(state) == [("site", world.platform.lock("site"))]
    assert "released the deploy lock" in clean_up(world)
    assert world.platform.lock("site") is None


@pytest.mark.parametrize(("end", "code"), [("success", 0), ("failure", 4), ("refused", 4)])
def test_a_run_without_a_lock_leaves_none_for_the_lock_cleanup(world: World, end: str, code: int) -> None:
    """The run released the lock or never got it."""
    state, file = state_file(world), world.folder.parent / "github-state"
    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(file)}
    if end != "success":
        world.fault(Kind.STATUS, *(INDEX if end == "failure" else LOCK), status=403)
    outcome = world.run()
    assert outcome.exit_code == code
    told = file_command(file.read_text("utf-8"))
    assert told["released"] == told["session"]
    assert recorded(state) == []
    assert world.platform.lock("site") is None
