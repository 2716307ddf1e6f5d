"""Down is one event: when the gate of a kind of request closes, who may try it, and when it is given up."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass, field

import anyio
import pytest

from zerokie_action.http.breaker import CircuitBreaker, OutageLog, Probe

REASON = "the platform answered 503"


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)


@dataclass
class Kind:
    """The breaker of one kind of request, what its log said, and what was sent as a probe."""

    lines: list[str] = field(default_factory=list)
    probes: list[tuple[float, str, float | None]] = field(default_factory=list)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker(OutageLog("Uploads", self.lines.append))
        self.began = anyio.current_time()

    def fail(self, times: int) -> list[bool]:
        """Failures of requests beside which another one is under way; whether each was a scattered one."""
        with self.breaker.sending():
            return [self.breaker.failed(None, REASON) for _ in range(times)]

    def is_given_up(self) -> bool:
        """Whether it is no use to try on."""
        return self.breaker.is_given_up

    async def probe(self, name: str = "") -> Probe:
        """Wait for leave to be the probe."""
        probe = await self.breaker.wait()
        assert probe is not None
        self.probes.append((round(anyio.current_time() - self.began, 3), name, probe.timeout))
        return probe

    async def failing(self, name: str = "") -> None:
        """A request that waits at the gate and fails as a probe, until the kind is given up."""
        while not self.breaker.is_given_up:
            probe = await self.probe(name)
            self.breaker.release(probe)
            assert self.breaker.failed(probe, REASON) is False


class TestWhenItCloses:
    async def test_scattered_failures(self) -> None:
        """Failures beside successes are the requests' own business, and hold nobody up."""
        kind = Kind()
        for _ in range(100):
            assert kind.fail(4) == [True] * 4
            kind.breaker.succeeded(None)
        assert await kind.breaker.wait() is None

    async def test_five_in_a_row(self) -> None:
        """The fifth failure without a success in between is nobody's own any more."""
        kind = Kind()
        assert kind.fail(7) == [True, True, True, True, False, False, False]
        assert kind.breaker.is_open

    async def test_the_only_one_under_way(self) -> None:
        """There is nobody beside it who succeeds."""
        kind = Kind()
        assert kind.breaker.failed(None, REASON) is False
        assert kind.breaker.is_open

    async def test_answers_of_somebody_else(self) -> None:
        """Five in a row are an outage where so many are under way at once."""
        kind = Kind()
        with ExitStack() as others:
            for _ in range(4):
                others.enter_context(kind.breaker.sending())
            found = [kind.breaker.answered_unexpectedly(None, REASON) for _ in range(7)]
        assert found == [True, True, True, True, False, False, False]
        assert kind.breaker.is_open
        assert kind.breaker.answered_unexpectedly(await kind.probe(), REASON)

    async def test_answers_of_somebody_else_to_few(self) -> None:
        """Then `api-url` is wrong, or a file is refused, and nobody is kept waiting for two minutes."""
        kind = Kind()
        with kind.breaker.sending():
            assert all(kind.breaker.answered_unexpectedly(None, REASON) for _ in range(100))
        assert not kind.breaker.is_open

    async def test_a_success_opens_it(self) -> None:
        """Whoever waits goes on at once, and those of later failures begin anew."""
        kind = Kind()
        kind.fail(5)
        let_through: list[Probe | None] = []

        async def wait() -> None:
            let_through.append(await kind.breaker.wait())

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(wait)
            await anyio.sleep(0.1)
            assert let_through == []
            kind.breaker.succeeded(None)
        assert let_through == [None] * 10
        assert anyio.current_time() - kind.began == pytest.approx(0.1)
        assert kind.fail(4) == [True] * 4


class TestProbes:
    async def test_when(self) -> None:
        """After 0.5, 1 and 2 seconds, then every 5; they wait 5 and 10 s for an answer, then as ever."""
        kind = Kind()
        kind.fail(5)
        await kind.failing()
        assert kind.probes[:6] == [
            (0.5, "", 5.0),
            (1.5, "", 10.0),
            (3.5, "", None),
            (8.5, "", None),
            (13.5, "", None),
            (18.5, "", None),
        ]
        assert kind.probes[-1][0] == 123.5

    async def test_who(self) -> None:
        """Another one each time, and never two at once."""
        kind = Kind()
        kind.fail(5)
        async with anyio.create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(kind.failing, name)
            await anyio.sleep(30)
            tasks.cancel_scope.cancel()
        assert "".join(name for _, name, _ in kind.probes) == "abcabcab"

    async def test_one_at_a_time(self) -> None:
        """While a probe waits for its answer, no other goes out."""
        kind = Kind()
        kind.fail(5)
        first = await kind.probe("a")
        with anyio.move_on_after(60) as scope:
            await kind.breaker.wait()
        assert scope.cancelled_caught
        kind.breaker.release(first)
        await kind.probe("b")

    async def test_one_that_is_cancelled(self) -> None:
        """Who leaves the queue holds nobody up."""
        kind = Kind()
        kind.fail(5)
        with anyio.move_on_after(0.1):
            await kind.breaker.wait()
        await kind.probe()
        assert kind.probes == [(0.5, "", 5.0)]

    async def test_the_next_outage_begins_anew(self) -> None:
        """A success forgets how long the last one was."""
        kind = Kind()
        kind.fail(5)
        for _ in range(4):
            probe = await kind.probe()
            kind.breaker.release(probe)
            kind.breaker.failed(probe, REASON)
        probe = await kind.probe()
        kind.breaker.release(probe)
        kind.breaker.succeeded(probe)
        kind.fail(5)
        before = anyio.current_time()
        assert (await kind.probe()).timeout == 5.0
        assert anyio.current_time() - before == pytest.approx(0.5)


class TestAskedToWait:
    @pytest.mark.parametrize("others", [0, 63])
    async def test_so_long(self, others: int) -> None:
        """`Retry-After` is waited for, by all, and once when many are given it."""
        kind = Kind()
        for _ in range(1 + others):
            kind.breaker.asked_to_wait(None, 7, REASON)
        await kind.probe()
        assert kind.probes == [(7.0, "", 5.0)]

    async def test_a_probe_honours_what_it_was_given(self) -> None:
        kind = Kind()
        kind.breaker.asked_to_wait(None, 7, REASON)
        probe = await kind.probe()
        kind.breaker.release(probe)
        kind.breaker.asked_to_wait(probe, 20, REASON)
        await kind.probe()
        assert [when for when, *_ in kind.probes] == [7.0, 27.0]

    async def test_hardly_at_all(self) -> None:
        """A platform that asks for a millisecond is not asked a thousand times a second."""
        kind = Kind()
        kind.breaker.asked_to_wait(None, 0.001, REASON)
        for _ in range(3):
            probe = await kind.probe()
            kind.breaker.release(probe)
            kind.breaker.asked_to_wait(probe, 0.001, REASON)
        assert [when for when, *_ in kind.probes] == [0.5, 1.0, 1.5]

    async def test_without_a_time(self) -> None:
        """A second, doubled with each probe that is answered so too, 30 s at most."""
        kind = Kind()
        for _ in range(64):
            kind.breaker.asked_to_wait(None, None, REASON)
        for _ in range(8):
            probe = await kind.probe()
            kind.breaker.release(probe)
            kind.breaker.asked_to_wait(probe, None, REASON)
        times = [when for when, *_ in kind.probes]
        assert [later - sooner for sooner, later in zip([0, *times], times, strict=False)] == [
            1, 2, 4, 8, 16, 30, 30, 30,
        ]  # fmt: skip

    async def test_it_is_one_event(self) -> None:
        """After a success the next one means a second again."""
        kind = Kind()
        kind.breaker.asked_to_wait(None, None, REASON)
        for _ in range(3):
            probe = await kind.probe()
            kind.breaker.release(probe)
            kind.breaker.succeeded(probe)
            kind.breaker.asked_to_wait(None, None, REASON)
        assert [when for when, *_ in kind.probes] == [1.0, 2.0, 3.0]

    async def test_a_late_success_does_not_cut_it_short(self) -> None:
        """What was sent before the platform asked to wait may still succeed; the wait is for all others."""
        kind = Kind()
        kind.breaker.asked_to_wait(None, 7, REASON)
        kind.breaker.succeeded(None)
        await kind.probe()
        assert kind.probes == [(7.0, "", 5.0)]


class TestGivenUp:
    async def test_after_two_minutes(self) -> None:
        """Without any success, counted from the first failure."""
        kind = Kind()
        kind.fail(5)
        await anyio.sleep(120)
        assert not kind.is_given_up()
        await anyio.sleep(0.1)
        assert kind.is_given_up()

    async def test_any_success_renews_it(self) -> None:
        kind = Kind()
        for _ in range(10):
            kind.fail(1)
            await anyio.sleep(100)
            assert not kind.is_given_up()
            kind.breaker.succeeded(None)

    async def test_what_was_asked_for_does_not_count(self) -> None:
        """Waits that the platform asked for are excused, 10 minutes of them in all."""
        kind = Kind()
        kind.breaker.asked_to_wait(None, 300, REASON)
        kind.breaker.asked_to_wait(None, 300, REASON)  # the same five minutes
        await anyio.sleep(419)
        assert not kind.is_given_up()
        await anyio.sleep(2)
        assert kind.is_given_up()
        kind.breaker.asked_to_wait(None, 1000, REASON)
        await anyio.sleep(298)
        assert not kind.is_given_up()
        await anyio.sleep(2)
        assert kind.is_given_up()

    async def test_a_429_without_a_time_is_no_excuse(self) -> None:
        kind = Kind()
        while not kind.is_given_up():
            kind.breaker.asked_to_wait(None, None, REASON)
            await anyio.sleep(1)
        assert anyio.current_time() - kind.began == pytest.approx(121)

    async def test_bytes_that_move(self) -> None:
        """An upload whose bytes move is a success, as far as giving up is concerned."""
        kind = Kind()
        for _ in range(10):
            kind.fail(1)
            await anyio.sleep(100)
            kind.breaker.progressed()
        assert not kind.is_given_up()

    async def test_bytes_of_a_probe(self) -> None:
        """They prove nothing: the kernel takes some, and a gateway all, before it is known that it fails."""
        kind = Kind()
        kind.fail(5)
        while not kind.is_given_up():
            probe = await kind.probe()
            kind.breaker.progressed()
            kind.breaker.release(probe)
            kind.breaker.failed(probe, REASON)
        assert anyio.current_time() - kind.began == pytest.approx(123.5)


class TestLog:
    async def test_an_outage_is_a_story(self) -> None:
        """A line when the first probe has failed, one every 15 s, one when it is over."""
        kind = Kind()
        kind.fail(5)
        assert kind.lines == []
        for _ in range(11):
            probe = await kind.probe()
            kind.breaker.release(probe)
            kind.breaker.failed(probe, REASON)
        probe = await kind.probe()
        kind.breaker.release(probe)
        kind.breaker.succeeded(probe)
        began, *news, end = kind.lines
        assert REASON in began
        assert ["still" in line for line in news] == [True] * 2
        assert "back after 48 s" in end
        assert "12 requests" in end
        assert len(set(kind.lines)) == len(kind.lines)

    async def test_what_failed_before_is_told_with_it(self) -> None:
        """Not afterwards, when it would look like a new failure."""
        kind = Kind()
        log = kind.breaker.log
        for _ in range(4):
            log.scattered(REASON)
        log.still_down(10, REASON)
        log.recovered()
        log.log_count()
        assert len(kind.lines) == 3
        assert "1 request is sent again" in kind.lines[0]
        assert "3 requests are sent again" in kind.lines[2]

    async def test_a_hiccup_is_none(self) -> None:
        """Nothing is said when the first probe succeeds."""
        kind = Kind()
        kind.fail(5)
        probe = await kind.probe()
        kind.breaker.release(probe)
        kind.breaker.succeeded(probe)
        assert kind.lines == []

    @pytest.mark.parametrize(("seconds", "lines"), [(4, 0), (45, 1)])
    async def test_a_long_wait_is_told_at_once(self, seconds: float, lines: int) -> None:
        """Once, whatever the number of requests that are asked to; a short one is nobody's news."""
        kind = Kind()
        for _ in range(64):
            kind.breaker.asked_to_wait(None, seconds, REASON)
        assert ["asks to wait 45 s" in line for line in kind.lines] == [True] * lines

    async def test_scattered_failures_are_counted(self) -> None:
        """One line every few seconds, and one at the end for what was counted and not told."""
        kind = Kind()
        log = kind.breaker.log
        for _ in range(20):
            log.scattered(REASON)
            await anyio.sleep(0.5)
        assert [line.split("; ")[1] for line in kind.lines] == [
            "1 request is sent again",
            "10 requests are sent again",
        ]
        log.log_count()
        assert kind.lines[-1].endswith("9 requests are sent again")
        log.log_count()
        assert len(kind.lines) == 3
