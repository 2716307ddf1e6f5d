"""The bytes of one HTTP/1.1 connection: asyncio moves them, llhttp (httptools) reads the answers."""

from __future__ import annotations

import asyncio
import select
import sys

import httptools

from zerokie_action.http.patience import Patience, Traffic
from zerokie_action.http.transport import Answer, NoAnswer, explain

_MOST_BESIDES_BODY = 100_000
"""Bytes of status lines, headers and trailers; the chunks of a body may bring as many as the body has."""

_OK = 200
"""Smaller statuses are interim answers: the real one follows."""


class Wire(asyncio.Protocol):
    """One connection. It is asked for one answer at a time; what comes unasked makes it unusable."""

    def __init__(self) -> None:
        """Not connected yet: asyncio calls `connection_made`."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._clean = True
        self._writable = asyncio.Event()
        self._writable.set()
        self._unread = select.poll()
        self._written = 0
        self.patience = Patience(
            self._loop,
            traffic=self._traffic,
            is_needed=lambda: not self._answer.done(),
            give_up=self._fail,
        )
        self._begin(0)
        self._answer.cancel()

    @property
    def transport(self) -> asyncio.Transport:
        """What asyncio gave us to write to."""
        assert self._transport is not None  # noqa: S101 - for the type checker: only asked for when connected
        return self._transport

    @property
    def usable(self) -> bool:
        """Whether another request can be sent, as far as the event loop has told us."""
        return self._clean and not self.transport.is_closing()

    @property
    def undisturbed(self) -> bool:
        """Whether it is usable and nothing waits to be read: before a request, that can only be the end."""
        return self.usable and not self._unread.poll(0)

    def abort(self) -> None:
        """Drop the connection at once, whatever it is doing."""
        self._clean = False
        self.transport.abort()

    def expect_answer(self, most: int, seconds: float) -> asyncio.Future[Answer]:
        """The future gets the next answer, or `NoAnswer`.

        Args:
            most: bytes of body that it may have.
            seconds: that it may take while nothing moves.
        """
        self._begin(most)
        self.patience.begin(seconds)
        return self._answer

    def _begin(self, most: int) -> None:
        self._most = most
        self._besides_body = 0
        self._until_closed = False
        self._headers: dict[str, str] = {}
        self._fields: dict[str, str] = {}
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] = self._loop.create_future()

    def write(self, data: bytes | memoryview) -> None:
        """Send or buffer, without waiting."""
        if not self.transport.is_closing():
            self._written += len(data)
            self.transport.write(data)

    def _traffic(self) -> Traffic:
        import fcntl  # noqa: PLC0415 - only for what takes long
        import termios  # noqa: PLC0415 - as above

        # The kernel takes megabytes at once; only what the other side acknowledges has moved.
        kernel = fcntl.ioctl(self.transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        on_the_way = self.transport.get_write_buffer_size() + int.from_bytes(kernel, sys.byteorder)
        return Traffic(self._written - on_the_way, on_the_way)

    async def room(self) -> None:
        """Wait until more can be written without piling up, or until there is no need to."""
        await self._writable.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker: it is a stream
        self._transport = transport
        self._unread.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        if self._answer.done():
            self.abort()  # nobody asked for this, and nobody could tell it from the next answer
            return
        self._besides_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the answer switches to another protocol")
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP ({error})")
        if not self._answer.done() and self._besides_body > _MOST_BESIDES_BODY + len(self._body):
            self._fail("the answer has too many headers")

    def eof_received(self) -> None:
        """The end of an answer whose length was not announced, or too early. The transport closes itself."""
        if self._until_closed:
            self._settle()
        self._clean = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of everything."""
        self.patience.end()
        self._fail(explain(exc)[0] if exc else "the connection was closed before the answer was complete")

    def pause_writing(self) -> None:
        """Too much is buffered."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Not any more."""
        self._writable.set()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """After an interim answer, the next; after the final one, more than was asked for."""
        self._fields = {}
        if self._answer.done():
            self._clean = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field. A repeated one continues the list, as in RFC 9110, 5.3."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._fields[key] = f"{self._fields[key]}, {text}" if key in self._fields else text

    def on_headers_complete(self) -> None:
        """Without a length, the body ends with the connection (RFC 9112, 6.3). Trailers are dropped."""
        self._headers, self._fields = self._fields, {}
        self._until_closed = self._headers.keys().isdisjoint(("content-length", "transfer-encoding"))

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        self._besides_body -= len(chunk)
        self._body += chunk
        if len(self._body) > self._most:
            self._fail(f"the answer is larger than {self._most} bytes")

    def on_message_complete(self) -> None:
        """The end of an answer."""
        if self._parser.get_status_code() >= _OK:
            self._clean = self._clean and self._parser.should_keep_alive()
            self._settle()
        self._until_closed = False

    def _settle(self) -> None:
        if not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, bytes(self._body)))
            self._body = bytearray()  # an idle connection does not hold on to a long listing
        self._writable.set()

    def _fail(self, reason: str) -> None:
        self._clean = False
        if not self._answer.done():
            self._answer.set_exception(NoAnswer(reason, sent=True))
            self._answer.exception()  # seen: nobody may be waiting for it
        self._writable.set()


class ProxyWire(Wire):
    """A connection to a proxy until it becomes a tunnel: the answer to CONNECT ends with its headers."""

    def on_headers_complete(self) -> None:
        """That is all there is; what follows a grant already comes from behind the proxy."""
        if self._parser.get_status_code() >= _OK:
            self._settle()

    def on_body(self, chunk: bytes) -> None:
        """Nobody behind the proxy has a reason to speak first; what came before TLS is not to be trusted."""
        del chunk
        self._clean = False

    def on_message_complete(self) -> None:
        """What the proxy says of keeping the connection does not count: it is a tunnel now."""
