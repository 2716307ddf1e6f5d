"""The deploy lock through whole deploys: waiting, heartbeats, loss, release, the record for the cleanup."""

import asyncio
import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import timewarp
from tests.support.cleanup import clean_up
from tests.support.world import Outcome, World, close_signals
from zerokie_action.files.local import FileContent
from zerokie_action.http.request import Bytes, Content
from zerokie_action.lock.record import LockRecords
from zerokie_action.sandbox.dialects import QUESTIONS
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.platform import EXPIRY
from zerokie_action.sandbox.records import Record

MINUTE = 60.0
COMMANDS = "`zerokie-cleanup` (in a checkout `python entrypoint.py cleanup`)"
MANY = {f"{number:02}.txt": b"x" for number in range(20)}
LOST = [
    ("404", "error", ""),
    ("mixed", "error", ""),
    *(("409", body, "somebody else") for body in QUESTIONS["conflict"].answers),
]


def test_heartbeats_keep_the_lock_beyond_30_minutes(world: World) -> None:
    """Heartbeats every 3 minutes, as is the default, keep the lock alive beyond its 30 minutes."""
    world.write({f"{number:03}.txt": b"x" for number in range(100)})
    world.fault(Kind.DELAY, method="PUT", path="/files/", times=None, seconds=25.0)
    outcome = world.run(concurrency=1, timeout="5h", retry_timeout=0)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds > 40 * MINUTE > EXPIRY
    assert len(outcome.sent("PUT", "/lock$")) == pytest.approx(outcome.seconds / (3 * MINUTE), abs=2)
    assert {record.lock_holder for record in outcome.sent("PUT", "/files/")} == outcome.sessions


@pytest.mark.parametrize("status", [503, 400])
def test_ten_minutes_of_failed_heartbeats_end_nothing(world: World, status: int) -> None:
    """Ten minutes of refusals end no deploy, and are one line; after them, the lock is confirmed again.

    Until then each 15 s, not only after another `lock-heartbeat`.
    """
    world.write({f"{number:03}.txt": b"x" for number in range(40)})
    world.fault(Kind.DELAY, method="PUT", path="/files/", times=None, seconds=25.0)
    world.fault(Kind.STATUS, method="PUT", path="/lock$", times=None, status=status, lasts=10 * MINUTE)
    outcome = world.run(concurrency=1, timeout="5h", lock_heartbeat="1m")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.log.count("Heartbeat: ") == 1
    statuses = [record.status for record in outcome.sent("PUT", "/lock$")]
    refused = statuses.count(status)
    assert refused > 30
    assert statuses == [status] * refused + [200] * (len(statuses) - refused)
    assert len(statuses) - refused == pytest.approx((outcome.seconds - 10 * MINUTE) / MINUTE, abs=2)


@pytest.mark.parametrize(("lost", "conflict", "successor"), LOST)
def test_a_lost_lock_stops_all_writes(world: World, lost: str, conflict: str, successor: str) -> None:
    """After the heartbeat has learned of the loss nothing is written, and nobody else's lock is finalized.

    Whatever a 409 looks like, it is the platform's word.
    """
    world.platform.dialect.speak(f"conflict={conflict}", f"lock-lost={lost}")
    world.write(MANY)
    world.fault(Kind.DELAY, method="PUT", path="/files/", times=None, seconds=5.0)

    def lose() -> None:
        world.platform.expire_lock("site")
        if successor:
            world.platform.take_lock("site", successor)

    world.once("PUT", "05.txt$", lose)
    outcome = world.run(concurrency=1, lock_heartbeat="10s")
    assert outcome.exit_code == 7, outcome.log
    assert outcome.outputs["error"].startswith(
        "The deploy lock was lost during the deploy: the platform says"
    )
    assert outcome.outputs["hint"].startswith("No write was started after the loss was noticed. Run")
    assert outcome.sent("POST", "/finalize$") == []
    (told,) = [record.index for record in outcome.sent("PUT", "/lock$") if record.status in {404, 409}]
    # One upload may have been on its way when the answer came.
    assert [record for record in outcome.sent("PUT", "/files/") if record.index > told + 1] == []
    assert world.platform.lock("site") == (successor or None)


def test_an_app_that_is_deleted_meanwhile_ends_the_run(world: World) -> None:
    """Its storage might only be late, so the upload is tried for its two minutes. Nothing is written."""
    world.write(MANY)
    world.once("PUT", "05.txt$", lambda: world.platform.apps.delete("site"))
    outcome = world.run(concurrency=1)
    assert outcome.exit_code == 5, outcome.log
    assert 'the platform answered 404: "app not found"' in outcome.outputs["error"]
    assert outcome.seconds < 130
    assert "or the app was deleted" in outcome.log


def test_somebody_elses_lock_is_waited_for_at_a_calm_rhythm(world: World) -> None:
    """It says what it waits for and how long is left, at a calm rhythm, and deploys in the end."""
    world.platform.take_lock("site", "other")
    world.loop.call_later(100, world.platform.expire_lock, "site")
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert "Waiting for another deploy of 'site' to end; 10 m 00 s left\n" in outcome.log
    assert 3 <= outcome.log.count("Waiting for another deploy") <= 5
    assert re.search(r"Deploy lock acquired after 1 m \d\d s\n", outcome.log)
    assert 100 <= outcome.outputs["lock_wait_seconds"] < 120


@pytest.mark.parametrize("first", [0, 1])
def test_two_deploys_at_once_take_turns(world: World, tmp_path: Path, first: int) -> None:
    """They take turns, whoever is first: no write of one lies between another's, the site is the last's."""
    folder = tmp_path / "other" / "folder"
    folder.mkdir(parents=True)
    other = World(folder, world.platform, world.loop)
    other.write(MANY)
    deploys = (world, other) if first == 0 else (other, world)
    locked = asyncio.Event()

    async def hold(record: Record) -> None:
        assert deploys[1].server
        if record.path.endswith("/lock") and deploys[1].server.url.endswith(record.headers["host"]):
            await locked.wait()

    def release(record: Record) -> None:
        if record.path.endswith("/lock"):
            locked.set()

    async def both() -> list[Outcome]:
        return await asyncio.gather(*(deploy.arun(max_deletes=len(MANY)) for deploy in deploys))

    world.platform.on_request, world.platform.on_response = hold, release
    outcomes = timewarp.run(world.loop, both())
    close_signals(other.signals)
    assert [outcome.exit_code for outcome in outcomes] == [0, 0], [outcome.log for outcome in outcomes]
    writes = [record for record in world.platform.requests if "/files/" in record.path]
    holders = [record.lock_holder for record in writes if record.method in {"PUT", "DELETE"}]
    assert None not in holders
    assert sum(before != after for before, after in pairwise(holders)) == 1
    assert world.stored() == deploys[1].read()


@pytest.mark.parametrize("timeout", ["0", "45s"])
def test_a_lock_that_outlasts_lock_timeout_is_exit_6(world: World, timeout: str) -> None:
    """Exit 6 in time, and the other deploy keeps its lock; what waits longer, and what frees it."""
    world.platform.take_lock("site", "other")
    outcome = world.run(lock_timeout=timeout)
    assert outcome.exit_code == 6, outcome.log
    assert outcome.seconds <= 46
    assert outcome.outputs["lock_wait_seconds"] == {"0": 0, "45s": 45}[timeout]
    after = {"0": "0 s", "45s": "45 s"}[timeout]
    said = f"Another deploy of 'site' is still in progress after {after}: "
    assert outcome.outputs["error"].startswith(said)
    for words in (
        "its lock ends 30 minutes later",
        "to wait for that, set `lock-timeout: 31m` and `timeout: 1h`",
        f"{COMMANDS} releases the lock at once, but only with the `state-file` of the killed run",
    ):
        assert words in outcome.outputs["hint"]
    assert world.platform.lock("site") == "other"
    assert outcome.sent("POST", "/finalize$") == []


def test_retry_after_of_a_conflict_is_waited_for(world: World) -> None:
    """`Retry-After` of a conflict."""
    world.fault(Kind.STATUS, "POST", "/lock$", status=409, headers={"retry-after": "25"})
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["lock_wait_seconds"] == 25


@pytest.mark.parametrize("clock", ["boot", "wall"])
@pytest.mark.parametrize("content", [FileContent, Bytes])
def test_a_suspended_machine_sends_no_more_of_an_upload(
    world: World, monkeypatch: pytest.MonkeyPatch, content: type[Content], clock: str
) -> None:
    """The rest of a large file or manifest is not sent: by now the lock may be somebody else's.

    Of a virtual machine that was paused, only the wall clock may know.
    """
    asleep = 0.0
    wall_clock = time.time
    if clock == "boot":
        monkeypatch.setattr(time, "clock_gettime", lambda _clock: world.loop.now + asleep)
    else:
        monkeypatch.setattr(time, "time", lambda: wall_clock() + asleep)
    if content is FileContent:
        world.write({"large.bin": bytes(8_000_000)})
    else:
        world.write({f"{'d' * 200}/{number:04}": b"" for number in range(2000)})

    chunks = content.chunks

    def suspend(content: Content) -> Iterator[bytes]:
        nonlocal asleep
        for number, chunk in enumerate(chunks(content)):
            if number > 2 and world.platform.lock("site"):
                asleep = 31 * MINUTE
            yield chunk

    monkeypatch.setattr(content, "chunks", suspend)
    outcome = world.run(incremental=False)  # else it is read in the background as well, to be hashed
    assert outcome.exit_code == 7, outcome.log
    assert asleep
    assert world.stored() == {}
    if content is Bytes:
        assert world.platform.files("site") == {}
    assert outcome.sent("POST", "/finalize$") == []


@pytest.mark.parametrize("hours", [-1, 0.4])
def test_a_clock_that_is_set_ahead_ends_all_writes(
    world: World, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    """By less than the lock's 30 minutes, or back: that ends no deploy."""
    wall_clock = time.time
    world.once(
        "PUT",
        "/files/index.html$",
        lambda: monkeypatch.setattr(time, "time", lambda: wall_clock() + hours * 60 * MINUTE),
    )
    assert world.run().exit_code == 0


def test_a_lock_that_was_never_asked_for_is_not_released(world: World) -> None:
    """A connection that is refused each time asks for nothing: no lock may be held, and none is released."""
    world.platform.take_lock("site", "somebody")
    world.once("POST", "/deploy/lock$", lambda: world.go_away(1000))
    outcome = world.run()
    assert outcome.exit_code == 5
    assert outcome.seconds < 135
    assert "may still be held" not in outcome.log
    assert outcome.outputs["warnings"] == []


def test_a_late_storage_is_waited_for(world: World) -> None:
    """Uploads are sent again until it is ready."""
    world.write({f"{number:03}.txt": b"x" for number in range(100)})
    world.fault(Kind.STATUS, "PUT", "/files/", status=404, lasts=30, times=None)
    outcome = world.run()
    assert (outcome.exit_code, world.stored()) == (0, world.read()), outcome.log


# --- the state file


@pytest.fixture
def state(world: World) -> Path:
    """The state file of the runs."""
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    return file


def kill(world: World, *, at: str = "/files/index.html$") -> None:
    """A deploy is killed at an upload, under its lock."""
    world.die(lambda record: record.method == "PUT" and re.search(at, record.path) is not None)
    world.run()
    world.platform.on_request = None
    world.platform.faults.clear()
    world.reset_signals()


def leave(file: Path, app: str, session: str) -> None:
    """A run records its lock, and is killed before it asks for the lock."""
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add(app, session)


NAMES_LOCK = "`state-file` names a run that ended without releasing the lock on 'site'"


def test_the_run_after_a_killed_one_names_the_cleanup(world: World, state: Path) -> None:
    """It says before it waits which commands release the lock; after the cleanup, the rerun is right."""
    kill(world)
    held = world.platform.lock("site")
    assert held
    outcome = world.run(lock_timeout="1m")
    assert outcome.exit_code == 6
    said = outcome.log.index(NAMES_LOCK)
    assert said < outcome.log.index("Waiting for another deploy")
    assert COMMANDS in outcome.log[said:].partition("\n")[0]
    assert COMMANDS in outcome.outputs["hint"]
    assert world.platform.lock("site") == held
    assert "released now" in clean_up(world)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert NAMES_LOCK not in outcome.log
    assert world.stored() == world.read()
    assert state.read_bytes() == b""


def test_twenty_dead_sessions_are_named_and_dropped(world: World, state: Path) -> None:
    """One line for all; a run that gets the lock drops their records, but not another app's."""
    leave(state, "other", "s-1")
    for number in range(20):
        leave(state, "site", f"dead-{number}")
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.log.count(NAMES_LOCK) == 1
    with closing(LockRecords(lambda _state: None, state)) as records:
        assert [tuple(lock) for lock in records.held()] == [("other", "s-1")]
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert "`state-file`" not in outcome.log


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({}, 2),
        ({"operation": "destroy"}, 2),
        ({"operation": "sweep", "app": "site-pr-*"}, 2),
        ({"dry_run": True}, 0),
        ({"operation": "destroy", "dry_run": True}, 0),
        ({"app": "web", "image": "nginx:2", "create": True}, 0),
    ],
)
def test_a_state_file_in_use_is_exit_2_before_any_request(
    world: World, state: Path, inputs: dict[str, Any], code: int
) -> None:
    """Whoever takes a lock ends before its first request; nobody else opens the file."""
    with closing(LockRecords(lambda _state: None, state)):
        outcome = world.run(**inputs)
    assert outcome.exit_code == code, outcome.log
    if code:
        assert outcome.requests == []
        assert outcome.outputs["error"] == f"`state-file`: a run that uses {str(state)!r} has not ended"
        assert outcome.outputs["hint"] == "Wait for its end, or give each run a `state-file` of its own."
    elif "dry_run" not in inputs:
        assert state.read_bytes() == b""


def test_what_is_no_state_file_is_exit_2(world: World, state: Path) -> None:
    """A pipe ends the run before its first request."""
    os.mkfifo(state)
    outcome = world.run()
    assert outcome.exit_code == 2
    assert "can't be used (it is not a regular file)" in outcome.outputs["error"]
    assert outcome.requests == []


@pytest.mark.parametrize("content", [b"", b"\xff\x00 garbage", b'{"app": "site"'])
def test_a_run_without_flock_is_green(
    world: World, state: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """The lock is recorded, read and released as elsewhere; a line that is none of ours is left alone."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    state.write_bytes(content)
    kill(world)
    assert NAMES_LOCK in world.run(lock_timeout=0).log
    assert "released now" in clean_up(world)
    assert world.run().exit_code == 0
    assert state.read_bytes().startswith(content)
