"""The network stream under httpcore's connections: what a deploy needs and a client does not know.

- It listens while it sends a large body. A server that refuses an upload (413) answers and reads no more;
  httpcore reads only after the whole body, and would wait until the write times out.
- The head of a request goes out with the first piece of its body, which takes a tenth off the CPU time of an
  upload: one system call, and one TLS record.
- Timeouts are idle timeouts. The kernel takes megabytes at once, so bytes that it still delivers count as
  movement.
- A host name is looked up once. The next connections go to the address that answered.
"""

from __future__ import annotations

import fcntl
import ssl
import sys
import termios
from typing import TYPE_CHECKING, Any

import anyio
import httpcore

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

LARGE = 64 * 1024
"""Bytes of a body that the kernel takes at once; while more is sent, somebody has to listen."""
_PIECE = 64 * 1024
"""Bytes that have to be sent within the timeout."""
_LITTLE = 16 * 1024
"""Bytes that are not worth waiting for: they have arrived by now, or never will."""
_TIME_TO_LISTEN = 0.05
_INTERIM = b"HTTP/1.1 1"


class Traffic:
    """What moves on one connection.

    Attributes:
        received: bytes since the last request began.
        body_left: bytes of that request's body that were not handed out to be sent.
        is_sent: whether all of that request was sent.
        writes: how often something was written for it.
        holds_head: whether what is written next is a head that a body follows.
        listeners: where a stream listens while it sends; None where the body is not `LARGE`.
    """

    def __init__(self) -> None:
        self.listeners: TaskGroup | None = None
        self.begin_request(0, head_first=False)

    def begin_request(self, body_size: int, *, head_first: bool) -> None:
        """Count anew. `head_first`: what is written next is this request's head, and no CONNECT."""
        self.received = 0
        self.body_left = body_size
        self.is_sent = False
        self.writes = 0
        self.holds_head = head_first and body_size > 0


class Backend(httpcore.AnyIOBackend):
    """Connects to all addresses of a host at nearly the same time; later to the one that answered."""

    def __init__(self, traffic: Traffic, addresses: dict[tuple[str, int], str]) -> None:
        """Connect to nothing yet.

        Args:
            traffic: learns what moves.
            addresses: the address of each host and port that answered last; shared by all connections.
        """
        self._traffic = traffic
        self._addresses = addresses

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> _Stream:  # noqa: ANN401
        """Connect to a host, or to an address in brackets.

        Raises:
            httpcore.ConnectError: nothing answers, or the name can't be resolved.
            httpcore.ConnectTimeout: nothing answers in time.
        """
        address = self._addresses.get((host, port), host.strip("[]"))
        try:
            stream = await super().connect_tcp(address, port, *args, **options)
        except BaseException:
            self._addresses.pop((host, port), None)  # it may have moved
            raise
        peer = stream.get_extra_info("server_addr")
        if peer is None:
            await stream.aclose()
            raise httpcore.ConnectError("the connection was reset")
        self._addresses[host, port] = str(peer[0])
        return _Stream(stream, self._traffic)


class _Early:
    """What comes while a large body is sent.

    Attributes:
        received: set with the first of it, or when nothing can come any more.
        sending: cancelled then.
        data: what came; empty when the other side has closed the connection.
        error: why nothing can come.
    """

    def __init__(self) -> None:
        self.received = anyio.Event()
        self.sending = anyio.CancelScope()
        self.data = b""
        self.error: Exception | None = None


class _Stream(httpcore.AsyncNetworkStream):
    """One connection's bytes."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, traffic: Traffic) -> None:
        self._stream = stream
        self._traffic = traffic
        self._socket = stream.get_extra_info("socket")
        self._early: _Early | None = None
        self._head = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        unsent = self._unsent()
        while True:
            try:
                early = self._early
                data = await (
                    self._read_early(early, timeout) if early else self._stream.read(max_bytes, timeout)
                )
            except httpcore.ReadTimeout:
                before, unsent = unsent, self._unsent()
                if before <= _LITTLE or unsent >= before:
                    raise
            else:
                self._traffic.received += len(data)
                return data

    async def _read_early(self, early: _Early, timeout: float | None) -> bytes:  # noqa: ASYNC109
        with anyio.move_on_after(timeout):
            await early.received.wait()
            self._early = None
            if early.error:
                raise early.error
            return early.data
        raise httpcore.ReadTimeout

    async def _listen(self, early: _Early) -> None:
        try:
            early.data = await self._stream.read(_PIECE)
            while early.data.startswith(_INTERIM):  # the final response is still to come, or follows at once
                early.data = early.data.partition(b"\r\n\r\n")[2] or await self._stream.read(_PIECE)
        except (httpcore.ReadError, ssl.SSLError) as error:
            early.error = error
        early.received.set()
        early.sending.cancel()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if not buffer:
            return
        if self._traffic.holds_head:
            self._traffic.holds_head = False
            self._head = buffer
            return
        buffer, self._head = self._head + buffer, b""
        self._traffic.writes += 1
        if self._traffic.listeners and not self._early:
            self._early = _Early()
            self._traffic.listeners.start_soon(self._listen, self._early)
        for start in range(0, len(buffer), _PIECE):
            await self._write(buffer[start : start + _PIECE], timeout)
        self._traffic.is_sent = not self._traffic.body_left

    async def _write(self, piece: bytes, timeout: float | None) -> None:  # noqa: ASYNC109
        """Send a piece, unless the other side answers before it has the whole of a large body.

        Raises:
            httpcore.WriteError: then httpcore reads the response.
        """
        early = self._early
        if early is None:
            await self._send(piece, timeout)
            return
        with anyio.CancelScope() as early.sending:
            if self.get_extra_info("is_readable"):
                # A response, or something of TLS that is no data: then this is for nothing, once.
                await anyio.sleep(_TIME_TO_LISTEN)
            if not early.received.is_set():
                await self._send(piece, timeout)
                return
        raise httpcore.WriteError("the response came before the body was sent")

    async def _send(self, piece: bytes, timeout: float | None) -> None:  # noqa: ASYNC109
        try:
            await self._stream.write(piece, timeout)
        except (anyio.EndOfStream, ssl.SSLError) as error:  # a TLS alert, or no TLS
            raise httpcore.WriteError(str(error)) from error

    def _unsent(self) -> int:
        """Bytes that the kernel has taken and the other side has not."""
        try:
            count = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):
            return 0  # closed
        return int.from_bytes(count, sys.byteorder)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> _Stream:
        name = server_hostname and server_hostname.strip("[]")
        try:
            return _Stream(await self._stream.start_tls(ssl_context, name, timeout), self._traffic)
        except BaseException:
            await self.aclose()
            raise

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
