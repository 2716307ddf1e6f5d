"""One HTTP/1.1 connection: sends a request over a byte stream, and reads the response with httptools.

A connection never has a second request in flight. It is used again only when nothing is left of the last
exchange; otherwise, a response that nobody asked for would be taken for the answer to the next request.
"""

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
from zerokie_action.http.request import RequestOptions
from zerokie_action.http.response import IncomingResponse
from zerokie_action.text.numbers import human_seconds

_PIECE = 64 * 1024
"""Bytes. A larger request body is sent while the response is awaited."""
_IDLE_TIME = 4.0
"""Seconds to keep an idle connection. Servers keep theirs at least 5 s (Node)."""
_SLOWEST = 10_000
"""Bytes per second: a response that comes more slowly is given up."""
_MOST_RECEIVED = 32 * 1024
"""Bytes. A connection that has received more is closed. anyio splits reads that are longer than 64 kB, and
keeps the rest in a buffer of its own, where `is_fresh` does not see it. TLS may add a record of 16 kB."""
_ENDED = select.POLLHUP | getattr(select, "POLLRDHUP", 0)
"""The server has closed the connection. Linux alone has a flag of its own for this."""
_BROKEN = (
    anyio.BrokenResourceError,
    anyio.BusyResourceError,  # TLS has to send for one task while another sends
    anyio.ClosedResourceError,
    ssl.SSLError,  # an alert
)


class Connection:
    """A connection to a server, or through a proxy.

    Attributes:
        is_idle: whether the connection may serve a request: it is new, or the last response is complete.
    """

    def __init__(self, stream: ByteStream) -> None:
        """Use an open stream, and close it in the end."""
        self.is_idle = True
        self._stream = stream
        self._idle_since = anyio.current_time()
        self._is_new = True
        self._tls = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's
        self._arrivals = select.poll()
        socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
        self._arrivals.register(socket, select.POLLIN | _ENDED)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send the request, and read the whole response.

        The extension `target` replaces the path, as httpx has it. A response to `CONNECT` ends with its head.

        Raises:
            httpx.TransportError: when there is no complete response. The request may have arrived.
        """
        self.is_idle = self._is_new = False
        exchange = _Exchange(self._stream, request, *self._head(request))
        with exchange.scope, closing(exchange.response):
            await exchange.run()
            response = exchange.response.to_httpx()
            if exchange.unsent and response.is_success:  # of no use: the platform does not have the file
                raise httpx.RemoteProtocolError(
                    f"the server answered {response.status_code} before the body was sent"
                )
            self.is_idle = exchange.is_clean()
            self._idle_since = anyio.current_time()
            return response
        silence = human_seconds(RequestOptions.of(request).longest_silence)
        raise httpx.ReadTimeout(f"no answer within {silence}")

    def _head(self, request: httpx.Request) -> tuple[bytes, int]:
        """The request's head, and the length of its body in bytes."""
        target = RequestOptions.of(request).target or request.url.raw_path
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
        """Whether the idle connection can be used: it is recent, and nothing has arrived meanwhile."""
        if anyio.current_time() > self._idle_since + _IDLE_TIME:
            return False
        arrived = self._arrivals.poll(0)
        if self._is_new:  # no response can have arrived, but the tickets of TLS 1.3
            return not any(events & _ENDED for _, events in arrived)
        try:
            if self._tls:
                self._tls.read(1)
                return False  # a byte of a response, or the end
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            return False
        return not arrived

    async def aclose(self) -> None:
        """Close the connection, shielded from cancellation."""
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()


class _Exchange:
    """A request and its response.

    Attributes:
        scope: its deadline ends an exchange that is silent, or too slow; see `_extend`.
        response: the response as far as it has come.
        unsent: the bytes of the request that have not been sent yet.
    """

    def __init__(self, stream: ByteStream, request: httpx.Request, head: bytes, length: int) -> None:
        """Prepare the exchange; `head` is the request's head, `length` that of its body in bytes."""
        options = RequestOptions.of(request)
        has_tunnel = request.method == "CONNECT"
        self.response = IncomingResponse(options.max_body, ends_with_head=has_tunnel)
        self.unsent = len(head) + length
        self._stream = stream
        self._head = head
        self._body = cast("AsyncIterable[bytes]", request.stream)
        self._silence = options.longest_silence
        self._sent_at = anyio.current_time()
        """When the last bytes were sent, or the exchange began (event loop)."""
        self.scope = anyio.CancelScope(deadline=self._sent_at + self._silence)

    async def run(self) -> None:
        """Send the request, and read the response.

        A large body is sent while the response is read. A response ends the sending.
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
        if error:  # raised in the handler, the error and the group would refer to each other
            try:
                raise error
            finally:
                del error

    async def _send_until_cancelled(self) -> None:
        # anyio keeps the cancellation of a task in a reference cycle, together with the frames that it ended.
        with suppress(anyio.get_cancelled_exc_class()):
            await self._send()

    async def _send(self) -> None:
        """Send head and body, a small body together with the head, as far as the server takes them.

        The body is read to its end, where its source may find that it has changed.
        """
        packet = self._head
        with suppress(*_BROKEN):  # the server may have sent its response already
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
            if packet:  # the system buffers so little, whether or not the server reads: the deadline stays
                await self._write(packet)

    async def _write(self, packet: bytes) -> None:
        await self._stream.send(packet)
        self.unsent -= len(packet)
        self._sent_at = anyio.current_time()

    async def _read(self) -> None:
        """Read until the response is complete."""
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
        """Allow the silence from now on, after a write or a read.

        The response has to keep its pace, counted from the last write. So a response that drips does not
        extend the time, nor does one that drips while the server no longer reads the request.
        """
        kept_pace_until = self._sent_at + self.response.size / _SLOWEST
        self.scope.deadline = min(anyio.current_time(), kept_pace_until) + self._silence

    def is_clean(self) -> bool:
        """Whether nothing of it is left, so that the connection can be used again."""
        has_rest = self.unsent or self.response.is_last or self.response.received >= _MOST_RECEIVED
        return not has_rest
