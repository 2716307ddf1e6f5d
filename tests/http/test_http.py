"""The transport for everything but uploads: what is its own."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import anyio
import pytest

from tests.http.servers import FINE, Peer, fine, first, serve
from tests.http.transports import TARGET, none, outcome, put, transport
from zerokie_action.http.transport import Bytes, NoAnswer, Request

BOMB = gzip.compress(bytes(50_000_000))


def coded(body: bytes, coding: str = "gzip") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answer_to(raw: bytes, most: int = 1000) -> bytes:
    """The body that a raw answer gives."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await peer.gone()

    async with serve(handle) as server, transport("http", server.url) as carrier:
        return (await carrier.send(put(max_answer=most))).body


async def test_what_is_sent() -> None:
    """Line, headers and body of a request."""
    async with serve(fine) as server, transport("http", server.url + "/prefix") as carrier:
        await carrier.send(put(b"hello"))
        await carrier.send(put(Bytes(b"hello")))
        await carrier.send(Request("listing", "GET", "/v1/apps"))
    upload, same, listing = server.requests
    assert upload == same
    assert upload.line == f"PUT /prefix{TARGET} HTTP/1.1"
    assert upload.body == b"hello"
    assert upload.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "accept-encoding": "gzip",
        "connection": "keep-alive",
        "authorization": "Bearer key",
        "user-agent": "tests",
        "content-type": "text/plain",
        "content-length": "5",
    }
    assert listing.line == "GET /prefix/v1/apps HTTP/1.1"
    assert "content-type" not in listing.headers
    assert server.accepted == 1


@pytest.mark.parametrize(
    "target", ["/v1/files/..", "/v1/./a", "/v1/%2e%2e/../a", "/v1/a b", "/v1/a#b", "/v1/\xe9"]
)
async def test_no_other_target(target: str) -> None:
    """A request whose target would be changed on the way is not sent at all."""
    async with serve(fine) as server, transport("http", server.url) as carrier:
        with pytest.raises(ValueError, match="the request would go to"):
            await carrier.send(put(target=target))
    assert server.requests == []


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
async def test_a_compressed_answer(coding: str) -> None:
    body = b"hello" * 100
    assert await answer_to(coded(gzip.compress(body), coding)) == body


async def test_an_empty_answer_that_says_gzip() -> None:
    assert await answer_to(coded(b"")) == b""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(b"hello", mtime=0)[:-9], "the answer's gzip ends too early"),
        (
            b"hello",
            "the answer is not gzip, as it says (Error -3 while decompressing data: incorrect header check)",
        ),
        (zlib.compress(b"hello"), "incorrect header check"),
        (gzip.compress(bytes(1001), mtime=0), "the answer is larger than 1000 bytes"),
    ],
)
async def test_a_compressed_answer_that_is_wrong(body: bytes, reason: str) -> None:
    """Nothing is made of an answer that is not what it says."""
    with pytest.raises(NoAnswer) as caught:
        await answer_to(coded(body))
    assert reason in str(caught.value)
    assert caught.value.sent


async def test_a_bomb() -> None:
    """A small answer that unpacks to a huge one is given up before it fills the memory."""
    tracemalloc.start()
    try:
        with pytest.raises(NoAnswer, match="larger than 1000 bytes"):
            await answer_to(coded(BOMB))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


async def test_cancelled() -> None:
    """A cancelled request takes its connection with it."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE[:-2])
        await peer.gone()

    async with serve(first(handle)) as server, transport("http", server.url) as carrier:
        with anyio.move_on_after(5) as scope:
            await carrier.send(put())
        assert scope.cancelled_caught
        assert await outcome(carrier) == (200, b"fine")
    assert server.accepted == 2


async def test_many_at_once() -> None:
    """Requests that overlap have their own connections, and their own idea of what was sent."""
    outcomes = []

    async def handle(peer: Peer) -> None:
        request = await peer.request()
        if request.body == b"lost":
            peer.reset()
        await peer.send(FINE)
        await peer.gone()

    async with serve(handle) as server, transport("http", server.url) as carrier:

        async def send(body: bytes) -> None:
            outcomes.append((body, await outcome(carrier, put(body))))

        async with anyio.create_task_group() as tasks:
            for body in (b"lost", b"kept", b"lost", b"kept"):
                tasks.start_soon(send, body)
    assert sorted(outcomes) == [(b"kept", (200, b"fine"))] * 2 + [(b"lost", none(sent=True))] * 2
