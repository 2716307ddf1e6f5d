"""Which attempts are repeated, when, and when it is enough."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zerokie_action.http.clock import PlatformClock, date_of

from zerokie_action.errors import PlatformUnavailable
from zerokie_action.http.client import PURPOSE
from zerokie_action.http.retry import LONGEST_DELAY, PATIENCE, Malformed, Reply, Retries, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator


REQUEST = httpx.Request("GET", "https://api.test/v1/apps", extensions={PURPOSE: "Listing the apps"})
NOW, LATER = "Sat, 07 Mar 2026 17:00:00 GMT", "Sat, 07 Mar 2026 18:00:00 GMT"
LOST = httpx.ReadError("the connection was reset")
REFUSED = httpx.ConnectError("connection refused")
UNTRUSTED = NoAnswer("the server's TLS certificate is not trusted (expired)", sent=False, final=True)
FINE = Answer(200, {}, b"fine")


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(code, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class Script:
    """A transport that does what it is told, one thing an attempt; the last one for ever."""

    def __init__(self, *steps: Answer | NoAnswer, takes: float = 0.0) -> None:
        self.steps = list(steps)
        self.takes = takes
        self.attempts: list[float] = []
        self.fresh: list[bool] = []

    async def send(self, request: Request) -> Answer:
        assert request._replace(fresh=False) == REQUEST
        self.fresh.append(request.fresh)
        self.attempts.append(anyio.current_time())
        await anyio.sleep(self.takes)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, NoAnswer):
            raise step
        return step


def sender(script: Transport, retries: int | Retries = 5, **more: Any) -> Sender:
    budget = retries if isinstance(retries, Retries) else Retries(retries, jitter=lambda: 1.0)
    return Sender(script, budget, clock=PlatformClock(), **more)


async def send(script: Transport, retries: int | Retries = 5, **more: Any) -> Reply[bytes]:
    seams = {name: more.pop(name) for name in ("recover",) if name in more}
    return await sender(script, retries, **more).send(REQUEST, lambda answer: answer.body, **seams)


async def gives_up(script: Transport, retries: int | Retries = 5, **more: Any) -> PlatformUnavailable:
    with pytest.raises(PlatformUnavailable) as caught:
        await send(script, retries, **more)
    return caught.value


class TestWhatIsRepeated:
    @pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 520, 599])
    async def test_statuses(self, code: int) -> None:
        script = Script(status(code), FINE)
        assert (await send(script)).value == b"fine"
        assert len(script.attempts) == 2

    @pytest.mark.parametrize("trouble", [LOST, REFUSED])
    async def test_trouble_with_the_network(self, trouble: NoAnswer) -> None:
        script = Script(trouble, FINE)
        assert (await send(script)).value == b"fine"
        assert len(script.attempts) == 2

    async def test_a_fresh_connection_after_trouble(self) -> None:
        """One that is kept may be dead, as all others are that the same thing in between has kept."""
        script = Script(status(503), LOST, status(503), FINE)
        assert (await send(script)).value == b"fine"
        assert script.fresh == [False, False, True, True]

    @pytest.mark.parametrize("code", [300, 301, 307, 400, 401, 403, 404, 408, 409, 413, 422, 451, 501])
    async def test_final_statuses(self, code: int) -> None:
        """Any other answer is the answer."""
        script = Script(status(code, b"no"))
        assert await send(script) == Reply(REQUEST.purpose, code, b"no", None)
        assert len(script.attempts) == 1

    async def test_what_can_t_get_better(self) -> None:
        script = Script(UNTRUSTED)
        error = await gives_up(script)
        assert len(script.attempts) == 1
        assert str(error) == (
            "Listing the apps failed after 1 attempt: the server's TLS certificate is not trusted (expired)"
        )
        assert error.hint == (
            "Check `api-url`. If the certificate is your own, name its authority's bundle in SSL_CERT_FILE."
        )

    async def test_an_answer_that_makes_no_sense(self) -> None:
        """A 2xx that is not what the reference describes may come from something in between."""

        def parse(answer: Answer) -> bytes:
            if answer.body != b"fine":
                raise Malformed("not with what the API reference describes")
            return answer.body

        script = Script(status(200), FINE)
        reply = await sender(script).send(REQUEST, parse)
        assert (reply.value, reply.ambiguous) == (b"fine", True)

    @pytest.mark.parametrize("code", [200, 201, 202, 204])
    async def test_success(self, code: int) -> None:
        reply = await send(Script(status(code, b"x")))
        assert (reply.ok, reply.status, reply.value, reply.ambiguous) == (True, code, b"x", False)

    @pytest.mark.parametrize(
        "other", [status(502, date=LATER), status(404, date=LATER), status(200, b"<html>", date=LATER)]
    )
    async def test_whose_time_it_is(self, other: Answer) -> None:
        """A proxy, which gives such answers, has a clock of its own; only the platform's counts."""

        def parse(answer: Answer) -> bytes:
            if answer.body.startswith(b"<"):
                raise Malformed("it is a web page")
            return answer.body

        clock = PlatformClock()
        script = Script(other, status(200, b"fine", date=NOW))
        sends = Sender(script, Retries(1, jitter=lambda: 0.0), clock=clock)
        with suppress(PlatformUnavailable):
            await sends.send(REQUEST, parse)
        assert clock.now() < date_of({"date": LATER})  # type: ignore[operator]  # it is a date


class TestUnclear:
    @pytest.mark.parametrize(
        ("trouble", "unclear"),
        [(LOST, True), (REFUSED, False), (status(429), False), (status(500), True), (status(503), True)],
    )
    async def test_what_leaves_it_unclear(self, trouble: Answer | NoAnswer, *, unclear: bool) -> None:
        """Only what the platform can't have seen, or refused for its pace, is clear."""
        assert (await send(Script(trouble, REFUSED, status(409)))).ambiguous is unclear
        assert (await gives_up(Script(trouble, REFUSED), 1)).ambiguous is unclear

    async def test_recovery(self) -> None:
        """After an unclear attempt, and only then, it is asked whether it took effect."""
        found: list[bytes | None] = [None, b"there"]
        script = Script(REFUSED, LOST, status(429), LOST, FINE)

        async def recover() -> bytes | None:
            return found.pop(0)

        assert await send(script, recover=recover) == Reply(
            REQUEST.purpose, 200, b"", b"there", ambiguous=True
        )
        assert len(script.attempts) == 4

    async def test_recovery_at_the_end(self) -> None:
        """Even when no repetition is left."""

        async def recover() -> bytes:
            return b"there"

        assert (await send(Script(LOST), 0, recover=recover)).value == b"there"
        assert str(await gives_up(Script(REFUSED), 0, recover=recover)) == (
            "Listing the apps failed after 1 attempt: connection refused"
        )


class TestDelays:
    async def test_exponential(self) -> None:
        """The longest delay doubles from half a second to twenty."""
        script = Script(REFUSED)
        error = await gives_up(script, 8)
        gaps = [later - sooner for sooner, later in zip(script.attempts, script.attempts[1:], strict=False)]
        assert gaps == pytest.approx([0.5, 1, 2, 4, 8, 16, 20, 20])
        assert str(error) == "Listing the apps failed after 9 attempts: connection refused"

    @settings(deadline=None)
    @given(jitter=st.floats(0, 1), attempt=st.integers(1, 2000))
    def test_full_jitter(self, jitter: float, attempt: int) -> None:
        """Any part of the longest delay, from nothing to all of it; it never is more than twenty seconds."""

        async def delay(part: float) -> float:
            waited = Retries(2000, jitter=lambda: part).delay(attempt, None)
            assert waited is not None
            return waited

        longest = anyio.run(delay, 1.0)
        assert 0.5 <= longest <= LONGEST_DELAY
        assert anyio.run(delay, jitter) == pytest.approx(jitter * longest)

    async def test_retry_after(self) -> None:
        """What the platform asks for is waited in full, and the jitter on top."""
        script = Script(status(503, retry_after="30"), FINE)
        await send(script)
        assert script.attempts[1] - script.attempts[0] == pytest.approx(30.5)

    async def test_no_retries(self) -> None:
        script = Script(LOST, FINE)
        budget = Retries(0)
        assert str(await gives_up(script, budget)) == (
            "Listing the apps failed after 1 attempt: the connection was reset"
        )
        assert (len(script.attempts), budget.used) == (1, 0)

    async def test_the_count(self) -> None:
        """Repetitions of all requests are counted together."""
        budget = Retries(5, jitter=lambda: 0.0)
        await send(Script(LOST, LOST, FINE), budget)
        await send(Script(REFUSED, FINE), budget)
        assert budget.used == 3

    async def test_a_deadline(self) -> None:
        """A delay that would outlast the deadline is not begun: the error is better than a time-out."""
        script = Script(status(503, b'{"error": "maintenance"}', retry_after="3600"))
        with anyio.fail_after(1800):
            error = await gives_up(script)
        assert (
            str(error) == 'Listing the apps failed after 1 attempt: the platform answered 503 ("maintenance")'
        )
        assert error.hint == (
            "The platform asked to wait 3600 s. Run the job again in a few minutes. "
            "If it stays like this, check `api-url`, proxies and the platform's status."
        )

    async def test_news(self) -> None:
        """Every repetition is told, in one line."""
        news: list[str] = []
        await send(Script(LOST, status(502, b'{"error": "CDN"}'), status(500), FINE), notice=news.append)
        assert news == [
            "Listing the apps: the connection was reset; trying again in 0.5 s",
            'Listing the apps: the platform answered 502 ("CDN"); trying again in 1.0 s',
            "Listing the apps: the platform answered 500; trying again in 2.0 s",
        ]

    async def test_push_back(self) -> None:
        """The pace hears of what asks for less, and of nothing else."""
        pushed: list[int] = []
        script = Script(status(429), status(502), status(503), status(500), status(504), LOST, FINE)
        await send(script, 9, on_pushback=lambda: pushed.append(len(script.attempts)))
        assert pushed == [1, 2, 3]

    async def test_around(self) -> None:
        """Each attempt is inside, no delay and no recovery is."""
        inside = False
        entered = 0

        @contextmanager
        def around() -> Iterator[None]:
            nonlocal inside, entered
            entered, inside = entered + 1, True
            yield
            inside = False

        class Attempt(Script):
            async def send(self, request: Request) -> Answer:
                assert inside
                return await super().send(request)

        async def recover() -> None:
            assert not inside

        await send(Attempt(LOST, LOST, FINE), around=around, recover=recover)
        assert entered == 3


class TestPatience:
    async def test_an_outage(self) -> None:
        """With attempts left, the run gives up when nothing has worked for two minutes."""
        script = Script(LOST)
        began = anyio.current_time()
        await gives_up(script, 1000)
        assert PATIENCE <= anyio.current_time() - began <= PATIENCE + LONGEST_DELAY

    async def test_it_is_shared(self) -> None:
        """A thousand requests that fail do not each get two minutes."""
        budget = Retries(1000, jitter=lambda: 1.0)
        await gives_up(Script(LOST), budget)
        script = Script(LOST)
        await gives_up(script, budget)
        assert len(script.attempts) == 1

    async def test_any_success_renews_it(self) -> None:
        """A request that fails among others that work has all its attempts."""
        budget = Retries(30, jitter=lambda: 1.0)
        script = Script(LOST)
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                while True:
                    await send(Script(FINE), budget)
                    await anyio.sleep(50)

            tasks.start_soon(work)
            await gives_up(script, budget)
            tasks.cancel_scope.cancel()
        assert len(script.attempts) == 31

    @pytest.mark.parametrize("workers", [1, 64])
    async def test_being_told_to_wait_costs_none(self, workers: int) -> None:
        """The time that the platform asked for does not count, and counts once when it asks many."""
        budget = Retries(1000, jitter=lambda: 0.0)
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(workers):
                tasks.start_soon(gives_up, Script(status(503, retry_after="10"), takes=2.0), budget)
        # Of every twelve seconds ten were asked for, so two minutes of patience last twelve.
        assert anyio.current_time() - began == pytest.approx(720, abs=15)
