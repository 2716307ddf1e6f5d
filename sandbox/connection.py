"""Client connections, and the effects of faults on them."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from sandbox.faults import Fault, Kind

_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol without timers, and with access to the TCP connection.

    The application finds the connection in `scope["state"]["connection"]`.

    Attributes:
        lost: set after either side ended the connection.
    """

    def __init__(self, config: Config, server_state: ServerState) -> None:
        """Called by asyncio for each connection."""
        super().__init__(config, server_state, {"connection": self})
        self.lost = asyncio.Event()

    async def reset(self) -> None:
        """End the connection with a TCP RST."""
        if self.lost.is_set():
            return
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()
        await self.lost.wait()

    async def close(self) -> None:
        """End the connection after the data written so far."""
        self.transport.close()
        await self.lost.wait()

    async def drip(self, start: bytes, again: bytes) -> None:
        """Send `start`, then `again` each second until the client ends the connection."""
        self.transport.write(start)
        while not self.lost.is_set():
            await asyncio.sleep(1)
            self.transport.write(again)

    def connection_lost(self, exc: Exception | None) -> None:
        """Set `lost`."""
        super().connection_lost(exc)
        self.lost.set()

    def on_response_complete(self) -> None:
        """Keep the connection open, because a virtual clock would jump to the end of a keep-alive timeout."""
        super().on_response_complete()
        self._unset_keepalive_if_required()


_landing: set[asyncio.Task[None]] = set()
"""Tasks of delayed requests. asyncio keeps only weak references, so a task could disappear."""
_PAGE = b"<!doctype html><title>Welcome</title><p>This is not the answer that you are looking for.</p>\n"
_MISSING_BYTES = 100
_DRIPS = {
    Kind.DRIP: (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b" "),
    Kind.PROCESSING: (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@dataclass(slots=True)
class _Answer:
    """Collects the platform's response before the client gets it."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def keep(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")


async def inject(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle the request with `app` and the fault."""
    connection: Connection = scope["state"]["connection"]
    if fault.kind is Kind.DELAY:
        await asyncio.sleep(fault.seconds)
        await app(scope, receive, send)
        return
    answer = _Answer()
    await _take_effect(fault, app, scope, receive, answer.keep)
    match fault.kind:
        case Kind.STATUS | Kind.LATE:
            error = json.dumps({"error": HTTPStatus(fault.status).phrase}).encode()
            headers = {"content-type": "application/json"} | fault.headers
            body = error if fault.body is None else fault.body
            await Response(body, fault.status, headers)(scope, receive, send)
        case Kind.HTML:
            await HTMLResponse(_PAGE)(scope, receive, send)
        case Kind.EMPTY:
            await Response()(scope, receive, send)
        case Kind.TRUNCATED:
            await _send_half(send, answer)
            await connection.close()
        case Kind.RESET | Kind.RESET_UPLOAD:
            await connection.reset()
        case Kind.HANG:
            await connection.lost.wait()
        case Kind.DRIP | Kind.PROCESSING:
            await connection.drip(*_DRIPS[fault.kind])


async def _take_effect(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Read the request's body, and apply the request now, later or never."""
    if fault.after:
        await app(scope, receive, send)
        return
    body = await _read(receive, fault.size or float("inf"))
    if fault.kind is Kind.LATE:
        _land(fault.seconds, app, scope, body, send)


async def _read(receive: Receive, limit: float) -> bytes:
    """Read the request's body until its end, or until it has at least `limit` bytes."""
    body, more = bytearray(), True
    while more and len(body) < limit:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _land(seconds: float, app: ASGIApp, scope: Scope, body: bytes, send: Send) -> None:
    """Apply a request after some seconds, even if its connection ends before."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def land() -> None:
        await app(scope, receive, send)

    def begin() -> None:
        task = asyncio.create_task(land())
        _landing.add(task)
        task.add_done_callback(_landing.discard)

    asyncio.get_running_loop().call_later(seconds, begin)


async def _send_half(send: Send, answer: _Answer) -> None:
    status = answer.status if answer.body else 200  # a 204 has no body to cut
    length = str(len(answer.body) + _MISSING_BYTES).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = bytes(answer.body[: len(answer.body) // 2])
    await send({"type": "http.response.body", "body": body, "more_body": True})
