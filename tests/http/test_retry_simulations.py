"""Simulated outages: the duration of thousands of uploads, and their excess requests.

Without an outage, 3,000 uploads of 20ms take 0.94s of virtual time. The expected figures are medians of
five seeds of an independent simulation. The figures for uploads of 5s are measured (150 uploads, four at a
time, need 187.5s), and so are those for five uploads in each second.
"""

import random
from collections.abc import Awaitable, Callable, Iterable
from math import ceil
from statistics import median

import anyio
import httpx
import pytest

from tests.http.transports import read
from zerokie_action.errors import unwrap
from zerokie_action.http.group import GaveUp
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.request import RequestOptions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport

Platform = Callable[[], Awaitable[int | httpx.Response | httpx.TransportError]]

FINE, TOO_MANY = 200, 429
READ_TIMEOUT = 30.0


async def day(platform: Platform, files: int) -> tuple[float, int]:
    """Upload the files with 64 workers. Return the seconds and the number of excess requests."""
    lines: list[str] = []
    sent = 0

    class Answers(Transport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - of the base class
            nonlocal sent
            sent += 1
            answered = await platform()
            if isinstance(answered, httpx.TransportError):
                raise answered
            return httpx.Response(answered) if isinstance(answered, int) else answered

    client = RetryingClient(Answers({}), policy=RetryPolicy(120), log=lines.append)
    began, waiting = anyio.current_time(), iter(range(files))

    async def work() -> None:
        for _ in waiting:
            options = RequestOptions(purpose="Uploading", group="Uploads")
            await client.send(httpx.Request("PUT", "https://api.test/", extensions=options.extensions), read)

    async with anyio.create_task_group() as workers:
        for _ in range(64):
            workers.start_soon(work)
    seconds = anyio.current_time() - began
    assert len(lines) <= 2 + seconds / 15
    return seconds, sent - files


def away(length: float) -> Platform:
    """Return an outage that starts after 0.3s."""
    began = anyio.current_time()

    async def answer() -> int | httpx.TransportError:
        is_away = 0.3 <= anyio.current_time() - began < 0.3 + length
        await anyio.sleep(0.001 if is_away else 0.02)
        return httpx.ConnectError("refused") if is_away else FINE

    return answer


def overload(limit: int, seconds: float, refusal: int | httpx.TransportError = 500) -> Platform:
    """Return a platform that rejects requests above `limit` concurrent ones."""
    running = 0

    async def answer() -> int | httpx.TransportError:
        nonlocal running
        running += 1
        is_over = running > limit
        await anyio.sleep((0.02 if is_over else seconds) * random.uniform(0.8, 1.2))  # noqa: S311
        running -= 1
        return refusal if is_over else FINE

    return answer


def queue(servers: int, seconds: float) -> Platform:
    """Return a platform that queues requests, even those whose client disconnected."""
    free_at = [0.0] * servers

    async def answer() -> int | httpx.TransportError:
        now = anyio.current_time()
        first = min(range(servers), key=free_at.__getitem__)
        free_at[first] = max(now, free_at[first]) + seconds * random.uniform(0.9, 1.1)  # noqa: S311
        await anyio.sleep(min(free_at[first] - now, READ_TIMEOUT))
        return FINE if free_at[first] - now <= READ_TIMEOUT else httpx.ReadTimeout("silent")

    return answer


def bucket(rate: float, burst: float) -> Platform:
    """Return a platform with a rate limit and a burst."""
    level, at = burst, 0.0

    async def answer() -> int:
        nonlocal level, at
        await anyio.sleep(0.01)
        level, at = min(burst, level + (anyio.current_time() - at) * rate), anyio.current_time()
        is_granted = level >= 1
        level -= is_granted
        await anyio.sleep(0.01)
        return FINE if is_granted else TOO_MANY

    return answer


def window(rate: int, retry_after: int) -> Platform:
    """Return a platform that takes so many requests in each second, with a `Retry-After` unless it is 0."""
    second, taken = 0, 0
    headers = {"Retry-After": str(retry_after)} if retry_after else {}

    async def answer() -> httpx.Response:
        nonlocal second, taken
        await anyio.sleep(0.01)
        now = int(anyio.current_time())
        second, taken = now, (taken if now == second else 0) + 1
        is_granted = taken <= rate
        await anyio.sleep(0.01)
        return httpx.Response(FINE) if is_granted else httpx.Response(TOO_MANY, headers=headers)

    return answer


def minutes(rate: int, *, is_fixed: bool) -> Platform:
    """Return a platform that takes so many requests in each minute.

    `Retry-After` is the rest of the minute if `is_fixed`, and otherwise a minute.
    """
    minute, taken = 0, 0

    async def answer() -> httpx.Response:
        nonlocal minute, taken
        await anyio.sleep(0.01)
        now = anyio.current_time()
        if int(now // 60) > minute:
            minute, taken = int(now // 60), 0
        if taken < rate:
            taken += 1
            return httpx.Response(FINE)
        wait = 60 - now % 60 if is_fixed else 60
        return httpx.Response(TOO_MANY, headers={"Retry-After": str(ceil(wait))})

    return answer


DAYS: dict[str, tuple[Callable[[], Platform], int, float, int]] = {
    # the platform, the number of uploads, and the expected seconds and excess requests
    "refused for 60s": (lambda: away(60), 3000, 65.1, 1212),
    "500 above 4 concurrent requests": (lambda: overload(4, 5), 150, 220.2, 104),
    "reset above 8 connections": (lambda: overload(8, 0.1, httpx.ReadError("reset")), 600, 10.6, 120),
    "4 concurrent requests, the rest queues": (lambda: queue(4, 2), 300, 183.5, 64),
    "10 a second": (lambda: bucket(10, 10), 300, 30.8, 953),
    "5 in each second": (lambda: window(5, 0), 900, 180, 3900),
    "5 in each second, Retry-After": (lambda: window(5, 1), 900, 180, 5420),
}


@pytest.mark.parametrize("seeds", [1, pytest.param(5, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", DAYS)
async def test_uploads_end_soon_after_an_outage(name: str, seeds: int) -> None:
    """The uploads end soon after an outage. A limited platform is slow, but no upload fails."""
    platform, files, seconds, too_many = DAYS[name]
    found = []
    for seed in range(seeds):
        random.seed(seed)
        found.append(await day(platform(), files))
    assert median(each[0] for each in found) == pytest.approx(seconds, rel=0.15, abs=0.5)
    assert median(each[1] for each in found) == pytest.approx(too_many, rel=0.25, abs=10)


@pytest.mark.parametrize(
    ("rate", "files", "seconds"),
    [(100, 1501, 930), (60, 400, 390), (30, 200, 400), (20, 150, 480), (10, 100, 600)],
)
@pytest.mark.parametrize("is_fixed", [True, False], ids=["until the minute ends", "a minute"])
async def test_a_rate_limit_per_minute_fails_no_upload(
    rate: int, files: int, seconds: float, *, is_fixed: bool
) -> None:
    """Each request waits for its `Retry-After`, however long that takes, because others succeed."""
    random.seed(1)
    took, _ = await day(minutes(rate, is_fixed=is_fixed), files)
    assert took < seconds + 90


class OneFails(Transport):
    """A platform where one file fails in some way, and the others take a second."""

    def __init__(self, bad: Callable[[], Awaitable[httpx.Response]]) -> None:
        super().__init__({})
        self._bad = bad
        self.last_success = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/bad":
            return await self._bad()
        await anyio.sleep(1)
        self.last_success = anyio.current_time()
        return httpx.Response(FINE)


async def upload_all(client: RetryingClient, names: Iterable[str]) -> None:
    """Upload the files with 64 workers."""
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            options = RequestOptions(purpose=f"Uploading {name!r}", group="Uploads")
            request = httpx.Request("PUT", f"https://api.test/{name}", extensions=options.extensions)
            await client.send(request, read)

    try:
        async with anyio.create_task_group() as workers:
            for _ in range(64):
                workers.start_soon(work)
    except ExceptionGroup as errors:
        raise unwrap(errors) from None


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (503, {"Retry-After": "5"})])
async def test_an_upload_that_always_fails_ends_the_deploy_two_minutes_after_the_others(
    status: int, headers: dict[str, str]
) -> None:
    """The error names the file. If `timeout` comes first, the file is among the outages."""

    async def fail() -> httpx.Response:
        await anyio.sleep(0.02)
        return httpx.Response(status, headers=headers)

    random.seed(1)
    transport = OneFails(fail)
    client = RetryingClient(transport, policy=RetryPolicy(120), log=lambda _line: None)
    names = ["bad", *(f"good-{number}" for number in range(600))]
    with anyio.move_on_after(60):
        await upload_all(client, names)
    wait = headers and " and a Retry-After of 5s"
    assert client.outages() == f"uploading 'bad' failed (answered {status}{wait or ''})"
    with pytest.raises(GaveUp, match=r"Uploading 'bad' failed after \d+ attempts in 2m \d+s, while others"):
        await upload_all(client, names)
    assert 120 <= anyio.current_time() - transport.last_success < 128


async def test_a_long_upload_gets_more_than_one_attempt() -> None:
    """The connection breaks twice, each time after 150s."""
    attempts = 0

    async def breaks() -> httpx.Response:
        nonlocal attempts
        attempts += 1
        await anyio.sleep(150)
        if attempts < 3:
            raise httpx.WriteError("reset")
        return httpx.Response(FINE)

    client = RetryingClient(OneFails(breaks), policy=RetryPolicy(120), log=lambda _line: None)
    await upload_all(client, ["bad"])
    assert attempts == 3
