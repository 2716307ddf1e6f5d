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

_SMALL = 64 * 1024
"""Bytes that are read faster than a thread could be asked to."""
_IN_FLIGHT = 4 * MEGABYTE
_SLOWEST = 50_000
"""Bytes of a body that the kernel takes at once, and that a slow line carries in a second."""


class About(NamedTuple):
    """What the transport and the retry loop have to know of a request. It travels as an extension of httpx's.

    Attributes:
        purpose: what the request is for, as a sentence begins: `Listing the apps`.
        group: requests of a group share an `AdaptiveLimiter`; its name begins a sentence as well.
        max_body: how many bytes of body the response may have.
        is_public: whether anybody may answer: a 4xx need not look like the platform's.
        ready_by: until when (event loop's time) a 404 means that a new app is not ready.
    """

    purpose: str
    group: str
    max_body: int
    is_public: bool
    ready_by: float


def about(request: httpx.Request) -> About:
    """What `extensions` said of a request."""
    found: About = request.extensions["about"]
    return found


def extensions(
    purpose: str,
    *,
    group: str = "",
    timeout: float = 30.0,
    size: int = 0,
    max_body: int = MEGABYTE,
    is_public: bool = False,
    ready_by: float = -math.inf,
) -> dict[str, object]:
    """A request's extensions; `purpose`, `group`, `max_body`, `is_public` and `ready_by` as in `About`.

    Args:
        group: without one, the request is a group by itself.
        timeout: seconds in which nothing moves, after which it is given up; connecting has its own.
        size: bytes of the request's body, which may still be on their way when all is sent.
    """
    read = timeout + min(size, _IN_FLIGHT) / _SLOWEST
    return {
        "about": About(purpose, group or purpose, max_body, is_public, ready_by),
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
