"""3,000 uploads of 20 ms, 64 at once, on bad days: how long they take, and how many requests too many.

Without trouble that takes 0.94 s of virtual time. What happens is said by `fetch` alone; the rules are those
of `RetryingClient`, `CircuitBreaker` and `AdaptiveLimiter` as a deploy uses them.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from zerokie_action.errors import PlatformUnavailable, unwrap
from zerokie_action.http.client import extensions
from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.http.retry import RetryBudget, RetryingClient

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE = 0.02
REFUSED = httpx.ConnectError("connection refused")
UNAVAILABLE = httpx.Response(503, json={"error": "Service Unavailable"})
TOO_MANY = httpx.Response(429, json={"error": "Too Many Requests"})
BAD_GATEWAY = httpx.Response(502, json={"error": "CDN"})
Trouble = httpx.Response | httpx.TransportError | None


class _Selector(selectors.DefaultSelector):
    """Nothing comes from outside, so there is nothing to wait for but timers."""

    loop: _Loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0 if timeout else timeout)
        if not events and timeout:
            self.loop.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    """Virtual time without sockets: three times as fast as that with them."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": _Loop}


@dataclass
class Day:
    """What came of a number of uploads.

    Attributes:
        trouble: asked at each request, with the seconds since the beginning and the file's number.
        seconds: until the last one was done, or the first gave up.
        failed: how that one ended.
        sent: requests for each file.
    """

    trouble: Callable[[float, int], Trouble]
    files: int = 3000
    service: float = SERVICE
    retries: int = 5
    seconds: float = 0.0
    failed: PlatformUnavailable | None = None
    sent: Counter[int] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    gates: int = 0

    @property
    def too_many(self) -> int:
        """Requests beyond one for each file that was reached."""
        return self.sent.total() - len(self.sent)

    async def run(self) -> Day:
        budget = RetryBudget(self.retries, log=self.lines.append)
        limiter = AdaptiveLimiter(64)
        breaker = budget.breaker("Uploads")
        began = anyio.current_time()
        waiting = iter(range(self.files))

        async def fetch(request: httpx.Request) -> httpx.Response:
            number = request.extensions["number"]
            self.sent[number] += 1
            trouble = self.trouble(anyio.current_time() - began, number)
            await anyio.sleep(self.service)
            if isinstance(trouble, httpx.TransportError):
                raise trouble
            return trouble or httpx.Response(200)

        async def watch() -> None:
            was_open = False
            while True:
                self.gates += breaker.is_open and not was_open
                was_open = breaker.is_open
                await anyio.sleep(SERVICE)

        client = RetryingClient(fetch, budget, limiter=limiter)

        async def work() -> None:
            for number in waiting:
                more = extensions("Uploading", timeout=60.0, resendable=True, kind="Uploads") | {
                    "number": number
                }
                request = httpx.Request("PUT", "https://api.test/file", extensions=more)
                await client.send(request, lambda _response: True)
                limiter.succeeded()

        try:
            async with anyio.create_task_group() as watcher:
                watcher.start_soon(watch)
                async with anyio.create_task_group() as workers:
                    for _ in range(64):
                        workers.start_soon(work)
                self.seconds = anyio.current_time() - began
                watcher.cancel_scope.cancel()
        except ExceptionGroup as group:
            error = unwrap(group)
            assert isinstance(error, PlatformUnavailable)
            self.failed = error
            self.seconds = anyio.current_time() - began
        return self


def away(seconds: float, how: Trouble, *, since: float = 0.3) -> Callable[[float, int], Trouble]:
    """An outage."""
    return lambda now, _number: how if since <= now < since + seconds else None


HOW = pytest.mark.parametrize("how", [REFUSED, UNAVAILABLE, TOO_MANY], ids=["refused", "503", "429"])


async def test_no_trouble() -> None:
    day = await Day(lambda *_: None).run()
    assert (day.failed, day.too_many, day.gates) == (None, 0, 0)
    assert day.seconds == pytest.approx(0.94)


@HOW
@pytest.mark.parametrize("seconds", [1, 3, 10, 30, 60, 100])
async def test_an_outage(seconds: float, how: Trouble) -> None:
    """All is done soon after it, with hardly more requests too many than were under way."""
    day = await Day(away(seconds, how)).run()
    assert day.failed is None
    assert len(day.sent) == 3000
    late = 31 if how is TOO_MANY else 8  # what the platform refuses for its pace is asked again less often
    assert day.seconds < 0.3 + seconds + late
    assert day.gates <= 2
    assert day.too_many < 64 + 30
    assert len(day.lines) <= 5 + seconds / 15


async def test_an_outage_without_retries() -> None:
    """`retries` are for a request that fails alone: an outage is waited for whatever they are."""
    day = await Day(away(10, REFUSED), retries=0).run()
    assert day.failed is None


@HOW
async def test_an_outage_that_is_too_long(how: Trouble) -> None:
    """It is given up after two minutes, when the next probe has failed."""
    day = await Day(away(155 if how is TOO_MANY else 130, how)).run()
    assert day.failed is not None
    assert 120 < day.seconds < (152 if how is TOO_MANY else 130)
    assert day.gates == 1
    assert day.too_many < 64 + 30


async def test_nothing_but_502() -> None:
    """A platform that fails for ever is not hammered."""
    day = await Day(lambda *_: BAD_GATEWAY).run()
    assert day.failed is not None
    assert 120 < day.seconds < 130
    assert day.sent.total() < 110


@pytest.mark.parametrize(("share", "seconds", "gates"), [(0.01, 1.9, 0), (0.08, 8, 2), (0.2, 20, 10)])
async def test_scattered_failures(share: float, seconds: float, gates: int) -> None:
    """They cost their retries and little time; 1 % closes no gate and costs a second at most."""
    day = await Day(lambda *_: UNAVAILABLE if random.random() < share else None).run()  # noqa: S311
    assert day.failed is None
    assert day.seconds < seconds
    assert day.too_many < 3000 * share / (1 - share) * 1.2
    assert day.gates <= gates


async def test_one_file_that_always_fails() -> None:
    """It ends after its retries, in seconds, while the others work."""
    day = await Day(lambda _now, number: UNAVAILABLE if number == 50 else None, files=4000, service=0.2).run()
    assert day.failed is not None
    assert day.sent[50] == 6
    assert day.seconds < 16


async def test_one_file_that_always_fails_at_the_end() -> None:
    """Nobody is left who shows that the platform works: then it takes two minutes."""
    day = await Day(lambda _now, number: UNAVAILABLE if number == 2999 else None).run()
    assert day.failed is not None
    assert len(day.sent) == 3000
    assert 120 < day.seconds < 130


class Bucket:
    """A rate limit: so many a second, and some at once."""

    def __init__(self, rate: float, size: float, **headers: str) -> None:
        self.rate, self.size = rate, size
        self.level, self.at = size, 0.0
        self.refusal = httpx.Response(429, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def __call__(self, now: float, _number: int) -> Trouble:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return self.refusal
        self.level -= 1
        return None


@pytest.mark.parametrize(
    ("bucket", "files", "seconds"),
    [
        (Bucket(200, 50, retry_after="1"), 1000, 25),
        (Bucket(200, 50), 1000, 25),
        (Bucket(10, 10, retry_after="1"), 300, 60),
    ],
    ids=["200 a second", "200 a second, without Retry-After", "10 a second"],
)
async def test_a_rate_limit(bucket: Bucket, files: int, seconds: float) -> None:
    """A busy gateway makes a deploy slower, never fail."""
    day = await Day(bucket, files).run()
    assert day.failed is None
    assert day.seconds < seconds


async def test_a_platform_that_comes_and_goes() -> None:
    """Outages after one another are outages each, and use up nobody's retries."""
    day = await Day(lambda now, _: REFUSED if now % 5 >= 2 else None, files=10_000).run()
    assert day.failed is None
    assert day.gates >= 1
