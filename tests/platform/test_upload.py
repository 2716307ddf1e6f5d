"""Many uploads and deletions at once."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.platform.clients import KEY
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http.request import Bytes
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.platform.client import Client
from zerokie_action.platform.upload import Upload, Writes
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from zerokie_action.http import Request, Response
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
async def writes_to(
    platform: Platform | str,
    *,
    concurrency: int = 4,
    at_once: int = 64,
    retries: int = 3,
    fence: Callable[[], None] = lambda: None,
    shutdown: Shutdown | None = None,
) -> AsyncIterator[Writes]:
    url = platform if isinstance(platform, str) else platform.base_url
    shutdown = shutdown or Shutdown()

    @contextmanager
    def write() -> Iterator[None]:
        fence()
        with shutdown.shielded_write():
            yield

    async with Transport({}) as transport:
        http = RetryingClient(transport, retries=retries, concurrency=at_once, log=print)
        client = Client(url, KEY, http).guarded(write)
        yield Writes(client, "site", fence=fence, shutdown=shutdown, concurrency=concurrency)


async def fails(work: Any) -> DeployError:
    with pytest.raises(DeployError) as caught:
        await work
    return caught.value


async def test_connections(sandbox: Platform) -> None:
    """As many as may run; uploads and deletions use the same ones."""
    running = most = 0

    async def count(_: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.1)
        running -= 1

    sandbox.on_request = count
    async with writes_to(sandbox, concurrency=4) as writes:
        await writes.upload(uploads(50), lambda _upload: None)
        await writes.delete([f"{n}.txt" for n in range(50)], lambda _: None)
    assert most == 4
    assert sandbox.files("site") == {}


@pytest.mark.parametrize("why", ["cancelled", "refused"])
@pytest.mark.parametrize("seconds", [0.8, 60])
async def test_what_was_sent_before_the_end(sandbox: Platform, why: str, seconds: float) -> None:
    """It takes effect whoever waits, so its answer is waited for, but not for ever; nothing more is sent."""
    done: list[str] = []
    if why == "refused":
        sandbox.faults.add(Fault(Kind.STATUS, path="/4.txt", status=400))
    sandbox.faults.add(Fault(Kind.DELAY, path="/[4-7].txt", times=None, seconds=seconds))
    async with writes_to(sandbox) as writes:
        began = anyio.current_time()
        with suppress(RequestRejected), anyio.move_on_after(0.1 if why == "cancelled" else 1000):
            await writes.upload(uploads(50), lambda upload: done.append(upload.path))
        ended = anyio.current_time()
        sent = len(sandbox.requests)
        stored = set(sandbox.files("site"))
        await anyio.sleep(100)
    assert set(done) == stored
    assert len(sandbox.requests) == sent == 8
    if seconds < 10:
        assert len(done) == (8 if why == "cancelled" else 7)
        assert set(sandbox.files("site")) == stored, "nothing came afterwards"
    else:
        assert ended - began == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("step", range(0, 40, 2))
async def test_an_end_at_any_moment(sandbox: Platform, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Also in the step of the event loop in which a request would be sent: what is sent is waited for."""
    begun = anyio.Event()
    handle = Transport.handle_async_request

    async def begin(self: Transport, request: Request) -> Response:
        begun.set()
        return await handle(self, request)

    async def end(scope: anyio.CancelScope) -> None:
        await begun.wait()
        for _ in range(step):
            await checkpoint()
        scope.cancel()

    monkeypatch.setattr(Transport, "handle_async_request", begin)
    sandbox.faults.add(Fault(Kind.DELAY, times=None, seconds=0.5))
    done: list[str] = []
    async with writes_to(sandbox, concurrency=2) as writes, anyio.create_task_group() as tasks:
        tasks.start_soon(end, tasks.cancel_scope)
        await writes.upload(uploads(5), lambda upload: done.append(upload.path))
    await anyio.sleep(5)
    assert sorted(sandbox.files("site")) == sorted(done)


async def test_an_end_when_a_slot_becomes_free(sandbox: Platform) -> None:
    """Who gets it in that moment begins nothing any more."""
    scope = anyio.CancelScope()
    async with writes_to(sandbox, concurrency=8, at_once=2) as writes:
        with scope:
            await writes.delete(map(str, range(50)), lambda _path: scope.cancel())
        await anyio.sleep(100)
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("size", "seconds", "sent"), [(250_000, 40, 2), (20_000_000, 100, 1), (20_000_000, 120, 2)]
)
async def test_silence(sandbox: Platform, size: int, seconds: float, sent: int) -> None:
    """It is a failure after 30 s, and after 110 s where a large body may still be on its way."""
    sandbox.faults.add(Fault(Kind.DELAY, seconds=seconds))
    async with writes_to(sandbox) as writes:
        await writes.upload([Upload("a", Zeros(size), "")], lambda _upload: None)
    assert len(sandbox.requests) == sent


@pytest.mark.parametrize(
    ("size", "cuts", "outage"), [(20_000_000, 2, 0), (20_000_000, 2, 10), (3_000_000, 9, 0)]
)
async def test_a_large_upload_that_is_cut(sandbox: Platform, size: int, cuts: int, outage: int) -> None:
    """After more than 4 MB it costs one of the retries; before that, and in the outage after it, none."""
    sandbox.faults.add(
        Fault(Kind.RESET_UPLOAD, size=size // 2, times=cuts),
        Fault(Kind.RESET_UPLOAD, size=1000, times=outage),
    )
    async with writes_to(sandbox, retries=2) as writes:
        await writes.upload([Upload("film.mp4", Zeros(size), "video/mp4")], lambda _upload: None)
    assert len(sandbox.files("site")["film.mp4"]) == size
    assert len(sandbox.requests) == cuts + outage + 1


async def test_a_large_upload_that_is_always_cut(sandbox: Platform) -> None:
    sandbox.faults.add(Fault(Kind.RESET_UPLOAD, size=10_000_000, times=None))
    async with writes_to(sandbox, retries=2) as writes:
        began = anyio.current_time()
        error = await fails(writes.upload([Upload("a", Zeros(20_000_000), "")], lambda _upload: None))
        assert anyio.current_time() - began < 10
    assert str(error).startswith("Uploading 'a' failed after 3 attempts in ")
    assert "`client_max_body_size`" in error.hint
