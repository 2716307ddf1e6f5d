"""The transport for uploads, byte by byte."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.http.servers import FINE, Peer, closed_port, fine, first, pause, serve
from tests.http.transports import get, none, outcome, put, reason, transport
from zerokie_action.http.client import USER_AGENT, Bytes, Http, extensions
from zerokie_action.http.network import Network
from zerokie_action.http.transport import FRESH
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    import ssl

    from tests.http.servers import Server

CHUNK = 100_000
ODD = "/v1/apps/site/files/%20%25%23%3F%27%22%5C%C3%A9/~a-b_c.d%2F;=,+@:!$&()*"


class TestBytesOnTheWire:
    async def test_an_upload(self) -> None:
        """A request is its line, the host, the given headers, type and length, a blank line and the body."""
        async with serve(fine) as server, transport("transport", server.url) as carrier:
            await carrier.send(put(b"hello"))
        (request,) = server.requests
        assert request.body == b"hello"
        assert request.head.decode() == (
            "PUT /v1/apps/site/files/a.txt HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\n"
            f"User-Agent: {USER_AGENT}\r\n"
            "Accept-Encoding: identity\r\n"
            "Authorization: Bearer key\r\n"
            "Content-Type: text/plain\r\n"
            "Content-Length: 5\r\n"
            "\r\n"
        )

    async def test_without_a_body(self) -> None:
        """There is no length and no type."""
        async with serve(fine) as server, transport("transport", server.url) as carrier:
            await carrier.send(get("/v1/x?y=z"))
        (request,) = server.requests
        assert request.line == "GET /v1/x?y=z HTTP/1.1"
        assert "content-length" not in request.headers
        assert "content-type" not in request.headers

    @pytest.mark.parametrize("prefix", ["", "/prefix", "/two/parts"])
    async def test_the_target(self, prefix: str) -> None:
        """The target is the base's path and the request's, and nobody normalises it."""
        async with serve(fine) as server, transport("transport", server.url + prefix) as carrier:
            await carrier.send(put(target=ODD))
        assert [request.target for request in server.requests] == [prefix + ODD]

    @pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 5_000_000])
    @pytest.mark.parametrize("wrap", [bytes, Bytes])
    async def test_bodies_of_all_sizes(self, size: int, wrap: Any) -> None:
        """A body arrives complete, however it is given and however large it is."""
        body = (b"0123456789" * (size // 10 + 1))[:size]
        async with serve(fine) as server, transport("transport", server.url) as carrier:
            assert await outcome(carrier, put(wrap(body))) == (200, b"fine")
            assert await outcome(carrier, put(b"next")) == (200, b"fine")
        assert [request.body for request in server.requests] == [body, b"next"]
        assert server.accepted == 1


class TestKeepingTheConnection:
    async def test_one_connection_for_all_requests(self) -> None:
        async with serve(fine) as server, transport("transport", server.url) as carrier:
            for _ in range(50):
                assert await outcome(carrier) == (200, b"fine")
        assert server.accepted == 1

    @pytest.mark.parametrize("patience", [5, 30, 120])
    async def test_each_request_has_its_own_time(self, patience: float) -> None:
        """However much the one before it had, on the same connection, and whenever it was sent."""

        async def answer_once(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE)
            await pause(3)
            await peer.request()
            await peer.gone()

        async with serve(answer_once) as server, transport("transport", server.url) as carrier:
            assert await outcome(carrier, put(timeout=30)) == (200, b"fine")
            await pause(3)
            began = anyio.current_time()
            expected = f"no answer within {human_seconds(patience)}"
            assert await reason(carrier, put(timeout=patience)) == expected
            assert anyio.current_time() - began == pytest.approx(patience, abs=0.1)
        assert server.accepted == 1

    async def test_an_answer_in_small_chunks(self) -> None:
        """Chunks bring much besides the body; a long answer is no reason to connect anew."""
        body = b"80\r\n" + bytes(128) + b"\r\n"

        async def handle(peer: Peer) -> None:
            while True:
                await peer.request()
                head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                await peer.send(head + body * 30_000 + b"0\r\n\r\n")

        async with serve(handle) as server, transport("transport", server.url) as carrier:
            for _ in range(3):
                answer = await carrier.send(put(max_body=10_000_000))
                assert answer.content == bytes(128 * 30_000)
        assert server.accepted == 1

    @pytest.mark.parametrize(
        "more", [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", FINE, b"\0garbage", b"x"]
    )
    async def test_more_than_was_asked_for(self, more: bytes) -> None:
        """What follows a response is not taken for the next one."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE + more)
            await peer.gone()

        async with serve(first(handle)) as server, transport("transport", server.url) as carrier:
            assert await outcome(carrier) == (200, b"fine")
            second = await outcome(carrier)
            assert second == none(sent=True) or server.accepted == 2
            assert await outcome(carrier) == (200, b"fine")
        assert server.accepted == 2

    async def test_a_flood_while_idle(self) -> None:
        """Nothing is read and kept that nobody asked for."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE)
            while True:
                await peer.send(b"x" * 100_000)

        async with serve(first(handle)) as server, transport("transport", server.url) as carrier:
            assert await outcome(carrier) == (200, b"fine")
            await pause()
            assert await outcome(carrier) == (200, b"fine")

    async def test_an_end_that_nobody_noticed_yet(self) -> None:
        """A close that the event loop has not told us of yet is noticed before the request is sent."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            peer.writer.write(FINE)
            peer.writer.close()

        async with serve(handle) as server, transport("transport", server.url) as carrier:
            for _ in range(20):
                assert await outcome(carrier) == (200, b"fine")
        assert server.accepted == 20

    async def test_another_origin_while_idle_connections_are_closed(self) -> None:
        """A request that wants new connections does not disturb one to a new host."""
        async with serve(fine) as one, serve(fine) as other, Http(Network({})) as http:

            async def send(server: Server, *, fresh: bool = False) -> None:
                request = httpx.Request("GET", server.url, extensions=extensions("x", timeout=5))
                request.extensions[FRESH] = fresh
                assert (await http.send(request)).content == b"fine"

            async with anyio.create_task_group() as several:
                for _ in range(3):
                    several.start_soon(send, one)
            async with anyio.create_task_group() as both:
                both.start_soon(partial(send, one, fresh=True))
                both.start_soon(send, other)


class TestReasons:
    """What an error message can say."""

    @pytest.mark.parametrize(
        ("answer", "then", "expected"),
        [
            (b"", "close", "server disconnected without sending a response"),
            (b"", "reset", "the connection was reset"),
            (b"", "hang", "no answer within 1 m 00 s"),
            (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11, "hang", "the response is larger than 10 bytes"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 110_000, "hang", "receive buffer too long"),
            (b"SSH-2.0\r\n\r\n", "hang", "illegal status line: bytearray(b'SSH-2.0')"),
        ],
    )
    async def test_after_sending(self, answer: bytes, then: str, expected: str) -> None:
        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer)
            if then == "reset":
                peer.reset()
            elif then == "hang":
                await peer.gone()

        async with serve(handle) as server, transport("transport", server.url) as carrier:
            assert await reason(carrier, put(max_body=10)) == expected

    async def test_refused(self) -> None:
        with closed_port() as sock:
            async with transport("transport", f"http://127.0.0.1:{sock.getsockname()[1]}") as carrier:
                assert await reason(carrier) == "connection refused"

    async def test_deaf(self, deaf: int) -> None:
        """Connecting has its own, shorter time."""
        async with transport("transport", f"http://127.0.0.1:{deaf}") as carrier:
            began = anyio.current_time()
            assert await reason(carrier) == "no connection within 10 s"
            assert anyio.current_time() - began == pytest.approx(10, abs=0.1)

    async def test_certificate(self, tls: ssl.SSLContext) -> None:
        async with serve(fine, tls=tls) as server, transport("transport", server.url) as carrier:
            assert await reason(carrier) == (
                "the server's TLS certificate is not trusted (unable to get local issuer certificate)"
            )


async def test_after_any_trouble_the_next_request_starts_afresh(refused: int) -> None:
    """A transport is good for ever: every request that finds no connection makes one."""
    async with transport("transport", f"http://127.0.0.1:{refused}") as carrier:
        for _ in range(3):
            assert await outcome(carrier) == none(sent=False)
