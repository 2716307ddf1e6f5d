"""One HTTP/1.1 connection over a byte stream.

A connection carries one request at a time. It is reused only if the last exchange left no data.
Otherwise, an unexpected second response could be mistaken for the response to the next request.
"""

import math
import select
import ssl
from collections.abc import AsyncIterable
from contextlib import closing, suppress
from typing import cast

import anyio
import httpx
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute

from zerokie_action.errors import unwrap
from zerokie_action.http.request import MEGABYTE, RequestOptions
from zerokie_action.http.response import IncomingResponse
from zerokie_action.text.numbers import human_seconds

_PIECE = 64 * 1024
"""Bytes. The connection sends a larger request body and reads the response at the same time."""
_IDLE_TIME = 4.0
"""Seconds to keep an idle connection. Servers keep theirs for at least 5s (Node)."""
_MOST_BUFFERED = 4 * MEGABYTE
"""The most bytes of a body that buffers between the connection and the server can hold."""
_SLOW_LINE = 50_000
"""The slowest expected connection, in bytes per second."""
_SLOWEST = 10_000
"""The slowest accepted response, in bytes per second."""
_MOST_RECEIVED = 32 * 1024
"""Bytes of a response after which the connection isn't reused. anyio splits reads above 64 kB and buffers the
rest, where `is_fresh` can't see it. TLS may add a record of 16 kB."""
_BROKEN = (
    anyio.BrokenResourceError,
    anyio.BusyResourceError,  # TLS must send for one task while another task is sending
    anyio.ClosedResourceError,
    ssl.SSLError,  # an alert
)


class Connection:
    """A connection to a server, or through a proxy.

    Attributes:
        is_idle: whether the connection can send another request, because the last exchange left no data.
    """

    def __init__(self, stream: ByteStream) -> None:
        """Take ownership of an open stream."""
        self.is_idle = False
        self._stream = stream
        self._idle_since = -math.inf
        self._tls = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's
        self._arrivals = select.poll()
        socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
        self._arrivals.register(socket, select.POLLIN)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the complete response.

        A response to `CONNECT` ends with its head.

        Raises:
            httpx.TransportError: when no complete response arrives. The request may have taken effect.
        """
        self.is_idle = False
        exchange = _Exchange(self._stream, request, *self._head(request))
        with exchange.scope, closing(exchange.response):
            await exchange.run()
            response = exchange.response.to_httpx()
            if exchange.unsent and response.is_success:  # the platform can't have the complete file
                raise httpx.RemoteProtocolError(
                    f"the server responded with {response.status_code} before the whole body was sent"
                )
            has_rest = exchange.unsent or exchange.response.is_last
            self.is_idle = not has_rest and exchange.response.received < _MOST_RECEIVED
            self._idle_since = anyio.current_time()
            return response
        raise httpx.ReadTimeout(f"no response within {human_seconds(exchange.silence)}")

    def _head(self, request: httpx.Request) -> tuple[bytes, int]:
        """Return the request's head and the length of its body in bytes."""
        target = request.extensions.get("target", request.url.raw_path)
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode(), target)]
        length = 0
        for name, value in request.headers.raw:
            lines.append(b"%b: %b\r\n" % (name, value))
            if name.lower() == b"content-length":
                length = int(value)
        head = b"".join(lines)
        if not head.count(b"\r") == head.count(b"\n") == len(lines):
            raise httpx.LocalProtocolError("a line break in the request's head")
        return head + b"\r\n", length

    def is_fresh(self) -> bool:
        """Return whether the idle connection can be reused, because it is recent and lacks unread data."""
        if anyio.current_time() > self._idle_since + _IDLE_TIME:
            return False
        try:
            if self._tls:
                self._tls.read(1)
                return False  # a byte of a response, or the end of the stream
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            return False
        return not self._arrivals.poll(0)

    async def aclose(self) -> None:
        """Close the connection, shielded from cancellation."""
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()


class _Exchange:
    """A request and its response.

    Attributes:
        scope: the scope whose deadline ends a silent or slow exchange; see `_extend`.
        response: the response received so far.
        unsent: the number of bytes of the request that are still unsent.
        silence: seconds without a byte before the exchange fails. A large body extends them, because its last
            bytes may still be on their way when the wait for the response starts.
    """

    def __init__(self, stream: ByteStream, request: httpx.Request, head: bytes, length: int) -> None:
        """Prepare the exchange. `length` is the length of the body in bytes."""
        options = RequestOptions.of(request)
        has_tunnel = request.method == "CONNECT"
        self.response = IncomingResponse(options.max_body, ends_with_head=has_tunnel)
        self.unsent = len(head) + length
        self._stream = stream
        self._head = head
        self._body = cast("AsyncIterable[bytes]", request.stream)
        self.silence = options.silence + min(length, _MOST_BUFFERED) / _SLOW_LINE
        self._sent_at = anyio.current_time()
        """The event loop's time of the last write, or of the start of the exchange."""
        self.scope = anyio.CancelScope(deadline=self._sent_at + self.silence)

    async def run(self) -> None:
        """Send the request and read the response.

        It sends a large body and reads the response at the same time. A complete response stops the sending.
        """
        if self.unsent - len(self._head) <= _PIECE:
            await self._send()
            await self._read()
            return
        error: BaseException | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_until_cancelled)
                await self._read()
                if self.unsent:
                    tasks.cancel_scope.cancel()
        except ExceptionGroup as errors:
            error = unwrap(errors)
        if error:  # raising it in the handler would make a reference cycle of the error and the group
            try:
                raise error
            finally:
                del error

    async def _send_until_cancelled(self) -> None:
        # Suppressed, because anyio keeps a task's cancellation and its frames in a reference cycle.
        with suppress(anyio.get_cancelled_exc_class()):
            await self._send()

    async def _send(self) -> None:
        """Send head and body until the server stops reading. A small body shares a packet with the head.

        The body is always read to its end, because its source may notice only there that the file changed.
        """
        packet = self._head
        with suppress(*_BROKEN):  # the response may already be there
            async for piece in self._body:
                packet += piece
                if len(packet) > self.unsent:
                    break
                if len(packet) >= _PIECE:
                    await self._write(packet)
                    self._extend()
                    packet = b""
            if len(packet) != self.unsent:
                raise httpx.LocalProtocolError("the body's length is not its Content-Length")
            if packet:
                # Don't extend the deadline, because the system buffers so little data even if the server
                # stopped reading.
                await self._write(packet)

    async def _write(self, packet: bytes) -> None:
        await self._stream.send(packet)
        self.unsent -= len(packet)
        self._sent_at = anyio.current_time()

    async def _read(self) -> None:
        """Read the response to its end."""
        while not self.response.is_complete:
            try:
                data = await self._stream.receive(_PIECE)
            except anyio.EndOfStream:
                self.response.end()
                return
            except _BROKEN as error:
                raise httpx.ReadError(str(error)) from error
            self.response.feed(data)
            if not self.response.is_complete:
                self._extend()

    def _extend(self) -> None:
        """Restart the time limit for silence after a write or a read.

        The response must keep a minimum pace from the last write on. So a server can't extend the limit by
        sending a few bytes at a time, even if it stopped reading the request.
        """
        kept_pace_until = self._sent_at + self.response.size / _SLOWEST
        self.scope.deadline = min(anyio.current_time(), kept_pace_until) + self.silence
