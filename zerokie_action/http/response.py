"""Reads a response as it comes, with httptools: strictly where its end is in question, and never too much."""

from io import BytesIO

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_MOST_FIELDS = 64 * 1024
"""The most bytes of a response that are no body: head, trailers and responses before it (1xx)."""
_LARGEST_FRAME = 6
"""The bytes of a chunk that carries one byte: `1\\r\\nx\\r\\n`."""
_FIRST_FINAL = 200
_MAY_COME_TWICE = {408, 502, 504}
"""A gateway sends these when it stops waiting; the server's own response may follow."""
_FRAMING = {b"content-length", b"transfer-encoding"}


class IncomingResponse:
    """A response as it comes: what httptools calls, and the limits of its parts.

    Attributes:
        is_complete: whether all of it has come.
        is_last: whether the connection has to be closed after it.
        received: all bytes that have come, those of heads and chunk sizes included.
    """

    def __init__(self, max_body: int, *, ends_with_head: bool) -> None:
        self.is_complete = False
        self.is_last = False
        self.received = 0
        self._max_body = max_body
        self._ends_with_head = ends_with_head
        self._parser = HttpResponseParser(self)
        self.on_message_begin()

    @property
    def size(self) -> int:
        """The bytes of the body that have come."""
        return self._body.tell()

    def feed(self, data: bytes) -> None:
        """Read the next bytes, at most 64 kB.

        Raises:
            httpx.RemoteProtocolError: when they are not HTTP/1.1, or too many.
        """
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_last = True
            if not self.is_complete:  # otherwise, a second response
                raise httpx.RemoteProtocolError(f"the response is not HTTP/1.1 ({error})") from None
        if self.size > self._max_body:
            raise httpx.RemoteProtocolError(f"the response is larger than {self._max_body} bytes")
        if self.received > _MOST_FIELDS + _LARGEST_FRAME * self.size:
            raise httpx.RemoteProtocolError(f"the response has more than {_MOST_FIELDS} bytes of headers")

    def end(self) -> None:
        """The server has closed the connection.

        Raises:
            httpx.RemoteProtocolError: when the response is not complete.
        """
        if not self._has_head or self._has_length:
            when = "in the middle of its response" if self._has_head else "without a response"
            raise httpx.RemoteProtocolError(f"the server closed the connection {when}")
        self.is_complete = self.is_last = True

    def to_httpx(self) -> httpx.Response:
        """The complete response.

        Raises:
            httpx.RemoteProtocolError: when it has a status that no response to a request can have.
        """
        version = self._parser.get_http_version()
        if self._status < _FIRST_FINAL or not version.startswith("1."):
            raise httpx.RemoteProtocolError(f"the response is HTTP/{version} with status {self._status:03}")
        # Without this header: httpx would decompress the body, and a small body can inflate to any size.
        fields = [field for field in self._fields if field[0].lower() != b"content-encoding"]
        return httpx.Response(self._status, headers=fields, content=self._body.getvalue())

    def close(self) -> None:
        """Release the parser: it and the response refer to each other, and the collector runs rarely."""
        del self._parser

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """Forget a 1xx, and stop at a second response."""
        if self.is_complete:
            raise ValueError
        self._status = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._has_head = False
        self._has_length = False
        self._body = BytesIO()  # `getvalue` makes no copy

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header field; trailers are dropped."""
        if not self._has_head:
            self._fields.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        """Note what the head says of the body and the connection."""
        self._has_head = True
        self._status = self._parser.get_status_code()
        self.is_last |= not self._parser.should_keep_alive() or self._status in _MAY_COME_TWICE
        self._has_length = any(name.lower() in _FRAMING for name, _ in self._fields)
        if self._status >= _FIRST_FINAL:
            self.is_complete = self._ends_with_head

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body.write(data)

    def on_message_complete(self) -> None:
        """Note the end of the response, if it is no 1xx."""
        self.is_complete = self._status // 100 != 1
