"""Requests and responses at the level of the socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.server import Server


@dataclass
class Wire:
    """A TCP connection to the platform."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, server: Server) -> Wire:
        host, port = server.url.removeprefix("http://").rsplit(":", 1)
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> None:
        """Send the connection's only request, by default with the key and Content-Length."""
        fields = {
            "host": "127.0.0.1",
            "authorization": "Bearer sandbox-key",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def close(self) -> None:
        """Close the connection in any state."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def answer(self) -> tuple[int, str]:
        """Read until the connection ends, and return the status and the received part of the body."""
        head, _, body = (await self.reader.read()).decode().partition("\r\n\r\n")
        return int(head.split()[1]), body


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  any state of the platform may be waited for
            await asyncio.sleep(0)
