"""The transport: which connections are used again, and how new ones are opened, also ahead of a request."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import httpx
import pytest
import trustme

from tests.http.servers import FINE, Handler, Peer, always, context_for, fine, first, reset, serve
from tests.http.transports import Reach, none, outcome, put, reason, transport
from zerokie_action.errors import ConfigurationError

PLATFORM = "https://platform.test"


async def speak_plain_http(peer: Peer) -> None:
    """Answer as if there were no TLS."""
    await peer.reader.read(1)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class TestConnections:
    @pytest.mark.parametrize(("idle", "accepted"), [(3, 1), (5, 2)])
    async def test_a_connection_idle_for_4_seconds_is_not_used_again(
        self, idle: float, accepted: int
    ) -> None:
        """After four seconds it is not used again: the other side may be about to close it."""
        async with serve(fine) as server, transport() as http:
            assert await outcome(http, put(server.url)) == (200, b"fine")
            await anyio.sleep(idle)
            assert await outcome(http, put(server.url)) == (200, b"fine")
        assert server.accepted == accepted

    async def test_a_connection_closed_while_idle_is_replaced(self, reach: Reach) -> None:
        """It is replaced, and what it said unasked is nobody's answer."""

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
        """They are likely to be dead as well."""

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
        """A cancelled request takes its connection with it: nobody reads its answer for another's."""
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
    """A port that answers no more connections at all: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as callers:
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 - socket's own signature
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class TestConnecting:
    """What fails before the request was sent is known not to have reached the platform."""

    async def test_connecting_takes_10_seconds_at_most(self, deaf: int) -> None:
        """Connecting has its own, shorter time."""
        async with transport() as http:
            began = anyio.current_time()
            assert await reason(http, put(f"http://127.0.0.1:{deaf}")) == "no connection within 10 s"
            assert anyio.current_time() - began == pytest.approx(10, abs=0.1)
            assert await outcome(http, put(f"http://127.0.0.1:{deaf}")) == none(sent=False)

    @pytest.mark.parametrize("trusted", [False, True])
    async def test_an_unknown_authority_or_name_is_refused(
        self, *, trusted: bool, tls: ssl.SSLContext, authority: trustme.CA, bundle: Path
    ) -> None:
        """Its authority has to be known, and its name the host's."""
        env = {"SSL_CERT_FILE": str(bundle)} if trusted else {}
        untrusted = none(sent=False, final=True)
        async with serve(fine, tls=tls) as server, transport(**env) as http:
            assert await outcome(http, put(server.url)) == ((200, b"fine") if trusted else untrusted)
        async with serve(fine, tls=context_for(authority, "other.test")) as server, transport(**env) as http:
            assert await outcome(http, put(server.url)) == untrusted

    @pytest.mark.parametrize("then", [reset, Peer.gone, speak_plain_http])
    async def test_a_failed_handshake_was_not_sent(self, then: Handler, bundle: Path) -> None:
        """Whatever happens in the handshake, the request was not sent."""
        async with serve(then) as server, transport(SSL_CERT_FILE=str(bundle)) as http:
            assert await outcome(http, put(server.url.replace("http:", "https:"))) == none(sent=False)


class TestAhead:
    """A connection that is opened ahead of its request. Its failure changes nothing."""

    @pytest.mark.parametrize(("idle", "accepted"), [(3, 1), (5, 2)])
    async def test_a_connection_ahead_is_used_within_4_seconds(
        self, idle: float, accepted: int, reach: Reach
    ) -> None:
        """Also after the tickets that TLS sends."""
        async with reach(fine) as (server, http, url):
            await http.connect_ahead(httpx.URL(url))
            await anyio.sleep(idle)
            for _ in range(2):
                assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == accepted

    async def test_a_connection_ahead_that_was_closed_is_opened_anew(self, reach: Reach) -> None:
        """It is opened anew, also where unread tickets came before the end."""
        async with reach(first(reset)) as (server, http, url):
            await http.connect_ahead(httpx.URL(url))
            await anyio.sleep(1)
            assert await outcome(http, put(url)) == (200, b"fine")
        assert server.accepted == 2

    async def test_a_proxys_login_is_the_requests_error(self) -> None:
        """A proxy that requires a login says so to the request."""
        async with serve(always(407)) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
            await http.connect_ahead(httpx.URL(PLATFORM))
            assert (await outcome(http, put(PLATFORM)))[0] == 407

    @pytest.mark.parametrize(
        ("proxy", "expected"),
        [("http://127.0.0.1:1", httpx.ProxyError), ("socks5://127.0.0.1:1", ConfigurationError)],
    )
    async def test_a_wrong_proxy_is_the_requests_error(self, proxy: str, expected: type[Exception]) -> None:
        """A wrong environment is the request's error."""
        async with transport(HTTPS_PROXY=proxy) as http:
            await http.connect_ahead(httpx.URL(PLATFORM))
            with pytest.raises(expected):
                await http.handle_async_request(put(PLATFORM))
