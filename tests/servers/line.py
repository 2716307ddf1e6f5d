"""A slow line between a client and a server."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PIECE = 4096


class Line:
    """Relays connections to a port of loopback as long as the `with` block, in a thread of its own.

    Args:
        port: where the server listens.
        rate: bytes a second in each direction, for all connections together.

    Attributes:
        url: where it listens.
    """

    def __init__(self, port: int, *, rate: float) -> None:
        self.url = ""
        self._port = port
        self._rate = rate
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        there, back = asyncio.Lock(), asyncio.Lock()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await asyncio.gather(
                    self._carry(reader, server_writer, there), self._carry(server_reader, writer, back)
                )
            finally:
                server_writer.close()
                writer.close()

        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        # What the line has not taken yet has to wait in the client's kernel, not in this one's.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with await asyncio.start_server(relay, sock=listener, limit=_PIECE):
            self._ready.set()
            await self._end.wait()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: asyncio.Lock
    ) -> None:
        while data := await reader.read(_PIECE):
            async with direction:
                await asyncio.sleep(len(data) / self._rate)
            writer.write(data)
            await writer.drain()
        writer.write_eof()
