"""Simulated outages: the duration of thousands of uploads, and their excess requests.

Without an outage, 3,000 uploads of 20 ms take 0.94 s of virtual time. The expected figures are medians of
five seeds of an independent simulation. The figures for uploads of 5 s are measured (150 uploads, four at a
time, need 187.5 s), and so are those for five uploads in each second.
"""

import random
from collections.abc import Awaitable, Callable
from statistics import median

import anyio
import httpx
import pytest

from tests.http.transports import read
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
    """Return an outage that starts after 0.3 s."""
    began = anyio.current_time()

    async def answer() -> int | httpx.TransportError:
        is_away = 0.3 <= anyio.current_time() - began < 0.3 + length
        await anyio.sleep(0.001 if is_away else 0.02)
        return httpx.ConnectError("refused") if is_away else FINE

    return answer


def overload(limit: int, seconds: float) -> Platform:
    """Return a platform that rejects requests above `limit` concurrent ones."""
    running = 0

    async def answer() -> int:
        nonlocal running
        running += 1
        is_over = running > limit
        await anyio.sleep((0.02 if is_over else seconds) * random.uniform(0.8, 1.2))  # noqa: S311
        running -= 1
        return 500 if is_over else FINE

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


DAYS: dict[str, tuple[Callable[[], Platform], int, float, int]] = {
    # the platform, the number of uploads, and the expected seconds and excess requests
    "refused for 60 s": (lambda: away(60), 3000, 65.1, 1212),
    "500 above 4 concurrent requests": (lambda: overload(4, 5), 150, 199.0, 147),
    "4 concurrent requests, the rest queues": (lambda: queue(4, 2), 300, 183.5, 64),
    "10 a second": (lambda: bucket(10, 10), 300, 30.8, 953),
    "5 in each second": (lambda: window(5, 0), 900, 180, 3900),
    "5 in each second, Retry-After": (lambda: window(5, 1), 900, 180, 2680),
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


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (503, {"Retry-After": "5"})])
async def test_an_upload_that_always_fails_ends_the_deploy_while_others_succeed(
    status: int, headers: dict[str, str]
) -> None:
    """Only waits for a slot don't count, and ten minutes of `Retry-After`."""

    class Answers(Transport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            is_bad = request.url.path == "/bad"
            await anyio.sleep(0.02 if is_bad else 5)
            return httpx.Response(status, headers=headers) if is_bad else httpx.Response(FINE)

    random.seed(1)
    client = RetryingClient(Answers({}), policy=RetryPolicy(120), log=lambda _line: None)
    names = iter(["bad", *["good"] * 12_000])

    async def work() -> None:
        for name in names:
            options = RequestOptions(purpose=f"Uploading {name!r}", group="Uploads")
            request = httpx.Request("PUT", f"https://api.test/{name}", extensions=options.extensions)
            await client.send(request, read)

    async def upload_all() -> None:
        async with anyio.create_task_group() as workers:
            for _ in range(64):
                workers.start_soon(work)

    with pytest.raises(ExceptionGroup) as caught:
        await upload_all()
    (error,) = caught.value.exceptions
    assert isinstance(error, GaveUp)
    assert str(error).startswith("Uploading 'bad' failed after ")
    assert list(names), "the run didn't try all other files first"
