"""How many uploads run at once."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zerokie_action.http.limiter import Pace


class Workers(RuleBasedStateMachine):
    """Any order of beginnings, ends, successes and push-backs."""

    loop: asyncio.AbstractEventLoop | None = None

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.bound = 6
        self.pace = Pace(self.bound)
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
            async with self.pace:
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
            before = self.pace.limit
            self.pace.succeeded()
            assert before <= self.pace.limit <= before + 1
            self.settle()

    @precondition(lambda self: self.running)
    @rule()
    def push_back(self) -> None:
        before = self.pace.limit
        self.pace.pushed_back()
        assert self.pace.limit in {before, max(1.0, before / 2)}
        self.settle()

    @precondition(lambda self: len(self.waiting) > len(self.running))
    @rule()
    def cancel_one_that_waits(self) -> None:
        self.waiting[-1].cancel()
        self.settle()

    @invariant()
    def in_bounds(self) -> None:
        assert 1 <= self.pace.limit <= self.bound

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Whoever has room is in: no wake-up is lost."""
        room = int(self.pace.limit) - len(self.running)
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
    pace = Pace(4)
    running = most = done = 0

    async def work() -> None:
        nonlocal running, most, done
        async with pace:
            running += 1
            most = max(most, running)
            await anyio.sleep(1)
            running -= 1
        pace.succeeded()
        done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(work)
    assert (most, done) == (4, 50)


async def test_one_push_back_of_many_requests_counts_once() -> None:
    """Requests that were under way when the pace fell can't have noticed: they do not halve it again."""
    pace = Pace(64)
    async with AsyncExitStack() as earlier:
        for _ in range(8):
            await earlier.enter_async_context(pace)
        for _ in range(8):
            pace.pushed_back()
        assert pace.limit == 32
    async with pace:
        pace.pushed_back()
        assert pace.limit == 16


async def test_it_grows_back() -> None:
    """By one for each round of successes, up to the bound."""
    pace = Pace(8)
    async with pace:
        pace.pushed_back()
    for _ in range(4):
        pace.succeeded()
    assert 4.5 < pace.limit <= 5
    for _ in range(100):
        pace.succeeded()
    assert pace.limit == 8


@settings(deadline=None)
@given(st.integers(1, 256), st.lists(st.booleans(), max_size=300))
def test_always_in_bounds(bound: int, answers: list[bool]) -> None:
    """Whatever the platform answers, at least one runs and never more than asked for."""
    pace = Pace(bound)
    for well in answers:
        (pace.succeeded if well else pace.pushed_back)()
        assert 1 <= pace.limit <= bound


async def test_a_turn_ends_with_an_error() -> None:
    """An error, or a cancellation, gives the room back."""
    pace = Pace(1)
    with pytest.raises(LookupError):
        async with pace:
            raise LookupError
    with anyio.move_on_after(1):
        async with pace:
            await anyio.sleep_forever()
    with anyio.fail_after(1):
        async with pace:
            pass
