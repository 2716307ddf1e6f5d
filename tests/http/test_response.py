"""Incoming responses: complete, invalid, or the last one of their connection."""

from itertools import chain, repeat
from typing import NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.servers import FINE
from zerokie_action.http.response import IncomingResponse

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FOUR = b"Content-Length: 4\r\n\r\nfine"
EMPTY = b"Content-Length: 0\r\n\r\n"
MOST = 1000
LIMIT = 64 * 1024


def received(*pieces: bytes, max_body: int = MOST) -> IncomingResponse:
    """Return a response that arrives in these pieces. The server then closes an incomplete one."""
    response = IncomingResponse(max_body, ends_with_head=False)
    for piece in pieces:
        response.feed(piece)
    if not response.is_complete:
        response.end()
    return response


class Row(NamedTuple):
    """A response, its expected content, and whether its connection must be closed."""

    answer: bytes
    status: int = 200
    body: bytes = b"fine"
    is_last: bool = False


RESPONSES = {
    "a length": Row(FINE),
    "length 0": Row(OK + EMPTY, body=b""),
    "204": Row(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304": Row(b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b""),
    "chunked": Row(CHUNKED + b"2\r\nfi\r\n2;ext=1\r\nne\r\n0\r\n\r\n"),
    "an upgrade that is offered": Row(OK + b"Upgrade: h2\r\nConnection: Upgrade\r\n" + FOUR),
    "a header in Latin-1": Row(OK + b"X: \xe4\r\n" + FOUR),
    "HTTP/1.0 that keeps": Row(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + FOUR),
    "as large as allowed": Row(OK + b"Content-Length: 1000\r\n\r\n" + b"x" * MOST, body=b"x" * MOST),
    "an unrequested coding": Row(OK + b"Content-Encoding: gzip\r\n" + FOUR),
    "100 and 103": Row(b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\n\r\n" + FINE),
    "150 with a body": Row(b"HTTP/1.1 150 ?\r\nContent-Length: 4\r\n\r\noops" + FINE),
    "503": Row(b"HTTP/1.1 503 Unavailable\r\n" + EMPTY, 503, b""),
    # the last one of its connection
    "until the end": Row(OK + b"\r\nfine", is_last=True),
    "close": Row(OK + b"Connection: close\r\n" + FOUR, is_last=True),
    "HTTP/1.0": Row(b"HTTP/1.0 200 OK\r\n" + FOUR, is_last=True),
    "408": Row(b"HTTP/1.1 408 Timeout\r\n" + EMPTY, 408, b"", is_last=True),
    "502": Row(b"HTTP/1.1 502 Bad Gateway\r\n" + EMPTY, 502, b"", is_last=True),
    "504": Row(b"HTTP/1.1 504 Gateway Timeout\r\n" + EMPTY, 504, b"", is_last=True),
    "surplus bytes": Row(FINE + b"!", is_last=True),
    "204 with a body": Row(b"HTTP/1.1 204 No Content\r\n\r\nfine", 204, b"", is_last=True),
    "two together": Row(FINE + FINE, is_last=True),
}


@pytest.mark.parametrize("size", [LIMIT, 1], ids=["in one piece", "in single bytes"])
@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_read_to_its_end(name: str, size: int) -> None:
    """If a response's end is ambiguous, it is the last one of its connection."""
    row = RESPONSES[name]
    pieces = [row.answer[start : start + size] for start in range(0, len(row.answer), size)]
    response = received(*pieces)
    read = response.to_httpx()
    assert (read.status_code, read.content, response.is_last) == (row.status, row.body, row.is_last)


CUT, SHORT, NO_HTTP = "in the middle of its response", "without a response", "isn't valid HTTP/1.1 ("
NO_RESPONSES = {
    "nothing": (b"", SHORT),
    "half a head": (OK + b"Content-Le", SHORT),
    "half a body": (OK + b"Content-Length: 10\r\n\r\nhello", CUT),
    "half a chunk": (CHUNKED + b"4\r\nfi", CUT),
    "no last chunk": (CHUNKED + b"4\r\nfine\r\n", CUT),
    "no end of trailers": (CHUNKED + b"4\r\nfine\r\n0\r\n", CUT),
    "a coding without an end": (OK + b"Transfer-Encoding: gzip\r\n\r\nfine", CUT),
    "101": (b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", NO_HTTP),
    "101 that names nothing": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", NO_HTTP),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine", NO_HTTP),
    "two lengths": (OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine", NO_HTTP),
    "a list of lengths": (OK + b"Content-Length: 4, 5\r\n\r\nfine", NO_HTTP),
    "an endless length": (OK + b"Content-Length: 99999999999999999999999\r\n\r\nfine", NO_HTTP),
    "a length with chunked": (OK + b"Content-Length: 9\r\n" + CHUNKED[len(OK) :] + b"0\r\n\r\n", NO_HTTP),
    "a chunk that is too long": (CHUNKED + b"4\r\nfine!\r\n0\r\n\r\n", NO_HTTP),
    "blanks after a chunk's size": (CHUNKED + b"4  \r\nfine\r\n0   \r\n\r\n", NO_HTTP),
    "NUL in a header": (OK + b"X: a\0b\r\n" + FOUR, NO_HTTP),
    "CR in a header": (OK + b"X: a\rb\r\n" + FOUR, NO_HTTP),
    "a folded header": (OK + b"X: a\r\n b\r\n" + FOUR, NO_HTTP),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", NO_HTTP),
    "100 and no more": (b"HTTP/1.1 100 C\r\n\r\n", "is HTTP/1.1 with status 100"),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\n" + FOUR, "is HTTP/2.0 with status 200"),
    "status 099": (b"HTTP/1.1 099 ?\r\n" + EMPTY, "is HTTP/1.1 with status 099"),
    "a body that is too large": (
        OK + b"Content-Length: 2000\r\n\r\n" + bytes(1001),
        "larger than 1000 bytes",
    ),
}


@pytest.mark.parametrize("name", NO_RESPONSES)
def test_an_invalid_response_is_an_error_with_its_reason(name: str) -> None:
    """The client rejects a response that is cut off, too large or not strictly HTTP/1.1."""
    answer, reason = NO_RESPONSES[name]
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        received(answer).to_httpx()
    assert reason in str(caught.value)


def test_headers_exclude_those_of_a_1xx_and_trailers() -> None:
    """Values are stripped."""
    early = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
    coding = b"X:  a \t\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = received(early + OK + coding + b"0\r\nRetry-After: 9\r\n\r\n").to_httpx()
    assert response.headers.raw == [(b"X", b"a"), (b"Transfer-Encoding", b"chunked")]


@pytest.mark.parametrize("cut", [1, 30_000, LIMIT])
def test_a_head_above_64_kb_is_rejected(cut: int) -> None:
    """The limit applies to any mix of 1xx, headers and trailers."""
    start = OK + b"Content-Length: 0\r\nX: "
    head = start + b"x" * (LIMIT - len(start) - 4) + b"\r\n\r\n"
    assert received(head[:cut], head[cut:]).is_complete
    longer = head.replace(b"X: ", b"X: x")
    with pytest.raises(httpx.RemoteProtocolError, match="more than 65536 bytes of headers"):
        received(longer[:cut], longer[cut:])


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (OK, b"X: y\r\n"),
        (OK + b"X: ", b"y" * 1000),
        (CHUNKED + b"4\r\nfine\r\n0\r\n", b"X: y\r\n"),
        (CHUNKED + b"4;", b"y" * 1000),
        (CHUNKED, b"1\r\nx\r\n"),
        (OK + b"\r\n", b"x" * 1000),
        (b"", b"HTTP/1.1 102 P\r\n\r\n"),
    ],
    ids=["headers", "a header", "trailers", "a chunk's extension", "chunks", "a body", "1xx"],
)
def test_an_endless_response_is_rejected_early(start: bytes, more: bytes) -> None:
    """The client rejects an endless response before it needs much memory."""
    response = IncomingResponse(MOST, ends_with_head=False)
    with pytest.raises(httpx.RemoteProtocolError):
        any(map(response.feed, chain([start], repeat(more, LIMIT))))
    assert response.received < 3 * LIMIT


def test_chunk_sizes_are_not_part_of_the_head() -> None:
    """The limit of the head excludes the body and its chunk sizes, even with one byte per chunk."""
    count = 5000
    head = OK + b"X: " + b"x" * 60_000 + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = (head, b"1\r\nx\r\n" * count, b"0\r\nX: " + b"x" * 5000 + b"\r\n\r\n")
    assert received(*pieces, max_body=count).to_httpx().content == b"x" * count


TOKENS = (
    *(b"HTTP/1.1 200 OK", b"HTTP/1.0 204 X", b"HTTP/1.1 100 C", b"HTTP/1.1 101 S", b"HTTP/1.1 503", b"HTTP/"),
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b":", b";", b",", b"0\r\n\r\n", b"\xff"),
    *(b"Content-Length: 4", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
    *(b"Connection: close", b"Connection: Upgrade", b"Upgrade: x", b"Trailer: X", b"X: y", b"X" * 65_000),
    *(b"4", b"fine", b"ffffffffffffffff", b"4\r\nfine\r\n", FINE, CHUNKED, b"y" * 5000),
)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(TOKENS) | st.binary(max_size=20), max_size=40), st.integers(1, 100))
def test_any_bytes_end_in_a_response_or_an_error(tokens: list[bytes], size: int) -> None:
    """Any bytes, split anywhere, end in a response or a `RemoteProtocolError`."""
    answer = b"".join(tokens)
    pieces = [answer[start : start + size * 300] for start in range(0, len(answer), size * 300)]
    try:
        response = received(*pieces).to_httpx()
    except httpx.RemoteProtocolError:
        return
    assert 200 <= response.status_code <= 999
    assert len(response.content) <= MOST
