"""The transport for uploads: large bodies, and what cuts them short."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from tests.http.servers import FINE, Peer, fine, first, pause, serve
from tests.http.transports import none, outcome, put, reason, transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNK = 100_000


@dataclass
class Stream:
    """A large body that notes how much of it was asked for."""

    count: int
    drawn: int = 0
    before: Callable[[int], None] = field(default=lambda _: None)

    @property
    def size(self) -> int:
        return self.count * CHUNK

    def chunks(self) -> Iterator[bytes]:
        for number in range(self.count):
            self.before(number)
            self.drawn += CHUNK
            yield bytes([number % 256]) * CHUNK


@dataclass
class Whole:
    """A large body in one piece."""

    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        yield self.content


class TestLargeBodies:
    async def test_no_more_is_read_than_the_network_takes(self) -> None:
        """While the other side does not read, the file is not read either: memory stays small."""

        async def stall(peer: Peer) -> None:
            await peer.head()
            await pause(10_000)

        body = Stream(2000)
        async with serve(stall) as server, transport("transport", server.url) as carrier:
            began = anyio.current_time()
            assert await reason(carrier, put(body, timeout=30)) == "no answer within 30 s"
            assert anyio.current_time() - began == pytest.approx(30, abs=1)
        assert body.drawn < 20_000_000

    async def test_a_slow_reader(self) -> None:
        """The time-out counts for each piece: slow is not dead."""

        async def sip(peer: Peer) -> None:
            head = await peer.head()
            left = int(head.headers["content-length"])
            while left:
                piece = await peer.reader.read(200_000)
                left -= len(piece)
                await pause(1)
            await peer.send(FINE)
            await peer.gone()

        body = Stream(300)
        async with serve(sip) as server, transport("transport", server.url) as carrier:
            began = anyio.current_time()
            assert await outcome(carrier, put(body, timeout=60)) == (200, b"fine")
            assert anyio.current_time() - began > 100

    async def test_a_slow_link(self) -> None:
        """What counts is that something moves, however large the pieces are that the file is read in."""

        async def sip(peer: Peer) -> None:
            head = await peer.head()
            left = int(head.headers["content-length"])
            while left:
                left -= len(await peer.reader.read(200_000))
                await pause(1)
            await peer.send(FINE)
            await peer.gone()

        content = bytes(40_000_000)
        async with serve(sip) as server, transport("transport", server.url) as carrier:
            whole = Whole(content)
            assert await outcome(carrier, put(whole, timeout=60)) == (200, b"fine")

    @pytest.mark.parametrize("status", [200, 201, 204])
    async def test_all_is_well_too_early(self, status: int) -> None:
        """Who answers before the body was sent has not stored it."""

        async def handle(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n" % status)
            await peer.gone()

        async with serve(first(handle)) as server, transport("transport", server.url) as carrier:
            assert await reason(carrier, put(Stream(1000))) == "the response came before the body was sent"
            assert await outcome(carrier) == (200, b"fine")

    @pytest.mark.parametrize("then", ["close", "reset", "hang", "read on"])
    @pytest.mark.parametrize("secure", [False, True])
    async def test_refused_early(self, *, secure: bool, then: str, tls: ssl.SSLContext, bundle: Path) -> None:
        """A refusal is seen long before the whole body is sent, whatever the server does after it."""

        async def handle(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            if then == "reset":
                await pause(0)
                peer.reset()
            elif then == "hang":
                await pause(10_000)
            elif then == "read on":
                await peer.gone()

        body = Stream(1000)
        env = {"SSL_CERT_FILE": str(bundle)}
        async with (
            serve(first(handle), tls=tls if secure else None) as server,
            transport("transport", server.url, env) as carrier,
        ):
            began = anyio.current_time()
            assert await outcome(carrier, put(body)) == (413, b"big")
            assert anyio.current_time() - began < 5
            assert await outcome(carrier) == (200, b"fine")
        assert body.drawn < 30_000_000

    @pytest.mark.parametrize("secure", [False, True])
    async def test_a_reset(self, *, secure: bool, tls: ssl.SSLContext, bundle: Path) -> None:
        """Without a response it is named as what it is, and another attempt may help."""

        async def handle(peer: Peer) -> None:
            await peer.head()
            peer.reset()

        env = {"SSL_CERT_FILE": str(bundle)}
        async with (
            serve(first(handle), tls=tls if secure else None) as server,
            transport("transport", server.url, env) as carrier,
        ):
            assert await reason(carrier, put(Stream(1000))) == "the connection was reset"
            assert await outcome(carrier) == (200, b"fine")

    async def test_tls_breaks_early(self, tls: ssl.SSLContext, bundle: Path) -> None:
        """What is no TLS ends the connection; it is no answer, and another attempt may help."""

        async def handle(peer: Peer) -> None:
            await peer.head()
            os.write(peer.writer.get_extra_info("socket").fileno(), b"this is no record of TLS")
            await peer.gone()

        async with (
            serve(first(handle), tls=tls) as server,
            transport("transport", server.url, {"SSL_CERT_FILE": str(bundle)}) as carrier,
        ):
            assert await outcome(carrier, put(Stream(1000))) == none(sent=True)
            assert await outcome(carrier) == (200, b"fine")

    async def test_a_body_that_is_not_what_it_was_to_be(self) -> None:
        """An error of the content is raised as it is; the server never sees a complete request."""

        def fail(number: int) -> None:
            if number == 7:
                raise LookupError("the file changed")

        async with serve(first(fine)) as server, transport("transport", server.url) as carrier:
            with pytest.raises(LookupError, match="the file changed"):
                await carrier.send(put(Stream(10, before=fail)))
            assert await outcome(carrier) == (200, b"fine")
        assert [request.body for request in server.requests] == [b"hello"]
        assert server.accepted == 2

    async def test_over_tls(self, tls: ssl.SSLContext, bundle: Path) -> None:
        """A large body arrives the same through TLS."""
        async with (
            serve(fine, tls=tls) as server,
            transport("transport", server.url, {"SSL_CERT_FILE": str(bundle)}) as carrier,
        ):
            assert await outcome(carrier, put(Stream(50))) == (200, b"fine")
        assert server.requests[0].body == b"".join(Stream(50).chunks())


class TestCancellation:
    @pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi"])
    async def test_while_waiting_for_the_answer(self, sent: bytes) -> None:
        """A cancelled request takes its connection with it: nobody reads its answer for another's."""
        ended = asyncio.Event()

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(sent)
            await peer.gone()
            ended.set()

        async with serve(first(handle)) as server, transport("transport", server.url) as carrier:
            with anyio.move_on_after(5) as scope:
                await carrier.send(put())
            assert scope.cancelled_caught
            assert await outcome(carrier) == (200, b"fine")
            await ended.wait()
        assert server.accepted == 2

    async def test_while_the_file_is_read(self) -> None:
        """A read that hangs does not hold up a cancellation."""
        waiting, release = threading.Event(), threading.Event()

        def hang(number: int) -> None:
            if number == 3:
                waiting.set()
                release.wait(10)

        async with serve(first(fine)) as server, transport("transport", server.url) as carrier:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(carrier.send, put(Stream(10, before=hang)))
                    await anyio.to_thread.run_sync(waiting.wait)
                    tasks.cancel_scope.cancel()
            finally:
                release.set()
            assert await outcome(carrier) == (200, b"fine")
        assert [request.body for request in server.requests] == [b"hello"]

    async def test_while_connecting(self, deaf: int) -> None:
        """Nothing remains of a connection that was not made."""
        async with transport("transport", f"http://127.0.0.1:{deaf}") as carrier:
            with anyio.move_on_after(5) as scope:
                await carrier.send(put())
            assert scope.cancelled_caught
