"""Makes faults happen, at the level of the connection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from zerokie_action.sandbox.server import Connection

_PAGE = b"<!doctype html><title>Welcome</title><p>This is not the answer that you are looking for.</p>\n"
_MISSING_BYTES = 100
_PIECES = 10


@dataclass(slots=True)
class _Answer:
    """What the platform would have answered."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def keep(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")


async def inject(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901
    """Handle the request with `app`, but let `fault` happen."""
    connection: Connection = scope["state"]["connection"]
    match fault.kind:
        case Kind.DELAY:
            await asyncio.sleep(fault.seconds)
            await app(scope, receive, send)
            return
        case Kind.RESET_UPLOAD:
            await _read(receive, fault.size)
            await connection.reset()
            return

    answer = _Answer()
    if fault.after or fault.kind is Kind.SLOW:
        await app(scope, receive, answer.keep)
    else:
        await _read(receive)

    match fault.kind:
        case Kind.STATUS:
            body = (
                json.dumps({"error": HTTPStatus(fault.status).phrase}).encode()
                if fault.body is None
                else fault.body
            )
            await _send(send, fault.status, body, {"content-type": "application/json"} | fault.headers)
        case Kind.HTML:
            await _send(send, 200, _PAGE, {"content-type": "text/html"})
        case Kind.EMPTY:
            await _send(send, 200, b"", {})
        case Kind.TRUNCATED:
            await _send_half(send, answer)
            await connection.close()
        case Kind.SLOW:
            await _send_slowly(send, answer, fault.seconds)
        case Kind.RESET:
            await connection.reset()
        case Kind.HANG:
            await connection.lost.wait()


async def _read(receive: Receive, limit: float = float("inf")) -> None:
    """Read the request's body up to its end, or at least `limit` bytes."""
    size = 0
    more = True
    while more and size < limit:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _start(send: Send, status: int, length: int, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    await _start(send, status, len(body), headers)
    await send({"type": "http.response.body", "body": body})


async def _send_half(send: Send, answer: _Answer) -> None:
    status = answer.status if answer.body else 200  # a 204 would have no body to cut
    await _start(send, status, len(answer.body) + _MISSING_BYTES, {"content-type": "application/json"})
    body = bytes(answer.body[: len(answer.body) // 2])
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _send_slowly(send: Send, answer: _Answer, seconds: float) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    size = -(-len(answer.body) // _PIECES)
    for piece in range(_PIECES):
        await asyncio.sleep(seconds / _PIECES)
        body = bytes(answer.body[piece * size : (piece + 1) * size])
        await send({"type": "http.response.body", "body": body, "more_body": piece < _PIECES - 1})
