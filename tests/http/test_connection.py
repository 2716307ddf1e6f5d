"""One connection: what it sends, what it makes of any answer, and when it is used again."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx
import pytest
from anyio.abc import ByteStream, SocketAttribute
from hypothesis import given
from hypothesis import strategies as st

import zerokie_action.http
from tests.http.servers import FINE, Handler, Peer, first, serve
from tests.http.transports import Outcome, Reach, none, outcome, put, reason, transport
from zerokie_action.http import failure
from zerokie_action.http.connection import Connection
from zerokie_action.http.request import extensions

OK = b"HTTP/1.1 200 OK\r\n"
REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FOUR = b"Content-Length: 4\r\n\r\nfine"
EMPTY = b"Content-Length: 0\r\n\r\n"
MOST = 1000
LIMIT = 64 * 1024


@dataclass
class Body:
    """A body in pieces of 64 kB, whatever `size` claims."""

    size: int
    length: int | None = None

    def chunks(self) -> Iterator[bytes]:
        rest = self.size if self.length is None else self.length
        while rest > 0:
            yield bytes(min(rest, LIMIT))
            rest -= LIMIT


@dataclass
class Scripted(ByteStream):
    """A stream that does what it is told, a step for each read: bytes, seconds, an error; then it hangs.

    Attributes:
        repeat: what comes after the last step, for ever.
        sent: what was sent, by packets.
        taken: how many bytes were read.
    """

    steps: list[bytes | float | Exception] = field(default_factory=list)
    repeat: bytes = b""
    sent: list[bytes] = field(default_factory=list)
    taken: int = 0

    async def receive(self, max_bytes: int = LIMIT) -> bytes:
        await anyio.lowlevel.checkpoint()
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await anyio.sleep(step)
            elif step:
                return self._take(step, max_bytes)
        if not self.repeat:
            await anyio.sleep_forever()
        return self._take(self.repeat, max_bytes)

    def _take(self, data: bytes, most: int) -> bytes:
        if rest := data[most:]:
            self.steps.insert(0, rest)
        self.taken += len(data) - len(rest)
        return data[:most]

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(item)

    async def send_eof(self) -> None:
        raise NotImplementedError

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {SocketAttribute.raw_socket: lambda: 0}  # standard input: nothing arrives

    async def aclose(self) -> None:
        pass


def sending(*pieces: bytes, then: str = "keep") -> Handler:
    """Read each request and answer with these pieces, each in a packet (and TLS record) of its own."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)
        if then == "hang":
            await peer.gone()
        while then == "keep":
            await peer.request()
            await peer.send(FINE)

    return handle


class TestSending:
    async def test_head_and_small_body_are_one_packet(self) -> None:
        """Head and small body go out together."""
        stream = Scripted([FINE])
        await Connection(stream).send(put("http://platform.test"))
        (sent,) = stream.sent
        assert sent.startswith(b"PUT /v1/apps/site/files/a.txt HTTP/1.1\r\nHost: platform.test\r\n")
        assert sent.endswith(b"\r\n\r\nhello")

    @pytest.mark.parametrize("value", ["a\r\nX: b", "a\nX: b", "a\rb"])
    async def test_a_line_break_in_a_header_is_refused(self, value: str) -> None:
        """No header can begin another one."""
        stream, request = Scripted([FINE]), put("http://platform.test")
        request.headers["X-File"] = value
        with pytest.raises(httpx.LocalProtocolError):
            await Connection(stream).send(request)
        assert stream.sent == []

    @pytest.mark.parametrize("size", [10, 2 * LIMIT])
    @pytest.mark.parametrize("more", [-1, 1])
    async def test_a_body_of_another_length_fails(self, size: int, more: int) -> None:
        """The body has the length that was announced, or the request fails, with no byte too many."""
        stream = Scripted()
        with pytest.raises(httpx.LocalProtocolError):
            await Connection(stream).send(put("http://platform.test", Body(size, size + more)))
        _, _, body = b"".join(stream.sent).partition(b"\r\n\r\n")
        assert len(body) <= size

    async def test_the_target_is_sent_as_it_is(self) -> None:
        """Nobody resolves what is encoded: `..` would name another file."""
        stream = Scripted([FINE])
        request = put("http://platform.test/a/%2E%2E/b%2f?c=%20")
        await Connection(stream).send(request)
        assert stream.sent[0].startswith(b"PUT " + request.url.raw_path + b" HTTP/1.1\r\n")
        assert b"/a/%2E%2E/b%2f?c=%20" in stream.sent[0]


async def drain(peer: Peer) -> None:
    """Read on."""
    await peer.gone()


async def deaf(_peer: Peer) -> None:
    """Neither read nor close."""
    await anyio.sleep_forever()


async def reset(peer: Peer) -> None:
    """End the connection at once."""
    peer.reset()


@pytest.mark.parametrize("then", [drain, deaf, reset])
async def test_an_answer_ends_the_sending(then: Handler, reach: Reach) -> None:
    """An answer ends the sending, and the connection, whatever the server does with the rest of 20 MB."""

    async def handle(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(1_000_000)
        await peer.send(REFUSED)
        await then(peer)

    async with reach(first(handle)) as (server, http, url):
        began = anyio.current_time()
        assert await outcome(http, put(url, Body(20_000_000))) == (413, b"big")
        assert anyio.current_time() - began < 1
        assert await outcome(http, put(url)) == (200, b"fine")
    assert server.accepted == 2


@pytest.mark.parametrize("size", [5, 3 * LIMIT])
async def test_an_answer_before_a_broken_connection_is_read(size: int) -> None:
    """An answer that came before the connection broke is read, though nothing more can be sent."""

    class Closed(Scripted):
        async def send(self, item: bytes) -> None:  # noqa: ARG002 - of the base class
            raise anyio.BrokenResourceError

    response = await Connection(Closed([0.1, REFUSED])).send(put("http://platform.test", Body(size)))
    assert (response.status_code, response.content) == (413, b"big")


@pytest.mark.parametrize("then", [drain, reset])
async def test_a_2xx_to_half_a_body_is_a_failure(then: Handler, reach: Reach) -> None:
    """A 2xx to a body that was not sent to its end confirms nothing."""

    async def handle(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(1_000_000)
        await peer.send(FINE)
        await then(peer)

    async with reach(first(handle)) as (server, http, url):
        said = await reason(http, put(url, Body(20_000_000)))
        assert said == "the server answered 200 before the body was sent"
        assert await outcome(http, put(url, Body(20_000_000))) == (200, b"fine")
    assert server.accepted == 2


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


NO_ANSWER = none(sent=True)


class Odd(NamedTuple):
    """An answer, what is made of it, and whether the connection is used again."""

    answer: bytes | tuple[bytes, ...]
    expected: Outcome = NO_ANSWER
    again: bool = False
    then: str = "keep"


ANSWERS = {
    # framing
    "a length": Odd(FINE, (200, b"fine"), again=True),
    "in single bytes": Odd(tuple(bytes([byte]) for byte in FINE), (200, b"fine"), again=True),
    "length 0": Odd(OK + EMPTY, (200, b""), again=True),
    "204": Odd(b"HTTP/1.1 204 No Content\r\n\r\n", (204, b""), again=True),
    "204 with length 0": Odd(b"HTTP/1.1 204 No Content\r\n" + EMPTY, (204, b""), again=True),
    "304": Odd(b"HTTP/1.1 304 Not Modified\r\n\r\n", (304, b""), again=True),
    "a redirect": Odd(b"HTTP/1.1 302 Found\r\nLocation: /\r\n" + EMPTY, (302, b""), again=True),
    "chunked": Odd(CHUNKED + b"2\r\nfi\r\n2;ext=1\r\nne\r\n0\r\n\r\n", (200, b"fine"), again=True),
    "chunked with trailers": Odd(
        CHUNKED + b"4\r\nfine\r\n0\r\nRetry-After: 9\r\n\r\n", (200, b"fine"), again=True
    ),
    "chunked of nothing": Odd(CHUNKED + b"0\r\n\r\n", (200, b""), again=True),
    "an upgrade that is offered": Odd(
        OK + b"Upgrade: h2\r\nConnection: Upgrade\r\n" + FOUR, (200, b"fine"), again=True
    ),
    "no reason": Odd(b"HTTP/1.1 200\r\n" + FOUR, (200, b"fine"), again=True),
    "a reason in Latin-1": Odd(b"HTTP/1.1 200 \xe4\r\n" + FOUR, (200, b"fine"), again=True),
    "a header in Latin-1": Odd(OK + b"X: \xe4\r\n" + FOUR, (200, b"fine"), again=True),
    "an empty header": Odd(OK + b"X:\r\nContent-Length:4 \r\n\r\nfine", (200, b"fine"), again=True),
    "empty lines before": Odd(b"\r\n\r\n" + FINE, (200, b"fine"), again=True),
    "until the end": Odd(OK + b"\r\nfine", (200, b"fine"), then="close"),
    "close": Odd(OK + b"Connection: close\r\n" + FOUR, (200, b"fine"), then="hang"),
    "HTTP/1.0": Odd(b"HTTP/1.0 200 OK\r\n\r\nfine", (200, b"fine"), then="close"),
    "HTTP/1.0 with a length": Odd(b"HTTP/1.0 200 OK\r\n" + FOUR, (200, b"fine"), then="hang"),
    "HTTP/1.0 that keeps": Odd(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + FOUR, (200, b"fine"), again=True
    ),
    "status 999": Odd(b"HTTP/1.1 999 ?\r\n" + EMPTY, (999, b""), again=True),
    "as large as allowed": Odd(
        OK + b"Content-Length: 1000\r\n\r\n" + b"x" * MOST, (200, b"x" * MOST), again=True
    ),
    # 1xx
    "100, 102, 103": Odd(
        b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\n\r\n" + FINE,
        (200, b"fine"),
        again=True,
    ),
    "100 and no more": Odd(b"HTTP/1.1 100 C\r\n\r\n", then="close"),
    "101": Odd(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", then="hang"
    ),
    "101 that names nothing": Odd(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", then="hang"),
    "150 with a body": Odd(
        b"HTTP/1.1 150 ?\r\nContent-Length: 4\r\n\r\noops" + FINE, (200, b"fine"), again=True
    ),
    # not complete
    "nothing": Odd(b"", then="close"),
    "silence": Odd(b"", then="hang"),
    "half a head": Odd(OK + b"Content-Le", then="close"),
    "half a body": Odd(OK + b"Content-Length: 10\r\n\r\nhello", then="close"),
    "half a chunk": Odd(CHUNKED + b"4\r\nfi", then="close"),
    "no last chunk": Odd(CHUNKED + b"4\r\nfine\r\n", then="close"),
    "no end of trailers": Odd(CHUNKED + b"4\r\nfine\r\n0\r\n", then="close"),
    "a coding without an end": Odd(OK + b"Transfer-Encoding: gzip\r\n\r\nfine", then="close"),
    # no HTTP/1.1
    "100 that says close": Odd(b"HTTP/1.1 100 C\r\nConnection: close\r\n\r\n" + FINE, then="hang"),
    "bare LF": Odd(b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine", then="hang"),
    "blanks after a chunk's size": Odd(CHUNKED + b"4  \r\nfine\r\n0   \r\n\r\n", then="hang"),
    "a length beside chunked": Odd(
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n", then="hang"
    ),
    "two lengths": Odd(OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine", then="hang"),
    "a negative length": Odd(OK + b"Content-Length: -4\r\n\r\nfine", then="hang"),
    "an endless length": Odd(OK + b"Content-Length: 99999999999999999999999\r\n\r\nfine", then="hang"),
    "an empty length": Odd(OK + b"Content-Length: \r\n\r\nfine", then="hang"),
    "a list of lengths": Odd(OK + b"Content-Length: 4, 5\r\n\r\nfine", then="hang"),
    "a bad chunk size": Odd(CHUNKED + b"xyz\r\nfine\r\n0\r\n\r\n", then="hang"),
    "a chunk that is too long": Odd(CHUNKED + b"4\r\nfine!\r\n0\r\n\r\n", then="hang"),
    "an endless chunk size": Odd(CHUNKED + b"f" * 40 + b"\r\n", then="hang"),
    "chunks with bare LF": Odd(CHUNKED + b"4\nfine\n0\n\n", then="hang"),
    "NUL in a header": Odd(OK + b"X: a\0b\r\n" + FOUR, then="hang"),
    "CR in a header": Odd(OK + b"X: a\rb\r\n" + FOUR, then="hang"),
    "a folded header": Odd(OK + b"X: a\r\n b\r\n" + FOUR, then="hang"),
    "a header without a colon": Odd(OK + b"Content-Length\r\n\r\n", then="hang"),
    "a blank before the colon": Odd(OK + b"Content-Length : 4\r\n\r\nfine", then="hang"),
    "a blank before the status": Odd(b"HTTP/1.1  200 OK\r\n\r\n", then="hang"),
    "status 000": Odd(b"HTTP/1.1 000 ?\r\n" + EMPTY, then="hang"),
    "status 099": Odd(b"HTTP/1.1 099 ?\r\n" + EMPTY, then="hang"),
    "status 99": Odd(b"HTTP/1.1 99 ?\r\n" + EMPTY, then="hang"),
    "status 1000": Odd(b"HTTP/1.1 1000 ?\r\n" + EMPTY, then="hang"),
    "ICY": Odd(b"ICY 200 OK\r\n" + FOUR, then="hang"),
    "RTSP": Odd(b"RTSP/2.0 200 OK\r\n" + FOUR, then="hang"),
    "HTTP/2.0": Odd(b"HTTP/2.0 200 OK\r\n" + FOUR, then="hang"),
    "HTTP/0.9": Odd(b"<html>fine</html>\r\n", then="close"),
    "a preface of HTTP/2": Odd(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", then="hang"),
    "a frame of HTTP/2": Odd(bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]), then="hang"),
    "TLS": Odd(bytes([21, 3, 3, 0, 2, 2, 40]), then="hang"),
    "SSH": Odd(b"SSH-2.0-OpenSSH_9.2\r\n", then="hang"),
    # too much
    "a huge head": Odd(OK + b"X: " + b"x" * 1_000_000, then="hang"),
    "many headers": Odd(OK + b"X: y\r\n" * 100_000, then="hang"),
    "endless trailers": Odd(CHUNKED + b"4\r\nfine\r\n0\r\n" + b"X: y\r\n" * 100_000, then="hang"),
    "an endless chunk extension": Odd(CHUNKED + b"4;" + b"x" * 1_000_000, then="hang"),
    "a body that is too large": Odd(OK + b"Content-Length: 50000\r\n\r\n" + b"x" * 50_000, then="hang"),
    "a chunked body that is too large": Odd(CHUNKED + b"1\r\nx\r\n" * 50_000, then="hang"),
    "a body without an end": Odd(OK + b"\r\n" + b"x" * 50_000, then="hang"),
    "thousands of 1xx": Odd(b"HTTP/1.1 100 C\r\n\r\n" * 10_000 + FINE, then="hang"),
    # more than was asked for
    "surplus bytes": Odd(FINE + b"!", (200, b"fine")),
    "204 with a body": Odd(b"HTTP/1.1 204 No Content\r\n\r\nfine", (204, b"")),
    "close, and surplus bytes": Odd(OK + b"Connection: close\r\n" + FOUR + FINE, (200, b"fine"), then="hang"),
    "408": Odd(b"HTTP/1.1 408 Timeout\r\n" + EMPTY, (408, b"")),
    "502": Odd(b"HTTP/1.1 502 Bad Gateway\r\n" + EMPTY, (502, b"")),
    "504": Odd(b"HTTP/1.1 504 Gateway Timeout\r\n" + EMPTY, (504, b"")),
    "503": Odd(b"HTTP/1.1 503 Unavailable\r\n" + EMPTY, (503, b""), again=True),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_each_odd_answer(name: str) -> None:
    """Each becomes what the table says; the next request is fine, on a new connection where in doubt."""
    odd = ANSWERS[name]
    pieces = odd.answer if isinstance(odd.answer, tuple) else (odd.answer,)
    async with serve(first(sending(*pieces, then=odd.then))) as server, transport() as http:
        began = anyio.current_time()
        assert await outcome(http, put(server.url, max_body=MOST)) == odd.expected
        assert anyio.current_time() - began <= 60  # the silence
        assert await outcome(http, put(server.url)) == (200, b"fine")
    assert server.accepted == (1 if odd.again else 2)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine", "Content-Length)"),
        (OK + b"X: a\0b\r\n\r\n", "Invalid header value char)"),
        (OK + b"X: a\r\n b\r\n\r\n", "whitespace"),
        (b"SSH-2.0-OpenSSH\r\n", "Expected HTTP/"),
        (b"HTTP/1.1 099 ?\r\nContent-Length: 0\r\n\r\n", "status 099"),
    ],
)
async def test_each_reason_of_a_failure(answer: bytes, expected: str) -> None:
    """The reason is the parser's."""
    async with serve(sending(answer, then="hang")) as server, transport() as http:
        said = await reason(http, put(server.url))
    assert said.startswith("the response is ")
    assert expected in said


async def test_headers_are_those_of_the_response_alone() -> None:
    """Blanks around a value are none of it; those of a 1xx and trailers are not the response's."""
    early = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
    stream = Scripted(
        [early + OK + b"X:  a \t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nRetry-After: 9\r\n\r\n"]
    )
    response = await Connection(stream).send(put("http://platform.test"))
    assert response.headers["x"] == "a"
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"", "without a response"), (OK + b"Content-Length: 10\r\n\r\nhello", "in the middle of its response")],
)
async def test_the_reason_says_whether_a_response_had_begun(answer: bytes, expected: str) -> None:
    """The reason says whether a response had begun."""
    async with serve(sending(answer, then="close")) as server, transport() as http:
        assert await reason(http, put(server.url)) == f"the server closed the connection {expected}"


@pytest.mark.parametrize("size", [5, 3 * LIMIT])
async def test_a_tls_alert_may_follow_a_request_that_arrived(size: int) -> None:
    """A server that wants a certificate says so only after the request (TLS 1.3), which may have arrived."""
    alert = ssl.SSLError(1, "alert")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    request = put("http://platform.test", Body(size))
    with pytest.raises(httpx.ReadError) as caught:
        await Connection(Scripted([alert])).send(request)
    failed = failure.of_error(request, caught.value)
    assert failed.reason == "TLS failed (TLSV13_ALERT_CERTIFICATE_REQUIRED)"
    assert failed.may_have_arrived


class TestLimits:
    @pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
    @pytest.mark.parametrize("cut", [1, 30_000, LIMIT])
    async def test_a_head_has_64_kb_at_most(self, cut: int, more: int, *, fits: bool) -> None:
        """64 kB, however they come."""
        head = OK + b"Content-Length: 0\r\nX: %b\r\n\r\n"
        head %= b"x" * (LIMIT - len(head) + 2 + more)
        stream = Scripted([head[:cut], head[cut:]])
        if fits:
            assert (await Connection(stream).send(put("http://platform.test"))).is_success
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await Connection(stream).send(put("http://platform.test"))

    @pytest.mark.parametrize(
        ("start", "repeat"),
        [
            (OK, b"X: y\r\n"),
            (OK + b"X: ", b"y" * 1000),
            (CHUNKED + b"4\r\nfine\r\n0\r\n", b"X: y\r\n"),
            (CHUNKED + b"4\r\nfine\r\n0\r\nX: ", b"y" * 1000),
            (CHUNKED + b"4;", b"y" * 1000),
            (CHUNKED, b"1\r\nx\r\n"),
            (OK + b"\r\n", b"x" * 1000),
            (b"", b"HTTP/1.1 102 P\r\n\r\n"),
        ],
    )
    async def test_an_endless_answer_is_given_up_while_it_comes(self, start: bytes, repeat: bytes) -> None:
        """What never ends is given up before it takes memory."""
        stream = Scripted([start], repeat=repeat)
        with pytest.raises(httpx.RemoteProtocolError):
            await Connection(stream).send(put("http://platform.test", max_body=MOST))
        assert stream.taken < 3 * LIMIT

    async def test_sizes_of_chunks_do_not_count_as_head(self) -> None:
        """The body does not count, nor do the sizes of its chunks, of a byte each."""
        size = 50_000
        head = OK + b"X: " + b"x" * 60_000 + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        stream = Scripted([head, b"1\r\nx\r\n" * size, b"0\r\nX: " + b"x" * 5000 + b"\r\n\r\n"])
        response = await Connection(stream).send(put("http://platform.test", max_body=size))
        assert response.content == b"x" * size


class TestMemory:
    """The collector runs rarely, so what it has to find would add up over minutes of retries."""

    @pytest.mark.parametrize("size", [5, 20_000_000])
    @pytest.mark.parametrize(
        ("rest", "then"),
        [
            (bytes(500_000), "hang"),
            (bytes(500_001), "hang"),
            (b"", "close"),
            (b"", "reset"),
            (b"", "hang"),
            (b"", "cancel"),
        ],
        ids=["answered", "no HTTP after it", "cut off", "reset", "silent", "cancelled"],
    )
    async def test_a_failed_exchange_leaves_nothing_behind(self, size: int, rest: bytes, then: str) -> None:
        """Whatever ends an exchange, its response is gone at once, also while a body is being sent."""

        async def handle(peer: Peer) -> None:
            await peer.head()
            await peer.send(OK + b"Content-Length: 1000000\r\n\r\n" + bytes(500_000), rest)
            if then == "reset":
                peer.reset()
            elif then != "close":
                await peer.gone() if size == 5 else await anyio.sleep_forever()

        async def exchange() -> None:
            with anyio.move_on_after(5 if then == "cancel" else 100), suppress(httpx.TransportError):
                await http.handle_async_request(put(server.url, Body(size)))

        async with serve(handle) as server, transport() as http:
            await exchange()
            gc.collect()
            gc.disable()
            tracemalloc.start()
            try:
                for _ in range(8):
                    await exchange()
                ours = tracemalloc.Filter(True, f"{Path(zerokie_action.http.__file__).parent}/*")  # noqa: FBT003
                found = tracemalloc.take_snapshot().filter_traces([ours]).statistics("filename")
                assert sum(each.size for each in found) < 100_000, found
            finally:
                tracemalloc.stop()
                gc.enable()


class TestTwoAnswers:
    """To one request: a gateway's and then the server's. The second one is nobody's."""

    REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

    @pytest.mark.parametrize("size", [4, 20_000, LIMIT - 100, LIMIT, 100_000, 300_000])
    @pytest.mark.parametrize("apart", [False, True])
    async def test_two_answers_at_once_close_the_connection(
        self, size: int, reach: Reach, *, apart: bool
    ) -> None:
        """In one packet or two, in one TLS record or two, with an answer that just fills a buffer."""
        head = OK + b"Content-Length: %d\r\n\r\n"
        head %= size - (len(head) + 3 if size > 1000 else 0)
        body = b"x" * int(head.split()[4])
        pieces = (head + body, self.REFUSAL) if apart else (head + body + self.REFUSAL,)

        async with reach(first(sending(*pieces, then="hang"))) as (server, http, url):
            assert await outcome(http, put(url)) == (200, body)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    @pytest.mark.parametrize("surplus", [17_000, 60_000])
    async def test_a_large_second_answer_closes_the_connection(self, surplus: int, reach: Reach) -> None:
        """The first one fills three TLS records. Of the fourth, TLS has a part, anyio the rest."""
        head = OK + b"Content-Length: 49110\r\n\r\n"
        body = bytes(3 * 16384 - len(head))
        assert len(body) == 49110

        async def handle(peer: Peer) -> None:
            await peer.request()
            peer.writer.write(head + body)
            peer.writer.write(
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % surplus + bytes(surplus)
            )
            await peer.gone()

        async with reach(first(handle)) as (server, http, url):
            assert await outcome(http, put(url)) == (200, body)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    @pytest.mark.parametrize("first_one", [FINE, FINE.replace(b"200", b"504"), FINE.replace(b"200", b"502")])
    async def test_a_second_answer_while_idle_closes_the_connection(
        self, first_one: bytes, reach: Reach
    ) -> None:
        """It comes while the connection is idle."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(first_one)
            await anyio.sleep(1)
            await peer.send(self.REFUSAL)
            await peer.gone()

        async with reach(first(handle)) as (server, http, url):
            await outcome(http, put(url))
            await anyio.sleep(2)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    async def test_nothing_is_sent_on_a_connection_after_504(self) -> None:
        """Right after a 504 nothing is sent on its connection, so a late answer meets no request."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE.replace(b"200", b"504"))
            await anyio.sleep(1)
            await peer.send(self.REFUSAL)
            await peer.gone()

        async with serve(first(handle)) as server, transport() as http:
            assert await outcome(http, put(server.url)) == (504, b"fine")
            assert await outcome(http, put(server.url)) == (200, b"fine")


DRIPS = {
    "head": (OK + b"X: ", b"x"),
    "headers": (OK, b"X: y\r\n"),
    "body": (OK + b"Content-Length: 100000\r\n\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n"),
    "no length": (OK + b"\r\n", b"x"),
    "102": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


class TestTheEnd:
    """An attempt ends, whatever comes."""

    @pytest.mark.parametrize("name", DRIPS)
    async def test_an_answer_that_drips_is_silence(self, name: str, reach: Reach) -> None:
        """A byte, a header or a 102 each second is silence."""
        start, again = DRIPS[name]

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(start)
            while True:
                await anyio.sleep(1)
                await peer.send(again)

        async with reach(handle) as (_, http, url):
            began = anyio.current_time()
            assert await reason(http, put(url, silence=30)) == "no answer within 30 s"
            assert anyio.current_time() - began == pytest.approx(30, abs=1.1)

    async def test_thirty_seconds_without_a_byte_are_silence(self) -> None:
        """However much has come, nothing more for 30 s is silence."""
        answer = OK + b"Content-Length: 1000000\r\n\r\n" + bytes(900_000)
        async with serve(sending(answer, then="hang")) as server, transport() as http:
            began = anyio.current_time()
            assert await reason(http, put(server.url, silence=30)) == "no answer within 30 s"
            assert anyio.current_time() - began == pytest.approx(30, abs=1)

    async def test_a_slow_line_may_take_minutes(self) -> None:
        """15 MB at 50 kB/s are five minutes."""
        size = 15_000_000

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK + b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(size // 50_000):
                await anyio.sleep(1)
                await peer.send(bytes(50_000))
            await peer.gone()

        async with serve(handle) as server, transport() as http:
            request = put(server.url, silence=30, max_body=size)
            assert await outcome(http, request) == (200, bytes(size))

    async def test_a_body_that_moves_may_take_as_long_as_it_moves(self) -> None:
        """A body may take as long as it moves: 20 MB at 100 kB/s."""
        size = 20_000_000

        async def handle(peer: Peer) -> None:
            received = peer.writer.get_extra_info("socket")
            received.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)  # else, it may take it all
            await peer.head()
            for _ in range(size // 100_000):
                await anyio.sleep(1)
                await peer.reader.readexactly(100_000)
            await peer.send(FINE)
            await peer.gone()

        async with serve(handle) as server, transport() as http:
            request = put(server.url, Body(size))
            request.extensions = extensions("Uploading", silence=30, size=size)
            assert await outcome(http, request) == (200, b"fine")

    async def test_an_answer_that_drips_does_not_prolong_an_upload(self) -> None:
        """It moves nothing: a reader that stalls is given up as before."""

        async def handle(peer: Peer) -> None:
            await peer.head()
            await peer.send(OK)
            while True:
                await anyio.sleep(1)
                await peer.send(b"X: y\r\n")

        async with serve(handle) as server, transport() as http:
            began = anyio.current_time()
            assert await outcome(http, put(server.url, Body(20_000_000), silence=30)) == NO_ANSWER
            assert anyio.current_time() - began == pytest.approx(30, abs=1.1)


TOKENS = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.0 204 X",
            b"HTTP/1.1 100 C",
            b"HTTP/1.1 101 S",
            b"HTTP/1.1 503",
            b"HTTP/",
        ),
        *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b":", b";", b",", b"0\r\n\r\n", b"\xff"),
        *(b"Content-Length: 4", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
        *(b"Connection: close", b"Connection: Upgrade", b"Upgrade: x", b"Trailer: X", b"X: y", b"X" * 70_000),
        *(b"4", b"fine", b"ffffffffffffffff", b"4\r\nfine\r\n", FINE, REFUSED, CHUNKED, b"y" * 5000),
    ]
)
ENDS = st.sampled_from(
    [
        anyio.EndOfStream(),
        anyio.BrokenResourceError(),
        anyio.ClosedResourceError(),
        anyio.BusyResourceError("reading from"),
        ssl.SSLError(1, "alert"),
    ]
)
STEPS = st.lists(st.one_of(TOKENS, TOKENS, st.binary(max_size=20), st.floats(0, 100), ENDS), max_size=40)


def _cut(step: bytes | float | Exception, size: int) -> list[bytes | float | Exception]:
    """Small pieces of what is small."""
    if not isinstance(step, bytes) or len(step) > 1000:
        return [step]
    return [step[start : start + size] for start in range(0, len(step), size)]


class TestAnything:
    """Any bytes, cut anywhere, at any time."""

    @pytest.mark.parametrize("size", [5, 3 * LIMIT])
    @given(steps=STEPS, repeat=st.one_of(st.just(b""), TOKENS), cut=st.integers(1, 100))
    async def test_any_bytes_end_in_a_response_or_an_error(
        self, size: int, steps: list[bytes | float | Exception], repeat: bytes, cut: int
    ) -> None:
        """In a response or a `TransportError`, in the time of an attempt and in bounded memory."""
        stream = Scripted([piece for step in steps for piece in _cut(step, cut)], repeat)

        began = anyio.current_time()
        try:
            response = await Connection(stream).send(put("http://platform.test", Body(size), max_body=MOST))
        except httpx.TransportError:
            pass
        else:
            assert 200 <= response.status_code <= 999
            assert len(response.content) <= MOST
        assert anyio.current_time() - began <= 61
        assert stream.taken < 4 * LIMIT
