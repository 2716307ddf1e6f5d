"""How many requests of a kind run at once, and how many the limit on open files allows."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.timewarp import TimeWarpLoop
from zerokie_action.http.limiter import _EACH, _RESERVED, AdaptiveLimiter

MOST = 6


class Requests(RuleBasedStateMachine):
    """Any order of begins, ends and cancellations, with a platform that fails and recovers."""

    loop: TimeWarpLoop | None = None

    @initialize()
    def start(self) -> None:
        self.loop = TimeWarpLoop()
        self.limiter = AdaptiveLimiter(MOST)
        self.waiting: list[asyncio.Task[None]] = []
        self.running: list[asyncio.Event] = []

    def pass_time(self, seconds: float) -> None:
        assert self.loop is not None
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.waiting = [task for task in self.waiting if not task.done()]

    async def request(self) -> None:
        async with self.limiter:
            end = asyncio.Event()
            self.running.append(end)
            try:
                await end.wait()
            finally:
                self.running.remove(end)

    @rule(seconds=st.sampled_from([0, 0.1, 60]))
    def begin(self, seconds: float) -> None:
        assert self.loop is not None
        self.waiting.append(self.loop.create_task(self.request()))
        self.pass_time(seconds)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100), how=st.sampled_from(["well", "failed", "busy"]), since=st.floats(0, 50))
    def end(self, which: int, how: str, since: float) -> None:
        async def report() -> None:
            self.running[which % len(self.running)].set()
            if how == "well":
                self.limiter.succeeded()
            else:
                self.limiter.failed(anyio.current_time() - since, is_busy=how == "busy")

        assert self.loop is not None
        self.loop.run_until_complete(report())
        self.pass_time(0)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 100), seconds=st.sampled_from([0, 0.1]))
    def cancel(self, which: int, seconds: float) -> None:
        self.waiting[which % len(self.waiting)].cancel()
        self.pass_time(seconds)

    @rule(seconds=st.sampled_from([0.3, 60]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    @invariant()
    def the_limit_is_within_bounds(self) -> None:
        if self.loop is not None:
            assert 1 <= self.limiter.limit <= MOST

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """A minute later, whoever has room is in: neither a slot nor a wake-up is lost."""
        if self.loop is None:
            return
        self.pass_time(60)
        queued = len(self.waiting) - len(self.running)
        assert queued == 0 or len(self.running) >= int(self.limiter.limit)

    def teardown(self) -> None:
        if self.loop is not None:
            for task in self.waiting:
                task.cancel()
            self.pass_time(0)
            self.loop.close()


TestAnyOrder = Requests.TestCase
TestAnyOrder.settings = settings(deadline=None, max_examples=100)


async def test_slots_go_out_in_order() -> None:
    """Never more run than may, and nobody is overtaken."""
    limiter = AdaptiveLimiter(4)
    running = most = 0
    begun: list[int] = []

    async def work(number: int) -> None:
        nonlocal running, most
        async with limiter:
            begun.append(number)
            running += 1
            most = max(most, running)
            await anyio.sleep(1)
            running -= 1
        limiter.succeeded()

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(work, number)
            await anyio.sleep(0.1)
    assert most == 4
    assert begun == list(range(50))


async def test_an_end_while_it_waits() -> None:
    """Who is cancelled at the moment in which a slot becomes free does not begin any more."""
    limiter = AdaptiveLimiter(1)
    begun = False

    async def work() -> None:
        nonlocal begun
        async with limiter:
            begun = True

    async with anyio.create_task_group() as tasks:
        async with limiter:
            tasks.start_soon(work)
            await anyio.sleep(1)
        tasks.cancel_scope.cancel()
    assert not begun
    with anyio.fail_after(1):
        async with limiter:
            pass


# How many the limit on open files allows

PROGRAM = """
import json, os, resource
from zerokie_action.http.limiter import affordable
allowed = affordable(64)
print(json.dumps([allowed, len(os.listdir("/dev/fd")), *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def affordable(soft: int, hard: int) -> tuple[int, int, int, int]:
    """Of 64 uploads, in a process with these limits; then what is open, and the limits after it."""
    seen = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    return tuple(json.loads(seen.stdout))


@pytest.mark.parametrize("limit", [64, 100])
def test_a_low_limit(limit: int) -> None:
    """Each upload has room for a connection and a file, beside what is open and as much again."""
    allowed, taken, *_ = affordable(limit, limit)
    assert 1 < allowed < 64
    assert 2 * taken <= _RESERVED
    assert _RESERVED + _EACH * allowed <= limit


def test_a_limit_that_can_be_raised() -> None:
    """The soft limit is raised as far as all uploads need it; the hard one stays."""
    allowed, _, soft, hard = affordable(64, 1000)
    assert allowed == 64
    assert _RESERVED + _EACH * 64 <= soft < 1000
    assert hard == 1000


def test_hardly_any_descriptor() -> None:
    """One upload at a time is always tried."""
    assert affordable(20, 20)[0] == 1
