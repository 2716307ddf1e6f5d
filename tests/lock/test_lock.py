"""The deploy lock in whole deploys: waiting, heartbeats, loss, the state file."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Kind
from sandbox.platform import EXPIRY
from tests.support.cleanup import clean_up, leave, recorded, state_file
from tests.support.world import World
from zerokie_action.http.request import Bytes, Content
from zerokie_action.lock.saved import SavedLocks
from zerokie_action.site.local import FileContent

MINUTE = 60.0
COMMANDS = "`zerokie-cleanup` (in a checkout `python entrypoint.py cleanup`)"
HEARTBEAT = ("PUT", "/lock$")


def slow_uploads(world: World, count: int, seconds: float = 25) -> None:
    """Make a folder of `count` files, each of which takes `seconds` to upload."""
    world.write({f"{number:02}.txt": b"x" for number in range(count)})
    world.fault(Kind.DELAY, "PUT", "/files/", times=None, seconds=seconds)


# --- waiting for another deploy


def test_a_run_waits_for_another_deploys_lock(world: World) -> None:
    """The log has a line every 30s with the time left. Then the run deploys."""
    world.platform.take_lock("site", "other")
    world.loop.call_later(100, world.platform.expire_lock, "site")
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert "Waiting for another deploy of 'site' to end; 10m 00s left\n" in outcome.log
    assert 3 <= outcome.log.count("Waiting for another deploy") <= 5
    assert re.search(r"Acquired the deploy lock after 1m \d\ds\n", outcome.log)
    assert re.search(r"1m \d\ds of it waiting for the deploy lock", outcome.summary)


def test_a_run_waits_for_the_retry_after_of_a_conflict(world: World) -> None:
    """The run sends no request before that time."""
    world.fault(Kind.STATUS, "POST", "/lock$", status=409, headers={"retry-after": "25"})
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert "25s of it waiting for the deploy lock" in outcome.summary


@pytest.mark.parametrize(("timeout", "seconds"), [("0", 0), ("45s", 45)])
def test_a_lock_that_outlasts_lock_timeout_is_exit_6(world: World, timeout: str, seconds: int) -> None:
    """The other deploy keeps its lock. The hint says how to wait longer and how to release the lock."""
    world.platform.take_lock("site", "other")
    outcome = world.run(lock_timeout=timeout)
    assert outcome.exit_code == 6, outcome.log
    assert seconds <= outcome.seconds <= seconds + 1
    said = f"Another deploy of 'site' is still in progress after {seconds}s: "
    assert outcome.outputs["error"].startswith(said)
    for words in (
        "its lock expires within 30 minutes",
        "To wait for that, set `lock-timeout: 31m` and `timeout: 1h`",
        f"run {COMMANDS} with the `state-file` of the killed run",
    ):
        assert words in outcome.outputs["hint"]
    assert world.platform.lock("site") == "other"
    assert outcome.sent(*HEARTBEAT) + outcome.sent("POST", "/finalize$") == []


def test_a_new_app_may_reject_the_lock_request_for_one_minute(world: World) -> None:
    """The minute doesn't start again after a conflict with another deploy."""
    for status, times, lasts in ((404, None, 50), (409, 1, None), (404, None, None)):
        world.fault(Kind.STATUS, "POST", "/lock$", status=status, times=times, lasts=lasts)
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 4, outcome.log
    assert {record.status for record in outcome.sent("POST", "/lock$")} == {404, 409}
    assert 60 <= outcome.seconds < 65


# --- heartbeats and the loss of the lock


def test_a_deploy_keeps_its_lock_though_heartbeats_fail_for_ten_minutes(world: World) -> None:
    """The run sends heartbeats every 3 minutes, and every 15s after a failure.

    The deploy lasts longer than the lock's 30 minutes. The log has one line for all failures.
    """
    slow_uploads(world, 80)
    world.fault(Kind.STATUS, *HEARTBEAT, times=None, status=400, lasts=10 * MINUTE)
    outcome = world.at_once(1).run(timeout="1h")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds > EXPIRY
    assert {record.lock_holder for record in outcome.sent("PUT", "/files/")} == outcome.sessions
    assert outcome.log.count("Heartbeat failed: ") == 1
    statuses = [record.status for record in outcome.sent(*HEARTBEAT)]
    refused = statuses.count(400)
    assert statuses == [400] * refused + [200] * (len(statuses) - refused)
    assert refused == pytest.approx(7 * 4, abs=1)
    assert len(statuses) - refused == pytest.approx((outcome.seconds - 10 * MINUTE) / (3 * MINUTE), abs=1)


def test_a_heartbeat_waits_for_its_retry_after(world: World) -> None:
    """It then comes before the uploads, which also have a jitter. Otherwise, a limited rate starves it."""
    slow_uploads(world, 12)
    world.fault(Kind.STATUS, *HEARTBEAT, status=429, headers={"retry-after": "50"})
    outcome = world.at_once(1).run()
    assert outcome.exit_code == 0, outcome.log
    refused, again = (record.received for record in outcome.sent(*HEARTBEAT))
    assert again - refused == pytest.approx(50, abs=0.1)


def test_a_run_stops_writing_after_29_minutes_without_a_confirmation(world: World) -> None:
    """That is a minute before the lock may expire. The state file keeps the lock for the lock cleanup."""
    state = state_file(world)
    slow_uploads(world, 80)
    world.fault(Kind.HANG, *HEARTBEAT, times=None)
    outcome = world.at_once(1).run(timeout="2h")
    assert outcome.exit_code == 7
    assert outcome.outputs["error"].startswith(
        "The run lost the deploy lock: the platform didn't confirm it for almost 30 minutes, or the machine "
        "was suspended"
    )
    assert 28 * MINUTE < outcome.seconds < 30 * MINUTE
    assert recorded(state) == [("site", world.platform.lock("site"))]


def test_a_lost_lock_stops_all_writes(world: World) -> None:
    """After a heartbeat reports the loss, the run writes nothing and doesn't finalize the other lock."""
    slow_uploads(world, 50, seconds=5)
    world.once("PUT", "05.txt$", lambda: world.platform.take_lock("site", "somebody else"))
    outcome = world.at_once(1).run()
    assert outcome.exit_code == 7, outcome.log
    assert outcome.outputs["error"].startswith(
        "The run lost the deploy lock: it expired, or the app was deleted (409"
    )
    assert outcome.outputs["hint"].startswith(
        "Run the job again. This run wrote nothing after it noticed the loss. If the lock is still held, it "
        "expires by "
    )
    assert outcome.sent("POST", "/finalize$") == []
    (told,) = [record.index for record in outcome.sent(*HEARTBEAT) if record.status == 409]
    # One upload may have been in flight when the response arrived.
    assert [record for record in outcome.sent("PUT", "/files/") if record.index > told + 1] == []
    assert world.platform.lock("site") == "somebody else"


@pytest.mark.parametrize(
    ("clock", "content", "files"),
    [
        ("clock_gettime", FileContent, {"large.bin": bytes(8_000_000)}),
        ("time", Bytes, {f"{'d' * 200}/{'e' * 200}/{number}": b"" for number in range(400)}),
    ],
    ids=["a large file", "a large manifest, in a virtual machine"],
)
def test_a_suspended_machine_stops_in_the_middle_of_an_upload(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    clock: str,
    content: type[Content],
    files: dict[str, bytes],
) -> None:
    """Another deploy may hold the lock now. For a paused virtual machine, only the wall clock shows it."""
    asleep, now, chunks = 0.0, getattr(time, clock), content.chunks

    def suspend(source: Content) -> Iterator[bytes]:
        nonlocal asleep
        is_sent = content is Bytes or world.platform.requests[-1].method == "PUT"  # else it is hashed
        for number, chunk in enumerate(chunks(source)):
            asleep = 31 * MINUTE if number and is_sent else asleep
            yield chunk

    monkeypatch.setattr(time, clock, lambda *args: now(*args) + asleep)
    monkeypatch.setattr(content, "chunks", suspend)
    world.write(files)
    outcome = world.run()
    assert outcome.exit_code == 7, outcome.log
    assert asleep
    assert world.stored() == {}
    assert bool(world.platform.files("site")) is (content is FileContent), "a manifest is stored"
    assert outcome.sent("POST", "/finalize$") == []


def test_a_suspended_machine_deletes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is suspended after the last upload, before the next heartbeat."""
    assert world.run().exit_code == 0
    now = time.time
    world.write({"index.html": b"new"})
    world.once(
        *("PUT", "/files/index.html$"),
        lambda: monkeypatch.setattr(time, "time", lambda: now() + 31 * MINUTE),
    )
    outcome = world.run(max_deletes=9)
    assert outcome.exit_code == 7, outcome.log
    assert outcome.sent("DELETE", "/files/") + outcome.sent("POST", "/finalize$") == []


# --- the state file


MAY_BE_HELD = "An earlier run may still hold the deploy lock on 'site', according to `state-file`."


def test_a_run_without_changes_mentions_the_lock_of_a_killed_run(world: World) -> None:
    """It takes no lock, so the record stays."""
    world.run()
    state = state_file(world)
    leave(state, "site", "killed")
    outcome = world.run()
    assert (outcome.exit_code, outcome.writes) == (0, []), outcome.log
    assert outcome.log.count(MAY_BE_HELD) == 1
    assert recorded(state) == [("site", "killed")]


def test_the_run_after_a_kill_gives_the_cleanup_command(world: World) -> None:
    """The log gives it before the wait. After the lock cleanup, the rerun succeeds."""
    state = state_file(world)
    leave(state, "site", "killed")
    world.platform.take_lock("site", "killed")
    outcome = world.run(lock_timeout="1m")
    assert outcome.exit_code == 6
    said = outcome.log.index(MAY_BE_HELD)
    assert said < outcome.log.index("Waiting for another deploy")
    assert COMMANDS in outcome.log[said:].partition("\n")[0]
    assert world.platform.lock("site") == "killed"
    assert "released the deploy lock" in clean_up(world)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert MAY_BE_HELD not in outcome.log
    assert not state.exists()


def test_a_run_that_gets_the_lock_drops_the_apps_older_locks(world: World) -> None:
    """One log line covers all of them. The state file keeps another app's lock."""
    state = state_file(world)
    for app, session in (("other", "s-1"), ("site", "dead-1"), ("site", "dead-2")):
        leave(state, app, session)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.log.count(MAY_BE_HELD) == 1
    assert recorded(state) == [("other", "s-1")]
    assert "`state-file`" not in world.run().log


@pytest.mark.parametrize("inputs", [{}, {"operation": "sweep", "app": "site-pr-*"}], ids=["deploy", "sweep"])
def test_a_state_file_in_use_is_exit_2_before_any_request(world: World, inputs: dict[str, Any]) -> None:
    """A run that requests a lock needs a usable state file."""
    state = state_file(world)
    with closing(SavedLocks(lambda _state: None, state)):
        outcome = world.run(**inputs)
    assert outcome.exit_code == 2, outcome.log
    assert outcome.requests == []
    assert outcome.outputs["error"] == f"`state-file`: can't use {str(state)!r}: another run is using it"
    assert outcome.outputs["hint"] == "Wait for that run to end, or set a separate `state-file` for each run."


@pytest.mark.parametrize(
    "inputs", [{"dry_run": True}, {"app": "web", "image": "nginx:2", "create": True}], ids=["plan", "image"]
)
def test_a_run_without_a_lock_does_not_open_the_state_file(world: World, inputs: dict[str, Any]) -> None:
    """Another run may be using the file."""
    state = state_file(world)
    with closing(SavedLocks(lambda _state: None, state)):
        outcome = world.run(**inputs)
    assert outcome.exit_code == 0, outcome.log
    assert "state file" not in outcome.log


@pytest.mark.parametrize("inputs", [{}, {"operation": "destroy"}])
def test_a_default_state_file_is_open_before_the_first_request(
    world: World, inputs: dict[str, Any], tmp_path: Path
) -> None:
    """The run removes it at its end. GitHub has its own state."""
    file, seen = tmp_path / ".zerokie-state.json", []
    world.platform.on_request = lambda _record: seen.append(file.exists())
    assert world.run(**inputs).exit_code == 0
    assert (all(seen), file.exists()) == (True, False)
    world.platform.apps.create_static("other")
    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(tmp_path / "state")}
    assert world.run(app="other").exit_code == 0
    assert seen[-1] is False


def test_a_run_continues_if_the_default_state_file_is_in_use(world: World, tmp_path: Path) -> None:
    """The log says so."""
    with closing(SavedLocks(lambda _state: None, tmp_path / ".zerokie-state.json")):
        outcome = world.run()
    assert outcome.exit_code == 0
    line = "Continuing without the state file '.zerokie-state.json': another run is using it\n"
    assert line in outcome.log


def test_a_default_state_file_is_not_deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be the working directory, and a pattern may include the file."""
    monkeypatch.chdir(world.folder)
    (world.folder / ".zerokieignore").write_text("!.*.json\n")
    outcome = world.run(directory=".")
    assert outcome.exit_code == 0, outcome.log
    assert ".zerokie-state.json" not in world.stored()
    assert not (world.folder / ".zerokie-state.json").exists()
