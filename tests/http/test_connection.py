"""Connections: sent bytes, the end of an exchange, and reuse."""

from __future__ import annotations

import gc
import math
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import ByteStream, SocketAttribute

from tests.http.servers import FINE, Handler, Peer, first, reset, serve
from tests.http.transports import Reach, outcome, put, transport
from zerokie_action.http import failure
from zerokie_action.http.connection import Connection
from zerokie_action.http.failure import Failure
from zerokie_action.http.response import IncomingResponse

SERVER = "http://platform.test"
OK = b"HTTP/1.1 200 OK\r\n"
REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT = 64 * 1024
LARGE = 20_000_000

Step = bytes | float | Exception


def drips(piece: bytes, seconds: int) -> list[Step]:
    """Return one piece for each second."""
    return [1.0, piece] * seconds


@dataclass
class Body:
    """A body in pieces of 64 kB, which may differ from its `size`. `drawn` counts the bytes read from it."""

    size: int
    length: int | None = None
    drawn: int = 0

    def chunks(self) -> Iterator[bytes]:
        rest = self.size if self.length is None else self.length
        while rest > 0:
            piece = bytes(min(rest, LIMIT))
            self.drawn += len(piece)
            yield piece
            rest -= LIMIT


@dataclass
class Scripted(ByteStream):
    """A scripted stream. Each read takes a step (bytes, seconds or an error), and then the stream hangs.

    Attributes:
        takes: the number of bytes that it accepts.
        pace: seconds for each accepted packet.
        sent: the sent packets.
    """

    steps: list[Step] = field(default_factory=list)
    takes: float = math.inf
    pace: float = 0
    sent: list[bytes] = field(default_factory=list)

    async def receive(self, max_bytes: int = LIMIT) -> bytes:
        await anyio.lowlevel.checkpoint()
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await anyio.sleep(step)
            elif step:
                self.steps.insert(0, step[max_bytes:])
                return step[:max_bytes]
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, item: bytes) -> None:
        await anyio.sleep(self.pace)
        self.takes -= len(item)
        if self.takes < 0:
            await anyio.sleep_forever()
        self.sent.append(item)

    async def send_eof(self) -> None:
        raise NotImplementedError

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {SocketAttribute.raw_socket: lambda: 0}  # standard input, where nothing arrives

    async def aclose(self) -> None:
        pass


def sending(*pieces: bytes) -> Handler:
    """Return a handler that sends each of these pieces in a separate packet (and TLS record)."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)
        await peer.gone()

    return handle


@pytest.mark.parametrize("value", ["a\nX: b", "a\rb"])
async def test_a_line_break_in_a_header_is_rejected(value: str) -> None:
    """A header's value can't start another header."""
    stream, request = Scripted([FINE]), put(SERVER)
    request.headers["X-File"] = value
    with pytest.raises(httpx.LocalProtocolError):
        await Connection(stream).send(request)
    assert stream.sent == []


@pytest.mark.parametrize("size", [10, 2 * LIMIT])
@pytest.mark.parametrize("more", [-1, 1, LIMIT])
async def test_a_body_with_the_wrong_length_fails(size: int, more: int) -> None:
    """If the length differs from `Content-Length`, the request fails and sends no excess byte."""
    stream = Scripted()
    with pytest.raises(httpx.LocalProtocolError):
        await Connection(stream).send(put(SERVER, Body(size, size + more)))
    _, _, body = b"".join(stream.sent).partition(b"\r\n\r\n")
    assert len(body) <= size


async def deaf(_peer: Peer) -> None:
    """Neither read nor close the connection."""
    await anyio.sleep_forever()


@pytest.mark.parametrize("then", [Peer.gone, deaf, reset])
async def test_a_response_stops_the_sending(then: Handler, reach: Reach) -> None:
    """A response ends the sending and the connection, even if the server never reads the rest of 20 MB."""

    async def handle(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(1_000_000)
        await peer.send(REFUSED)
        await then(peer)

    async with reach(first(handle)) as (server, http, url):
        began = anyio.current_time()
        assert await outcome(http, put(url, Body(LARGE))) == (413, b"big")
        assert anyio.current_time() - began < 1
        assert await outcome(http, put(url)) == (200, b"fine")
    assert server.accepted == 2


@pytest.mark.parametrize("size", [5, 3 * LIMIT])
async def test_a_response_before_a_broken_connection_is_read(size: int) -> None:
    """The client reads a response that arrived before the connection broke."""

    class Closed(Scripted):
        async def send(self, item: bytes) -> None:  # noqa: ARG002 - of the base class
            raise anyio.BrokenResourceError

    response = await Connection(Closed([0.1, REFUSED])).send(put(SERVER, Body(size)))
    assert (response.status_code, response.content) == (413, b"big")


async def test_a_2xx_before_the_end_of_the_body_is_a_failure() -> None:
    """A 2xx to an incomplete body confirms nothing."""
    connection = Connection(Scripted([0.1, FINE], takes=1_000_000))
    said = "the server responded with 200 before the whole body was sent"
    with pytest.raises(httpx.RemoteProtocolError, match=said):
        await connection.send(put(SERVER, Body(LARGE)))
    assert not connection.is_idle


async def test_the_connection_is_reused_after_a_large_body(reach: Reach) -> None:
    """The body arrives unchanged, and a 1xx in between isn't the response."""

    async def handle(peer: Peer) -> None:
        while True:
            head = await peer.head()
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            size = int(head.headers["content-length"])
            assert await peer.reader.readexactly(size) == bytes(size)
            await peer.send(FINE)

    async with reach(handle) as (server, http, url):
        for _ in range(2):
            assert await outcome(http, put(url, Body(3_000_000))) == (200, b"fine")
    assert server.accepted == 1


async def test_a_body_is_read_to_its_end_after_the_response() -> None:
    """The client reads on after the last byte, because the source reports a change only there."""
    answered, ended = threading.Event(), threading.Event()

    class Late(Body):
        def chunks(self) -> Iterator[bytes]:
            yield from super().chunks()
            assert answered.wait(60)
            ended.set()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE)
        for _ in range(50):  # until the client read it
            await anyio.lowlevel.checkpoint()
        answered.set()
        await peer.gone()

    async with serve(handle) as server, transport() as http:
        assert await outcome(http, put(server.url, Late(2 * LIMIT))) == (200, b"fine")
    assert ended.is_set()


@pytest.mark.parametrize(
    ("step", "reason"),
    [(anyio.EndOfStream(), "in the middle of its response"), (bytes(1000), "larger than 1000 bytes")],
    ids=["cut off", "too large"],
)
async def test_an_invalid_response_closes_the_connection(step: Step, reason: str) -> None:
    """A response that the parser rejects fails the exchange, and the connection isn't reused."""
    connection = Connection(Scripted([OK + b"Content-Length: 2000\r\n\r\nhello", step]))
    with pytest.raises(httpx.RemoteProtocolError, match=reason):
        await connection.send(put(SERVER, max_body=1000))
    assert not connection.is_idle


ALERT = ssl.SSLError(1, "alert")
ALERT.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize("size", [5, 3 * LIMIT])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ALERT, "TLS failed (TLSV13_ALERT_CERTIFICATE_REQUIRED)"),
        (anyio.BrokenResourceError(), "the connection broke"),
        (anyio.ClosedResourceError(), "the connection broke"),
        (anyio.BusyResourceError("reading from"), "another task is already reading from this resource"),
    ],
    ids=["TLS alert", "broken", "closed", "busy"],
)
async def test_a_request_may_take_effect_before_its_connection_breaks(
    error: Exception, reason: str, size: int
) -> None:
    """For example, a server that requires a client certificate rejects the request only later (TLS 1.3)."""
    request = put(SERVER, Body(size))
    with pytest.raises(httpx.ReadError) as caught:
        await Connection(Scripted([error])).send(request)
    assert failure.of_error(request, caught.value) == Failure(reason)


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize("end", ["cut off", "reset", "too much", "silent", "cancelled"])
async def test_a_failed_exchange_frees_its_memory(size: int, end: str) -> None:
    """The response is freed immediately, because reference cycles would add up over minutes of retries."""

    async def handle(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK + b"Content-Length: 1000000\r\n\r\n", bytes(500_000))
        if end == "reset":
            peer.reset()
        elif end == "too much":
            await peer.send(bytes(500_001))
        elif end != "cut off":
            await anyio.sleep_forever()

    async with serve(handle) as server, transport() as http:
        gc.collect()
        gc.disable()
        try:
            before = responses()
            with anyio.move_on_after(5 if end == "cancelled" else 100), suppress(httpx.TransportError):
                await http.handle_async_request(put(server.url, Body(size)))
            assert responses() == before
        finally:
            gc.enable()


def responses() -> int:
    """Return the number of responses in memory."""
    return sum(isinstance(found, IncomingResponse) for found in gc.get_objects())


class TestTwoResponses:
    """A gateway's and then the server's response to one request. The client must drop the second one."""

    REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

    @pytest.mark.parametrize("size", [4, 20_000, LIMIT], ids=["small", "of two TLS records", "of a buffer"])
    @pytest.mark.parametrize("apart", [False, True], ids=["in one packet", "in two"])
    async def test_two_responses_together_close_the_connection(
        self, size: int, reach: Reach, *, apart: bool
    ) -> None:
        """TLS or anyio may have the second response in a buffer that the client can't see."""
        head = OK + b"Content-Length: %d\r\n\r\n"
        head %= size - (len(head) + 3 if size > 1000 else 0)
        body = b"x" * int(head.split()[4])
        pieces = (head + body, self.REFUSAL) if apart else (head + body + self.REFUSAL,)

        async with reach(first(sending(*pieces))) as (server, http, url):
            assert await outcome(http, put(url)) == (200, body)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    async def test_a_large_second_response_closes_the_connection(self, reach: Reach) -> None:
        """The first response fills three TLS records. TLS and anyio share the fourth."""
        head = OK + b"Content-Length: 49110\r\n\r\n"
        body = bytes(3 * 16384 - len(head))

        async def handle(peer: Peer) -> None:
            await peer.request()
            peer.writer.write(head + body)
            peer.writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 17000\r\n\r\n" + bytes(17_000))
            await peer.gone()

        async with reach(first(handle)) as (server, http, url):
            assert await outcome(http, put(url)) == (200, body)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    async def test_a_second_response_to_an_idle_connection_closes_it(self, reach: Reach) -> None:
        """The second response arrives while the connection is idle."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE)
            await anyio.sleep(1)
            await peer.send(self.REFUSAL)
            await peer.gone()

        async with reach(first(handle)) as (server, http, url):
            await outcome(http, put(url))
            await anyio.sleep(2)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2


async def silent_after(stream: Scripted, body: Body) -> float:
    """Return the seconds until an exchange fails if its request allows 30s of silence."""
    began = anyio.current_time()
    with pytest.raises(httpx.ReadTimeout, match="no response within "):
        await Connection(stream).send(put(SERVER, body, silence=30))
    return anyio.current_time() - began


@pytest.mark.parametrize(
    ("size", "seconds"), [(5, 30), (250_000, 35), (4_000_000, 110), (LARGE, 110)], ids=str
)
async def test_silence_after_a_large_upload_may_last_110_seconds(size: int, seconds: float) -> None:
    """At 50 kB/s, the last 4 MB need 80s."""
    assert await silent_after(Scripted(), Body(size)) == pytest.approx(seconds, abs=0.1)


class TestTheEnd:
    """Every attempt ends, even if the server never completes its response."""

    @pytest.mark.parametrize(
        ("start", "more"),
        [
            (b"", b""),
            (OK, b"X: y\r\n"),
            (OK + b"Content-Length: 100000\r\n\r\n", b"x"),
            (CHUNKED, b"1\r\nx\r\n"),
            (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
            (OK + b"Content-Length: 1000000\r\n\r\n" + bytes(900_000), b""),
        ],
        ids=["nothing", "headers", "a body", "chunks", "102", "no more after much"],
    )
    @pytest.mark.parametrize("size", [5, 2 * LIMIT])
    async def test_a_response_that_drips_counts_as_silence(
        self, start: bytes, more: bytes, size: int
    ) -> None:
        """The attempt fails after about 30s without data, or with one byte, header or 102 per second."""
        stream = Scripted([start, *drips(more, 60)])
        assert await silent_after(stream, Body(size)) == pytest.approx(30, abs=4)

    async def test_a_slow_response_may_take_minutes(self) -> None:
        """A response of 15 MB at 50 kB/s takes five minutes."""
        size = 15_000_000
        stream = Scripted([OK + b"Content-Length: %d\r\n\r\n" % size, *drips(bytes(50_000), 300)])
        response = await Connection(stream).send(put(SERVER, silence=30, max_body=size))
        assert len(response.content) == size

    async def test_a_slow_body_may_take_minutes(self) -> None:
        """A body of 20 MB at 64 kB/s takes five minutes."""
        stream = Scripted([310.0, FINE], pace=1)
        assert (await Connection(stream).send(put(SERVER, Body(LARGE), silence=30))).content == b"fine"

    @pytest.mark.parametrize("more", [b"", b"X: y\r\n"], ids=["without a response", "while one drips"])
    async def test_a_server_that_stops_reading_fails_the_attempt(self, more: bytes) -> None:
        """The client then reads no more of the body, and a response that drips doesn't extend the attempt."""
        body = Body(LARGE)
        stream = Scripted([OK, *drips(more, 200)], takes=1_000_000)
        assert await silent_after(stream, body) == pytest.approx(110, abs=0.1)
        assert body.drawn < 2_000_000
