"""The client and its bare transport see the same in everything that a server can do, and both get over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.servers import FINE, Peer, first, pause, serve
from tests.http.transports import KINDS, Outcome, none, outcome, put, transport
from zerokie_action.http.client import Bytes

if TYPE_CHECKING:
    from tests.http.servers import Handler

OK = b"HTTP/1.1 200 OK\r\n"
ODD = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nX-B: 2\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n"
MOST = 1000
Pieces = bytes | list[bytes]

ANSWERED: dict[str, tuple[Pieces, str, Outcome]] = {
    "length": (ODD, "keep", (200, b"hello")),
    "byte by byte": ([bytes([byte]) for byte in ODD], "keep", (200, b"hello")),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", "keep", (204, b"")),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "keep", (304, b"")),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "keep", (200, b"")),
    "announced close": (OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok", "close", (200, b"ok")),
    "silent close": (OK + b"Content-Length: 2\r\n\r\nok", "close", (200, b"ok")),
    "close, and hang": (OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok", "hang", (200, b"ok")),
    "until the close": (OK + b"\r\nhello", "close", (200, b"hello")),
    "nothing until the close": (OK + b"\r\n", "close", (200, b"")),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", "close", (200, b"hello")),
    "HTTP/1.0 with a length": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hang", (200, b"hello")),
    "chunked": (CHUNKED, "keep", (200, b"hello")),
    "chunked, byte by byte": ([bytes([byte]) for byte in CHUNKED], "keep", (200, b"hello")),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ODD,
        "keep",
        (200, b"hello"),
    ),
    "redirect": (
        b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "keep",
        (307, b""),
    ),
    "redirect to no URL": (
        b"HTTP/1.1 302 Go\r\nLocation: http:x\r\nContent-Length: 0\r\n\r\n",
        "keep",
        (302, b""),
    ),
    "redirect to no host name": (
        b"HTTP/1.1 301 Go\r\nLocation: http://xn--/\r\nContent-Length: 0\r\n\r\n",
        "keep",
        (301, b""),
    ),
    "as large as allowed": (OK + b"Content-Length: 1000\r\n\r\n" + b"x" * MOST, "keep", (200, b"x" * MOST)),
    "too large": (
        OK + b"Content-Length: 1001\r\n\r\n" + b"x" * (MOST + 1),
        "keep",
        none(sent=True, final=True),
    ),
    "too large, no length": (OK + b"\r\n" + b"x" * 50_000, "hang", none(sent=True, final=True)),
    "too large, chunked": (
        OK
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"64\r\n"
        + b"x" * 100
        + b"\r\n"
        + b"384\r\n"
        + b"x" * 900,
        "hang",
        none(sent=True),
    ),
    "garbage": (b"SSH-2.0-OpenSSH_9.9\r\n", "hang", none(sent=True)),
    "binary": (bytes(range(256)), "hang", none(sent=True)),
    "bad status": (b"HTTP/1.1 abc\r\n\r\n", "hang", none(sent=True)),
    "bad length": (OK + b"Content-Length: many\r\n\r\n", "hang", none(sent=True)),
    "bad chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "hang", none(sent=True)),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhi",
        "hang",
        none(sent=True),
    ),
    "nothing, closed": (b"", "close", none(sent=True)),
    "nothing, reset": (b"", "reset", none(sent=True)),
    "nothing, for ever": (b"", "hang", none(sent=True)),
    "half a head, closed": (OK + b"Content-Le", "close", none(sent=True)),
    "half a head, for ever": (OK + b"Content-Le", "hang", none(sent=True)),
    "interim answer, closed": (b"HTTP/1.1 100 Continue\r\n\r\n", "close", none(sent=True)),
    "half a body, closed": (OK + b"Content-Length: 10\r\n\r\nhello", "close", none(sent=True)),
    "half a body, reset": (OK + b"Content-Length: 10\r\n\r\nhello", "reset", none(sent=True)),
    "half a body, for ever": (OK + b"Content-Length: 10\r\n\r\nhello", "hang", none(sent=True)),
    "half a chunk, closed": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", "close", none(sent=True)),
    "chunks without an end": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
        "close",
        none(sent=True),
    ),
    "no length, reset": (OK + b"\r\nhello", "reset", none(sent=True)),
}
ANSWERED |= {
    f"status {status}": (
        f"HTTP/1.1 {status} Whatever\r\nContent-Length: 13\r\n\r\n".encode() + b'{"error":"x"}',
        "keep",
        (status, b'{"error":"x"}'),
    )
    for status in (201, 400, 401, 403, 404, 408, 409, 413, 429, 500, 501, 502, 503, 504, 599)
}


def answering(pieces: Pieces, then: str) -> Handler:
    """Read the request, send the pieces, and then go on as told."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(*([pieces] if isinstance(pieces, bytes) else pieces))
        if then == "reset":
            peer.reset()
        elif then == "hang":
            await peer.gone()
        elif then == "keep":
            await peer.request()
            await peer.send(FINE)
            await peer.gone()

    return handle


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ANSWERED)
async def test_what_a_server_does(kind: str, name: str) -> None:
    """The outcome is the one in the table, and the same transport's next request is fine."""
    pieces, then, expected = ANSWERED[name]
    async with serve(first(answering(pieces, then))) as server, transport(kind, server.url) as carrier:
        assert await outcome(carrier, put(max_body=MOST)) == expected
        assert await outcome(carrier) == (200, b"fine")
        assert [request.body for request in server.requests] == [b"hello", b"hello"]
        assert server.accepted == (1 if then == "keep" and expected[0] != "no response" else 2)


@pytest.mark.parametrize("kind", KINDS)
async def test_headers_without_end(kind: str) -> None:
    """A head that never ends is given up, long before it fills the memory."""
    sent = 0

    async def handle(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(OK)
        while True:
            await peer.send(b"X-More: of the same\r\n" * 1000)
            sent += 1

    async with serve(first(handle)) as server, transport(kind, server.url) as carrier:
        assert await outcome(carrier) == none(sent=True)
        assert sent < 1000
        assert await outcome(carrier) == (200, b"fine")


@pytest.mark.parametrize("kind", KINDS)
async def test_one_header_without_end(kind: str) -> None:
    """The same for a single header."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"X-Long: ")
        while True:
            await peer.send(b"x" * 10_000)

    async with serve(first(handle)) as server, transport(kind, server.url) as carrier:
        assert await outcome(carrier) == none(sent=True)
        assert await outcome(carrier) == (200, b"fine")


@pytest.mark.parametrize("kind", KINDS)
async def test_the_answer_s_headers(kind: str) -> None:
    """Headers are found under lower-case names, repeated ones as a list, trailers not at all."""
    answer = OK + b"RETRY-after: 7\r\nX-Two: a\r\nX-Two: b\r\n" + CHUNKED.removeprefix(OK)
    async with serve(answering(answer, "hang")) as server, transport(kind, server.url) as carrier:
        headers = (await carrier.send(put())).headers
    assert headers.get("retry-after") == "7"
    assert headers.get("x-two") == "a, b"
    assert headers.get("x-trailer") is None


@pytest.mark.parametrize("kind", KINDS)
async def test_closed_while_idle(kind: str) -> None:
    """A kept connection that is known to be closed is replaced, and the request does not notice."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE)

    async with serve(handle) as server, transport(kind, server.url) as carrier:
        for _ in range(3):
            assert await outcome(carrier) == (200, b"fine")
            await pause()
    assert server.accepted == 3


@pytest.mark.parametrize("kind", KINDS)
async def test_spoken_to_while_idle(kind: str) -> None:
    """What arrives unasked on an idle connection is never taken for an answer."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE)
        await pause()
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async with serve(first(handle)) as server, transport(kind, server.url) as carrier:
        assert await outcome(carrier) == (200, b"fine")
        await pause(5)
        assert await outcome(carrier) == (200, b"fine")


@pytest.mark.parametrize("kind", KINDS)
async def test_reset_in_the_middle_of_the_body(kind: str) -> None:
    """A connection that breaks while the body is sent leaves the outcome ambiguous."""

    async def handle(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(100_000)
        peer.reset()

    body = Bytes(bytes(20_000_000))
    async with serve(first(handle)) as server, transport(kind, server.url) as carrier:
        assert await outcome(carrier, put(body)) == none(sent=True)
        assert await outcome(carrier) == (200, b"fine")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reader_that_stalls(kind: str) -> None:
    """A server that reads no more and says nothing is given up after the request's time-out."""

    async def handle(peer: Peer) -> None:
        await peer.head()
        await pause(10_000)

    body = Bytes(bytes(20_000_000))
    async with serve(first(handle)) as server, transport(kind, server.url) as carrier:
        assert await outcome(carrier, put(body, timeout=30)) == none(sent=True)
        assert await outcome(carrier) == (200, b"fine")
