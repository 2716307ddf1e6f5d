"""The network stream under httpcore's connections: what a deploy needs and a client does not know.

- It listens while it sends a large body. A server that refuses an upload (413) answers and reads no more;
  httpcore reads only after the whole body, and would wait until the write times out.
- Timeouts are idle timeouts. The kernel takes megabytes at once, so bytes that it still delivers count as
  movement.
- A host name is looked up once. The next connections go to the address that answered.
"""

from __future__ import annotations

import fcntl
import select
import ssl
import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
from anyio.streams.tls import TLSAttribute, TLSStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anyio.abc import TaskGroup

LARGE = 64 * 1024
"""Bytes of a body that the kernel takes at once; while more is sent, somebody has to listen."""
_PIECE = 64 * 1024
"""Bytes that have to be sent within the timeout."""
_LITTLE = 16 * 1024
"""Bytes that are not worth waiting for: they have arrived by now, or never will."""
_TIME_TO_LISTEN = 0.05
_INTERIM = b"HTTP/1.1 1"
_ENDED = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError)
"""What anyio raises when a connection carries nothing more. `SSLError`: a TLS alert, or no TLS."""


class Traffic:
    """What moves on one connection.

    Attributes:
        received: bytes since the last request began.
        body_left: bytes of that request's body that were not handed out to be sent.
        is_sent: whether all of that request was sent.
        writes: how often something was written for it; the first time through a new tunnel it is CONNECT.
        listeners: where a stream listens while it sends; None where the body is not `LARGE`.
    """

    def __init__(self) -> None:
        self.listeners: TaskGroup | None = None
        self.begin_request(0)

    def begin_request(self, body_size: int) -> None:
        """Count anew."""
        self.received = 0
        self.body_left = body_size
        self.is_sent = False
        self.writes = 0


class Backend(httpcore.AsyncNetworkBackend):
    """Connects with anyio, which tries all addresses of a host at nearly the same time."""

    def __init__(self, traffic: Traffic, addresses: dict[tuple[str, int], str]) -> None:
        """Connect to nothing yet.

        Args:
            traffic: learns what moves.
            addresses: the address of each host and port that answered last; shared by all connections.
        """
        self._traffic = traffic
        self._addresses = addresses

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host, or to an address in brackets.

        Raises:
            httpcore.ConnectError: nothing answers, or the name can't be resolved.
            httpcore.ConnectTimeout: nothing answers in time.
        """
        address = self._addresses.get((host, port), host.strip("[]"))
        try:
            with _connect_errors(), anyio.fail_after(timeout):
                stream, peer = await _connect(address, port, local_address)
        except BaseException:
            self._addresses.pop((host, port), None)  # it may have moved
            raise
        self._addresses[host, port] = peer
        return _Stream(stream, self._traffic)


async def _connect(host: str, port: int, local_host: str | None) -> tuple[anyio.abc.SocketStream, str]:
    """A connection, and the address that it leads to."""
    stream = await anyio.connect_tcp(host, port, local_host=local_host)
    peer = stream.extra(anyio.abc.SocketAttribute.remote_address, None)  # noqa: S610 - anyio's, not Django's
    if peer is None:  # the other side has reset it already
        await anyio.aclose_forcefully(stream)
        raise ConnectionResetError
    return stream, str(peer[0])


@contextmanager
def _connect_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout from error
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:  # ssl.SSLError is an OSError
        raise httpcore.ConnectError(str(error)) from error


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

    def __init__(self, stream: anyio.abc.ByteStream, traffic: Traffic) -> None:
        self._stream = stream
        self._traffic = traffic
        self._socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        self._early: _Early | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        unsent = self._unsent()
        while True:
            try:
                with anyio.fail_after(timeout):
                    early = self._early
                    data = await (self._receive_early(early) if early else self._receive(max_bytes))
            except TimeoutError as error:
                before, unsent = unsent, self._unsent()
                if before <= _LITTLE or unsent >= before:
                    raise httpcore.ReadTimeout from error
            else:
                self._traffic.received += len(data)
                return data

    async def _receive(self, max_bytes: int) -> bytes:
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def _receive_early(self, early: _Early) -> bytes:
        await early.received.wait()
        self._early = None
        if early.error:
            raise early.error
        return early.data

    async def _listen(self, early: _Early) -> None:
        try:
            early.data = await self._receive(_PIECE)
            while early.data.startswith(_INTERIM):  # the final response is still to come, or follows at once
                early.data = early.data.partition(b"\r\n\r\n")[2] or await self._receive(_PIECE)
        except (httpcore.ReadError, ssl.SSLError) as error:
            early.error = error
        early.received.set()
        early.sending.cancel()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if not buffer:
            return
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
        with anyio.move_on_after(timeout) as sending:
            if early:
                early.sending = sending
                if self._is_readable:
                    # A response, or something of TLS that is no data: then this is for nothing, once.
                    await anyio.sleep(_TIME_TO_LISTEN)
            if not early or not early.received.is_set():
                try:
                    await self._stream.send(piece)
                except _ENDED as error:
                    raise httpcore.WriteError(str(error)) from error
                return
        if early and early.received.is_set():
            raise httpcore.WriteError("the response came before the body was sent")
        raise httpcore.WriteTimeout

    def _unsent(self) -> int:
        """Bytes that the kernel has taken and the other side has not."""
        try:
            count = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):
            return 0  # closed
        return int.from_bytes(count, sys.byteorder)

    @property
    def _is_readable(self) -> bool:
        descriptor = self._socket.fileno()
        if descriptor < 0:  # asyncio has closed it, and something else may have the number by now
            return True
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        return bool(waiting.poll(0))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        name = server_hostname.strip("[]") if server_hostname else None
        try:
            with _connect_errors(), anyio.fail_after(timeout):
                stream = await TLSStream.wrap(
                    self._stream, hostname=name, ssl_context=ssl_context, standard_compatible=False
                )
        except BaseException:
            await self.aclose()
            raise
        return _Stream(stream, self._traffic)

    def get_extra_info(self, info: str) -> object:
        """What httpcore asks for: whether an idle connection was closed, and what TLS agreed on."""
        if info == "is_readable":
            return self._is_readable
        if info == "ssl_object":
            return self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - anyio's, not Django's
        return None
