"""uvicorn's HTTP/1.1 protocol without timers, and with a hold on the TCP connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(H11Protocol):
    """One connection. The application finds it in `scope["state"]["connection"]`.

    Attributes:
        lost: set once the connection is gone, whoever ended it.
    """

    def __init__(self, config: Config, server_state: ServerState) -> None:
        """Begin as asyncio wants it, one protocol for each connection."""
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
        """End the connection after what was written so far."""
        self.transport.close()
        await self.lost.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake up who waits for `lost`."""
        super().connection_lost(exc)
        self.lost.set()

    def on_response_complete(self) -> None:
        """Keep the connection for ever: a virtual clock would jump to the end of a keep-alive time-out."""
        super().on_response_complete()
        self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with an error in the reference's format."""
        body = json.dumps({"error": msg}).encode()
        headers: list[tuple[str, str]] = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        events: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason="Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
