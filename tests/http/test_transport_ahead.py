"""A connection that is opened ahead of its request."""

import ssl
from pathlib import Path

import anyio
import httpx
import pytest

from tests.http.servers import Peer, fine, first, serve, tunnel_to
from tests.http.transports import Reach, outcome, put, transport
from zerokie_action.errors import ConfigurationError

PLATFORM = "https://platform.test"


async def close(peer: Peer) -> None:
    """Close the connection at once, without a word, not even of TLS."""
    peer.reset()


@pytest.mark.parametrize(("idle", "accepted"), [(0, 1), (3, 1), (5, 2)])
async def test_a_connection_ahead_is_used(idle: float, accepted: int, reach: Reach) -> None:
    """Also after the tickets that TLS sends. A connection that was idle for too long is opened anew."""
    async with reach(fine) as (server, http, url):
        await http.connect_ahead(httpx.URL(url))
        await anyio.sleep(idle)
        for _ in range(2):
            assert await outcome(http, put(url)) == (200, b"fine")
    assert server.accepted == accepted


async def test_a_connection_ahead_that_was_closed_is_opened_anew(reach: Reach) -> None:
    """It is opened anew, also where unread tickets came before the end."""
    async with reach(first(close)) as (server, http, url):
        await http.connect_ahead(httpx.URL(url))
        await anyio.sleep(1)
        assert await outcome(http, put(url)) == (200, b"fine")
    assert server.accepted == 2


class TestFailures:
    """A failure of the connection ahead changes nothing."""

    async def test_the_request_connects_by_itself(self, tls: ssl.SSLContext, bundle: Path) -> None:
        """The request connects by itself."""

        async def handle(peer: Peer) -> None:
            await (close if peer.server.accepted == 1 else tunnel_to(origin))(peer)

        async with serve(fine, tls=tls) as origin, serve(handle) as proxy:
            async with transport(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(bundle)) as http:
                await http.connect_ahead(httpx.URL(PLATFORM))
                assert await outcome(http, put(PLATFORM)) == (200, b"fine")
            assert proxy.accepted == 2

    async def test_a_proxys_login_is_the_requests_error(self) -> None:
        """A proxy that requires a login says so to the request."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n")

        async with serve(handle) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
            await http.connect_ahead(httpx.URL(PLATFORM))
            assert (await outcome(http, put(PLATFORM)))[0] == 407

    async def test_a_wrong_proxy_is_the_requests_error(self) -> None:
        """A wrong environment is the request's error."""
        async with transport(HTTPS_PROXY="socks5://127.0.0.1:1") as http:
            await http.connect_ahead(httpx.URL(PLATFORM))
            with pytest.raises(ConfigurationError):
                await http.handle_async_request(put(PLATFORM))
