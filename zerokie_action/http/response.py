"""Incoming responses, parsed strictly and limited in size.

A response with an ambiguous end could be mixed up with the next one on the same connection.
"""

from io import BytesIO

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_MOST_FIELDS = 64 * 1024
"""The most bytes of a response outside its body: head, trailers and preceding 1xx responses."""
_LARGEST_FRAME = 6
"""The size of a chunk that carries one byte: `1\\r\\nx\\r\\n`."""
_FIRST_FINAL = 200
_MAY_COME_TWICE = {408, 502, 504}
"""Statuses that a gateway sends when it stops waiting. The server's own response may follow."""
_FRAMING = {b"content-length", b"transfer-encoding"}


class IncomingResponse:
    """A response that is still arriving. httptools calls its `on_…` methods.

    Attributes:
        is_complete: whether the whole response arrived.
        is_last: whether the connection must be closed afterwards.
        received: the number of received bytes, including heads and chunk sizes.
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
        """The number of received bytes of the body."""
        return self._body.tell()

    def feed(self, data: bytes) -> None:
        """Parse the next bytes, at most 64 kB.

        Raises:
            httpx.RemoteProtocolError: when the response isn't valid HTTP/1.1, or is too large.
        """
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_last = True
            if not self.is_complete:  # otherwise, the error is in a second response
                raise httpx.RemoteProtocolError(f"the response isn't valid HTTP/1.1 ({error})") from None
        if self.size > self._max_body:
            raise httpx.RemoteProtocolError(f"the response is larger than {self._max_body} bytes")
        if self.received > _MOST_FIELDS + _LARGEST_FRAME * self.size:
            raise httpx.RemoteProtocolError(f"the response has more than {_MOST_FIELDS} bytes of headers")

    def end(self) -> None:
        """Note that the server closed the connection.

        Raises:
            httpx.RemoteProtocolError: when the response isn't complete.
        """
        if not self._has_head or self._has_length:
            when = "in the middle of its response" if self._has_head else "without a response"
            raise httpx.RemoteProtocolError(f"the server closed the connection {when}")
        self.is_complete = self.is_last = True

    def to_httpx(self) -> httpx.Response:
        """Return the complete response.

        Raises:
            httpx.RemoteProtocolError: when its HTTP version or status can't belong to a response.
        """
        version = self._parser.get_http_version()
        if self._status < _FIRST_FINAL or not version.startswith("1."):
            raise httpx.RemoteProtocolError(f"the response is HTTP/{version} with status {self._status:03}")
        # Drop this header, because httpx would decompress the body, which can then grow to any size.
        fields = [field for field in self._fields if field[0].lower() != b"content-encoding"]
        return httpx.Response(self._status, headers=fields, content=self._body.getvalue())

    def close(self) -> None:
        """Release the parser to break its reference cycle, because the garbage collector runs rarely."""
        del self._parser

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """Start again after a 1xx, or stop at a second response."""
        if self.is_complete:
            raise ValueError
        self._status = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._has_head = False
        self._has_length = False
        self._body = BytesIO()  # `getvalue` makes no copy

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header field, and ignore a trailer."""
        if not self._has_head:
            self._fields.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        """Note how the body ends and whether the connection can be reused."""
        self._has_head = True
        self._status = self._parser.get_status_code()
        self.is_last |= not self._parser.should_keep_alive() or self._status in _MAY_COME_TWICE
        self._has_length = any(name.lower() in _FRAMING for name, _ in self._fields)
        if self._status >= _FIRST_FINAL:
            self.is_complete = self._ends_with_head

    def on_body(self, data: bytes) -> None:
        """Append a piece of the body."""
        self._body.write(data)

    def on_message_complete(self) -> None:
        """Note the end of the response unless it is a 1xx."""
        self.is_complete = self._status // 100 != 1
