"""Through a proxy's tunnel."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import trustme

from tests.http.servers import GRANTED, Handler, Peer, Server, context_for, fine, serve, tunnel_to
from tests.http.transports import TARGET, Outcome, none, outcome, put, reason, transport

LOGIN = "Basic " + base64.b64encode("user:p@ss w\u00f6rd".encode()).decode()
WITH_LOGIN = "http://user:p%40ss%20w%C3%B6rd@127.0.0.1:{}"


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
async def tunnelled(tls: ssl.SSLContext) -> AsyncIterator[tuple[Server, Server]]:
    """An origin, `https://platform.test`, and a proxy to it."""
    async with serve(fine, tls=tls) as origin, serve(tunnel_to(origin)) as proxy:
        yield origin, proxy


class TestTunnel:
    async def test_neither_side_of_a_tunnel_sees_the_others_secret(
        self, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        """The proxy sees host, port and its login, the origin the request; neither the other's secret."""
        async with (
            tunnelled(tls) as (origin, proxy),
            transport(HTTPS_PROXY=WITH_LOGIN.format(proxy.port), SSL_CERT_FILE=str(bundle)) as http,
        ):
            for _ in range(2):
                assert await outcome(http, put("https://platform.test/prefix")) == (200, b"fine")
        (asked,) = proxy.requests
        assert asked.line == "CONNECT platform.test:443 HTTP/1.1"
        assert asked.headers["host"] == "platform.test:443"
        assert asked.headers["proxy-authorization"] == LOGIN
        assert "authorization" not in asked.headers
        assert origin.requests[0].line == f"PUT /prefix{TARGET} HTTP/1.1"
        assert origin.requests[0].headers["host"] == "platform.test"
        assert "proxy-authorization" not in origin.requests[0].headers
        assert origin.accepted == 1

    async def test_plain_http_uses_no_proxy(self) -> None:
        """It goes straight to the server: only https has a tunnel."""
        async with serve(fine) as server, transport(ALL_PROXY="http://127.0.0.1:1") as http:
            assert await outcome(http, put(server.url)) == (200, b"fine")

    async def test_a_tunnel_to_ipv6(self, authority: trustme.CA, bundle: Path) -> None:
        """The address stands in brackets."""
        async with (
            serve(fine, tls=context_for(authority, "2001:db8::1")) as origin,
            serve(tunnel_to(origin)) as proxy,
            transport(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(bundle)) as http,
        ):
            for _ in range(2):
                assert await outcome(http, put("https://[2001:DB8::1]")) == (200, b"fine")
        assert [request.line for request in proxy.requests] == ["CONNECT [2001:db8::1]:443 HTTP/1.1"]
        assert proxy.requests[0].headers["host"] == "[2001:db8::1]:443"
        assert origin.accepted == 1

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: y", GRANTED])
    async def test_each_step_has_ten_seconds(self, answer: bytes) -> None:
        """A proxy that does not answer, or an origin that says nothing to TLS."""
        async with serve(saying(answer, "hang")) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
            began = anyio.current_time()
            said = await reason(http, put("https://platform.test"))
            assert said == f"no connection within 10 s through the proxy {proxy.url} (HTTPS_PROXY)"
            assert anyio.current_time() - began == pytest.approx(10, abs=0.1)

    async def test_a_refused_tunnel_is_named(self) -> None:
        """The proxy's refusal is named."""
        refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        async with serve(saying(refusal, "hang")) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
            said = await reason(http, put("https://platform.test"))
        assert said == f"403 Forbidden through the proxy {proxy.url} (HTTPS_PROXY)"

    @pytest.mark.parametrize(
        ("answer", "then"),
        [
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "hang"),
            (b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "hang"),
            (b"", "hang"),
            (GRANTED, "close"),
            (GRANTED, "hang"),
        ],
    )
    async def test_a_failed_tunnel_never_shows_the_key_to_the_proxy(self, answer: bytes, then: str) -> None:
        """However a tunnel fails, the key never reaches the proxy; one that was refused says so."""
        async with serve(saying(answer, then)) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
            expected: Outcome = none(sent=False)
            if b" 407 " in answer:  # an answer, which names the proxy
                expected = 407, f"the proxy {proxy.url} (HTTPS_PROXY)".encode()
            for attempt in range(1, 3):
                assert await outcome(http, put("https://platform.test")) == expected
                assert proxy.accepted == attempt
        assert {request.line for request in proxy.requests} == {"CONNECT platform.test:443 HTTP/1.1"}
        assert all("authorization" not in request.headers for request in proxy.requests)

    async def test_a_lost_origin_is_ambiguous_and_no_fault_of_the_proxy(
        self, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        """Once the request is through the tunnel, its loss is ambiguous, and says nothing about the proxy."""

        async def hang_up(peer: Peer) -> None:
            await peer.request()

        async with (
            serve(hang_up, tls=tls) as origin,
            serve(tunnel_to(origin)) as proxy,
            transport(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(bundle)) as http,
        ):
            assert await outcome(http, put("https://platform.test")) == none(sent=True)
            assert "proxy" not in await reason(http, put("https://platform.test"))


class TestReasons:
    @pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
    async def test_a_missing_proxy_is_named_without_its_password(self, variable: str) -> None:
        """It is named with the variable that it came from, and without its password."""
        async with transport(**{variable: "http://user:pass-word@127.0.0.1:1"}) as http:
            assert await outcome(http, put("https://platform.test")) == none(sent=False)
            said = f"connection refused through the proxy http://127.0.0.1:1 ({variable})"
            assert await reason(http, put("https://platform.test")) == said
