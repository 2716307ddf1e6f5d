"""Which attempts are retried, when, and when it is enough."""

from __future__ import annotations

import re
import ssl
import time
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.http.client import EXPECTED, KIND, extensions
from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.http.retry import (
    DeadlineClient,
    Malformed,
    Reply,
    RetryBudget,
    RetryingClient,
    backoff,
)
from zerokie_action.http.transport import FRESH, RESENDABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOST = httpx.ReadError("the connection was reset")
REFUSED = httpx.ConnectError("connection refused")
UNTRUSTED = httpx.ConnectError("the server's TLS certificate is not trusted (expired)")
UNTRUSTED.__cause__ = ssl.SSLCertVerificationError(1, "expired")
USUAL_PURPOSE = "Listing the apps"
Step = httpx.Response | httpx.TransportError


def status(code: int, body: bytes = b"", **headers: str) -> httpx.Response:
    return httpx.Response(
        code, headers={name.replace("_", "-"): value for name, value in headers.items()}, content=body
    )


FINE = status(200, b"fine")


def request(method: str = "GET", more: dict[str, Any] | None = None) -> httpx.Request:
    usual = extensions(USUAL_PURPOSE, timeout=30)
    return httpx.Request(method, "https://api.test/v1/apps", extensions=usual | (more or {}))


class Script:
    """Does what it is told, one thing an attempt; the last one for ever.

    Attributes:
        attempts: when each was made, from the first on.
        requests: what was sent.
    """

    def __init__(self, *steps: Step, takes: float = 0.0) -> None:
        self.steps = list(steps)
        self.takes = takes
        self.attempts: list[float] = []
        self.requests: list[httpx.Request] = []

    async def fetch(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.attempts.append(anyio.current_time())
        await anyio.sleep(self.takes)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, httpx.TransportError):
            raise step
        return step

    @property
    def gaps(self) -> list[float]:
        """Seconds between attempts."""
        return [later - sooner for sooner, later in zip(self.attempts, self.attempts[1:], strict=False)]


def new_budget(retries: int = 5) -> RetryBudget:
    return RetryBudget(retries, log=lambda _line: None)


def read(response: httpx.Response) -> bytes:
    """A parser that knows what a good answer is."""
    if response.content.startswith(b"<"):
        raise Malformed("not with what the API reference describes")
    return response.content


async def send(script: Script, retries: int | RetryBudget = 5, **more: Any) -> Reply[bytes]:
    budget = retries if isinstance(retries, RetryBudget) else new_budget(retries)
    what = more.pop("request", None) or request()
    return await RetryingClient(script.fetch, budget).send(what, read, **more)


async def gives_up(script: Script, retries: int | RetryBudget = 5, **more: Any) -> PlatformUnavailable:
    with pytest.raises(PlatformUnavailable) as caught:
        await send(script, retries, **more)
    return caught.value


@asynccontextmanager
async def others_that_work(budget: RetryBudget, every: float = 0.1) -> AsyncIterator[None]:
    """Requests of the same kind that succeed, one of them always under way."""

    async def work() -> None:
        while True:
            await send(Script(FINE, takes=every), budget)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.lowlevel.checkpoint()
        yield
        tasks.cancel_scope.cancel()


class TestWhatIsRepeated:
    @pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 520, 599])
    async def test_statuses(self, code: int) -> None:
        script = Script(status(code), FINE)
        assert (await send(script)).value == b"fine"
        assert len(script.attempts) == 2

    @pytest.mark.parametrize("trouble", [LOST, REFUSED])
    async def test_trouble_with_the_network(self, trouble: httpx.TransportError) -> None:
        script = Script(trouble, FINE)
        assert (await send(script)).value == b"fine"
        assert len(script.attempts) == 2

    @pytest.mark.parametrize("code", [401, 407, 413, 414, 415, 431, 501, 505])
    async def test_final_statuses(self, code: int) -> None:
        script = Script(status(code, b"no"))
        assert await send(script) == Reply(USUAL_PURPOSE, code, b"no", None)
        assert len(script.attempts) == 1

    @pytest.mark.parametrize("code", [400, 403, 404, 409, 422])
    async def test_the_platform_s_word(self, code: int) -> None:
        """A 4xx with its `error` is final; without it, it is somebody else's, and retried."""
        script = Script(status(code, b"<html>"), status(code, b'{"error": "no"}'))
        reply = await send(script)
        assert (reply.status, reply.ambiguous, len(script.attempts)) == (code, True, 2)

    @pytest.mark.parametrize("code", [301, 304, 307])
    async def test_redirects(self, code: int) -> None:
        """The reference knows none: somebody else answers."""
        script = Script(status(code, b'{"error": "no"}'), FINE)
        assert (await send(script)).value == b"fine"
        assert len(script.attempts) == 2

    async def test_what_is_expected(self) -> None:
        """Some statuses are an answer whatever the body: what is deleted may be gone."""
        script = Script(status(404, b"<html>"))
        assert (await send(script, request=request("GET", {EXPECTED: {404}}))).status == 404
        assert len(script.attempts) == 1

    async def test_what_can_t_get_better(self) -> None:
        script = Script(UNTRUSTED)
        error = await gives_up(script)
        assert len(script.attempts) == 1
        assert "1 attempt" in str(error)
        assert "not trusted" in str(error)
        assert "SSL_CERT_FILE" in error.hint

    async def test_a_proxy_that_wants_a_login(self) -> None:
        """It is a refusal, and no reason to wait."""
        script = Script(httpx.ProxyError("tunnel refused (407 Login)"))
        with pytest.raises(RequestRejected, match="407 Login") as caught:
            await send(script)
        assert (caught.value.status, len(script.attempts)) == (407, 1)
        assert "user:password" in caught.value.hint

    async def test_an_answer_that_makes_no_sense(self) -> None:
        """A 2xx that is not what the reference describes may come from something in between."""
        reply = await send(Script(status(200, b"<html>"), FINE))
        assert (reply.value, reply.ambiguous) == (b"fine", True)

    async def test_one_that_never_makes_sense(self) -> None:
        """It counts as the request's own trouble, always: its retries end it in seconds."""
        script = Script(status(200, b"<html>"))
        began = anyio.current_time()
        await gives_up(script, 3)
        assert len(script.attempts) == 4
        assert anyio.current_time() - began < 4

    @pytest.mark.parametrize("code", [200, 201, 202, 204])
    async def test_success(self, code: int) -> None:
        reply = await send(Script(status(code, b"x")))
        assert (reply.ok, reply.status, reply.value, reply.ambiguous) == (True, code, b"x", False)


class TestAmbiguous:
    @pytest.mark.parametrize(
        ("trouble", "ambiguous"),
        [(LOST, True), (REFUSED, False), (status(429), False), (status(500), True), (status(503), True)],
    )
    async def test_what_leaves_it_so(self, trouble: Step, *, ambiguous: bool) -> None:
        """Only what the platform can't have seen, or refused for its pace, is clear."""
        assert (await send(Script(trouble, REFUSED, status(401)))).ambiguous is ambiguous
        assert (await gives_up(Script(trouble, UNTRUSTED), 1)).ambiguous is ambiguous

    async def test_recovery(self) -> None:
        """After an ambiguous attempt, and only then, it is asked whether it took effect."""
        found: list[bytes | None] = [None, b"there"]
        script = Script(REFUSED, LOST, status(429), LOST, FINE)

        async def recover() -> bytes | None:
            return found.pop(0)

        assert await send(script, recover=recover) == Reply(USUAL_PURPOSE, 200, b"", b"there", ambiguous=True)
        assert len(script.attempts) == 4

    async def test_recovery_at_the_end(self) -> None:
        """Even when no attempt is left."""

        async def recover() -> bytes:
            return b"there"

        assert (await send(Script(status(200, b"<")), 0, recover=recover)).value == b"there"


class TestOnItsOwnAccount:
    """A request that fails while others of its kind succeed."""

    async def test_all_its_retries(self) -> None:
        """Then it ends, in seconds, with the platform's own words."""
        script, budget = Script(status(500, b'{"error": "bad file"}')), new_budget(5)
        began = anyio.current_time()
        async with others_that_work(budget):
            error = await gives_up(script, budget)
        assert len(script.attempts) == 6
        assert budget.used == 5
        assert anyio.current_time() - began < 16
        assert "6 attempts" in str(error)
        assert 'answered 500 ("bad file")' in str(error)

    async def test_none(self) -> None:
        script, budget = Script(LOST, FINE), new_budget(0)
        async with others_that_work(budget):
            await gives_up(script, budget)
        assert (len(script.attempts), budget.used) == (1, 0)

    @settings(deadline=None)
    @given(st.integers(1, 2000))
    def test_backoff(self, attempt: int) -> None:
        """The longest delay doubles from half a second to twenty; any part of it is as likely."""
        longest = min(20, 0.5 * 2.0 ** min(attempt - 1, 10))
        delays = [backoff(attempt) for _ in range(200)]
        assert 0 <= min(delays) < longest / 4
        assert longest * 3 / 4 < max(delays) <= longest

    async def test_secrets(self) -> None:
        """What the platform says is told without them, whole or not."""
        budget = RetryBudget(0, log=lambda _line: None, redact=lambda text: text.replace("hunter2", "***"))
        error = await gives_up(Script(status(200, b'<html><title>hunter2 "')), budget)
        assert "hunter2" not in str(error)


class TestOutage:
    async def test_however_few_retries(self) -> None:
        """What fails altogether is waited for, and counts against nobody."""
        script, budget = Script(*[REFUSED] * 12, FINE), new_budget(0)
        assert (await send(script, budget)).value == b"fine"
        assert budget.used == 12
        assert script.gaps == pytest.approx([0.5, 1, 2] + [5] * 9, rel=0.21)

    async def test_a_new_connection(self) -> None:
        """Those that are kept may all be dead."""
        script = Script(LOST, status(503), FINE)
        await send(script)
        assert [bool(one.extensions.get(FRESH)) for one in script.requests] == [False, True, True]

    @pytest.mark.parametrize(
        ("method", "more", "seconds"),
        [
            ("GET", {RESENDABLE: True}, [30, 5, 10, 30]),
            ("DELETE", {}, [30, 5, 10, 30]),
            ("PUT", {RESENDABLE: True}, [30, 5, 10, 30]),
            ("PUT", {}, [30] * 4),
            ("POST", {}, [30] * 4),
        ],
    )
    async def test_how_long_a_probe_waits(
        self, method: str, more: dict[str, Any], seconds: list[float]
    ) -> None:
        """Little at first, where it is harmless: a finalize that is cut short may have worked."""
        script = Script(LOST, LOST, LOST, FINE)
        await send(script, request=request(method, more))
        assert [one.extensions["timeout"]["read"] for one in script.requests] == seconds

    async def test_given_up(self) -> None:
        """After two minutes without any success; and it says so."""
        script = Script(REFUSED)
        began = anyio.current_time()
        error = await gives_up(script, 1000)
        assert 120 <= anyio.current_time() - began <= 126
        assert "2 m 00 s without any success: connection refused" in str(error)

    async def test_it_is_shared(self) -> None:
        """Requests of a kind that is given up do not each get two minutes."""
        budget = new_budget()
        await gives_up(Script(REFUSED), budget)
        script = Script(REFUSED)
        await gives_up(script, budget)
        assert len(script.attempts) == 1

    async def test_kinds_have_their_own(self) -> None:
        """An API may work whose CDN fails behind it."""
        budget = new_budget()
        await gives_up(Script(REFUSED), budget)
        script = Script(FINE)
        began = anyio.current_time()
        await send(script, budget, request=request("GET", {KIND: "Deleting"}))
        assert anyio.current_time() == began

    async def test_a_new_request_waits_as_well(self) -> None:
        """Who comes in the middle of an outage is not sent into it."""
        budget = new_budget()
        script = Script(FINE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, Script(*[REFUSED] * 4, FINE), budget)
            await anyio.sleep(0.1)
            await send(script, budget)
        assert len(script.attempts) == 1

    async def test_one_that_is_cancelled(self) -> None:
        """A probe that is cancelled leaves its place to the next one."""
        budget = new_budget()
        with anyio.move_on_after(2):
            await send(Script(REFUSED, FINE, takes=1.2), budget)
        with anyio.fail_after(10):
            assert (await send(Script(FINE), budget)).ok

    async def test_the_number_of_parallel_requests(self) -> None:
        """An outage halves it, once; a failure among successes leaves it alone."""
        limiter, budget = AdaptiveLimiter(64), new_budget()
        script = Script(*[status(503)] * 10, FINE)
        await RetryingClient(script.fetch, budget, limiter=limiter).send(request(), read)
        assert limiter.limit == 32
        async with others_that_work(budget):
            await RetryingClient(Script(status(503), FINE).fetch, budget, limiter=limiter).send(
                request(), read
            )
        assert limiter.limit == 32


class TestAskedToWait:
    @pytest.mark.parametrize("code", [429, 503])
    async def test_so_long(self, code: int) -> None:
        """It is waited for, and counts against nobody."""
        script = Script(status(code, retry_after="30"), FINE)
        await send(script, 0)
        assert script.gaps == [30]

    async def test_without_a_slot(self) -> None:
        """Others have it meanwhile."""
        limiter, budget = AdaptiveLimiter(1), new_budget()
        client = RetryingClient(Script(status(503, retry_after="30"), FINE).fetch, budget, limiter=limiter)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send, request(), read)
            await anyio.sleep(1)
            with anyio.fail_after(1):
                async with limiter:
                    pass

    async def test_beyond_the_end(self) -> None:
        """One that ends after the operation is not begun: an error now is better than a time-out later."""
        script = Script(status(503, b'{"error": "maintenance"}', retry_after="3600"))
        began = anyio.current_time()
        with anyio.fail_after(1800):
            error = await gives_up(script)
        assert anyio.current_time() == began
        asked = re.search(r'answered 503 \("maintenance"\), and asks to wait until (.+) UTC', str(error))
        assert asked
        until = datetime.strptime(f"{asked[1]} +0000", "%Y-%m-%d %H:%M:%S %z")
        assert 3590 < until.timestamp() - time.time() < 3601
        assert error.retry_after == 3600

    async def test_for_ever(self) -> None:
        """Ten minutes of it are excused, and two are not."""
        script = Script(status(503, retry_after="10"))
        began = anyio.current_time()
        await gives_up(script, 1000)
        assert anyio.current_time() - began == pytest.approx(725, abs=10)

    async def test_a_429_counts_against_nobody(self) -> None:
        """Not even while others succeed."""
        script, budget = Script(*[status(429, retry_after="1")] * 50, FINE), new_budget(0)
        async with others_that_work(budget):
            assert (await send(script, budget)).ok


class TestAround:
    async def test_each_attempt(self) -> None:
        """Each attempt is inside; no delay and no recovery is."""
        inside = False
        entered = 0

        @asynccontextmanager
        async def around() -> AsyncIterator[None]:
            nonlocal inside, entered
            entered, inside = entered + 1, True
            yield
            inside = False

        class Attempt(Script):
            async def fetch(self, request: httpx.Request) -> httpx.Response:
                assert inside
                return await super().fetch(request)

        async def recover() -> None:
            assert not inside

        await send(Attempt(LOST, LOST, FINE), around=around, recover=recover)
        assert entered == 3


class TestInsisting:
    """What has to be done in the time that is left."""

    async def send(self, script: Script, seconds: float, budget: RetryBudget | None = None) -> Reply[bytes]:
        with anyio.fail_after(seconds):
            return await DeadlineClient(script.fetch, budget or new_budget(0)).send(request("POST"), read)

    @pytest.mark.parametrize("trouble", [REFUSED, LOST, status(503), status(404), status(200, b"<html>")])
    async def test_until_the_end(self, trouble: Step) -> None:
        """Attempts are 0.2 to 1 s apart, whatever the number of retries."""
        script = Script(trouble)
        began = anyio.current_time()
        with pytest.raises(PlatformUnavailable, match="Listing the apps failed after"):
            await self.send(script, 50)
        assert 49 < anyio.current_time() - began < 50
        assert all(0.2 <= gap <= 1 for gap in script.gaps)
        assert len(script.attempts) > 50

    async def test_past_any_wait(self) -> None:
        """Neither a gate nor a `Retry-After` holds it up."""
        budget = new_budget()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, Script(status(429, retry_after="60")), budget)
            await anyio.sleep(1)
            script = Script(status(503, retry_after="60"), FINE)
            assert (await self.send(script, 4, budget)).ambiguous
            tasks.cancel_scope.cancel()

    async def test_silence(self) -> None:
        """An attempt gets half of the time that is left, so that there is always another one."""
        script = Script(FINE)
        await self.send(script, 50)
        assert script.requests[0].extensions["timeout"] == {"connect": 10, "read": 25, "write": 25}
        script = Script(FINE)
        await self.send(script, 4)
        assert script.requests[0].extensions["timeout"] == {"connect": 2, "read": 2, "write": 2}

    async def test_the_platform_s_word(self) -> None:
        script = Script(status(401, b"no"))
        assert (await self.send(script, 50)).status == 401

    async def test_what_can_t_get_better(self) -> None:
        with pytest.raises(PlatformUnavailable, match="not trusted"):
            await self.send(Script(UNTRUSTED), 50)
