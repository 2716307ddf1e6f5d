"""Through a proxy: the client and its bare transport, plain and through a tunnel."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.http.servers import Peer, Server, context_for, fine, serve
from tests.http.transports import KINDS, TARGET, none, outcome, put, reason, transport
from zerokie_action.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    import trustme

    from tests.http.servers import Handler

GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
LOGIN = "Basic " + base64.b64encode("user:p@ss w\u00f6rd".encode()).decode()


def tunnel_to(origin: Server, granted: bytes = GRANTED) -> Handler:
    """A proxy that connects everybody to `origin`, whatever they ask for."""

    async def handle(peer: Peer) -> None:
        request = await peer.request()
        assert request.line.startswith("CONNECT ")
        reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
        await peer.send(granted)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_pipe, peer.reader, writer)
                await _pipe(reader, peer.writer)
                tasks.cancel_scope.cancel()
        finally:
            writer.close()

    return handle


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def saying(answer: bytes, then: str) -> Handler:
    """A proxy that answers so to CONNECT."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        if then == "reset":
            peer.reset()
        elif then == "hang":
            rest = await peer.reader.read(65536)
            while rest:
                assert b"Bearer" not in rest, "the API key in the clear"
                rest = await peer.reader.read(65536)

    return handle


@asynccontextmanager
async def tunnelled(
    tls: ssl.SSLContext, granted: bytes = GRANTED, proxy_tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, Server]]:
    """An origin, `https://platform.test`, and a proxy to it."""
    async with serve(fine, tls=tls) as origin, serve(tunnel_to(origin, granted), tls=proxy_tls) as proxy:
        yield origin, proxy


@pytest.mark.parametrize("kind", KINDS)
class TestPlainHttp:
    async def test_whole_url_and_login(self, kind: str) -> None:
        """Plain http is asked for by its whole URL; the login is sent along, decoded."""
        async with serve(fine) as proxy:
            env = {"http_proxy": f"http://user:p%40ss%20w%C3%B6rd@127.0.0.1:{proxy.port}"}
            async with transport(kind, "http://platform.test:8080/prefix", env) as carrier:
                assert await outcome(carrier) == (200, b"fine")
                assert await outcome(carrier) == (200, b"fine")
        request, _ = proxy.requests
        assert request.line == f"PUT http://platform.test:8080/prefix{TARGET} HTTP/1.1"
        assert request.headers["host"] == "platform.test:8080"
        assert request.headers["proxy-authorization"] == LOGIN
        assert request.headers["authorization"] == "Bearer key"
        assert proxy.accepted == 1

    async def test_no_login(self, kind: str) -> None:
        async with (
            serve(fine) as proxy,
            transport(kind, "http://platform.test", {"HTTP_PROXY": proxy.url}) as carrier,
        ):
            assert await outcome(carrier) == (200, b"fine")
        assert "proxy-authorization" not in proxy.requests[0].headers

    async def test_over_tls_to_the_proxy(self, kind: str, tls: ssl.SSLContext, bundle: Path) -> None:
        async with serve(fine, tls=tls) as proxy:
            env = {"ALL_PROXY": proxy.url, "SSL_CERT_FILE": str(bundle)}
            async with transport(kind, "http://platform.test", env) as carrier:
                assert await outcome(carrier) == (200, b"fine")
        assert proxy.requests[0].target == f"http://platform.test{TARGET}"

    async def test_no_proxy(self, kind: str) -> None:
        """This machine is reached directly, whatever NO_PROXY says."""
        async with serve(fine) as server:
            env = {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "other.test"}
            async with transport(kind, server.url, env) as carrier:
                assert await outcome(carrier) == (200, b"fine")
        assert server.requests[0].target == TARGET

    async def test_the_proxy_is_not_there(self, kind: str, refused: int) -> None:
        env = {"HTTP_PROXY": f"http://127.0.0.1:{refused}"}
        async with transport(kind, "http://platform.test", env) as carrier:
            assert await outcome(carrier) == none(sent=False)


@pytest.mark.parametrize("kind", KINDS)
class TestTunnel:
    async def test_what_each_side_sees(self, kind: str, tls: ssl.SSLContext, bundle: Path) -> None:
        """The proxy sees host, port and its login, the origin the request; neither the other's secret."""
        async with tunnelled(tls) as (origin, proxy):
            env = {
                "HTTPS_PROXY": f"http://user:p%40ss%20w%C3%B6rd@127.0.0.1:{proxy.port}",
                "SSL_CERT_FILE": str(bundle),
            }
            async with transport(kind, "https://platform.test/prefix", env) as carrier:
                assert await outcome(carrier) == (200, b"fine")
                assert await outcome(carrier) == (200, b"fine")
        (asked,) = proxy.requests
        assert asked.line == "CONNECT platform.test:443 HTTP/1.1"
        assert asked.headers["host"] == "platform.test:443"
        assert asked.headers["proxy-authorization"] == LOGIN
        assert "authorization" not in asked.headers
        assert origin.requests[0].line == f"PUT /prefix{TARGET} HTTP/1.1"
        assert origin.requests[0].headers["host"] == "platform.test"
        assert "proxy-authorization" not in origin.requests[0].headers
        assert origin.accepted == 1

    @pytest.mark.parametrize(
        "granted",
        [
            b"HTTP/1.0 200 Connection established\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nProxy-Agent: x\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 299 Odd\r\n\r\n",
        ],
    )
    async def test_ways_to_grant(self, kind: str, granted: bytes, tls: ssl.SSLContext, bundle: Path) -> None:
        """Any 2xx is a tunnel, whatever its headers say of a body or a connection."""
        async with tunnelled(tls, granted) as (_, proxy):
            env = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(bundle)}
            async with transport(kind, "https://platform.test", env) as carrier:
                assert await outcome(carrier) == (200, b"fine")
                assert await outcome(carrier) == (200, b"fine")

    async def test_tls_in_tls(self, kind: str, tls: ssl.SSLContext, bundle: Path) -> None:
        """A proxy that is reached over TLS tunnels TLS."""
        async with tunnelled(tls, proxy_tls=tls) as (origin, proxy):
            env = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(bundle)}
            async with transport(kind, "https://platform.test", env) as carrier:
                assert await outcome(carrier, put(bytes(2_000_000))) == (200, b"fine")
                assert await outcome(carrier) == (200, b"fine")
        assert [len(request.body) for request in origin.requests] == [2_000_000, 5]

    @pytest.mark.parametrize(
        ("answer", "then"),
        [
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "hang"),
            (b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "hang"),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>no", "close"),
            (b"HTTP/1.1 302 Elsewhere\r\nLocation: http://login.test/\r\nContent-Length: 0\r\n\r\n", "hang"),
            (b"", "close"),
            (b"", "reset"),
            (b"", "hang"),
            (b"HTTP/1.1 200 Conn", "hang"),
            (b"HTTP/1.1 200 Conn", "close"),
            (b"SSH-2.0-OpenSSH\r\n", "hang"),
            (GRANTED, "close"),
            (GRANTED, "reset"),
            (GRANTED, "hang"),
            (GRANTED + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "close"),
        ],
    )
    async def test_no_tunnel(self, kind: str, answer: bytes, then: str) -> None:
        """However a tunnel fails, the request was not sent, and the key never reaches the proxy."""
        async with (
            serve(saying(answer, then)) as proxy,
            transport(kind, "https://platform.test", {"HTTPS_PROXY": proxy.url}) as carrier,
        ):
            for attempt in range(1, 4):
                assert await outcome(carrier) == none(sent=False, final=b" 407 " in answer)
                assert proxy.accepted == attempt
        assert {request.line for request in proxy.requests} == {"CONNECT platform.test:443 HTTP/1.1"}
        assert all("authorization" not in request.headers for request in proxy.requests)

    async def test_the_origin_s_certificate(self, kind: str, authority: trustme.CA, bundle: Path) -> None:
        """It is the origin's name that the certificate has to show; the proxy's won't do."""
        async with tunnelled(context_for(authority, "127.0.0.1")) as (_, proxy):
            env = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(bundle)}
            async with transport(kind, "https://platform.test", env) as carrier:
                assert await outcome(carrier) == none(sent=False, final=True)

    async def test_the_proxy_s_certificate(self, kind: str, tls: ssl.SSLContext) -> None:
        async with (
            tunnelled(tls, proxy_tls=tls) as (_, proxy),
            transport(kind, "https://platform.test", {"HTTPS_PROXY": proxy.url}) as carrier,
        ):
            assert await outcome(carrier) == none(sent=False, final=True)

    async def test_the_origin_goes_away(self, kind: str, tls: ssl.SSLContext, bundle: Path) -> None:
        """Once the request is through the tunnel, its loss is ambiguous."""

        async def hang_up(peer: Peer) -> None:
            await peer.request()

        async with serve(hang_up, tls=tls) as origin, serve(tunnel_to(origin)) as proxy:
            env = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(bundle)}
            async with transport(kind, "https://platform.test", env) as carrier:
                assert await outcome(carrier) == none(sent=True)


class TestReasons:
    async def test_a_login_is_missing(self) -> None:
        answer = b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n"
        async with (
            serve(saying(answer, "hang")) as proxy,
            transport("client", "https://platform.test", {"HTTPS_PROXY": proxy.url}) as carrier,
        ):
            said = f"tunnel refused (407 Login) through the proxy {proxy.url} (HTTPS_PROXY)"
            assert await reason(carrier) == said

    @pytest.mark.parametrize(
        ("base", "variable"),
        [
            ("https://platform.test", "https_proxy"),
            ("https://platform.test", "ALL_PROXY"),
            ("http://platform.test", "HTTP_PROXY"),
        ],
    )
    @pytest.mark.parametrize("kind", KINDS)
    async def test_the_proxy_is_not_there(self, kind: str, base: str, variable: str, refused: int) -> None:
        """It is named with the variable that it came from, and without its password."""
        env = {variable: f"http://user:pass-word@127.0.0.1:{refused}"}
        async with transport(kind, base, env) as carrier:
            said = f"connection refused through the proxy http://127.0.0.1:{refused} ({variable})"
            assert await reason(carrier) == said

    async def test_a_tunnel_breaks(self) -> None:
        """What comes to an end before the origin was reached is about the proxy as well."""
        async with (
            serve(saying(b"", "close")) as proxy,
            transport("transport", "https://platform.test", {"HTTPS_PROXY": proxy.url}) as carrier,
        ):
            assert (await reason(carrier)).endswith(f" through the proxy {proxy.url} (HTTPS_PROXY)")

    async def test_the_origin_goes_away(self) -> None:
        """A request that has reached the other side says nothing about the proxy."""

        async def hang_up(peer: Peer) -> None:
            await peer.request()

        async with (
            serve(hang_up) as proxy,
            transport("transport", "http://platform.test", {"HTTP_PROXY": proxy.url}) as carrier,
        ):
            assert "proxy" not in await reason(carrier)

    @pytest.mark.parametrize("more", [b"\x16\x03\x03", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    async def test_the_proxy_speaks_before_the_origin(
        self, more: bytes, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        """What comes in the clear after the grant is not fed into TLS, nor taken for a response."""
        async with tunnelled(tls, GRANTED + more) as (_, proxy):
            env = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(bundle)}
            async with transport("transport", "https://platform.test", env) as carrier:
                assert await outcome(carrier) in {(200, b"fine"), none(sent=False)}

    async def test_an_ipv6_origin(self) -> None:
        """An address with colons is put in brackets."""
        async with (
            serve(saying(b"HTTP/1.1 502 No\r\n\r\n", "close")) as proxy,
            transport("transport", "https://[fd00::1]:8443", {"HTTPS_PROXY": proxy.url}) as carrier,
        ):
            assert await outcome(carrier) == none(sent=False)
        assert proxy.requests[0].line == "CONNECT [fd00::1]:8443 HTTP/1.1"
        assert proxy.requests[0].headers["host"] == "[fd00::1]:8443"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "ftp"])
async def test_no_socks(kind: str, scheme: str) -> None:
    """A proxy that is no HTTP proxy is an error in the configuration that names the variable and the fix."""
    env = {"ALL_PROXY": f"{scheme}://user:secret@127.0.0.1:1080"}
    async with transport(kind, "https://platform.test", env) as carrier:
        with pytest.raises(ConfigurationError) as caught:
            await carrier.send(put())
    assert str(caught.value) == f"ALL_PROXY names a {scheme!r} proxy, and only HTTP proxies are supported"
    assert caught.value.hint == "Set ALL_PROXY to an http:// or https:// URL, or list the host in NO_PROXY."
