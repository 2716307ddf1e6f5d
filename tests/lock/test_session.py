"""One session's lock: what each answer of the platform makes of each state."""

from typing import Any

import anyio
import httpx
import pytest

from tests.http.transports import Script, Step, answer
from tests.platform.clients import client_over
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Outcome, Sent
from zerokie_action.limits import LAST_WRITE
from zerokie_action.lock import session as module
from zerokie_action.lock.session import DeploySession, Ended, Held, Lost, Pending
from zerokie_action.platform.models import Counts

COUNTS = Counts(files_uploaded=3, files_deleted=1, total_bytes=42)
OURS, THEIRS = (b'{"locked": true, "deploy_session_id": "%s"}' % name for name in (b"mine", b"other"))
OK, EMPTY, ANOTHERS = answer(200, OURS), answer(204), answer(200, THEIRS)
NO_LOCK, CONFLICT = (answer(status, b'{"error": "no lock"}') for status in (404, 409))
REFUSED, DOWN = answer(400, b'{"error": "no"}'), answer(503)
PAGE, FIREWALL = (answer(status, b"<html><title>No") for status in (404, 403))
DONE, NO_ID = answer(200, b'{"success": true, "deploy_id": "d-1"}'), answer(200, b"ok")
NOT_SENT = httpx.ConnectError("refused")
TWICE = "POST finalize, PUT lock, POST finalize"


def in_state(state: type, *, since: float = 0.0, lost: str = "") -> DeploySession:
    """A session in this state; if it is held, it was confirmed so many seconds ago."""
    session = DeploySession("site", "mine")
    session.asking.lost = lost
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
    ids=["ours", "204", "another session's", "404", "409", "400", "a firewall's page", "503"],
)
async def test_a_heartbeat_confirms_loses_or_says_nothing(
    reply: httpx.Response, error: type[DeployError] | None, pending: type, held: type
) -> None:
    """No answer makes a lock held again that is lost or has ended."""
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
            with pytest.raises(LockLost, match=r"this deploy does not hold it: .* \("):
                session.check()


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
async def test_a_conflict_after_a_lost_answer_asks_whether_the_lock_is_ours(
    lost: str, steps: list[Step], requests: str, error: type | None, state: type
) -> None:
    """Any other refusal is one; after a lost answer, the lock may still come, but not if nothing was sent."""
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
async def test_only_a_deploy_id_or_a_refusal_ends_the_lock(
    steps: list[httpx.Response], requests: str, state: type, known: Any
) -> None:
    """An answer without one may be a gateway's. A 404 or 409 after a lost answer is no loss."""
    session, transport = in_state(Held), Script(*steps)
    client = client_over(transport, retry_timeout=120)
    if isinstance(known, bool):
        released = await session.finalize(client, COUNTS)
        assert bool(released.answer and released.answer.deploy_id == "d-1") is known
        assert bool(released.lost) is (len(steps) > 1)
    else:
        with pytest.raises(known):
            await session.finalize(client, COUNTS)
    assert (sent(transport), type(session.state)) == (requests, state)
    assert session.may_be_held is (state is Held)


@pytest.mark.parametrize("state", [Pending, Lost, Ended])
async def test_finalize_is_sent_only_while_the_lock_is_held(state: type) -> None:
    """Else it could release the lock of another deploy."""
    session, transport = in_state(state), Script(DONE)
    with pytest.raises(LockLost):
        await session.finalize(client_over(transport), COUNTS)
    assert transport.requests == []


async def test_finalize_is_not_sent_again_once_the_lock_may_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Since the attempt before, the lock may have become another deploy's. The cleanup asks whose it is."""
    monkeypatch.setattr(module, "_clocks", lambda: (anyio.current_time(),) * 2)
    session, transport = in_state(Held, since=LAST_WRITE - 10), Script(DOWN)
    with pytest.raises(LockLost, match="has not confirmed it for almost 30 minutes"):
        await session.finalize(client_over(transport, retry_timeout=3600), COUNTS)
    assert 5 < transport.attempts[-1] - transport.attempts[0] < 10
    assert session.may_be_held


@pytest.mark.parametrize(
    ("boot", "wall"), [(1, 0), (0, 1), (1, -1)], ids=["boot clock", "wall clock", "set back"]
)
def test_the_clock_that_shows_more_ends_all_writes(
    monkeypatch: pytest.MonkeyPatch, boot: int, wall: int
) -> None:
    """29 minutes after the last confirmed request was sent. A held lock may be held until the answer."""
    session = in_state(Held)
    assert isinstance(session.state, Held)
    since = session.state.since
    for seconds, may_write in ((0.0, True), (LAST_WRITE - 0.1, True), (LAST_WRITE + 0.1, False)):
        clocks = since[0] + boot * seconds, since[1] + wall * seconds
        monkeypatch.setattr(module, "_clocks", lambda clocks=clocks: clocks)
        assert (session.may_write, session.may_be_held) == (may_write, True)
    with pytest.raises(LockLost, match="has not confirmed it for almost 30 minutes"):
        session.check()


async def test_a_lock_counts_from_when_the_request_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer may be late."""
    monkeypatch.setattr(module, "_clocks", lambda: (anyio.current_time(),) * 2)
    session = in_state(Pending)
    await session.acquire(client_over(Script(OK, takes=40)))
    assert isinstance(session.state, Held)
    assert session.state.age == pytest.approx(40, abs=1)
    await session.confirm(client_over(Script(OK, takes=25)))
    assert session.state.age == pytest.approx(25, abs=1)


def test_the_session_of_an_ended_run_may_hold_the_lock() -> None:
    """The cleanup has to ask."""
    assert DeploySession("site", "mine", asking=Sent(Outcome.UNKNOWN)).may_be_held
    assert not DeploySession("site", "mine").may_be_held
