"""3,000 uploads of 20 ms, 64 at once, on bad days: how long they take, and how many requests too many.

Without trouble that takes 0.94 s of virtual time. The expected figures are the design's: medians of ten seeds
of a simulation of its rules, without any of this code.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from zerokie_action.errors import PlatformUnavailable, unwrap
from zerokie_action.http.request import extensions
from zerokie_action.http.retry import RetryingClient

if TYPE_CHECKING:
    from collections.abc import Callable

TEN = 10
pytestmark = pytest.mark.parametrize("seeds", [1, pytest.param(TEN, marks=pytest.mark.exhaustive)])
REFUSED, SILENT = httpx.ConnectError("connection refused"), httpx.ReadTimeout("no answer within 30 s")
UNAVAILABLE = httpx.Response(503, json={"error": "Service Unavailable"})
TOO_MANY = httpx.Response(429, json={"error": "Too Many Requests"})
WAIT_FIVE = httpx.Response(429, headers={"Retry-After": "5"})
PAGE = httpx.Response(404, html="<html><title>404 Not Found</title></html>")
READ_TIMEOUT = 30.0
Trouble = httpx.Response | httpx.TransportError | None
TAKES = {id(REFUSED): 0.001, id(SILENT): READ_TIMEOUT}
"""Seconds until a request has failed; 20 ms for the others."""


@dataclass
class Day(httpx.AsyncBaseTransport):
    """What came of a number of uploads.

    Attributes:
        trouble: asked at each request, with the seconds since the beginning.
        seconds: until the last one was done, or the first gave up.
        failed: how that one ended.
        sent: requests for each file.
    """

    trouble: Callable[[float], Trouble]
    files: int = 3000
    retries: int = 5
    seconds: float = 0.0
    failed: PlatformUnavailable | None = None
    sent: Counter[int] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    began: float = 0.0

    @property
    def too_many(self) -> int:
        """Requests beyond one for each file that was reached."""
        return self.sent.total() - len(self.sent)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number = request.extensions.get("number", -1)
        if number < 0:
            return httpx.Response(200)
        self.sent[number] += 1
        now = anyio.current_time() - self.began
        trouble = self.trouble(now)
        await anyio.sleep(TAKES.get(id(trouble), 0.02))
        if isinstance(trouble, httpx.TransportError):
            trouble.request = request
            raise trouble
        return trouble or httpx.Response(200)

    def request(self, number: int) -> httpx.Request:
        more = extensions("Uploading", group="Uploads") | {"number": number}
        return httpx.Request("PUT", "https://api.test/file", extensions=more)

    async def run(self) -> Day:
        client = RetryingClient(self, retries=self.retries, log=self.lines.append)
        first = httpx.Request("GET", "https://api.test/", extensions=extensions("Looking"))
        await client.send(first, lambda _response: True)
        self.began = anyio.current_time()
        waiting = iter(range(self.files))

        async def work() -> None:
            for number in waiting:
                await client.send(self.request(number), lambda _response: True)

        try:
            async with anyio.create_task_group() as workers:
                for _ in range(64):
                    workers.start_soon(work)
        except ExceptionGroup as group:
            error = unwrap(group)
            assert isinstance(error, PlatformUnavailable), error
            self.failed = error
        self.seconds = anyio.current_time() - self.began
        return self


async def days(seeds: int, make: Callable[[], Day]) -> list[Day]:
    """The same day with other seeds."""
    found = []
    for seed in range(seeds):
        random.seed(seed)
        found.append(await make().run())
    return found


def away(seconds: float, how: Trouble) -> Callable[[float], Trouble]:
    """An outage."""
    return lambda now: how if 0.3 <= now < 0.3 + seconds else None


OUTAGES: dict[str, tuple[Trouble, int, int, float, int]] = {
    # how the platform fails, for how long, and `retries`; the deploy's seconds, and requests too many
    "refused": (REFUSED, 60, 0, 64.4, 78),  # `retries` are for a request that fails alone
    "a gateway's page": (PAGE, 100, 5, 102.9, 86),
    "429": (TOO_MANY, 10, 5, 16.6, 120),
}
MORE_OUTAGES: dict[str, tuple[Trouble, int, int, float, int]] = {
    "refused for a second": (REFUSED, 1, 5, 2.4, 65),
    "503": (UNAVAILABLE, 10, 5, 14.4, 68),
    "silent": (SILENT, 60, 5, 62.4, 65),
    "429 with Retry-After": (WAIT_FIVE, 130, 5, 132.1, 146),
}


@pytest.mark.parametrize(
    "name", [*OUTAGES, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in MORE_OUTAGES)]
)
async def test_an_outage(seeds: int, name: str) -> None:
    """All is done soon after it, with hardly more requests too many than were under way."""
    how, length, retries, seconds, too_many = (OUTAGES | MORE_OUTAGES)[name]
    found = await days(seeds, lambda: Day(away(length, how), retries=retries))
    assert all(day.failed is None and len(day.sent) == 3000 for day in found)
    assert median(day.seconds for day in found) == pytest.approx(seconds, rel=0.1, abs=0.3)
    assert median(day.too_many for day in found) == pytest.approx(too_many, rel=0.1, abs=3)
    assert all(len(day.lines) <= 3 + length / 15 for day in found), found[0].lines


@pytest.mark.parametrize(("share", "seconds", "too_many"), [(0.01, 1.4, 30), (0.3, 15.8, 1290)])
async def test_scattered_failures(seeds: int, share: float, seconds: float, too_many: int) -> None:
    """They cost their retries and little time; 1 % costs half a second."""
    found = await days(seeds, lambda: Day(lambda _: UNAVAILABLE if random.random() < share else None))  # noqa: S311
    assert sum(day.failed is None for day in found) >= seeds - 2
    if seeds == TEN:
        assert median(day.seconds for day in found) == pytest.approx(seconds, rel=0.15, abs=0.3)
        assert median(day.too_many for day in found) == pytest.approx(too_many, rel=0.1, abs=5)
    else:
        assert all(day.seconds < 2 * seconds and day.too_many < 2 * too_many for day in found)


class Bucket:
    """A rate limit: so many a second, and some at once."""

    def __init__(self, rate: float, size: float, **headers: str) -> None:
        self.rate, self.size = rate, size
        self.level, self.at = size, 0.0
        self.refusal = httpx.Response(429, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def __call__(self, now: float) -> Trouble:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return self.refusal
        self.level -= 1
        return None


@pytest.mark.parametrize(
    ("bucket", "files", "seconds"),
    [
        (lambda: Bucket(200, 50, retry_after="1"), 1000, 14.8),
        (lambda: Bucket(10, 10), 300, 36.8),
    ],
    ids=["200 a second", "10 a second, without Retry-After"],
)
async def test_a_rate_limit(seeds: int, bucket: Callable[[], Bucket], files: int, seconds: float) -> None:
    """A busy gateway makes a deploy slower, never fail."""
    found = await days(seeds, lambda: Day(bucket(), files))
    assert all(day.failed is None for day in found)
    assert median(day.seconds for day in found) < seconds * 1.1


async def test_a_platform_that_comes_and_goes(seeds: int) -> None:
    """Outages after one another are outages each, and use up nobody's retries."""
    found = await days(seeds, lambda: Day(lambda now: UNAVAILABLE if now % 4 < 2 else None))
    assert all(day.failed is None for day in found)
    assert median(day.seconds for day in found) == pytest.approx(9.7, rel=0.1 if seeds == TEN else 1)
