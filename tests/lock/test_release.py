"""How the deploy lock ends: released with the true counts, lost, or left to the cleanup."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.ci.grammar import file_command
from tests.support import timewarp
from tests.support.containers import tell
from tests.support.world import Outcome, World
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.records import Record

EXPIRES = "The lock expires by itself at TIME UTC at the latest, if it was not released."
LOST = "The deploy lock was lost during the deploy"
LOCK, FINALIZE, HEARTBEAT = ("POST", "/lock$"), ("POST", "/finalize$"), ("PUT", "/lock$")
UPLOAD = ("PUT", "/files/")
PAGE = b"<html><title>Not Found</title>"
MINUTE = 60.0


@pytest.fixture
def state(world: World) -> Path:
    """The state file of the runs."""
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    return file


def untimed(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)


def requests(outcome: Outcome) -> list[tuple[str, int | None]]:
    """What was asked about the lock, and the answers."""
    about = [record for record in outcome.requests if re.search(r"/(lock|finalize)$", record.path)]
    return [(f"{record.method} {record.path.rpartition('/')[2]}", record.status) for record in about]


def ending(outcome: Outcome) -> list[tuple[str, int | None]]:
    """The same from the first finalize on."""
    asked = requests(outcome)
    return asked[[what for what, _ in asked].index("POST finalize") :]


def is_empty(state: Path) -> bool:
    """Whether the cleanup finds no session."""
    return state.read_bytes() == b""


def is_recorded(world: World, state: Path) -> bool:
    """Whether the cleanup finds the session that holds the lock."""
    *_, last = state.read_text("utf-8").splitlines() or ["{}"]
    return bool(json.loads(last).get("session") == world.platform.lock("site"))


# --- after success


def test_a_cancel_leaves_finalize_all_the_time(world: World, state: Path) -> None:
    """The purge of a cache takes its time: the request in flight has all the time that is left."""
    world.fault(Kind.HANG, *FINALIZE, after=True)
    tell(world, after=3)
    outcome = world.run()
    assert ending(outcome) == [("POST finalize", None)]
    assert (outcome.exit_code, world.platform.lock("site")) == (143, None)
    assert "The deploy lock could not be released in time" in outcome.outputs["error"]
    assert untimed(outcome.outputs["hint"]).startswith(f"{EXPIRES} ")
    assert not is_empty(state)  # the cleanup asks


@pytest.mark.parametrize(("timeout", "code"), [("30m", 143), ("5s", 0)], ids=["signal", "timeout"])
def test_a_cancel_in_a_pause_of_finalize_is_a_done_deploy(
    world: World, state: Path, timeout: str, code: int
) -> None:
    """The next attempt works: the deploy was done, as if that attempt had been in flight."""
    world.fault(Kind.STATUS, *FINALIZE, times=None, lasts=6)
    if code:
        tell(world, after=5)
    outcome = world.run(timeout=timeout)
    assert {status for _, status in ending(outcome)[:-1]} == {503}
    assert outcome.exit_code == code, outcome.log
    assert 6 < outcome.seconds < 7.5
    assert outcome.outputs["error"] == ("Cancelled by SIGTERM; the new version is deployed" if code else "")
    assert f"Finalized {outcome.outputs['deploy_id']}" in outcome.log
    assert (world.platform.lock("site"), world.stored()) == (None, world.read())
    assert is_empty(state)


@pytest.mark.parametrize(
    ("fault", "at_least", "at_most"),
    [
        pytest.param({"kind": Kind.HANG}, 240, 250, id="hangs"),
        pytest.param({"status": 404, "body": PAGE}, 120, 130, id="pages"),
        pytest.param({"headers": {"Retry-After": "3600"}}, 120, 130, id="says when to come back"),
        pytest.param({"status": 200, "body": b"ok"}, 0, 1, id="answers, and does nothing"),
    ],
)
def test_finalize_is_tried_as_long_as_any_request(
    world: World, state: Path, fault: dict[str, Any], at_least: int, at_most: int
) -> None:
    """It is tried as long as any request is, whatever `Retry-After` asks for.

    Then it is said when the lock expires, and the cleanup looks.
    """
    method, path = FINALIZE
    world.fault(**{"kind": Kind.STATUS, "method": method, "path": path, "times": None} | fault)
    outcome = world.run()
    assert outcome.exit_code == 5
    assert untimed(outcome.outputs["hint"]).startswith(f"{EXPIRES} ")
    told = datetime.fromisoformat(outcome.outputs["hint"].partition("itself at ")[2][:19]).replace(tzinfo=UTC)
    assert told.timestamp() == pytest.approx(timewarp.wall_clock(world.loop) + 30 * MINUTE, abs=3)
    assert at_least <= outcome.seconds < at_most
    assert is_recorded(world, state)
    if fault.get("status") == 200:
        assert ending(outcome) == [("POST finalize", 200), ("PUT lock", 200)] * 2


def test_finalize_is_not_sent_once_the_lock_may_have_expired(world: World, state: Path) -> None:
    """After that, finalize could release another deploy's lock. The cleanup asks whose it is."""
    world.fault(Kind.STATUS, *FINALIZE, times=None)
    outcome = world.run(retry_timeout="1h", timeout="2h")
    assert outcome.exit_code == 7, outcome.log
    assert outcome.outputs["error"].startswith(f"{LOST}: the platform has not confirmed it for almost 30 min")
    assert 28 * MINUTE < outcome.seconds < 30 * MINUTE
    assert is_recorded(world, state)


@pytest.mark.parametrize(
    ("dialect", "faults", "statuses", "is_known"),
    [
        ("201", [], [201], True),
        ("no-deploy-id", [], [200, 404], False),
        ("502", [], [502, 409], False),
        ("ok", [Fault(Kind.STATUS, *FINALIZE, status=204, body=b"")], [204, 200, 200], True),
    ],
)
def test_each_answer_to_finalize_releases_or_asks_the_heartbeat(
    world: World, state: Path, dialect: str, faults: list[Fault], statuses: list[int], *, is_known: bool
) -> None:
    """A deploy ID ends the lock. After a lost answer the next one tells, without an ID the heartbeat."""
    world.platform.dialect.speak(f"finalize={dialect}")
    world.platform.faults.add(*faults)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert [status for _, status in ending(outcome)] == statuses
    assert (outcome.outputs["deploy_id"] is not None) is is_known
    assert len(world.platform.deployments("site")) == 1
    assert is_empty(state)


# --- after a failure


@pytest.mark.parametrize(
    ("end", "away"),
    [("failure", Fault(Kind.STATUS, status=404, body=PAGE)), ("timeout", Fault(Kind.HANG))],
    ids=["failure", "timeout"],
)
def test_the_release_after_a_failure_ends_within_a_minute(
    world: World, state: Path, end: str, away: Fault
) -> None:
    """A minute, whatever the platform does then. The cleanup finds the lock."""
    ended_at: list[float] = []

    def go_away(record: Record) -> None:
        if record.path.endswith("index.html") and record.method == "PUT" and not ended_at:
            ended_at.append(world.loop.now + (20 if end == "timeout" else 0))
            index = record.index + (end == "failure")
            world.platform.faults.add(replace(away, index=index, times=None), first=True)

    world.platform.on_request = go_away
    if end == "failure":
        world.fault(Kind.STATUS, "PUT", "index.html", status=400, times=None)
    outcome = world.run(timeout="20s" if end == "timeout" else "30m")
    assert outcome.exit_code == {"failure": 4, "timeout": 9}[end]
    assert outcome.ended - ended_at[0] <= 60
    assert EXPIRES in untimed(outcome.log)
    assert is_recorded(world, state)


@pytest.mark.parametrize(("body", "lost"), [(b"conflict", True), (None, False)])
def test_a_409_to_a_write_asks_the_heartbeat(
    world: World, state: Path, body: bytes | None, *, lost: bool
) -> None:
    """409 means a conflict of deploy locks; whether it is one, the heartbeat tells before any other write."""
    if lost:
        world.once("PUT", "/files/index.html$", lambda: world.platform.take_lock("site", "other"))
    world.fault(Kind.STATUS, "PUT", "/files/index.html", status=409, body=body)
    outcome = world.run(concurrency=1)
    assert outcome.exit_code == (7 if lost else 4)
    assert world.platform.lock("site") == ("other" if lost else None)
    assert is_empty(state)
    if lost:
        (refused,) = (record.index for record in outcome.sent("PUT", "/files/index.html$"))
        assert [record for record in outcome.writes if record.index > refused] == []


def test_the_lock_is_released_though_the_failure_is_not_recorded(world: World) -> None:
    """The log says why; the lock is released all the same."""
    world.fault(Kind.STATUS, "PUT", "/files/about", status=400)
    world.fault(Kind.STATUS, "GET", "/files$", status=400, skip=1)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert "Before releasing the lock: Listing the files of 'site' was refused (400" in outcome.log
    assert world.platform.lock("site") is None


# --- while it is asked for


def test_a_cancelled_run_releases_a_lock_whose_answer_was_lost(world: World) -> None:
    """The answer is lost for ever; the heartbeat says that the lock is ours."""
    world.fault(Kind.HANG, *LOCK, after=True)
    tell(world, after=3)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert requests(outcome) == [("POST lock", None), ("PUT lock", 200), ("POST finalize", 200)]
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert outcome.seconds < 8
    assert world.platform.lock("site") is None


def granted_late(world: World, seconds: float) -> None:
    """The first request for the lock is carried out so much later, whatever answered it."""

    def grant(record: Record) -> None:
        if record.session and (record.method, record.path[-5:]) == ("POST", "/lock"):
            world.platform.on_request = None
            world.loop.call_later(seconds, world.platform.take_lock, "site", record.session)

    world.platform.on_request = grant


def test_a_lock_granted_after_the_end_is_left_to_the_cleanup(world: World, state: Path) -> None:
    """A gateway says 504, and the platform carries the request out after our finalize: the cleanup looks."""
    world.fault(Kind.STATUS, *LOCK, status=504)
    granted_late(world, 3)
    outcome = world.run()
    assert (outcome.exit_code, outcome.seconds < 3) == (0, True)
    timewarp.run(world.loop, anyio.sleep(3))
    assert world.platform.lock("site") is not None
    assert is_recorded(world, state)


@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.STATUS, *HEARTBEAT, status=403), Fault(Kind.HANG, *HEARTBEAT, times=None)],
    ids=["refused", "no answer"],
)
def test_an_unknown_lock_is_a_warning_and_stays_recorded(world: World, state: Path, fault: Fault) -> None:
    """Then a warning says when it expires, and the record stays for the cleanup."""
    world.platform.faults.add(Fault(Kind.HANG, *LOCK, after=True), fault)
    tell(world, after=3)
    outcome = world.run()
    assert EXPIRES in untimed(outcome.log)
    assert outcome.seconds < 8
    assert is_recorded(world, state)


def test_a_refusal_after_a_lost_answer_releases_our_lock(world: World) -> None:
    """The lock is ours all the same, and is given back."""
    world.fault(Kind.RESET, *LOCK, after=True)
    world.fault(Kind.STATUS, *LOCK, status=403, body=b'{"error": "no"}')
    assert world.run().exit_code == 4
    assert world.platform.lock("site") is None


# --- lost


def test_a_lost_lock_beside_a_failure_is_not_told_as_held(world: World) -> None:
    """The error is the failure's; nobody is told that the lock may still be held."""
    world.once("PUT", "/index.html$", lambda: world.platform.expire_lock("site"))
    world.fault(Kind.STATUS, "PUT", "/files/index.html", status=413, body=b"too large")
    outcome = world.run()
    assert outcome.exit_code == 4, outcome.log
    assert "The deploy lock was lost during the deploy" in outcome.log
    assert outcome.outputs["warnings"] == []
    assert "may still be held" not in outcome.log + outcome.outputs["error"]


@pytest.mark.parametrize(("kind", "interval"), [(Kind.STATUS, "30s"), (Kind.HANG, "15m")])
def test_29_minutes_without_a_confirmation_end_all_writes(
    world: World, state: Path, kind: Kind, interval: str
) -> None:
    """The work ends a minute before the lock may expire, though a large body is still being sent."""
    world.fault(Kind.DELAY, *UPLOAD, times=None, seconds=25)
    world.fault(kind, *HEARTBEAT, times=None)
    world.write({f"{number:03}.txt": b"x" for number in range(100)})
    outcome = world.run(concurrency=1, timeout="2h", lock_heartbeat=interval)
    assert outcome.exit_code == 7
    assert outcome.outputs["error"].startswith(
        f"{LOST}: the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"
    )
    assert 28 * MINUTE < outcome.seconds < 30 * MINUTE
    assert is_recorded(world, state)  # a heartbeat may have arrived: the cleanup asks


# --- what the cleanup is told


@pytest.mark.parametrize(("end", "code"), [("success", 0), ("failure", 4), ("lost", 7), ("refused", 4)])
def test_the_cleanup_learns_that_no_lock_is_held(world: World, state: Path, end: str, code: int) -> None:
    """That this session holds no lock, whether it gave it back, lost it, or never got it."""
    file = world.folder.parent / "github-state"
    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(file)}
    if end == "lost":
        world.once(*FINALIZE, lambda: world.platform.take_lock("site", "other"))
    elif end != "success":
        world.fault(Kind.STATUS, *(UPLOAD if end == "failure" else LOCK), status=403)
    outcome = world.run()
    assert outcome.exit_code == code
    told = file_command(file.read_text("utf-8"))
    assert told["released"] == told["session"]
    assert is_empty(state)
    assert world.platform.lock("site") == ("other" if end == "lost" else None)


def test_a_404_after_the_lock_was_granted_ends_all_writes(world: World) -> None:
    """Once the lock was granted, a 404 is the platform's word: nothing more is written."""
    world.platform.dialect.speak("lock-lost=404")
    world.write({f"{number}.txt": b"x" for number in range(40)})
    world.fault(Kind.DELAY, *UPLOAD, seconds=2, times=None)
    world.loop.call_later(5, world.platform.expire_lock, "new")
    outcome = world.run(app="new", create=True, concurrency=1, lock_heartbeat=1)
    assert outcome.exit_code == 7
    assert outcome.seconds < 12
