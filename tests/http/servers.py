"""Servers on loopback that send exact bytes.

No HTTP library would send or show these bytes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import trustme

Handler = Callable[["Peer"], Awaitable[None]]

DEADLOCK = 100_000.0
"""Virtual seconds after which a test fails, because nothing more can happen."""

GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as its bytes arrived."""

    line: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


@dataclass
class Peer:
    """One accepted connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: Server

    async def head(self) -> Received:
        """Read a request's head, with header names in lower case."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = raw.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        pairs = (text.split(": ", 1) for text in fields)
        return Received(line, {name.lower(): value for name, value in pairs})

    async def request(self) -> Received:
        """Read a whole request and note it."""
        head = await self.head()
        body = await self.reader.readexactly(int(head.headers.get("content-length", "0")))
        received = Received(head.line, head.headers, body)
        self.server.requests.append(received)
        return received

    async def send(self, *pieces: bytes) -> None:
        """Send each piece in a separate packet."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Read until the client closes the connection."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """End the connection with a TCP RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Server:
    """A server that listens on loopback.

    Attributes:
        requests: what `Peer.request` read, in order.
        accepted: the number of accepted connections.
    """

    port: int = 0
    secure: bool = False
    requests: list[Received] = field(default_factory=list)
    accepted: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"


@asynccontextmanager
async def serve(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run `handler` for each connection, then close the connection."""
    server = Server(secure=tls is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.accepted += 1
        try:
            await handler(Peer(reader, writer, server))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client closed the connection, or the test is over
        finally:
            tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    listener = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        with anyio.fail_after(DEADLOCK):
            yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def fine(peer: Peer) -> None:
    """Respond to every request with 200."""
    while True:
        await peer.request()
        await peer.send(FINE)


async def reset(peer: Peer) -> None:
    """Reset the connection immediately, even before a TLS handshake."""
    peer.reset()


def always(status: int, body: bytes = b"", *headers: str) -> Handler:
    """Return a handler that sends the same response to every request."""
    fields = "".join(f"{header}\r\n" for header in headers)
    length = f"Content-Length: {len(body)}\r\n" if status != 204 else ""

    async def handle(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(f"HTTP/1.1 {status} X\r\n{fields}{length}\r\n".encode() + body)

    return handle


def first(handler: Handler) -> Handler:
    """Return a handler that runs `handler` for the first connection and `fine` for the others."""

    async def handle(peer: Peer) -> None:
        await (handler(peer) if peer.server.accepted == 1 else fine(peer))

    return handle


def tunnel_to(origin: Server) -> Handler:
    """Return a proxy that connects every client to `origin`."""

    async def handle(peer: Peer) -> None:
        request = await peer.request()
        assert request.line.startswith("CONNECT ")
        reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
        await peer.send(GRANTED)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_pipe, peer.reader, writer, tasks.cancel_scope)
                tasks.start_soon(_pipe, reader, peer.writer, tasks.cancel_scope)
        finally:
            writer.close()

    return handle


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: anyio.CancelScope) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    both.cancel()


def context_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return a server's TLS context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
