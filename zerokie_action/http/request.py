"""What requests are made of: headers, extensions, bodies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio.to_thread
import httpx

import zerokie_action

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HEADERS = {"User-Agent": f"zerokie-action/{zerokie_action.__version__}", "Accept-Encoding": "identity"}
"""Of every request. No coding: httpx would inflate a small body to any size before it could be measured."""

MEGABYTE = 1_000_000
CONNECT_TIMEOUT = 10.0
"""Seconds to reach the other side, and as many again for TLS."""

PURPOSE = "purpose"
"""The request extension that says what a request is for, as a sentence begins: `Listing the apps`."""
KIND = "kind"
"""The request extension that names the kind of a request: they share an `AdaptiveLimiter`."""
MAX_BODY = "max_body"
"""The request extension that says how many bytes of body the response may have."""
PUBLIC = "public"
"""The request extension that says whether anybody may answer: a 4xx need not look like the platform's."""

NEW_UNTIL = "new_until"
"""The request extension that says until when (event loop's time) a 404 means that a new app is not ready."""

_SMALL = 64 * 1024
"""Bytes that are read faster than a thread could be asked to."""
_IN_FLIGHT = 4 * MEGABYTE
_SLOWEST = 50_000
"""Bytes that the kernel takes at once, and that a slow line carries in a second: so long, nothing shows."""


def extensions(
    purpose: str,
    *,
    kind: str = "",
    timeout: float = 30.0,
    size: int = 0,
    max_body: int = MEGABYTE,
    public: bool = False,
    new_until: float = -math.inf,
) -> dict[str, object]:
    """A request's extensions.

    Args:
        purpose: see `PURPOSE`.
        kind: see `KIND`; without one, the purpose is one by itself.
        timeout: seconds in which nothing moves, after which it is given up; connecting has its own.
        size: bytes of the request's body, which may still be on their way when all is sent.
        max_body: see `MAX_BODY`.
        public: see `PUBLIC`.
        new_until: see `NEW_UNTIL`.
    """
    read = timeout + min(size, _IN_FLIGHT) / _SLOWEST
    return {
        PURPOSE: purpose,
        KIND: kind or purpose,
        MAX_BODY: max_body,
        PUBLIC: public,
        NEW_UNTIL: new_until,
        "timeout": {"connect": CONNECT_TIMEOUT, "read": read, "write": read},
    }


class Content(Protocol):
    """What a request body is read from."""

    @property
    def size(self) -> int:
        """Bytes in all, known before anything is read: they go into `Content-Length`."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the beginning.

        Blocks. Raises when there are more or fewer than `size`, or they are not what they were to be.
        """
        ...


class Bytes(NamedTuple):
    """A `Content` that is in memory already."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Pieces: the connection copies each one."""
        for start in range(0, len(self.data), _SMALL):
            yield self.data[start : start + _SMALL]


class ContentStream(httpx.AsyncByteStream):
    """A `Content` as httpx sends it, read anew for each attempt; a large one in a thread, piece by piece.

    Attributes:
        sent: bytes of the last attempt that were handed out to be sent.
    """

    def __init__(self, content: Content) -> None:
        """Read nothing yet."""
        self.sent = 0
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""
        self.sent = 0
        chunks = self._content.chunks()
        is_small = self._content.size <= _SMALL
        while (
            chunk := next(chunks, None)
            if is_small
            else await anyio.to_thread.run_sync(next, chunks, None, abandon_on_cancel=True)
        ) is not None:
            yield chunk
            self.sent += len(chunk)
