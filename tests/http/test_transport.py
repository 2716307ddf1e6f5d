"""Transport: reused, new and early connections."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
import trustme

from tests.http.servers import FINE, Handler, Peer, context_for, fine, first, reset, serve
from tests.http.transports import Reach, none, outcome, put, reason, transport

PLATFORM = "https://platform.test"


async def speak_plain_http(peer: Peer) -> None:
    """Respond without TLS."""
    await peer.reader.read(1)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class TestConnections:
    @pytest.mark.parametrize(("idle", "accepted"), [(3, 1), (5, 2)])
    async def test_a_connection_idle_for_4_seconds_is_not_reused(self, idle: float, accepted: int) -> None:
        """The server may be about to close the connection."""
        async with serve(fine) as server, transport() as http:
            assert await outcome(http, put(server.url)) == (200, b"fine")
            await anyio.sleep(idle)
            assert await outcome(http, put(server.url)) == (200, b"fine")
        assert server.accepted == accepted

    async def test_a_connection_closed_while_idle_is_replaced(self, reach: Reach) -> None:
        """The client drops an unexpected response and opens another connection."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE)
            await anyio.sleep(1)
            await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

        async with reach(handle) as (server, http, url):
            for _ in range(3):
                assert await outcome(http, put(url)) == (200, b"fine")
                await anyio.sleep(2)
        assert server.accepted == 3

    async def test_an_error_drops_the_idle_connections(self) -> None:
        """The idle connections are probably broken, too."""

        async def handle(peer: Peer) -> None:
            while (await peer.request()).body != b"lost":
                await anyio.sleep(1)
                await peer.send(FINE)

        async with serve(handle) as server, transport() as http:
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(outcome, http, put(server.url))
            assert await outcome(http, put(server.url, b"lost")) == none(sent=True)
            assert server.accepted == 2
            assert await outcome(http, put(server.url)) == (200, b"fine")
        assert server.accepted == 3

    @pytest.mark.parametrize("sent", [b"", FINE[:-2]])
    async def test_a_cancelled_request_closes_its_connection(self, sent: bytes, reach: Reach) -> None:
        """Its response can't be mistaken for another request's."""
        ended = anyio.Event()

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(sent)
            await peer.gone()
            ended.set()

        async with reach(first(handle)) as (server, http, url):
            with anyio.move_on_after(5) as scope:
                await http.handle_async_request(put(url))
            assert scope.cancelled_caught
            await ended.wait()
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2


@pytest.fixture
def deaf() -> Iterator[int]:
    """Return a port that accepts no more connections, because its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as callers:
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 - socket's own signature
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class TestConnecting:
    """A request that fails before it was sent can't have taken effect."""

    async def test_connecting_takes_10_seconds_at_most(self, deaf: int) -> None:
        """Connecting has a shorter limit than a response."""
        async with transport() as http:
            began = anyio.current_time()
            assert await reason(http, put(f"http://127.0.0.1:{deaf}")) == "no connection within 10s"
            assert anyio.current_time() - began == pytest.approx(10, abs=0.1)
            assert await outcome(http, put(f"http://127.0.0.1:{deaf}")) == none(sent=False)

    @pytest.mark.parametrize("trusted", [False, True])
    async def test_an_untrusted_certificate_is_rejected(
        self, *, trusted: bool, tls: ssl.SSLContext, authority: trustme.CA, bundle: Path
    ) -> None:
        """The client must trust the authority, and the certificate must name the host."""
        env = {"SSL_CERT_FILE": str(bundle)} if trusted else {}
        untrusted = none(sent=False, final=True)
        async with serve(fine, tls=tls) as server, transport(**env) as http:
            assert await outcome(http, put(server.url)) == ((200, b"fine") if trusted else untrusted)
        async with serve(fine, tls=context_for(authority, "other.test")) as server, transport(**env) as http:
            assert await outcome(http, put(server.url)) == untrusted

    @pytest.mark.parametrize("then", [reset, Peer.gone, speak_plain_http])
    async def test_a_failed_handshake_means_the_request_was_not_sent(
        self, then: Handler, bundle: Path
    ) -> None:
        """The handshake fails in different ways."""
        async with serve(then) as server, transport(SSL_CERT_FILE=str(bundle)) as http:
            assert await outcome(http, put(server.url.replace("http:", "https:"))) == none(sent=False)


class TestIdle:
    """Connections between two requests."""

    @pytest.mark.parametrize(("idle", "accepted"), [(3, 1), (5, 2)])
    async def test_an_idle_connection_is_used_within_4_seconds(
        self, idle: float, accepted: int, reach: Reach
    ) -> None:
        """TLS session tickets don't prevent that."""
        async with reach(fine) as (server, http, url):
            for pause in (0, idle, 0):
                await anyio.sleep(pause)
                assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == accepted
