"""The transport, byte by byte: what it sends, what a server may do, and which connections are used again."""

import gzip
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
import trustme

from tests.http.servers import FINE, Handler, Peer, always, context_for, fine, first, serve
from tests.http.transports import Outcome, none, outcome, put, reason, transport

OK = b"HTTP/1.1 200 OK\r\n"
MOST = 1000
CHUNK = 100_000


@dataclass
class Large:
    """A large body that notes how much of it was asked for."""

    count: int = 1000
    drawn: int = 0

    @property
    def size(self) -> int:
        return self.count * CHUNK

    def chunks(self) -> Iterator[bytes]:
        for number in range(self.count):
            self.drawn += CHUNK
            yield bytes([number % 256]) * CHUNK


ANSWERS: dict[str, tuple[bytes, str, Outcome]] = {
    # name: what comes, what the server does then, what is made of it
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", "keep", (204, b"")),
    "as large as allowed": (OK + b"Content-Length: 1000\r\n\r\n" + b"x" * MOST, "keep", (200, b"x" * MOST)),
    "too large": (OK + b"Content-Length: 50000\r\n\r\n" + b"x" * 50_000, "hang", none(sent=True)),
    "nothing": (b"", "close", none(sent=True)),
    "silence": (b"", "hang", none(sent=True)),
    "half a body": (OK + b"Content-Length: 10\r\n\r\nhello", "close", none(sent=True)),
}


def answering(answer: bytes, then: str) -> Handler:
    """Read the request, answer, and go on as told."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        if then == "hang":
            await peer.gone()
        elif then == "keep":
            await fine(peer)

    return handle


class TestAnswers:
    @pytest.mark.parametrize("name", ANSWERS)
    async def test_what_a_server_does(self, name: str) -> None:
        """The outcome is the one in the table, and the next request is fine."""
        answer, then, expected = ANSWERS[name]
        async with serve(first(answering(answer, then))) as server, transport() as http:
            assert await outcome(http, put(server.url, max_body=MOST)) == expected
            assert await outcome(http, put(server.url)) == (200, b"fine")
        assert [request.body for request in server.requests] == [b"hello", b"hello"]
        assert server.accepted == (1 if then == "keep" else 2)

    async def test_a_coding_that_nobody_asked_for(self) -> None:
        """A small body is not inflated to a large one: it stays as it came."""
        bomb = gzip.compress(bytes(5_000_000))
        async with serve(always(200, bomb, "Content-Encoding: gzip")) as server, transport() as http:
            assert await outcome(http, put(server.url)) == (200, bomb)

    async def test_a_reason_is_bounded(self) -> None:
        """What an error quotes of an answer may be anything."""
        answer = b"SSH-2.0 " + b"x" * 50_000 + b"\r\n\r\n"
        async with serve(answering(answer, "hang")) as server, transport() as http:
            said = await reason(http, put(server.url))
        assert "SSH-2.0 xxx" in said
        assert len(said) < 300


class TestLargeBodies:
    async def test_a_reader_that_stalls(self) -> None:
        """No more is read than the network takes, and it is given up when nothing moves."""

        async def stall(peer: Peer) -> None:
            await peer.head()
            await anyio.sleep(10_000)

        body = Large(2000)
        async with serve(stall) as server, transport() as http:
            began = anyio.current_time()
            assert await reason(http, put(server.url, body, timeout=30)) == "no answer within 30 s"
            assert anyio.current_time() - began == pytest.approx(30, abs=1)
        assert body.drawn < 20_000_000

    @pytest.mark.parametrize("secure", [False, True])
    async def test_refused_early(self, *, secure: bool, tls: ssl.SSLContext, bundle: Path) -> None:
        """An answer before the end of the body is seen where the server reads on, as nginx and HAProxy do."""

        async def handle(peer: Peer) -> None:
            head = await peer.head()
            await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            await peer.reader.readexactly(int(head.headers["content-length"]))
            await fine(peer)

        async with (
            serve(first(handle), tls=tls if secure else None) as server,
            transport(SSL_CERT_FILE=str(bundle)) as http,
        ):
            assert await outcome(http, put(server.url, Large(200))) == (413, b"big")
            assert await outcome(http, put(server.url)) == (200, b"fine")


class TestConnections:
    @pytest.mark.parametrize(("idle", "accepted"), [(3, 1), (5, 2)])
    async def test_idle_for_a_while(
        self, idle: float, accepted: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After four seconds it is not used again: the other side may be about to close it."""
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        async with serve(fine) as server, transport() as http:
            assert await outcome(http, put(server.url)) == (200, b"fine")
            now += idle
            assert await outcome(http, put(server.url)) == (200, b"fine")
        assert server.accepted == accepted

    async def test_closed_while_idle(self) -> None:
        """It is replaced, and what it said unasked is nobody's answer."""

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(FINE)
            await anyio.sleep(1)
            await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

        async with serve(handle) as server, transport() as http:
            for _ in range(3):
                assert await outcome(http, put(server.url)) == (200, b"fine")
                await anyio.sleep(2)
        assert server.accepted == 3

    async def test_an_error_drops_the_idle_ones(self) -> None:
        """They are likely to be dead as well. Those in use go on, and are used again."""

        async def handle(peer: Peer) -> None:
            while True:
                request = await peer.request()
                await anyio.sleep(1 if request.body == b"slow" else 0)
                if request.body == b"lost":
                    return
                await peer.send(FINE)

        async with serve(handle) as server, transport() as http:
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(outcome, http, put(server.url))
            assert server.accepted == 3
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outcome, http, put(server.url, b"slow"))
                await anyio.sleep(0.1)
                assert await outcome(http, put(server.url, b"lost")) == none(sent=True)
            assert await outcome(http, put(server.url)) == (200, b"fine")
            assert server.accepted == 3
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(outcome, http, put(server.url, b"slow"))
        assert server.accepted == 4

    @pytest.mark.parametrize("sent", [b"", FINE[:-2]])
    async def test_cancelled(self, sent: bytes) -> None:
        """A cancelled request takes its connection with it: nobody reads its answer for another's."""
        ended = anyio.Event()

        async def handle(peer: Peer) -> None:
            await peer.request()
            await peer.send(sent)
            await peer.gone()
            ended.set()

        async with serve(first(handle)) as server, transport() as http:
            with anyio.move_on_after(5) as scope:
                await http.handle_async_request(put(server.url))
            assert scope.cancelled_caught
            await ended.wait()
            assert await outcome(http, put(server.url)) == (200, b"fine")
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

    async def test_deaf(self, deaf: int) -> None:
        """Connecting has its own, shorter time."""
        async with transport() as http:
            began = anyio.current_time()
            assert await reason(http, put(f"http://127.0.0.1:{deaf}")) == "no connection within 10 s"
            assert anyio.current_time() - began == pytest.approx(10, abs=0.1)
            assert await outcome(http, put(f"http://127.0.0.1:{deaf}")) == none(sent=False)

    @pytest.mark.parametrize("trusted", [False, True])
    async def test_a_certificate(
        self, *, trusted: bool, tls: ssl.SSLContext, authority: trustme.CA, bundle: Path
    ) -> None:
        """Its authority has to be known, and its name the host's."""
        env = {"SSL_CERT_FILE": str(bundle)} if trusted else {}
        untrusted = none(sent=False, final=True)
        async with serve(fine, tls=tls) as server, transport(**env) as http:
            assert await outcome(http, put(server.url)) == ((200, b"fine") if trusted else untrusted)
        async with serve(fine, tls=context_for(authority, "other.test")) as server, transport(**env) as http:
            assert await outcome(http, put(server.url)) == untrusted
