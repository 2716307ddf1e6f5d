"""How a request is sent until it is answered: what is sent again, when, and when it is enough."""

from __future__ import annotations

import re
import ssl
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from tests.http.transports import Script, answer
from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.http.failure import Failure, Meaning
from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.http.request import extensions
from zerokie_action.http.retry import (
    UNTIL_DEADLINE,
    Backoff,
    Malformed,
    RetryingClient,
)

if TYPE_CHECKING:
    from tests.http.transports import Step

LOST = httpx.ReadError("the connection was reset")
REFUSED = httpx.ConnectError("connection refused")
SILENT = httpx.ReadTimeout("no answer within 30 s")
UNTRUSTED = httpx.ConnectError("the server's TLS certificate is not trusted (expired)")
UNTRUSTED.__cause__ = ssl.SSLCertVerificationError(1, "expired")
UNTRUSTED.__cause__.verify_message = "expired"


FINE = answer(200, b"fine")
PAGE = b"<html><title>Not Found</title></html>"
PAGES = [answer(code, PAGE) for code in (200, 302, 403, 404)]


def request(kind: str = "Uploads") -> httpx.Request:
    return httpx.Request("PUT", "https://api.test/", extensions=extensions("Uploading 'a'", group=kind))


def read(response: httpx.Response) -> bytes:
    """A parser that knows what a good answer is."""
    if response.content.startswith(b"<"):
        raise Malformed("not with what the API reference describes")
    return response.content


def client_of(
    script: Script, retries: int = 5, lines: list[str] | None = None, **more: Any
) -> RetryingClient:
    return RetryingClient(script, retries=retries, log=(lines if lines is not None else []).append, **more)


async def send(script: Script, backoff: Backoff | None = None, *, retries: int = 5, **more: Any) -> bytes:
    return await client_of(script, retries).send(request(), read, backoff, **more)


async def gives_up(
    script: Script, backoff: Backoff | None = None, *, retries: int = 5
) -> PlatformUnavailable:
    with pytest.raises(PlatformUnavailable) as caught:
        await send(script, backoff, retries=retries)
    return caught.value


class TestWhatIsSentAgain:
    @pytest.mark.parametrize(
        ("step", "ambiguous"),
        [
            (LOST, True),
            (SILENT, True),
            (REFUSED, False),
            (answer(429), False),
            (answer(503), True),
            *((page, True) for page in PAGES),
        ],
    )
    async def test_what_may_pass(self, step: Step, *, ambiguous: bool) -> None:
        """Only what the platform can't have seen, or refused for its pace, is clear afterwards."""
        script = Script(step, FINE)
        assert await send(script) == b"fine"
        assert len(script.attempts) == 2
        with pytest.raises(RequestRejected) as refused:
            await send(Script(step, REFUSED, answer(401)))
        assert refused.value.ambiguous is ambiguous
        assert (await gives_up(Script(step, UNTRUSTED))).ambiguous is ambiguous

    async def test_what_can_t_get_better(self) -> None:
        script = Script(UNTRUSTED)
        await gives_up(script)
        assert len(script.attempts) == 1


class TestOutage:
    async def test_none(self) -> None:
        """Nothing has failed for any time, also after one."""
        limiter = AdaptiveLimiter("Uploads", 1, print)
        assert limiter.failing_for == 0
        limiter.failed(Failure(Meaning.DOWN, "connection refused", ""), 0.0)
        await anyio.sleep(5)
        assert limiter.failing_for == 5
        limiter.succeeded()
        assert limiter.failing_for == 0

    async def test_it_is_shared(self) -> None:
        """A kind that is given up does not get two minutes for each request; another kind has its own."""
        script = Script(REFUSED)
        client = client_of(script)
        with pytest.raises(PlatformUnavailable):
            await client.send(request(), read)
        sent = len(script.attempts)
        with pytest.raises(PlatformUnavailable):
            await client.send(request(), read)
        assert len(script.attempts) == sent + 1
        script.steps = [FINE]
        began = anyio.current_time()
        await client.send(request("Deletions"), read)
        assert anyio.current_time() == began

    async def test_an_end_while_it_waits(self) -> None:
        """Its slot is for the next one."""
        script = Script(REFUSED)
        client = client_of(script, concurrency=1)
        with anyio.move_on_after(10):
            await client.send(request(), read)
        script.steps = [FINE]
        with anyio.fail_after(10):
            assert await client.send(request(), read) == b"fine"

    async def test_what_does_not_work_now(self) -> None:
        """It is told where a time-out ends the wait; what was given up before that is not."""
        client = client_of(Script(REFUSED))
        with anyio.fail_after(5), pytest.raises(PlatformUnavailable):
            await client.send(request("Reading a page"), read, UNTIL_DEADLINE)
        await anyio.sleep(200)
        with anyio.move_on_after(10):
            await client.send(request(), read)
        assert client.outages() == "uploads failed (connection refused)"

    async def test_silence(self) -> None:
        """Nothing has worked since the first request was sent, which is long before it was given up."""
        lines: list[str] = []
        script = Script(LOST, LOST, FINE, takes=30)
        await client_of(script, lines=lines).send(request(), read)
        assert lines[-1].startswith("Uploads: the platform is back after 1 m 3")


class TestAskedToWait:
    @pytest.mark.parametrize("code", [429, 503])
    async def test_so_long(self, code: int) -> None:
        """It is waited for, and counts against nobody."""
        script = Script(answer(code, retry_after="30"), FINE)
        await send(script, retries=0)
        assert script.gaps == [30]

    @pytest.mark.parametrize(("limit", "asked"), [(1800, "3600"), (1800, "601"), (60, "61")])
    async def test_too_long(self, limit: float, asked: str) -> None:
        """More than 10 minutes, or than there is time, is an error now, and not a time-out later."""
        script = Script(answer(503, b'{"error": "maintenance"}', retry_after=asked))
        began = anyio.current_time()
        with anyio.fail_after(limit):
            error = await gives_up(script)
        assert anyio.current_time() == began
        told = re.search(r'answered 503 \("maintenance"\); it asks to wait until (.+) UTC', str(error))
        assert told
        until = datetime.strptime(f"{told[1]} +0000", "%Y-%m-%d %H:%M:%S %z")
        assert int(asked) - 10 < until.timestamp() - time.time() < int(asked) + 1
        assert error.retry_after == int(asked)

    async def test_for_ever(self) -> None:
        """Ten minutes of it are excused, and two are not."""
        began = anyio.current_time()
        await gives_up(Script(answer(503, retry_after="10")))
        assert anyio.current_time() - began == pytest.approx(725, abs=10)


class TestGuard:
    @pytest.mark.parametrize("step", [REFUSED, UNTRUSTED])
    async def test_an_end_meanwhile(self, step: Step) -> None:
        """What fails in its shield after the end is neither sent again nor the reason of the end."""
        script = Script(step, takes=2)
        with anyio.move_on_after(1) as scope:
            await send(script, around_attempt=lambda: anyio.CancelScope(shield=True))
        assert scope.cancelled_caught
        assert len(script.attempts) == 1


class TestUntilDeadline:
    """What has to be done in the time that is left."""

    async def test_past_any_wait(self) -> None:
        """What its kind waits for does not hold it up."""
        script = Script(answer(429, retry_after="60"), answer(503, retry_after="60"), FINE)
        client = client_of(script)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send, request(), read)
            await anyio.sleep(1)
            with anyio.fail_after(4):
                await client.send(request(), read, UNTIL_DEADLINE)
            tasks.cancel_scope.cancel()

    async def test_what_it_was_told_to_wait(self) -> None:
        """Nor does it hold up the others: only they wait when they are asked to."""
        client = client_of(Script(answer(503, retry_after="3600"), FINE))
        with anyio.fail_after(10):
            await client.send(request(), read, UNTIL_DEADLINE)
            await client.send(request(), read)
