"""The lock cleanup (`zerokie-cleanup`) after a killed deploy."""

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
from zerokie_action.lock.saved import SavedLocks

SESSION = "0b5c"
STATE = {"STATE_app": "site", "STATE_session": SESSION}
"""The state that the killed deploy saved on GitHub."""
LOCK, FINALIZE = ("PUT", "/deploy/lock$"), ("POST", "/finalize$")
NOT_RELEASED = "Warning: Cleanup: can't release the deploy lock on 'site': "
MAY_BE_HELD = ". It may still be held until "
NOT_HELD = "Cleanup: the run no longer holds the deploy lock on 'site'\n"


@pytest.fixture(autouse=True)
def held(world: World) -> None:
    world.platform.take_lock("site", SESSION)


def test_the_lock_cleanup_releases_a_killed_runs_lock(world: World) -> None:
    """The warning asks the user to run the deploy again."""
    said = clean_up(world, STATE)
    assert world.platform.lock("site") is None
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert (
        "released the deploy lock that a run left on 'site'. The platform recorded that deploy with " in said
    )
    assert "counts of zero" in said


def test_unknown_and_wrong_inputs_do_not_stop_the_lock_cleanup(world: World) -> None:
    """They would stop a deploy. Without a key, the warning names a similar name."""
    world.env |= {"ZEROKIE_DRYRUN": "true", "INPUT_DRY-RUN": "false", "ZEROKIE_TIMEOUT": "soon"}
    world.env |= {"INPUT_APIKEYS": "key", "PLUGIN_ENV": "A=1,B=2"}
    log = clean_up(world, STATE, api_key=None)
    assert (
        "`api-key` is not set; INPUT_APIKEYS isn't an input. Did you mean `api-key` (INPUT_API_KEY)?" in log
    )
    assert "released the deploy lock" in clean_up(world, STATE)


def test_on_gitlab_deploy_and_lock_cleanup_share_a_default_state_file(world: World, tmp_path: Path) -> None:
    """Users don't need to set `state-file`."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(tmp_path / "project")}
    (tmp_path / "project").mkdir()
    leave(tmp_path / "project" / ".zerokie-state.json", "site", SESSION)
    assert "released the deploy lock" in clean_up(world)


def test_a_killed_run_leaves_a_default_state_file(world: World, tmp_path: Path) -> None:
    """The lock cleanup in the same working directory releases the lock, and removes the file."""
    file = tmp_path / ".zerokie-state.json"
    leave(file, "site", SESSION)
    assert "released the deploy lock" in clean_up(world)
    assert world.platform.lock("site") is None
    assert not file.exists()


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"api_url": "ftp://example.com"}, "`api-url` (ZEROKIE_API_URL): the value isn't the URL of an API"),
        ({"api_key": None}, "`api-key` is not set. "),
    ],
)
def test_the_warning_names_a_missing_or_wrong_input(world: World, inputs: dict[str, Any], why: str) -> None:
    """It also says when the lock expires."""
    said = clean_up(world, STATE, **inputs)
    assert f"Warning: Cleanup: {why}" in said
    assert "If a deploy lock is still held, it expires by " in said


def test_the_lock_cleanup_does_not_release_another_runs_lock(world: World) -> None:
    """The other run got it before the heartbeat. There is no warning."""
    state = state_file(world)
    leave(state, "site", SESSION)
    world.platform.take_lock("site", "other")
    began = world.loop.now
    assert clean_up(world) == NOT_HELD
    assert world.loop.now - began == pytest.approx(5, abs=1)
    assert world.platform.lock("site") == "other"
    assert recorded(state) == []


def test_a_lock_that_another_run_gets_before_finalize_is_left_to_the_next_lock_cleanup(world: World) -> None:
    """The other run keeps it."""
    state = state_file(world)
    leave(state, "site", SESSION)
    world.once(*FINALIZE, lambda: world.platform.take_lock("site", "other"))
    assert f"{NOT_RELEASED}The run lost the deploy lock" in clean_up(world)
    assert recorded(state) == [("site", SESSION)]
    assert clean_up(world) == NOT_HELD
    assert world.platform.lock("site") == "other"
    assert recorded(state) == []


@pytest.mark.parametrize(
    ("status", "dialect"),
    [(401, "heartbeat=204"), (403, "heartbeat=empty"), (404, "finalize=no-deploy-id"), (500, "finalize=502")],
)
def test_a_heartbeat_that_is_not_refused_with_a_409_keeps_the_lock(
    world: World, status: int, dialect: str
) -> None:
    """The response proves nothing about the session. The next lock cleanup releases the lock."""
    world.platform.dialect.speak(dialect)
    state = state_file(world)
    leave(state, "site", SESSION)
    world.fault(Kind.STATUS, *LOCK, status=status, body=b'{"error": "no"}', times=None)
    said = clean_up(world)
    assert NOT_RELEASED in said
    assert f"{status}{':' if status < 500 else ''}" in said
    assert MAY_BE_HELD in said
    assert recorded(state) == [("site", SESSION)]
    world.platform.faults.clear()
    assert "released the deploy lock" in clean_up(world)
    assert world.platform.lock("site") is None


@pytest.mark.parametrize(
    ("end", "dialect"),
    [("granted", "conflict=text"), ("refused", "conflict=empty"), ("missing", "conflict=object")],
)
def test_a_409_counts_only_if_a_second_heartbeat_gets_it_too(world: World, end: str, dialect: str) -> None:
    """The killed run's lock request may arrive after the first heartbeat."""
    world.platform.dialect.speak(dialect)
    state = state_file(world)
    leave(state, "site", SESSION)
    world.platform.take_lock("site", "other")
    if end == "granted":
        world.loop.call_later(4, lambda: world.platform.take_lock("site", SESSION))
    elif end == "missing":
        world.loop.call_later(4, lambda: world.platform.expire_lock("site"))
    said = clean_up(world)
    assert ("released the deploy lock" in said, NOT_HELD in said, MAY_BE_HELD in said) == (
        *(end == "granted", end == "refused", end == "missing"),
    )
    assert bool(recorded(state)) is (end == "missing")


# --- when the platform is unavailable


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
def test_the_lock_cleanup_retries_for_two_minutes(world: World, fault: Fault, *, is_released: bool) -> None:
    """A gateway's 404 page doesn't mean that the lock is gone.

    One attempt to finalize gets all the time, because the purge of the CDN's cache may take it.
    """
    world.platform.faults.add(replace(fault, times=None))
    began = world.loop.now
    said = clean_up(world, STATE)
    assert world.loop.now - began <= 121
    assert (NOT_RELEASED in said, MAY_BE_HELD in said) == (not is_released, not is_released)
    assert world.platform.lock("site") == (None if is_released else SESSION)


def test_a_signal_ends_the_lock_cleanup_within_5_s(world: World) -> None:
    """The warning says that the lock may still be held."""
    world.fault(Kind.HANG, times=None)
    began = world.loop.now
    tell(world, after=10)
    said = clean_up(world, STATE)
    assert world.loop.now - began <= 15
    assert NOT_RELEASED in said


def test_a_rejected_release_is_a_warning(world: World) -> None:
    """The lock is still held. The warning quotes the response without the key.

    The state file keeps the lock for the next lock cleanup.
    """
    state = state_file(world)
    leave(state, "site", SESSION)
    body = b'{"error": "no deploys for %s"}' % API_KEY.encode()
    world.fault(Kind.STATUS, *FINALIZE, status=403, body=body)
    said = clean_up(world)
    assert f"{NOT_RELEASED}Finalizing the deploy was refused" in said
    assert "no deploys for ***" in said
    assert API_KEY not in said
    assert MAY_BE_HELD in said
    assert world.platform.lock("site") == SESSION
    assert recorded(state) == [("site", SESSION)]


# --- the saved locks


def test_the_lock_cleanup_releases_the_locks_of_several_runs(world: World) -> None:
    """It releases those that are still held. Then the state file contains no lock."""
    state = state_file(world)
    for app, session in (("third", "live"), ("other", "s-2")):
        world.platform.apps.create_static(app)
        world.platform.take_lock(app, session)
    for app, session in (("third", "dead"), ("site", SESSION), ("other", "s-2")):
        leave(state, app, session)
    said = clean_up(world)
    assert [world.platform.lock(app) for app in ("site", "other", "third")] == [None, None, "live"]
    assert said.count("released the deploy lock") == 2
    assert said.count(NOT_HELD.replace("site", "third")) == 1
    nothing = f"Cleanup: found no deploy lock to release in {str(state)!r}\n"
    assert clean_up(world) == nothing


def test_the_post_step_on_github_does_not_mention_state_file(world: World) -> None:
    """GitHub has its own state. Elsewhere, the log names the default `state-file`."""
    said = "Cleanup: found no deploy lock to release{}\n"
    assert clean_up(world) == said.format(" in '.zerokie-state.json'")
    world.env["GITHUB_ACTIONS"] = "true"
    assert clean_up(world).endswith(said.format(""))


def test_the_lock_cleanup_does_not_release_the_lock_of_a_live_run(world: World) -> None:
    """It sends no request while that run uses the state file."""
    state = state_file(world)
    with closing(SavedLocks(lambda _state: None, state)):
        said = clean_up(world, STATE)
    assert said.startswith(
        f"Warning: Cleanup: `state-file`: can't use {str(state)!r}: another run is using it. Wait for that "
        "run to end, or set a separate `state-file` for each run. If a deploy lock is still held, it "
        "expires by "
    )
    assert world.platform.requests == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pipe", "not a regular file"),
        ("folder", "not a regular file"),
        ("link", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
        ("file/state.json", None),
    ],
)
def test_an_unreadable_state_file_is_a_warning(world: World, name: str, why: str | None) -> None:
    """It says why the file can't be used, and when the lock expires. A file that can't exist isn't one."""
    os.mkfifo("pipe")
    Path("link").symlink_to("file")
    Path("file").touch()
    state = world.env["ZEROKIE_STATE_FILE"] = str(world.folder.parent / name)
    said = clean_up(world)
    assert said.count("\n") == 1
    if why:
        assert said.startswith(f"Warning: Cleanup: `state-file`: can't use {state!r}: {why}. Set")
        assert "If a deploy lock is still held, it expires by " in said
    assert world.platform.lock("site") == SESSION


def test_a_crash_does_not_fail_the_pipeline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning has the reason and no traceback."""
    monkeypatch.setattr("zerokie_action.cleanup.Transport", None)
    said = clean_up(world, STATE)
    assert "Warning: Cleanup: 'NoneType' object is not callable. If a deploy lock is still held" in said
    assert "Traceback" not in said
