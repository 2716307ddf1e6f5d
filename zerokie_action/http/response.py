"""Reads a response as it comes, with httptools: strictly where its end is in question, and never too much."""

from io import BytesIO

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_MOST_FIELDS = 64 * 1024
"""The largest head of a response, and the most of trailers, in bytes."""
_FIRST_FINAL = 200
_SWITCHING_PROTOCOLS = 101
_NO_BODY = {204, 304}
_MAY_COME_TWICE = {408, 502, 504}
"""A gateway sends these when it stops waiting; the server's own response may follow."""
_FRAMING = {b"content-length", b"transfer-encoding"}
_EMPTY = {b"content-length": b"0"}
_QUOTED = 80
"""Bytes of a response that is not HTTP."""


class IncomingResponse:
    """A response as it comes: what httptools calls, and the limits of its parts.

    Attributes:
        is_complete: whether all of it has come.
        is_last: whether the connection has to be closed after it.
    """

    def __init__(self, max_body: int, *, ends_with_head: bool) -> None:
        self.is_complete = False
        self.is_last = False
        self._max_body = max_body
        self._ends_with_head = ends_with_head
        self._without_progress = 0
        self._parser = HttpResponseParser(self)
        # Small faults that other clients accept too: the end of the response is as clear as without them.
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True,  # a length beside chunked
            lenient_keep_alive=True,  # after a 1xx that says close
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._has_head = False
        self._has_length = False
        self._body = BytesIO()  # `getvalue` makes no copy

    @property
    def size(self) -> int:
        """The bytes of the body that have come."""
        return self._body.tell()

    def feed(self, data: bytes) -> None:
        """Read the next bytes.

        Raises:
            httpx.RemoteProtocolError: when they are not HTTP/1.1, or too many.
        """
        while data and not self.is_complete:
            piece = data[: _MOST_FIELDS - self._without_progress]
            data = data[len(piece) :]
            before = self._has_head, self.size
            self._parse(piece)
            has_progress = before != (self._has_head, self.size)
            self._without_progress = 0 if has_progress else self._without_progress + len(piece)
            if self.size > self._max_body:
                raise httpx.RemoteProtocolError(f"the response is larger than {self._max_body} bytes")
            if self._without_progress >= _MOST_FIELDS and not self.is_complete:
                raise httpx.RemoteProtocolError(f"the response has more than {_MOST_FIELDS} bytes of headers")
        self.is_last |= bool(data)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_last = True
            if self.is_complete:
                return  # a second response
            begins = "" if self._parser.get_status_code() else f", beginning with {data[:_QUOTED]!r}"
            raise httpx.RemoteProtocolError(f"the response is not HTTP/1.1 ({error}){begins}") from None

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

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """Stop at a second response."""
        if self.is_complete:
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header field; trailers are dropped."""
        if not self._has_head:
            self._fields.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        """Note what the head says of the body and the connection."""
        self._has_head = True
        self._status = self._parser.get_status_code()
        self.is_last |= not self._parser.should_keep_alive() or self._status in _MAY_COME_TWICE
        framing = {name: value for field, value in self._fields if (name := field.lower()) in _FRAMING}
        self._has_length = bool(framing)
        self.is_last |= framing.keys() == _FRAMING  # servers differ in which of the two counts
        if self._status in _NO_BODY and framing not in ({}, _EMPTY):
            self.is_last = True  # a body may follow all the same
        if self._status >= _FIRST_FINAL:
            self.is_complete = self._ends_with_head

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body.write(data)

    def on_message_complete(self) -> None:
        """Note the end of the response, or begin anew after a 1xx."""
        if self._status // 100 == 1 and self._status != _SWITCHING_PROTOCOLS:
            self._begin()
        else:
            self.is_complete = True
