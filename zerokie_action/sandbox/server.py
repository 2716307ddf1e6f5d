"""Serves a platform on the current event loop, without threads, timers or signal handlers."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from zerokie_action.sandbox.app import Sandbox
from zerokie_action.sandbox.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zerokie_action.sandbox.platform import Platform

_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol without timers, and with a hold on the TCP connection.

    The application finds it in `scope["state"]["connection"]`.

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


class Server:
    """A server that listens.

    Attributes:
        url: `http://127.0.0.1:40123`, without a slash at the end.
        platform: what it serves.
    """

    def __init__(self, platform: Platform, host: str) -> None:
        """Not listening yet."""
        self.url = ""
        self.platform = platform
        self.state = ServerState()
        self._host = host
        self._port = 0
        self._config = Config(
            Sandbox(platform, any_host=not is_loopback(host)),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        self._config.load()
        self._listener: asyncio.Server | None = None

    async def listen(self, port: int) -> None:
        """Take connections; port 0 means any free one."""
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._config, self.state), self._host, port, backlog=self._config.backlog
        )
        self._port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    def stop_listening(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            self._listener.close()

    def go_away(self, seconds: float) -> None:
        """Reset all connections, and refuse new ones for so long."""

        async def away() -> None:
            self.stop_listening()
            # Bound, and deaf: nobody else gets the port meanwhile.
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            with socket.socket(family) as place:
                place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                place.bind((self._host, self._port))
                await self._reset_for(seconds)

        self.state.tasks.add(asyncio.create_task(away()))

    async def _reset_for(self, seconds: float) -> None:
        for connection in tuple(self.state.connections):
            assert isinstance(connection, Connection)  # noqa: S101  no other kind is created
            await connection.reset()
        await asyncio.sleep(seconds)
        await self.listen(self._port)


@asynccontextmanager
async def serve(platform: Platform, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Listen until the block ends; port 0 means any free one.

    This is uvicorn's protocol without uvicorn's server, whose main loop ticks ten times a second: client and
    platform can share an event loop with a virtual clock. At the end all connections are cut.
    """
    server = Server(platform, host)
    await server.listen(port)
    platform.base_url = server.url
    try:
        yield server
    finally:
        server.stop_listening()
        await _cut(server.state)


async def _cut(state: ServerState) -> None:
    tasks, connections = list(state.tasks), list(state.connections)
    for connection in connections:
        connection.transport.abort()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for connection in connections:
        assert isinstance(connection, Connection)  # noqa: S101  no other kind is created
        await connection.lost.wait()
