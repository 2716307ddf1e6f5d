"""The network stream under httpcore's connections: what a deploy needs and a client does not know.

- It listens while it sends a large body. A server that refuses an upload (413) answers and reads no more;
  httpcore reads only after the whole body, and would wait until the write times out.
- The head of a request goes out with the first piece of its body: one system call, and one TLS record.
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

_PIECE = 64 * 1024
"""Bytes that the kernel takes at once; while more is sent, it listens for an early response."""
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
        cut_short: whether a response came before that request was sent.
        holds_head: whether what is written next is a head that a body follows.
    """

    def __init__(self) -> None:
        self.begin_request(0)

    def begin_request(self, body_size: int, *, head_first: bool = False) -> None:
        """Count anew. `head_first`: what is written next is this request's head, and no CONNECT."""
        self.received = 0
        self.body_left = body_size
        self.cut_short = False
        self.holds_head = head_first and body_size > 0


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


class _Stream(httpcore.AsyncNetworkStream):
    """One connection's bytes."""

    def __init__(self, stream: anyio.abc.ByteStream, traffic: Traffic) -> None:
        self._stream = stream
        self._traffic = traffic
        self._socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        self._head = b""
        self._early: bytes | None = None
        """What came while the body was sent; empty when the other side closed the connection then."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._early is not None:
            data, self._early = self._early, None
        else:
            data = await self._read(max_bytes, timeout)
        self._traffic.received += len(data)
        return data

    async def _read(self, max_bytes: int, timeout: float | None) -> bytes:  # noqa: ASYNC109
        unsent = self._unsent()
        while True:
            try:
                with anyio.fail_after(timeout):
                    return await self._stream.receive(max_bytes)
            except anyio.EndOfStream:
                return b""
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise httpcore.ReadError(str(error)) from error
            except TimeoutError as error:
                before, unsent = unsent, self._unsent()
                if before <= _LITTLE or unsent >= before:
                    raise httpcore.ReadTimeout from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if not buffer:
            return
        if self._traffic.holds_head:
            self._traffic.holds_head = False
            self._head = buffer
            return
        buffer, self._head = self._head + buffer, b""
        if len(buffer) + self._unsent() <= _PIECE:
            await self._write(buffer)
            return
        for start in range(0, len(buffer), _PIECE):
            end = min(start + _PIECE, len(buffer))
            is_last = end == len(buffer) and not self._traffic.body_left
            await self._write_and_listen(buffer[start:end], timeout, is_last=is_last)

    async def _write(self, piece: bytes) -> None:
        try:
            await self._stream.send(piece)
        except _ENDED as error:
            raise httpcore.WriteError(str(error)) from error

    async def _write_and_listen(
        self,
        piece: bytes,
        timeout: float | None,  # noqa: ASYNC109
        *,
        is_last: bool,
    ) -> None:
        """Send a piece of a large body, unless the other side answers before it has the whole.

        Raises:
            httpcore.WriteError: then httpcore reads the response.
        """
        failure: Exception | None = None
        is_sent = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, tasks.cancel_scope)
            try:
                with anyio.fail_after(timeout):
                    if self._is_readable:
                        # A response, or something of TLS that is no data: then this is for nothing, once.
                        await anyio.sleep(_TIME_TO_LISTEN)
                    await self._write(piece)
                is_sent = is_last
            except (httpcore.WriteError, TimeoutError) as error:
                failure = error
            tasks.cancel_scope.cancel()
        if self._early is not None and not is_sent:
            self._traffic.cut_short = True
            raise httpcore.WriteError("the response came before the body was sent")
        if isinstance(failure, TimeoutError):
            raise httpcore.WriteTimeout from failure
        if failure is not None:
            raise failure

    async def _listen(self, sending: anyio.CancelScope) -> None:
        try:
            data = await self._stream.receive(_PIECE)
            while data.startswith(_INTERIM):  # the final response is still to come, or follows at once
                data = data.partition(b"\r\n\r\n")[2] or await self._stream.receive(_PIECE)
        except _ENDED:
            data = b""
        self._early = data
        sending.cancel()

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
