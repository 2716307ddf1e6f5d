"""How many uploads run at once."""

from __future__ import annotations

import asyncio
from collections import deque

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zerokie_action.http.limiter import AdaptiveLimiter


class Workers(RuleBasedStateMachine):
    """Any order of beginnings, ends, successes and throttling."""

    loop: asyncio.AbstractEventLoop | None = None

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.bound = 6
        self.limiter = AdaptiveLimiter(self.bound)
        self.waiting: deque[asyncio.Task[None]] = deque()
        self.running: list[asyncio.Event] = []

    def settle(self) -> None:
        """Let everybody run who can."""

        async def a_while() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        assert self.loop is not None
        self.loop.run_until_complete(a_while())
        self.waiting = deque(task for task in self.waiting if not task.done())

    @rule()
    def begin(self) -> None:
        async def work() -> None:
            async with self.limiter:
                end = asyncio.Event()
                self.running.append(end)
                await end.wait()

        assert self.loop is not None
        self.waiting.append(self.loop.create_task(work()))
        self.settle()

    def pop(self, which: int) -> None:
        self.running.pop(which % len(self.running)).set()

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100), well=st.booleans())
    def end(self, which: int, *, well: bool) -> None:
        self.pop(which)
        self.settle()
        if well:
            before = self.limiter.limit
            self.limiter.succeeded()
            assert before <= self.limiter.limit <= before + 1
            self.settle()

    @precondition(lambda self: self.running)
    @rule()
    def throttle(self) -> None:
        before = self.limiter.limit
        self.limiter.throttled()
        assert self.limiter.limit in {before, max(1, before // 2)}
        self.settle()

    @precondition(lambda self: len(self.waiting) > len(self.running))
    @rule()
    def cancel_one_that_waits(self) -> None:
        self.waiting[-1].cancel()
        self.settle()

    @invariant()
    def in_bounds(self) -> None:
        assert 1 <= self.limiter.limit <= self.bound

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Whoever has room is in: no wake-up is lost."""
        room = int(self.limiter.limit) - len(self.running)
        assert room <= 0 or len(self.waiting) == len(self.running)

    def teardown(self) -> None:
        if self.loop is None:
            return
        for task in self.waiting:
            task.cancel()
        self.settle()
        self.loop.close()


TestAnyOrder = Workers.TestCase
TestAnyOrder.settings = settings(deadline=None, max_examples=50)


async def test_the_limit_holds() -> None:
    """Never more run than may, and everybody's turn comes."""
    limiter = AdaptiveLimiter(4)
    running = most = done = 0

    async def work() -> None:
        nonlocal running, most, done
        async with limiter:
            running += 1
            most = max(most, running)
            await anyio.sleep(1)
            running -= 1
        limiter.succeeded()
        done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(work)
    assert (most, done) == (4, 50)


async def test_throttling_of_many_requests_counts_once() -> None:
    """Requests that were under way when the limiter fell can't have noticed: they do not halve it again."""
    limiter = AdaptiveLimiter(64)
    end = anyio.Event()

    async def work() -> None:
        async with limiter:
            await end.wait()
        limiter.throttled()

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(work)
        await anyio.sleep(1)
        end.set()
    assert limiter.limit == 32
    async with limiter:
        pass
    limiter.throttled()
    assert limiter.limit == 16


async def test_it_grows_back() -> None:
    """By one for each round of successes, up to the bound."""
    limiter = AdaptiveLimiter(8)
    async with limiter:
        limiter.throttled()
    for _ in range(4):
        limiter.succeeded()
    assert limiter.limit in {4, 5}
    for _ in range(100):
        limiter.succeeded()
    assert limiter.limit == 8


@settings(deadline=None)
@given(st.integers(1, 256), st.lists(st.booleans(), max_size=300))
def test_always_in_bounds(bound: int, answers: list[bool]) -> None:
    """Whatever the platform answers, at least one runs and never more than asked for."""
    limiter = AdaptiveLimiter(bound)
    for well in answers:
        (limiter.succeeded if well else limiter.throttled)()
        assert 1 <= limiter.limit <= bound


async def test_a_turn_ends_with_an_error() -> None:
    """An error, or a cancellation, gives the room back."""
    limiter = AdaptiveLimiter(1)
    with pytest.raises(LookupError):
        async with limiter:
            raise LookupError
    with anyio.move_on_after(1):
        async with limiter:
            await anyio.sleep_forever()
    with anyio.fail_after(1):
        async with limiter:
            pass
