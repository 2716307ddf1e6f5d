"""Many uploads and deletions at once."""

from __future__ import annotations

import errno
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.http.servers import Peer, serve
from tests.platform.clients import KEY
from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.client import Bytes, Http
from zerokie_action.http.network import Network
from zerokie_action.http.retry import RetryBudget
from zerokie_action.http.stream import Backend
from zerokie_action.platform.client import Platform as Api
from zerokie_action.platform.upload import Upload, Writers
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from zerokie_action.sandbox.platform import Platform


def uploads(count: int, start: int = 0) -> list[Upload]:
    return [Upload(f"{n}.txt", Bytes(f"{n}".encode()), "text/plain") for n in range(start, start + count)]


class Zeros(NamedTuple):
    """More bytes than the buffers on the way can take, without holding them."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        piece = bytes(250_000)
        yield from repeat(piece, self.size // len(piece))


@asynccontextmanager
async def writers_to(
    platform: Platform | str,
    *,
    concurrency: int = 4,
    retries: int = 3,
    fence: Callable[[], None] = lambda: None,
    log: Callable[[str], None] = lambda _line: None,
) -> AsyncIterator[Writers]:
    budget = RetryBudget(retries, log=log)
    url = platform if isinstance(platform, str) else platform.base_url
    async with Http(Network({})) as http:
        api = Api(url, KEY, http, budget)
        yield Writers(api, "site", fence=fence, shutdown=Shutdown(), concurrency=concurrency)


async def fails(work: Any) -> DeployError:
    with pytest.raises(DeployError) as caught:
        await work
    return caught.value


async def test_everything_is_stored(sandbox: Platform) -> None:
    """Every file arrives with its type, and is told."""
    done: list[str] = []
    async with writers_to(sandbox) as writers:
        await writers.upload(uploads(50), lambda upload: done.append(upload.path))
    assert sandbox.files("site") == {f"{n}.txt": f"{n}".encode() for n in range(50)}
    assert set(sandbox.content_types("site").values()) == {"text/plain"}
    assert sorted(done) == sorted(f"{n}.txt" for n in range(50))


@pytest.mark.parametrize(
    ("files", "concurrency", "connections"), [(0, 4, 0), (1, 4, 1), (50, 4, 4), (50, 1, 1)]
)
async def test_connections(sandbox: Platform, files: int, concurrency: int, connections: int) -> None:
    """As many as may run, none without work; uploads and deletions use the same ones."""
    running = most = 0

    async def count(_: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.1)
        running -= 1

    sandbox.on_request = count
    async with writers_to(sandbox, concurrency=concurrency) as writers:
        await writers.upload(uploads(files), lambda _upload: None)
        await writers.delete([f"{n}.txt" for n in range(files)], lambda _: None)
    assert most == connections
    assert sandbox.files("site") == {}


@dataclass
class Unopened:
    """A file that can't be opened so many times, as too many are open."""

    failures: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        yield bytes(self.size)


@pytest.mark.parametrize("size", [3, 300_000])
async def test_no_file_can_be_opened(sandbox: Platform, size: int) -> None:
    """That passes: the uploads are retried, and nothing else is stored."""
    files = [Upload(f"{n}", Unopened(n % 3, size), "text/plain") for n in range(20)]
    async with writers_to(sandbox) as writers:
        await writers.upload(files, lambda _upload: None)
    assert sandbox.files("site") == {f"{n}": bytes(size) for n in range(20)}


async def test_no_connection_can_be_made(sandbox: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """That passes, too."""
    connect, failures = anyio.connect_tcp, iter(range(10))

    async def fail(*args: Any, **kwargs: Any) -> Any:
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await connect(*args, **kwargs)

    monkeypatch.setattr(anyio, "connect_tcp", fail)
    async with writers_to(sandbox) as writers:
        await writers.upload(uploads(20), lambda _upload: None)
    assert len(sandbox.files("site")) == 20


async def test_no_file_can_ever_be_opened(sandbox: Platform) -> None:
    """It is given up, and the error names the limit."""
    files = [Upload("a", Unopened(1000, 3), "text/plain")]
    async with writers_to(sandbox) as writers:
        error = await fails(writers.upload(files, lambda _upload: None))
    assert (error.exit_code, sandbox.files("site")) == (5, {})
    assert "too many open files" in str(error)
    assert "ulimit -n" in error.hint


async def test_deletions(sandbox: Platform) -> None:
    """What is gone already counts as deleted."""
    sandbox.put_file("site", "a", b"")
    gone: list[str] = []
    async with writers_to(sandbox) as writers:
        await writers.delete(["a", "b"], gone.append)
    assert sorted(gone) == ["a", "b"]


async def test_the_fence(sandbox: Platform) -> None:
    """It is asked before every attempt, repetitions included; when it raises, nothing more is written."""

    def fence() -> None:
        if len(sandbox.requests) == 3:
            raise LockLost("lost")

    sandbox.faults.add(Fault(Kind.STATUS, status=500, times=None))
    async with writers_to(sandbox, concurrency=1, fence=fence) as writers:
        error = await fails(writers.upload(uploads(5), lambda _upload: None))
    assert type(error) is LockLost
    assert len(sandbox.requests) == 3


async def test_the_fence_within_a_large_file(sandbox: Platform) -> None:
    """It is asked before each piece: what was begun with the lock is not completed without it."""
    asked = 0

    def fence() -> None:
        nonlocal asked
        asked += 1
        if asked > 5:
            raise LockLost("lost")

    large = Upload("large.bin", Zeros(10_000_000), "text/plain")
    async with writers_to(sandbox, fence=fence) as writers:
        error = await fails(writers.upload([large], lambda _upload: None))
    assert type(error) is LockLost
    assert sandbox.files("site") == {}


async def test_one_failure_ends_all(sandbox: Platform) -> None:
    """A file that is refused ends the others, with that error; what was confirmed stays told."""
    done: list[str] = []
    sandbox.faults.add(Fault(Kind.STATUS, status=400, path="/20.txt"))
    async with writers_to(sandbox) as writers:
        error = await fails(writers.upload(uploads(50), lambda upload: done.append(upload.path)))
    assert type(error) is RequestRejected
    assert "uploading '20.txt'" in str(error).lower()
    assert 15 < len(done) < 25
    assert set(done) <= set(sandbox.files("site"))


@pytest.mark.parametrize("why", ["cancelled", "refused"])
@pytest.mark.parametrize("seconds", [0.8, 60])
async def test_what_was_sent_before_the_end(sandbox: Platform, why: str, seconds: float) -> None:
    """It takes effect whoever waits, so its answer is waited for, but not for ever; nothing more is sent."""
    done: list[str] = []
    told: list[str] = []
    if why == "refused":
        sandbox.faults.add(Fault(Kind.STATUS, path="/4.txt", status=400))
    sandbox.faults.add(Fault(Kind.DELAY, path="/[4-7].txt", times=None, seconds=seconds))
    async with writers_to(sandbox, log=told.append) as writers:
        began = anyio.current_time()
        with suppress(RequestRejected), anyio.move_on_after(0.1 if why == "cancelled" else 1000):
            await writers.upload(uploads(50), lambda upload: done.append(upload.path))
        ended = anyio.current_time()
        sent = len(sandbox.requests)
        stored = set(sandbox.files("site"))
        await anyio.sleep(100)
    assert set(done) == stored
    assert len(sandbox.requests) == sent == 8
    if seconds < 10:
        assert set(sandbox.files("site")) == stored, "nothing came afterwards"
        assert told == []
    else:
        assert ended - began <= 60 + 10.1
        count = {"cancelled": 4, "refused": 3}[why]
        assert told == [
            f"{count} requests were sent but not answered in time; the platform may still carry them out"
        ]


@pytest.mark.parametrize("steps", range(30))
async def test_an_end_at_any_moment(sandbox: Platform, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Also in the step of the event loop in which a request would be sent: what is sent is waited for."""
    connecting = anyio.Event()
    connect_tcp = Backend.connect_tcp

    def begin(*args: Any, **options: Any) -> Any:
        connecting.set()
        return connect_tcp(*args, **options)

    async def end(scope: anyio.CancelScope) -> None:
        await connecting.wait()
        for _ in range(steps):
            await checkpoint()
        scope.cancel()

    monkeypatch.setattr(Backend, "connect_tcp", begin)
    sandbox.faults.add(Fault(Kind.DELAY, times=None, seconds=0.5))
    done: list[str] = []
    async with writers_to(sandbox, concurrency=1) as writers, anyio.create_task_group() as tasks:
        tasks.start_soon(end, tasks.cancel_scope)
        await writers.upload(uploads(2), lambda upload: done.append(upload.path))
    await anyio.sleep(5)
    assert list(sandbox.files("site")) == done


async def test_what_was_not_sent_completely() -> None:
    """It can't take effect any more, so nobody waits for it."""

    async def stall(peer: Peer) -> None:
        await peer.head()
        await anyio.sleep_forever()

    large = Upload("large.bin", Zeros(100_000_000), "text/plain")
    async with serve(stall) as server, writers_to(server.url) as writers:
        began = anyio.current_time()
        with anyio.move_on_after(5):
            await writers.upload([large], lambda _upload: None)
        assert anyio.current_time() - began == pytest.approx(5, abs=0.1)


async def test_deletions_before_the_end(sandbox: Platform) -> None:
    """The same for them."""
    for number in range(10):
        sandbox.put_file("site", str(number), b"")
    gone: list[str] = []
    sandbox.faults.add(Fault(Kind.DELAY, "DELETE", times=None, seconds=0.8))
    async with writers_to(sandbox) as writers:
        with anyio.move_on_after(0.1):
            await writers.delete(map(str, range(10)), gone.append)
        assert set(map(str, range(10))) - sandbox.files("site").keys() == set(gone)
    assert len(gone) == 4


async def test_an_outage(sandbox: Platform) -> None:
    """A platform that is down is noticed once, not once for each of a thousand files."""
    sandbox.faults.add(Fault(Kind.RESET, times=None))
    async with writers_to(sandbox, concurrency=8, retries=3) as writers:
        began = anyio.current_time()
        error = await fails(writers.upload(uploads(1000), lambda _upload: None))
    assert type(error) is PlatformUnavailable
    assert 120 < anyio.current_time() - began < 130
    assert len(sandbox.requests) <= 8 + 30


async def test_push_back(sandbox: Platform) -> None:
    """A platform that asks for less gets less at once, and everything in the end."""
    running = most = 0

    async def count(_: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(1)
        running -= 1

    async with writers_to(sandbox, concurrency=16) as writers:
        sandbox.faults.add(Fault(Kind.STATUS, status=429, times=16))
        await writers.upload(uploads(16), lambda _upload: None)
        sandbox.on_request = count
        await writers.upload(uploads(20, start=100), lambda _upload: None)
    assert 8 <= most <= 10
    assert len(sandbox.files("site")) == 36


async def test_cancelled(sandbox: Platform) -> None:
    """A cancellation ends all of them at once and leaves no connection."""
    sandbox.faults.add(Fault(Kind.HANG, times=None))
    async with writers_to(sandbox) as writers:
        with anyio.move_on_after(5) as scope:
            await writers.upload(uploads(50), lambda _upload: None)
        assert scope.cancelled_caught
        sandbox.faults.clear()
        await writers.upload(uploads(50), lambda _upload: None)
    assert len(sandbox.files("site")) == 50
