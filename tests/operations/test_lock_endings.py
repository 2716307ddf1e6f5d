"""How the deploy lock ends, word for word: given back, lost, or left to expire."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.operations.containers import tell
from tests.support import timewarp
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.world import Outcome, World
    from zerokie_action.sandbox.records import Record

EXPIRES = "The lock expires by itself at TIME UTC, if it was not released."
LOST = "The deploy lock was lost in the middle of the deploy"
GONE = "The deploy lock was lost before finalize: the platform says that this deploy does not hold it"
AGAIN = "Run the deploy again: another deploy may have taken over in between."
LOCK, FINALIZE, HEARTBEAT = ("POST", "/lock$"), ("POST", "/finalize$"), ("PUT", "/lock$")
UPLOAD = ("PUT", "/files/")


@pytest.fixture
def state(world: World) -> Path:
    """The state file of the runs."""
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    return file


def untimed(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)


def lines(outcome: Outcome) -> list[str]:
    return untimed(outcome.log).splitlines()


def error(outcome: Outcome) -> tuple[int, str, str]:
    return outcome.exit_code, without_state(outcome), untimed(outcome.outputs["hint"])


def without_state(outcome: Outcome) -> str:
    """The error, but for the state that it says the site is in."""
    error: str = outcome.outputs["error"]
    return re.sub(r"; (\d+ of )?\d+ files? (was|were) uploaded, nothing was deleted$", "", error)


def requests(outcome: Outcome) -> list[tuple[str, int | None]]:
    """What was asked about the lock, and the answers."""
    about = [record for record in outcome.requests if re.search(r"/(lock|finalize)$", record.path)]
    return [(f"{record.method} {record.path.rpartition('/')[2]}", record.status) for record in about]


def ending(outcome: Outcome) -> list[tuple[str, int | None]]:
    """The same from the first finalize on."""
    asked = requests(outcome)
    return asked[[what for what, _ in asked].index("POST finalize") :]


def lose_before_finalize(world: World) -> Callable[[Record], None]:
    """Somebody else gets the lock when everything is uploaded."""

    def take(record: Record) -> None:
        if record.path.endswith("/finalize"):
            world.platform.take_lock("site", "other")

    return take


# --- finalize


def test_a_refusal_from_something_in_between(world: World, state: Path) -> None:
    """The lock is still ours, says the heartbeat; so finalize is sent again, with the true counts."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=409))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert ending(outcome) == [("POST finalize", 409), ("PUT lock", 200), ("POST finalize", 200)]
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.total_bytes) == (4, outcome.outputs["bytes_uploaded"])
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_lock_that_was_lost_before_finalize(world: World, state: Path) -> None:
    """When it expires is not for us to say. The other deploy keeps it, and the cleanup has nothing to do."""
    world.platform.on_request = lose_before_finalize(world)
    outcome = world.run()
    assert error(outcome) == (7, GONE, AGAIN)
    assert ending(outcome) == [("POST finalize", 409), ("PUT lock", 409)]
    assert world.platform.lock("site") == "other"
    assert not state.exists()


@pytest.mark.parametrize("lost", [False, True])
def test_what_github_s_cleanup_is_told(world: World, tmp_path: Path, *, lost: bool) -> None:
    """That this session holds no lock, whether it gave it back or lost it."""
    file = tmp_path / "github-state"
    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(file)}
    if lost:
        world.platform.on_request = lose_before_finalize(world)
    world.run()
    state = dict(re.findall(r"^(\w+)=(.*)$", file.read_text("utf-8"), re.MULTILINE))
    assert state["released"] == state["session"]


def test_an_answer_to_finalize_that_was_lost(world: World, state: Path) -> None:
    """The second one is refused, and nobody holds the lock: the first one worked."""
    world.platform.faults.add(Fault(Kind.RESET, *FINALIZE, after=True))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert ending(outcome) == [("POST finalize", None), ("POST finalize", 409), ("PUT lock", 404)]
    assert "the deploy ID is not known" in outcome.log
    assert not state.exists()


def test_a_cancel_while_finalize_is_not_answered(world: World, state: Path) -> None:
    """It may have worked: that the platform knows of no lock after that does not mean that it was lost."""
    world.platform.faults.add(Fault(Kind.HANG, "POST", "/finalize$", after=True))
    tell(world, after=3)
    outcome = world.run()
    assert [what for what, _ in ending(outcome)] == ["POST finalize", "POST finalize", "PUT lock"]
    assert (outcome.exit_code, world.platform.lock("site")) == (143, None)
    assert "the new version is deployed" in outcome.log
    assert not state.exists()


def test_a_platform_that_does_not_answer_finalize(world: World, state: Path) -> None:
    """It is tried as long as any request is; the record stays for the cleanup."""
    world.platform.faults.add(Fault(Kind.HANG, *FINALIZE, times=None))
    outcome = world.run()
    code, message, hint = error(outcome)
    assert (code, message.partition(" failed after ")[0]) == (5, "Finalizing the deploy")
    assert message.endswith("and 2 m 00 s without any success: no answer within 25 s")
    assert hint.startswith(f"{EXPIRES} ")
    assert 120 < outcome.seconds < 180
    assert json.loads(state.read_text("utf-8"))["session"] == world.platform.lock("site")


def test_somebody_else_answers_finalize_for_a_while(world: World, state: Path) -> None:
    """A gateway that restarts: the release is tried as long as one after a failure."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=404, body=b"<html>", times=None, lasts=45))
    outcome = world.run()
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "deployed"), outcome.log
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_finalize_that_is_to_wait_for_too_long(world: World, state: Path) -> None:
    """The platform has said when: it is not asked again before."""
    world.platform.faults.add(
        Fault(Kind.STATUS, *FINALIZE, status=503, headers={"Retry-After": "3600"}, times=None)
    )
    outcome = world.run()
    code, message, hint = error(outcome)
    assert (code, outcome.seconds < 1) == (5, True)
    assert "asks to wait until" in message
    assert hint.startswith(f"{EXPIRES} ")
    assert [asked for asked, _ in ending(outcome)] == ["POST finalize"]
    assert json.loads(state.read_text("utf-8"))["session"] == world.platform.lock("site")


@pytest.mark.parametrize("status", [404, 409])
def test_a_lock_that_finalize_does_not_find_and_the_heartbeat_does(
    world: World, state: Path, status: int
) -> None:
    """Whatever refuses it, the lock is ours: it is not called lost, and the record stays for the cleanup."""
    world.platform.faults.add(
        Fault(Kind.STATUS, *FINALIZE, status=status, body=b'{"error": "no lock"}', times=None)
    )
    outcome = world.run()
    code, message, hint = error(outcome)
    assert (code, message) == (4, f'Finalizing the deploy was refused ({status}: "no lock")')
    assert hint.startswith(f"{EXPIRES} ")
    assert ending(outcome) == [("POST finalize", status), ("PUT lock", 200), ("POST finalize", status)]
    assert json.loads(state.read_text("utf-8"))["session"] == world.platform.lock("site")


def test_a_heartbeat_that_does_not_tell_whose_it_is(world: World, state: Path) -> None:
    """The lock may still be ours, so the error says when it expires, and the record stays."""
    world.platform.faults.add(
        Fault(Kind.STATUS, *FINALIZE, status=409), Fault(Kind.STATUS, *HEARTBEAT, times=None)
    )
    outcome = world.run(retries=0)
    code, message, hint = error(outcome)
    assert code == 5
    assert message.startswith("Confirming the deploy lock failed after ")
    assert message.endswith(
        'and 2 m 00 s without any success: the platform answered 503 ("Service Unavailable")'
    )
    assert hint.startswith(f"{EXPIRES} ")
    assert state.exists()


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose time is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize("status", [503, 403])
def test_when_it_expires(world: World, status: int) -> None:
    """Half an hour after the last answer that the lock is ours, be it one that a refusal led to."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=status, times=None))
    answers: list[float] = []

    def wait(record: Record) -> None:
        if record.path.endswith("/finalize"):
            world.loop.jump(20)

    def note(record: Record) -> None:
        if record.path.endswith("/lock"):
            answers.append(time.time())

    world.platform.on_request, world.platform.on_response = wait, note
    hint = world.run(retries=0).outputs["hint"]
    told = datetime.fromisoformat(hint.partition(" at ")[2].partition(" UTC")[0]).replace(tzinfo=UTC)
    assert told.timestamp() == pytest.approx(answers[-1] + 30 * 60, abs=1)


# --- after a failure


def test_a_failure_releases_the_lock(world: World, state: Path) -> None:
    """The log says so, the error is the failure's."""
    world.platform.faults.add(Fault(Kind.STATUS, *UPLOAD, status=400))
    outcome = world.run()
    assert "Deploy lock released" in lines(outcome)
    assert without_state(outcome).endswith('was refused (400: "Bad Request")')
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_failure_whose_release_fails(world: World, state: Path) -> None:
    """The error is the failure's; the release's is a warning in one line."""
    world.platform.faults.add(
        Fault(Kind.STATUS, *UPLOAD, status=400),
        Fault(Kind.STATUS, *FINALIZE, times=None),
    )
    outcome = world.run(retries=0)
    (warning,) = [line for line in lines(outcome) if line.startswith("Warning")]
    assert re.match(
        r"Warning: Finalizing the deploy failed after \d\d attempts: the platform answered 503 "
        rf'\("Service Unavailable"\)\. {re.escape(EXPIRES)} Run the job again',
        warning,
    )
    assert ".." not in warning
    assert 45 < outcome.seconds < 60
    assert outcome.exit_code == 4
    assert state.exists()


def test_a_failure_after_which_the_lock_is_lost(world: World, state: Path) -> None:
    """Nothing is left to expire: the warning says what happened and what to do."""
    world.platform.faults.add(Fault(Kind.STATUS, *UPLOAD, status=400))
    world.platform.on_request = lose_before_finalize(world)
    outcome = world.run()
    assert [line for line in lines(outcome) if line.startswith("Warning")] == [f"Warning: {GONE}. {AGAIN}"]
    assert outcome.exit_code == 4
    assert world.platform.lock("site") == "other"
    assert not state.exists()


# --- while it is asked for


def test_a_cancelled_run_gives_back_what_may_be_its_own(world: World, state: Path) -> None:
    """The answer is lost for ever; the heartbeat says that the lock is ours."""
    world.platform.faults.add(Fault(Kind.HANG, *LOCK, after=True))
    tell(world, after=3)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert "Deploy lock released" in lines(outcome)
    assert requests(outcome) == [("POST lock", None), ("PUT lock", 200), ("POST finalize", 200)]
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert outcome.seconds < 8
    assert not state.exists()


def test_a_cancelled_run_leaves_alone_what_is_not_its_own(world: World) -> None:
    """The lock was never given, as far as the platform says after a second and a half."""
    world.platform.faults.add(Fault(Kind.HANG, *LOCK))
    tell(world, after=3)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert requests(outcome) == [("POST lock", None), *[("PUT lock", 404)] * 3]
    assert "The platform says that this run does not hold the deploy lock" in lines(outcome)
    assert "released" not in outcome.log
    assert outcome.seconds < 3 + 5


def granted_late(world: World, seconds: float) -> None:
    """The platform takes so long to give the lock that nobody waits for its answer."""

    def grant(record: Record) -> None:
        if record.session and (record.method, record.path[-5:]) == ("POST", "/lock"):
            world.loop.call_later(seconds, world.platform.take_lock, "site", record.session)

    world.platform.faults.add(Fault(Kind.HANG, *LOCK))
    world.platform.on_request = grant


@pytest.mark.parametrize("seconds", [0.5, 2.0, 2.9])
def test_a_lock_that_a_cancelled_run_gets_late(world: World, state: Path, seconds: float) -> None:
    """It is looked for again, and given back."""
    granted_late(world, seconds)
    tell(world, after=1)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert outcome.seconds < 1 + 5
    assert world.platform.lock("site") is None
    assert "Deploy lock released" in outcome.log
    assert not state.exists()


def test_a_lock_that_comes_after_the_end(world: World, state: Path) -> None:
    """The cleanup knows whose it may be."""
    granted_late(world, 10)
    tell(world, after=1)
    outcome = world.run()
    assert outcome.exit_code == 143
    world.loop.jump(60)
    timewarp.run(world.loop, anyio.sleep(0.1))
    session = world.platform.lock("site")
    assert session is not None
    assert json.loads(state.read_text("utf-8"))["session"] == session


def test_a_lock_that_is_given_late_while_we_wait(world: World, state: Path) -> None:
    """The conflict that follows is one with ourselves, whenever it comes."""
    granted_late(world, 45)
    world.platform.take_lock("site", "other")
    world.loop.call_later(40, world.platform.expire_lock, "site")
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_cancelled_run_whose_lock_goes_to_somebody_else(world: World, state: Path) -> None:
    """Between the heartbeat and finalize: there is nothing to give back, and nothing to warn of."""
    world.platform.faults.add(Fault(Kind.HANG, *LOCK, after=True))
    world.platform.on_request = lose_before_finalize(world)
    tell(world, after=3)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert requests(outcome)[1:] == [("PUT lock", 200), ("POST finalize", 409), ("PUT lock", 409)]
    assert not [line for line in lines(outcome) if "arning" in line or "released" in line]
    assert world.platform.lock("site") == "other"
    assert not state.exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(Kind.STATUS, *HEARTBEAT, status=403), "(403"),
        (
            Fault(Kind.HANG, *HEARTBEAT, times=None),
            "holds the deploy lock: Confirming the deploy lock failed after ",
        ),
    ],
    ids=["refused", "no answer"],
)
def test_whose_lock_it_is_may_remain_unknown(world: World, state: Path, fault: Fault, says: str) -> None:
    """Then a warning says when it expires, and the record stays for the cleanup."""
    world.platform.faults.add(Fault(Kind.HANG, *LOCK, after=True), fault)
    tell(world, after=3)
    outcome = world.run()
    (warning,) = [line for line in lines(outcome) if line.startswith("Warning")]
    assert warning.startswith("Warning: It is not known whether this run holds the deploy lock")
    assert says in warning
    assert warning.endswith(EXPIRES)
    assert outcome.seconds < 8
    assert state.exists()


def test_a_cancelled_wait_asks_nothing_more(world: World, state: Path) -> None:
    """The platform said that the lock is somebody else's."""
    world.platform.take_lock("site", "other")
    tell(world, after=10)
    outcome = world.run()
    assert outcome.exit_code == 143
    assert set(requests(outcome)) == {("POST lock", 409)}
    assert not state.exists()


def test_a_refusal_to_give_the_lock(world: World, state: Path) -> None:
    """It is not ours for certain: nobody is asked, nothing is finalized or left to clean up."""
    world.platform.faults.add(Fault(Kind.STATUS, *LOCK, status=403))
    outcome = world.run()
    assert outcome.exit_code == 4
    assert requests(outcome) == [("POST lock", 403)]
    assert not state.exists()


@pytest.mark.parametrize(("held", "says"), [(0, ""), (0.4, ""), (30, r" after [34]\d s")])
def test_how_long_it_was_waited_for(world: World, held: float, says: str) -> None:
    """A wait of a second or more is told; the app is named while it lasts."""
    if held:
        world.platform.take_lock("site", "other")
        world.loop.call_later(held, world.platform.expire_lock, "site")
    log = lines(world.run())
    (acquired,) = [line for line in log if line.startswith("Deploy lock acquired")]
    assert re.fullmatch(f"Deploy lock acquired{says}", acquired)
    assert sum("Another deploy of 'site' is in progress" in line for line in log) == bool(held)


@pytest.mark.parametrize("why", ["refused", "told", "out of time"])
def test_what_is_on_its_way_at_the_end(world: World, why: str) -> None:
    """It is stored while the lock is ours, and counted: nothing comes after finalize."""
    world.write({f"{number:02}.txt": b"x" for number in range(40)})
    world.platform.faults.add(
        Fault(Kind.STATUS, path="/15.txt$", times=None, status=400 if why == "refused" else 503)
    )
    world.platform.faults.add(Fault(Kind.DELAY, *UPLOAD, times=None, seconds=0.8))
    if why == "told":
        tell(world, after=1)
    outcome = world.run(concurrency=8, timeout=1 if why == "out of time" else 60)
    assert outcome.exit_code == {"refused": 4, "told": 143, "out of time": 9}[why]
    (deployment,) = world.platform.deployments("site")
    stored = [record for record in outcome.requests if record.status == 200 and "/files/" in record.path]
    assert {record.lock_holder for record in stored if record.method == "PUT"} == {deployment.session}
    assert deployment.files_uploaded == len(world.stored()) > 8


# --- lost


def test_a_lock_that_somebody_else_got(world: World, state: Path) -> None:
    """The reason, and what to do; there is nothing to clean up."""
    world.platform.faults.add(Fault(Kind.DELAY, *UPLOAD, times=None, seconds=20))
    world.loop.call_later(5, world.platform.take_lock, "site", "other")
    assert error(world.run(lock_heartbeat="10s")) == (
        7,
        f"{LOST}: the platform says that this deploy does not hold it",
        "Nothing was written after that. Run the deploy again.",
    )
    assert not state.exists()


def test_a_lock_that_is_not_confirmed(world: World, state: Path) -> None:
    """Writing ends a minute before it may expire, though the platform takes every upload."""
    world.write({f"{number:03}.txt": b"x" for number in range(100)})
    world.platform.faults.add(
        Fault(Kind.DELAY, *UPLOAD, times=None, seconds=25), Fault(Kind.STATUS, *HEARTBEAT, times=None)
    )
    outcome = world.run(concurrency=1, timeout="2h")
    code, message, _ = error(outcome)
    assert code == 7
    assert message == (
        f"{LOST}: the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"
    )
    assert 28 * 60 < outcome.seconds < 30 * 60
    assert not state.exists()


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ([Fault(Kind.STATUS, *LOCK, status=403)], None),
        ([Fault(Kind.HANG, *LOCK, after=True)], 3),
        ([Fault(Kind.STATUS, *FINALIZE, status=409), Fault(Kind.STATUS, *HEARTBEAT, status=404)], None),
    ],
    ids=["refused", "given back", "lost"],
)
def test_github_is_told_that_nothing_is_left(
    world: World, tmp_path: Path, faults: list[Fault], told: float | None
) -> None:
    """The post step reads the session that holds no lock any more."""
    recorded = tmp_path / "github-state"
    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(recorded)}
    world.platform.faults.add(*faults)
    if told:
        tell(world, after=told)
    world.run()
    entries = dict(line.split("=", 1) for line in recorded.read_text("utf-8").splitlines())
    assert entries["released"] == entries["session"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_heartbeat_that_is_refused_while_we_ask(world: World, state: Path, status: int) -> None:
    """The answer that gave us the lock was lost, and nobody tells whose it is: the cleanup has to look."""
    world.platform.faults.add(
        Fault(Kind.RESET, *LOCK, after=True), Fault(Kind.STATUS, *HEARTBEAT, status=status, times=None)
    )
    outcome = world.run()
    assert outcome.exit_code == {401: 3, 403: 4}[status]
    assert "It is not known whether this run holds the deploy lock" in outcome.log
    assert json.loads(state.read_text("utf-8"))["session"] == world.platform.lock("site")


# --- answers that leave something open


@pytest.mark.parametrize("heartbeat", [404, 409, 400, 410, 423])
def test_a_finalize_without_an_id(world: World, state: Path, heartbeat: int) -> None:
    """It worked, unless the heartbeat says that the lock is still ours."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=200, body=b"{}", after=True))
    world.platform.faults.add(Fault(Kind.STATUS, *HEARTBEAT, status=heartbeat, skip=1, times=None))
    outcome = world.run(lock_heartbeat="15m")
    assert outcome.exit_code == 0, outcome.log
    assert "The platform named no deploy ID when it finalized the deploy" in outcome.outputs["warnings"]
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_finalize_without_an_id_and_a_heartbeat_for_everybody(world: World, state: Path) -> None:
    """The second finalize is refused, so the first one worked."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=200, body=b"{}", after=True))
    world.platform.faults.add(Fault(Kind.STATUS, *HEARTBEAT, status=200, body=b"{}", times=None))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert ending(outcome) == [("POST finalize", 200), ("PUT lock", 200), ("POST finalize", 409)]
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_finalize_without_an_effect(world: World, state: Path) -> None:
    """Something in between answers in the platform's place; the lock is still ours, says the heartbeat."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=200, body=b"{}", times=None))
    outcome = world.run()
    code, message, hint = error(outcome)
    assert (code, message.partition(":")[0]) == (5, "Finalizing the deploy had no effect")
    assert hint.startswith(f"{EXPIRES} ")
    assert state.exists()


def test_a_write_that_is_refused_because_the_lock_is_lost(world: World, state: Path) -> None:
    """409 means a conflict of deploy locks; whether it is one, the heartbeat tells."""

    def take(record: Record) -> None:
        if record.method == "PUT" and record.path.endswith("/files/index.html"):
            world.platform.take_lock("site", "other")

    world.platform.on_request = take
    world.platform.faults.add(Fault(Kind.STATUS, "PUT", "/files/index.html", status=409))
    outcome = world.run()
    assert outcome.exit_code == 7
    assert without_state(outcome) == f"{LOST}: the platform says that this deploy does not hold it"
    assert [record.path for record in outcome.writes if "/files/" not in record.path] == []
    assert [record.path for record in outcome.writes if ".zerokie" in record.path] == []
    assert world.platform.lock("site") == "other"
    assert not state.exists()


def test_a_write_that_is_refused_while_the_lock_is_ours(world: World, state: Path) -> None:
    """A 409 alone proves nothing."""
    world.platform.faults.add(Fault(Kind.STATUS, "PUT", "/files/index.html", status=409))
    outcome = world.run()
    assert outcome.exit_code == 4
    assert world.platform.lock("site") is None
    assert not state.exists()


def test_a_lock_that_is_not_to_be_asked_for_again_in_time(world: World) -> None:
    """`Retry-After` is honoured: no question comes earlier, so there is none."""
    world.platform.take_lock("site", "other")
    busy = Fault(Kind.STATUS, *LOCK, status=409, headers={"retry-after": "30"}, times=None)
    world.platform.faults.add(busy)
    outcome = world.run(lock_timeout="3s")
    assert outcome.exit_code == 6
    assert requests(outcome) == [("POST lock", 409)]
