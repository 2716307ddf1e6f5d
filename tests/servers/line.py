"""A line between a client and a server: slow, far, and sometimes silent."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_PIECE = 4096
_END = b""


@dataclass
class _Direction:
    """All that goes one way: one byte after the other, whatever connection it is of."""

    rate: float
    delay: float
    stalls: list[tuple[int, float]] = field(default_factory=list)
    passed: int = 0
    free: float = 0.0

    def book(self, size: int) -> float:
        """Take the line for so many bytes, and return when it has taken them."""
        self.free = max(asyncio.get_running_loop().time(), self.free) + size / self.rate
        self.passed += size
        if self.stalls and self.passed >= self.stalls[0][0]:
            self.free += self.stalls.pop(0)[1]
        return self.free


class Line:
    """Relays connections to a port of loopback as long as the `with` block, in a thread of its own.

    Args:
        port: where the server listens.
        rate: bytes a second in each direction, for all connections together.
        delay: seconds that each byte takes in each direction.
        stalls: after how many bytes sent to the server the line stands still, and for how many seconds.

    Attributes:
        url: where it listens.
    """

    def __init__(
        self,
        port: int,
        *,
        rate: float = math.inf,
        delay: float = 0.0,
        stalls: Sequence[tuple[int, float]] = (),
    ) -> None:
        self.url = ""
        self._port = port
        self._there = _Direction(rate, delay, list(stalls))
        self._back = _Direction(rate, delay)
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
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        # What the line has not taken yet has to wait in the client's kernel, not in this one's.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tasks: set[asyncio.Task[None]] = set()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._relay(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async with await asyncio.start_server(accepted, sock=listener, limit=_PIECE):
            self._ready.set()
            await self._end.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port, limit=_PIECE)
            writers.append(back)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_carry(reader, back, self._there))
                tasks.create_task(_carry(there, writer, self._back))
        except* OSError:
            pass  # one side has gone, and so does the other one
        finally:
            for each in writers:
                each.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Direction) -> None:
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_arrive(under_way, writer))
        while data := await reader.read(_PIECE):
            taken = line.book(len(data))
            under_way.put_nowait((taken + line.delay, data))
            await _sleep_until(taken)
        under_way.put_nowait((line.book(0) + line.delay, _END))


async def _arrive(under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    while True:
        when, data = await under_way.get()
        await _sleep_until(when)
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()


async def _sleep_until(when: float) -> None:
    await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))
