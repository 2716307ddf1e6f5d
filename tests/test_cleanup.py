"""The second chance: what `zerokie-cleanup` does about a lock that a killed deploy left."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault, Kind
from tests.support.cleanup import clean_up, leave, recorded, state_file
from tests.support.containers import tell
from tests.support.world import API_KEY, World
from zerokie_action.lock.saved import LockRecords

SESSION = "0b5c"
STATE = {"STATE_app": "site", "STATE_session": SESSION}
"""What GitHub keeps of the killed deploy."""
LOCK, FINALIZE = ("PUT", "/deploy/lock$"), ("POST", "/finalize$")
NOT_RELEASED = "Warning: Cleanup: the lock on 'site' could not be released: "
NOT_HELD = "Cleanup: that deploy holds no lock on 'site' any more; nothing to do\n"


@pytest.fixture(autouse=True)
def held(world: World) -> None:
    world.platform.take_lock("site", SESSION)


def test_a_killed_runs_lock_is_released(world: World) -> None:
    """It is released, and the user is told to deploy again."""
    said = clean_up(world, STATE)
    assert world.platform.lock("site") is None
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert "released now. The platform recorded the deploy with counts of zero" in said


def test_unknown_and_wrong_inputs_stop_no_cleanup(world: World) -> None:
    """What would stop a deploy must not cost a lock. Without a key, the warning names a former input."""
    world.env |= {"ZEROKIE_DRYRUN": "true", "INPUT_DRY-RUN": "false", "ZEROKIE_TIMEOUT": "soon"}
    world.env |= {"INPUT_API-KEY-FILE": "key", "ZEROKIE_LOCK_HEARTBEAT": "60", "PLUGIN_ENV": "A=1,B=2"}
    log = clean_up(world, STATE, api_key=None)
    assert "`api-key` is not set; `api-key-file` (INPUT_API-KEY-FILE) is not an input anymore." in log
    assert "released now" in clean_up(world, STATE)


def test_gitlabs_own_state_file_is_that_of_deploy_and_cleanup(world: World, tmp_path: Path) -> None:
    """Nobody has to set `state-file` there."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(tmp_path), "CI_JOB_ID": "42"}
    file = tmp_path / ".zerokie-state-42.json"
    with closing(LockRecords(lambda _state: None, file)) as records:
        assert "has not ended" in world.run().outputs["error"]
        records.add("site", SESSION)
    assert "released now" in clean_up(world)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"api_url": "ftp://example.com"}, "`api-url` (ZEROKIE_API_URL): the value isn't the URL of an API"),
        ({"api_key": None}, "`api-key` is not set. "),
    ],
)
def test_a_missing_input_is_named(world: World, inputs: dict[str, Any], why: str) -> None:
    """The warning names the input, and says when the lock expires."""
    said = clean_up(world, STATE, **inputs)
    assert f"Warning: Cleanup: {why}" in said
    assert "A deploy lock that is still held expires at " in said


@pytest.mark.parametrize("request_", [LOCK, FINALIZE])
def test_somebody_elses_lock_is_left_alone(world: World, request_: tuple[str, str]) -> None:
    """From the start, or since the heartbeat: nothing is released, nobody is warned, and the record goes."""
    state = state_file(world)
    leave(state, "site", SESSION)
    world.once(*request_, lambda: world.platform.take_lock("site", "other"))
    assert clean_up(world) == NOT_HELD
    assert world.platform.lock("site") == "other"
    assert recorded(state) == []


# --- when the platform does not answer


@pytest.mark.parametrize(
    ("fault", "is_released"),
    [
        (Fault(Kind.STATUS, *FINALIZE, lasts=60), True),
        (Fault(Kind.STATUS, *LOCK, status=404, body=b"<html><title>Not Found</title>", lasts=60), True),
        (Fault(Kind.HANG, *LOCK, lasts=60), True),
        (Fault(Kind.HANG, *FINALIZE, lasts=60), False),
        (Fault(Kind.STATUS, *LOCK), False),
    ],
    ids=["finalize is down", "pages", "hangs", "finalize hangs", "is down for ever"],
)
def test_an_outage_is_asked_through_for_two_minutes(world: World, fault: Fault, *, is_released: bool) -> None:
    """It is asked for two minutes in all. A page of somebody else's is no word about the lock.

    One attempt to finalize has all the time: the purge of a cache may take it.
    """
    world.platform.faults.add(replace(fault, times=None))
    began = world.loop.now
    said = clean_up(world, STATE)
    assert world.loop.now - began <= 121
    assert (NOT_RELEASED in said, "It expires at " in said) == (not is_released, not is_released)
    assert world.platform.lock("site") == (None if is_released else SESSION)


def test_a_signal_ends_the_cleanup_in_time(world: World) -> None:
    """It ends in time, and says what may be left."""
    world.fault(Kind.HANG, times=None)
    began = world.loop.now
    tell(world, after=10)
    said = clean_up(world, STATE)
    assert world.loop.now - began <= 15
    assert NOT_RELEASED in said


def test_a_refused_release_is_a_warning(world: World) -> None:
    """The lock is ours, so it is not called released. The answer is quoted without the key.

    The record stays: the next cleanup tries again.
    """
    state = state_file(world)
    leave(state, "site", SESSION)
    body = b'{"error": "no deploys for %s"}' % API_KEY.encode()
    world.fault(Kind.STATUS, *FINALIZE, status=403, body=body)
    said = clean_up(world)
    assert f"{NOT_RELEASED}Finalizing the deploy was refused" in said
    assert "no deploys for ***" in said
    assert API_KEY not in said
    assert "It expires at " in said
    assert world.platform.lock("site") == SESSION
    assert recorded(state) == [("site", SESSION)]


# --- the records


def test_the_locks_of_several_killed_runs_are_released(world: World) -> None:
    """Those that are still held are released, and no record stays: the next cleanup has nothing to do."""
    state = state_file(world)
    world.platform.apps.create_static("other")
    world.platform.take_lock("other", "s-2")
    for app, session in (("site", "dead"), ("site", SESSION), ("other", "s-2")):
        leave(state, app, session)
    said = clean_up(world)
    assert (world.platform.lock("site"), world.platform.lock("other")) == (None, None)
    assert said.count("released now") == 2
    assert said.count(NOT_HELD) == 1
    nothing = f"Cleanup: no deploy lock is recorded as held in {str(state)!r}: nothing to release\n"
    assert clean_up(world) == nothing


def test_the_post_step_is_not_told_to_set_state_file(world: World) -> None:
    """GitHub keeps the record, so only others are told that `state-file` is not set."""
    said = "Cleanup: no deploy lock is recorded as held{}: nothing to release\n"
    assert clean_up(world) == said.format(" (`state-file` is not set)")
    world.env["GITHUB_ACTIONS"] = "true"
    assert clean_up(world).endswith(said.format(""))


def test_the_lock_of_a_live_run_is_not_released(world: World) -> None:
    """Nothing is sent until it has ended."""
    state = state_file(world)
    with closing(LockRecords(lambda _state: None, state)):
        said = clean_up(world, STATE)
    assert said.startswith(
        f"Warning: Cleanup: `state-file`: a run that uses {str(state)!r} has not ended. Wait for its end, "
        "or give each run a `state-file` of its own. A deploy lock that is still held expires at "
    )
    assert world.platform.requests == []


def test_an_unreadable_state_file_does_not_hide_the_cis_state(world: World) -> None:
    """The warning says why; nobody waits."""
    state = state_file(world)
    os.mkfifo(state)
    warning = f"Warning: Cleanup: `state-file`: {str(state)!r} can't be used (it is not a regular file). Set"
    unnamed = clean_up(world)
    assert warning in unnamed
    assert "A deploy lock that is still held expires at " in unnamed
    assert world.platform.lock("site") == SESSION
    named = clean_up(world, STATE)
    assert warning in named
    assert "released now" in named


def test_a_crash_fails_no_pipeline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning has the reason, and no traceback."""
    monkeypatch.setattr("zerokie_action.cleanup.Transport", None)
    said = clean_up(world, STATE)
    assert "Warning: Cleanup: 'NoneType' object is not callable. A deploy lock that is still held" in said
    assert "Traceback" not in said
