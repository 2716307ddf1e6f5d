"""One connection: what it sends, how an exchange ends, and when it is used again."""

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
    """A piece each second."""
    return [1.0, piece] * seconds


@dataclass
class Body:
    """A body in pieces of 64 kB, whatever `size` claims; `drawn` bytes of it were asked for."""

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
    """A stream that does what it is told, a step for each read: bytes, seconds, an error; then it hangs.

    Attributes:
        takes: how many bytes it takes before it takes no more.
        pace: seconds for each packet that it takes.
        sent: what was sent, by packets.
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
        return {SocketAttribute.raw_socket: lambda: 0}  # standard input: nothing arrives

    async def aclose(self) -> None:
        pass


def sending(*pieces: bytes) -> Handler:
    """Read a request and answer with these pieces, each in a packet (and TLS record) of its own."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)
        await peer.gone()

    return handle


@pytest.mark.parametrize("value", ["a\nX: b", "a\rb"])
async def test_a_line_break_in_a_header_is_refused(value: str) -> None:
    """No header can begin another one."""
    stream, request = Scripted([FINE]), put(SERVER)
    request.headers["X-File"] = value
    with pytest.raises(httpx.LocalProtocolError):
        await Connection(stream).send(request)
    assert stream.sent == []


@pytest.mark.parametrize("size", [10, 2 * LIMIT])
@pytest.mark.parametrize("more", [-1, 1, LIMIT])
async def test_a_body_of_another_length_fails(size: int, more: int) -> None:
    """The body has the length that was announced, or the request fails, with no byte too many."""
    stream = Scripted()
    with pytest.raises(httpx.LocalProtocolError):
        await Connection(stream).send(put(SERVER, Body(size, size + more)))
    _, _, body = b"".join(stream.sent).partition(b"\r\n\r\n")
    assert len(body) <= size


async def deaf(_peer: Peer) -> None:
    """Neither read nor close."""
    await anyio.sleep_forever()


@pytest.mark.parametrize("then", [Peer.gone, deaf, reset])
async def test_an_answer_ends_the_sending(then: Handler, reach: Reach) -> None:
    """An answer ends the sending, and the connection, whatever the server does with the rest of 20 MB."""

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
async def test_an_answer_before_a_broken_connection_is_read(size: int) -> None:
    """An answer that came before the connection broke is read, though nothing more can be sent."""

    class Closed(Scripted):
        async def send(self, item: bytes) -> None:  # noqa: ARG002 - of the base class
            raise anyio.BrokenResourceError

    response = await Connection(Closed([0.1, REFUSED])).send(put(SERVER, Body(size)))
    assert (response.status_code, response.content) == (413, b"big")


async def test_a_2xx_to_half_a_body_is_a_failure() -> None:
    """A 2xx to a body that was not sent to its end confirms nothing."""
    connection = Connection(Scripted([0.1, FINE], takes=1_000_000))
    said = "the server responded with 200 before the whole body was sent"
    with pytest.raises(httpx.RemoteProtocolError, match=said):
        await connection.send(put(SERVER, Body(LARGE)))
    assert not connection.is_idle


async def test_a_large_body_arrives_and_the_connection_is_used_again(reach: Reach) -> None:
    """It arrives as it is, and the connection is used again; a 1xx meanwhile is no answer."""

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


async def test_a_body_is_read_to_its_end() -> None:
    """Its source is asked for more after the last byte, whatever has come: it may have changed."""
    answered, ended = threading.Event(), threading.Event()

    class Late(Body):
        def chunks(self) -> Iterator[bytes]:
            yield from super().chunks()
            assert answered.wait(60)
            ended.set()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE)
        for _ in range(50):  # the client reads it meanwhile
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
async def test_half_a_response_is_none(step: Step, reason: str) -> None:
    """What the parser refuses fails the exchange, and the connection is not used again."""
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
async def test_an_exchange_that_breaks_may_have_arrived(error: Exception, reason: str, size: int) -> None:
    """A server that wants a certificate, for one, says so only after the request (TLS 1.3)."""
    request = put(SERVER, Body(size))
    with pytest.raises(httpx.ReadError) as caught:
        await Connection(Scripted([error])).send(request)
    assert failure.of_error(request, caught.value) == Failure(reason)


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize("end", ["cut off", "reset", "too much", "silent", "cancelled"])
async def test_a_failed_exchange_leaves_nothing_behind(size: int, end: str) -> None:
    """Its response is gone at once: what only the collector finds would add up over minutes of retries."""

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
    """How many responses there are in memory."""
    return sum(isinstance(found, IncomingResponse) for found in gc.get_objects())


class TestTwoAnswers:
    """To one request: a gateway's and then the server's. The second one is nobody's."""

    REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

    @pytest.mark.parametrize("size", [4, 20_000, LIMIT], ids=["small", "of two TLS records", "of a buffer"])
    @pytest.mark.parametrize("apart", [False, True], ids=["in one packet", "in two"])
    async def test_two_answers_at_once_close_the_connection(
        self, size: int, reach: Reach, *, apart: bool
    ) -> None:
        """The rest of the buffer may be in TLS, or in anyio, where nobody sees it."""
        head = OK + b"Content-Length: %d\r\n\r\n"
        head %= size - (len(head) + 3 if size > 1000 else 0)
        body = b"x" * int(head.split()[4])
        pieces = (head + body, self.REFUSAL) if apart else (head + body + self.REFUSAL,)

        async with reach(first(sending(*pieces))) as (server, http, url):
            assert await outcome(http, put(url)) == (200, body)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    async def test_a_large_second_answer_closes_the_connection(self, reach: Reach) -> None:
        """The first one fills three TLS records. Of the fourth, TLS keeps a part, and anyio the rest."""
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

    async def test_a_second_answer_while_idle_closes_the_connection(self, reach: Reach) -> None:
        """It comes while the connection is idle."""

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
    """The seconds until an exchange fails with silence, when the request allows 30 s of it."""
    began = anyio.current_time()
    with pytest.raises(httpx.ReadTimeout, match="no response within 30 s"):
        await Connection(stream).send(put(SERVER, body, silence=30))
    return anyio.current_time() - began


class TestTheEnd:
    """An attempt ends, whatever comes."""

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
    @pytest.mark.parametrize("size", [5, 3 * LIMIT])
    async def test_an_answer_that_drips_is_silence(self, start: bytes, more: bytes, size: int) -> None:
        """Thirty seconds of nothing, or of a byte, a header or a 102 each second, are silence."""
        stream = Scripted([start, *drips(more, 60)])
        assert await silent_after(stream, Body(size)) == pytest.approx(30, abs=0.1)

    async def test_a_slow_line_may_take_minutes(self) -> None:
        """15 MB at 50 kB/s are five minutes."""
        size = 15_000_000
        stream = Scripted([OK + b"Content-Length: %d\r\n\r\n" % size, *drips(bytes(50_000), 300)])
        response = await Connection(stream).send(put(SERVER, silence=30, max_body=size))
        assert len(response.content) == size

    async def test_a_body_that_moves_may_take_as_long_as_it_moves(self) -> None:
        """A body may take as long as it moves: 20 MB at 64 kB/s."""
        stream = Scripted([310.0, FINE], pace=1)
        assert (await Connection(stream).send(put(SERVER, Body(LARGE), silence=30))).content == b"fine"

    @pytest.mark.parametrize("more", [b"", b"X: y\r\n"], ids=["without an answer", "while one drips"])
    async def test_a_reader_that_stalls_is_given_up(self, more: bytes) -> None:
        """No more of the body is read than the network takes; an answer that drips does not prolong that."""
        body = Body(LARGE)
        stream = Scripted([OK, *drips(more, 60)], takes=1_000_000)
        assert await silent_after(stream, body) == pytest.approx(30, abs=0.1)
        assert body.drawn < 2_000_000
