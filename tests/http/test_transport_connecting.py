"""Reaching a server: the client and its bare transport, with and without TLS."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.http.servers import Peer, context_for, fine, serve
from tests.http.transports import KINDS, none, outcome, transport

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import trustme


@pytest.mark.parametrize("kind", KINDS)
class TestConnecting:
    """What fails before the request was sent is known not to have reached the platform."""

    async def test_refused(self, kind: str, refused: int) -> None:
        async with transport(kind, f"http://127.0.0.1:{refused}") as carrier:
            assert await outcome(carrier) == none(sent=False)

    async def test_no_answer_to_the_call(self, kind: str, deaf: int) -> None:
        async with transport(kind, f"http://127.0.0.1:{deaf}") as carrier:
            assert await outcome(carrier) == none(sent=False)

    async def test_reset_at_once(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The other side may reset a connection before anybody looks at it: then its socket has no peer."""

        def no_peer(_: socket.socket) -> Any:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

        async with serve(fine) as server, transport(kind, server.url) as carrier:
            monkeypatch.setattr(socket.socket, "getpeername", no_peer)
            assert await outcome(carrier) == none(sent=False)

    async def test_unknown_name(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        async with transport(kind, "http://platform.test") as carrier:
            assert await outcome(carrier) == none(sent=False)

    async def test_certificate_of_an_unknown_authority(self, kind: str, tls: ssl.SSLContext) -> None:
        async with serve(fine, tls=tls) as server, transport(kind, server.url) as carrier:
            assert await outcome(carrier) == none(sent=False, final=True)

    async def test_certificate_for_another_host(self, kind: str, authority: trustme.CA, bundle: Path) -> None:
        context = context_for(authority, "other.test")
        env = {"SSL_CERT_FILE": str(bundle)}
        async with (
            serve(fine, tls=context) as server,
            transport(kind, server.url, env) as carrier,
        ):
            assert await outcome(carrier) == none(sent=False, final=True)

    async def test_certificate_that_is_trusted(self, kind: str, tls: ssl.SSLContext, bundle: Path) -> None:
        """With the private authority named in SSL_CERT_FILE, the same server is fine."""
        env = {"SSL_CERT_FILE": str(bundle)}
        async with (
            serve(fine, tls=tls) as server,
            transport(kind, server.url, env) as carrier,
        ):
            assert await outcome(carrier) == (200, b"fine")
            assert await outcome(carrier) == (200, b"fine")
        assert server.accepted == 1

    async def test_no_tls_there(self, kind: str) -> None:
        """A handshake that nobody answers is given up."""
        async with (
            serve(Peer.gone) as server,
            transport(kind, server.url.replace("http:", "https:")) as carrier,
        ):
            assert await outcome(carrier) == none(sent=False)

    async def test_closed_at_the_handshake(self, kind: str) -> None:
        async def hang_up(peer: Peer) -> None:
            await peer.reader.read(1)

        async with (
            serve(hang_up) as server,
            transport(kind, server.url.replace("http:", "https:")) as carrier,
        ):
            assert await outcome(carrier) == none(sent=False)

    async def test_something_else_than_tls(self, kind: str) -> None:
        async def talk(peer: Peer) -> None:
            await peer.send(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n")
            await peer.gone()

        async with serve(talk) as server, transport(kind, server.url.replace("http:", "https:")) as carrier:
            assert await outcome(carrier) == none(sent=False, final=True)
