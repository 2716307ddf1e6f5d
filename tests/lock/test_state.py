"""The lock's state after each response."""

import io
from typing import Any

import anyio
import httpx
import pytest

from tests.http.transports import Script, Step, answer
from tests.platform.clients import client_over
from zerokie_action.ci import Log
from zerokie_action.errors import DeployError, LockHeld, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.limits import LAST_WRITE
from zerokie_action.lock import lock as module
from zerokie_action.lock.lock import DeployLock, State
from zerokie_action.lock.saved import SavedLocks
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import Shutdown

COUNTS = Counts(files_uploaded=3, files_deleted=1, total_bytes=42)
OWN, OTHER = (b'{"locked": true, "deploy_session_id": "%s"}' % name for name in (b"mine", b"other"))
OK, EMPTY, ANOTHERS = answer(200, OWN), answer(204), answer(200, OTHER)
NO_LOCK, CONFLICT = (answer(status, b'{"error": "no lock"}') for status in (404, 409))
REFUSED, DOWN = answer(400, b'{"error": "no"}'), answer(503)
PAGE, FIREWALL = (answer(status, b"<html><title>No") for status in (404, 403))
DONE, NO_ID = answer(200, b'{"success": true, "deploy_id": "d-1"}'), answer(200, b"ok")
NOT_SENT = httpx.ConnectError("refused")
LOG = Log(io.StringIO())
TWICE = "POST finalize, PUT lock, POST finalize"


def in_state(
    state: State, transport: Script, *, since: float = 0.0, lost: str = "", retry_timeout: float = 0
) -> DeployLock:
    """Return a lock in this state. A held lock was confirmed `since` seconds ago."""
    boot, wall = module._clocks()
    return DeployLock(
        client_over(transport, retry_timeout=retry_timeout),
        "site",
        "mine",
        SavedLocks(lambda _state: None, None),
        Shutdown(),
        LOG,
        Delivery(lost=lost),
        state,
        _confirmed_at=(boot - since, wall - since),
    )


def sent(transport: Script) -> str:
    return ", ".join(f"{one.method} {one.url.path.rpartition('/')[2]}" for one in transport.requests)


@pytest.mark.parametrize(
    ("reply", "error", "pending", "held"),
    [
        (OK, None, State.HELD, State.HELD),
        (EMPTY, None, State.HELD, State.HELD),
        (ANOTHERS, None, State.REQUESTED, State.LOST),
        (NO_LOCK, None, State.REQUESTED, State.LOST),
        (CONFLICT, None, State.REQUESTED, State.LOST),
        (REFUSED, RequestRejected, State.REQUESTED, State.HELD),
        (FIREWALL, PlatformUnavailable, State.REQUESTED, State.HELD),
        (DOWN, PlatformUnavailable, State.REQUESTED, State.HELD),
    ],
    ids=["this session's", "204", "another session's", "404", "409", "400", "a firewall's page", "503"],
)
async def test_a_heartbeat_confirms_the_lock_loses_it_or_changes_nothing(
    reply: httpx.Response, error: type[DeployError] | None, pending: State, held: State
) -> None:
    """After `LOST` or `RELEASED`, no response makes the lock held again."""
    for state, after in {
        State.REQUESTED: pending,
        State.HELD: held,
        State.LOST: State.LOST,
        State.RELEASED: State.RELEASED,
    }.items():
        lock = in_state(state, Script(reply), since=60)
        if error:
            with pytest.raises(error):
                await lock.confirm(lock.client)
        else:
            assert await lock.confirm(lock.client) is (after is State.HELD)
        assert lock.state is after
        if lock.state is State.HELD:
            assert (lock.age < 1) is (error is None)
        if state is State.HELD and after is State.LOST:
            with pytest.raises(LockLost, match=r"it expired, or the app was deleted \("):
                lock.require_held()


@pytest.mark.parametrize(
    ("lost", "steps", "requests", "error", "state"),
    [
        ("", [OK], "POST lock", None, State.HELD),
        ("", [CONFLICT], "POST lock", LockHeld, State.REQUESTED),
        ("", [ANOTHERS], "POST lock", LockHeld, State.REQUESTED),
        ("", [DOWN], "POST lock", PlatformUnavailable, State.REQUESTED),
        ("", [NOT_SENT], "POST lock", PlatformUnavailable, State.REQUESTED),
        ("cut", [CONFLICT, OK], "POST lock, PUT lock", None, State.HELD),
        ("cut", [CONFLICT, NO_LOCK], "POST lock, PUT lock", LockHeld, State.REQUESTED),
        ("cut", [CONFLICT, DOWN], "POST lock, PUT lock", PlatformUnavailable, State.REQUESTED),
        ("cut", [answer(403, b"{}")], "POST lock", RequestRejected, State.REQUESTED),
    ],
)
async def test_a_conflict_after_a_lost_response_sends_a_heartbeat(
    lost: str, steps: list[Step], requests: str, error: type | None, state: State
) -> None:
    """Any other rejection is an error. After a lost response, the platform may still grant the lock."""
    transport = Script(*steps)
    lock = in_state(State.REQUESTED, transport, lost=lost)
    if error:
        with pytest.raises(error):
            await lock.take()
    else:
        await lock.take()
    assert (sent(transport), lock.state) == (requests, state)
    assert lock.may_be_held is (state is State.HELD or bool(lost) or steps == [DOWN])


@pytest.mark.parametrize(
    ("steps", "requests", "state", "known"),
    [
        ([DONE], "POST finalize", State.RELEASED, True),
        ([NO_LOCK], "POST finalize", State.LOST, LockLost),
        ([CONFLICT], "POST finalize", State.LOST, LockLost),
        ([REFUSED], "POST finalize", State.HELD, RequestRejected),
        ([NO_ID, NO_LOCK], "POST finalize, PUT lock", State.RELEASED, False),
        ([NO_ID, OK, DONE], TWICE, State.RELEASED, True),
        ([NO_ID, OK, CONFLICT], TWICE, State.RELEASED, False),
        ([NO_ID, OK, NO_ID, OK], f"{TWICE}, PUT lock", State.HELD, PlatformUnavailable),
        ([NO_ID, REFUSED], "POST finalize, PUT lock", State.HELD, RequestRejected),
        ([DOWN, DONE], "POST finalize, POST finalize", State.RELEASED, True),
        ([DOWN, NO_LOCK], "POST finalize, POST finalize", State.RELEASED, False),
        ([PAGE, DONE], "POST finalize, POST finalize", State.RELEASED, True),
    ],
)  # fmt: skip
async def test_only_a_deploy_id_or_a_rejection_ends_the_lock(
    steps: list[httpx.Response], requests: str, state: State, known: Any
) -> None:
    """A response without either may be a gateway's. After a lost response, a 404 or 409 isn't a loss."""
    transport = Script(*steps)
    lock = in_state(State.HELD, transport, retry_timeout=120)
    if isinstance(known, bool):
        await lock.finalize(lock.client, COUNTS)
        assert bool(lock.finalized and lock.finalized.deploy_id == "d-1") is known
        assert bool(lock.response_lost) is (len(steps) > 1)
    else:
        with pytest.raises(known):
            await lock.finalize(lock.client, COUNTS)
    assert (sent(transport), lock.state) == (requests, state)
    assert lock.may_be_held is (state is not State.RELEASED)


@pytest.mark.parametrize("state", [State.REQUESTED, State.LOST, State.RELEASED])
async def test_finalize_is_sent_only_while_the_lock_is_held(state: State) -> None:
    """Otherwise, it could release another deploy's lock."""
    transport = Script(DONE)
    lock = in_state(state, transport)
    with pytest.raises(LockLost):
        await lock.finalize(lock.client, COUNTS)
    assert transport.requests == []


async def test_finalize_is_not_retried_after_the_lock_may_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another deploy may hold the lock since the last attempt. The lock cleanup checks that."""
    monkeypatch.setattr(module, "_clocks", lambda: (anyio.current_time(),) * 2)
    transport = Script(DOWN)
    lock = in_state(State.HELD, transport, since=LAST_WRITE - 10, retry_timeout=3600)
    with pytest.raises(LockLost, match="didn't confirm it for almost 30 minutes"):
        await lock.finalize(lock.client, COUNTS)
    assert 5 < transport.attempts[-1] - transport.attempts[0] < 10
    assert lock.may_be_held


@pytest.mark.parametrize(
    ("boot", "wall"), [(1, 0), (0, 1), (1, -1)], ids=["boot clock", "wall clock", "set back"]
)
def test_the_clock_that_shows_more_time_ends_all_writes(
    monkeypatch: pytest.MonkeyPatch, boot: int, wall: int
) -> None:
    """Writes end 29 minutes after the last confirmed request was sent. The lock may still be held then."""
    since = module._clocks()
    monkeypatch.setattr(module, "_clocks", lambda: since)
    lock = in_state(State.HELD, Script(OK))
    for seconds, may_write in ((0.0, True), (LAST_WRITE - 0.1, True), (LAST_WRITE + 0.1, False)):
        clocks = since[0] + boot * seconds, since[1] + wall * seconds
        monkeypatch.setattr(module, "_clocks", lambda clocks=clocks: clocks)
        assert (lock.may_write, lock.may_be_held) == (may_write, True)
    with pytest.raises(LockLost, match="didn't confirm it for almost 30 minutes"):
        lock.require_held()


async def test_the_age_of_a_lock_starts_when_its_request_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response may be late."""
    monkeypatch.setattr(module, "_clocks", lambda: (anyio.current_time(),) * 2)
    lock = in_state(State.REQUESTED, Script(OK, takes=40))
    await lock.take()
    assert lock.state is State.HELD
    assert lock.age == pytest.approx(40, abs=1)
    await lock.confirm(client_over(Script(OK, takes=25)))
    assert lock.age == pytest.approx(25, abs=1)


def test_the_session_of_an_earlier_run_may_hold_the_lock() -> None:
    """The lock cleanup can release that lock."""
    lock = in_state(State.REQUESTED, Script(OK))
    assert not lock.may_be_held
    lock.request = Delivery(Outcome.UNKNOWN)
    assert lock.may_be_held
