"""The lock of one session: the state after each response."""

from typing import Any

import anyio
import httpx
import pytest

from tests.http.transports import Script, Step, answer
from tests.platform.clients import client_over
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.limits import LAST_WRITE
from zerokie_action.lock import session as module
from zerokie_action.lock.session import DeploySession, Ended, Held, Lost, Pending
from zerokie_action.platform.models import Counts

COUNTS = Counts(files_uploaded=3, files_deleted=1, total_bytes=42)
OWN, OTHER = (b'{"locked": true, "deploy_session_id": "%s"}' % name for name in (b"mine", b"other"))
OK, EMPTY, ANOTHERS = answer(200, OWN), answer(204), answer(200, OTHER)
NO_LOCK, CONFLICT = (answer(status, b'{"error": "no lock"}') for status in (404, 409))
REFUSED, DOWN = answer(400, b'{"error": "no"}'), answer(503)
PAGE, FIREWALL = (answer(status, b"<html><title>No") for status in (404, 403))
DONE, NO_ID = answer(200, b'{"success": true, "deploy_id": "d-1"}'), answer(200, b"ok")
NOT_SENT = httpx.ConnectError("refused")
TWICE = "POST finalize, PUT lock, POST finalize"


def in_state(state: type, *, since: float = 0.0, lost: str = "") -> DeploySession:
    """Return a session in this state. A held lock was confirmed `since` seconds ago."""
    session = DeploySession("site", "mine")
    session.lock_request.lost = lost
    if state is Held:
        boot, wall = module._clocks()
        session.state = Held((boot - since, wall - since))
    elif state is not Pending:
        session.state = state(*["it has expired"] * (state is Lost))
    return session


def sent(transport: Script) -> str:
    return ", ".join(f"{one.method} {one.url.path.rpartition('/')[2]}" for one in transport.requests)


@pytest.mark.parametrize(
    ("reply", "error", "pending", "held"),
    [
        (OK, None, Held, Held),
        (EMPTY, None, Held, Held),
        (ANOTHERS, None, Pending, Lost),
        (NO_LOCK, None, Pending, Lost),
        (CONFLICT, None, Pending, Lost),
        (REFUSED, RequestRejected, Pending, Held),
        (FIREWALL, PlatformUnavailable, Pending, Held),
        (DOWN, PlatformUnavailable, Pending, Held),
    ],
    ids=["this session's", "204", "another session's", "404", "409", "400", "a firewall's page", "503"],
)
async def test_a_heartbeat_confirms_the_lock_loses_it_or_changes_nothing(
    reply: httpx.Response, error: type[DeployError] | None, pending: type, held: type
) -> None:
    """After `Lost` or `Ended`, no response makes the lock held again."""
    for state, after in {Pending: pending, Held: held, Lost: Lost, Ended: Ended}.items():
        session = in_state(state, since=60)
        client = client_over(Script(reply))
        if error:
            with pytest.raises(error):
                await session.confirm(client)
        else:
            assert await session.confirm(client) is (after is Held)
        assert isinstance(session.state, after)
        if isinstance(session.state, Held):
            assert (session.state.age < 1) is (error is None)
        if state is Held and after is Lost:
            with pytest.raises(LockLost, match=r"it expired, or the app was deleted \("):
                session.require_held()


@pytest.mark.parametrize(
    ("lost", "steps", "requests", "error", "state"),
    [
        ("", [OK], "POST lock", None, Held),
        ("", [CONFLICT], "POST lock", RequestRejected, Pending),
        ("", [ANOTHERS], "POST lock", RequestRejected, Pending),
        ("", [DOWN], "POST lock", PlatformUnavailable, Pending),
        ("", [NOT_SENT], "POST lock", PlatformUnavailable, Pending),
        ("cut", [CONFLICT, OK], "POST lock, PUT lock", None, Held),
        ("cut", [CONFLICT, NO_LOCK], "POST lock, PUT lock", RequestRejected, Pending),
        ("cut", [CONFLICT, DOWN], "POST lock, PUT lock", PlatformUnavailable, Pending),
        ("cut", [answer(403, b"{}")], "POST lock", RequestRejected, Pending),
    ],
)
async def test_a_conflict_after_a_lost_response_sends_a_heartbeat(
    lost: str, steps: list[Step], requests: str, error: type | None, state: type
) -> None:
    """Any other rejection is an error. After a lost response, the platform may still grant the lock."""
    session, transport = in_state(Pending, lost=lost), Script(*steps)
    if error:
        with pytest.raises(error):
            await session.acquire(client_over(transport))
    else:
        await session.acquire(client_over(transport))
    assert (sent(transport), type(session.state)) == (requests, state)
    assert session.may_be_held is (state is Held or bool(lost) or steps == [DOWN])


@pytest.mark.parametrize(
    ("steps", "requests", "state", "known"),
    [
        ([DONE], "POST finalize", Ended, True),
        ([NO_LOCK], "POST finalize", Lost, LockLost),
        ([CONFLICT], "POST finalize", Lost, LockLost),
        ([REFUSED], "POST finalize", Held, RequestRejected),
        ([NO_ID, NO_LOCK], "POST finalize, PUT lock", Ended, False),
        ([NO_ID, OK, DONE], TWICE, Ended, True),
        ([NO_ID, OK, CONFLICT], TWICE, Ended, False),
        ([NO_ID, OK, NO_ID, OK], f"{TWICE}, PUT lock", Held, PlatformUnavailable),
        ([NO_ID, REFUSED], "POST finalize, PUT lock", Held, RequestRejected),
        ([DOWN, DONE], "POST finalize, POST finalize", Ended, True),
        ([DOWN, NO_LOCK], "POST finalize, POST finalize", Ended, False),
        ([PAGE, DONE], "POST finalize, POST finalize", Ended, True),
    ],
)  # fmt: skip
async def test_only_a_deploy_id_or_a_rejection_ends_the_lock(
    steps: list[httpx.Response], requests: str, state: type, known: Any
) -> None:
    """A response without either may be a gateway's. After a lost response, a 404 or 409 isn't a loss."""
    session, transport = in_state(Held), Script(*steps)
    client = client_over(transport, retry_timeout=120)
    if isinstance(known, bool):
        released = await session.finalize(client, COUNTS)
        assert bool(released.response and released.response.deploy_id == "d-1") is known
        assert bool(released.lost) is (len(steps) > 1)
    else:
        with pytest.raises(known):
            await session.finalize(client, COUNTS)
    assert (sent(transport), type(session.state)) == (requests, state)
    assert session.may_be_held is (state is Held)


@pytest.mark.parametrize("state", [Pending, Lost, Ended])
async def test_finalize_is_sent_only_while_the_lock_is_held(state: type) -> None:
    """Otherwise, it could release another deploy's lock."""
    session, transport = in_state(state), Script(DONE)
    with pytest.raises(LockLost):
        await session.finalize(client_over(transport), COUNTS)
    assert transport.requests == []


async def test_finalize_is_not_retried_after_the_lock_may_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another deploy may hold the lock since the last attempt. The lock cleanup checks that."""
    monkeypatch.setattr(module, "_clocks", lambda: (anyio.current_time(),) * 2)
    session, transport = in_state(Held, since=LAST_WRITE - 10), Script(DOWN)
    with pytest.raises(LockLost, match="didn't confirm it for almost 30 minutes"):
        await session.finalize(client_over(transport, retry_timeout=3600), COUNTS)
    assert 5 < transport.attempts[-1] - transport.attempts[0] < 10
    assert session.may_be_held


@pytest.mark.parametrize(
    ("boot", "wall"), [(1, 0), (0, 1), (1, -1)], ids=["boot clock", "wall clock", "set back"]
)
def test_the_clock_that_shows_more_time_ends_all_writes(
    monkeypatch: pytest.MonkeyPatch, boot: int, wall: int
) -> None:
    """Writes end 29 minutes after the last confirmed request was sent. The lock may still be held then."""
    session = in_state(Held)
    assert isinstance(session.state, Held)
    since = session.state.since
    for seconds, may_write in ((0.0, True), (LAST_WRITE - 0.1, True), (LAST_WRITE + 0.1, False)):
        clocks = since[0] + boot * seconds, since[1] + wall * seconds
        monkeypatch.setattr(module, "_clocks", lambda clocks=clocks: clocks)
        assert (session.may_write, session.may_be_held) == (may_write, True)
    with pytest.raises(LockLost, match="didn't confirm it for almost 30 minutes"):
        session.require_held()


async def test_the_age_of_a_lock_starts_when_its_request_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response may be late."""
    monkeypatch.setattr(module, "_clocks", lambda: (anyio.current_time(),) * 2)
    session = in_state(Pending)
    await session.acquire(client_over(Script(OK, takes=40)))
    assert isinstance(session.state, Held)
    assert session.state.age == pytest.approx(40, abs=1)
    await session.confirm(client_over(Script(OK, takes=25)))
    assert session.state.age == pytest.approx(25, abs=1)


def test_the_session_of_an_earlier_run_may_hold_the_lock() -> None:
    """The lock cleanup can release that lock."""
    assert DeploySession("site", "mine", lock_request=Delivery(Outcome.UNKNOWN)).may_be_held
    assert not DeploySession("site", "mine").may_be_held
