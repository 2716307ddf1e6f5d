"""The parts of a request: headers, extensions, body and outcome.

The reports need to know what a run may have left behind, even after a lost response or a cancellation. So a
`Sent` is unknown from the moment its request may leave, until a response says more.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple, Protocol

import anyio.to_thread
import httpx

import zerokie_action
from zerokie_action import limits

HEADERS = {"User-Agent": f"zerokie-action/{zerokie_action.__version__}", "Accept-Encoding": "identity"}
"""Headers of every request. `identity`: httpx would inflate a small body to any size, past `max_body`."""

MEGABYTE = 1_000_000

_PIECE = 64 * 1024
"""Bytes. Reading so little takes less time than handing the work to a thread."""
_MOST_BUFFERED = 4 * MEGABYTE
"""How many bytes of a body may be in buffers between the connection and the server."""
_SLOW_LINE = 50_000
"""Bytes per second."""


def extensions(
    purpose: str,
    *,
    group: str = "",
    silence: float = limits.SILENCE,
    size: int = 0,
    max_body: int = MEGABYTE,
) -> dict[str, object]:
    """A request's extensions, for the retry loop and the transport.

    Args:
        purpose: the beginning of a sentence about the request: `Listing the apps`.
        group: the requests of a group share an `Group`; the group's name begins log lines. By
            default, the purpose is the group.
        silence: seconds without a byte after which the attempt fails; `limits.CONNECT` limits connecting.
        size: bytes of the request's body; a large body extends the silence, because its last bytes may be on
            their way when the wait for the answer begins.
        max_body: the largest accepted response body, in bytes.
    """
    return {
        "purpose": purpose,
        "group": group or purpose,
        "max_body": max_body,
        "silence": silence + min(size, _MOST_BUFFERED) / _SLOW_LINE,
    }


class Content(Protocol):
    """The source of a request's body."""

    @property
    def size(self) -> int:
        """The size in bytes, for `Content-Length`; known before the first read."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The content from the beginning, in pieces. Blocks.

        Raises:
            DeployError: when the content has changed or can't be read.
        """
        ...


class Bytes(NamedTuple):
    """A `Content` in memory.

    Attributes:
        data: the bytes.
        check: called before each piece; its error ends the upload.
    """

    data: bytes
    check: Callable[[], None] = lambda: None

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Small pieces, because the connection copies each piece."""
        for start in range(0, len(self.data), _PIECE):
            self.check()
            yield self.data[start : start + _PIECE]


class ContentStream(httpx.AsyncByteStream):
    """Streams a `Content` to httpx, from the beginning for each attempt. A thread reads large contents."""

    def __init__(self, content: Content) -> None:
        """Prepare the stream without reading the content."""
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces of the content."""
        chunks = self._content.chunks()
        if self._content.size <= _PIECE:
            for chunk in chunks:
                yield chunk
            return
        while chunk := await anyio.to_thread.run_sync(next, chunks, b"", abandon_on_cancel=True):
            yield chunk


class Outcome(IntEnum):
    """Outcome of a request. A change with several requests has the greatest of their outcomes."""

    REFUSED = auto()
    """The platform rejected the request, or the request was never sent."""
    DONE = auto()
    """The platform confirmed the request."""
    UNKNOWN = auto()
    """The request may have taken effect, because it is in flight or its response was lost."""


@dataclass(slots=True)
class Sent:
    """One request and its attempts.

    Attributes:
        outcome: the outcome so far.
        lost: why the response to an attempt was lost. Empty if none was lost. A later response doesn't
            clear it.
        at: the time of the last attempt, by the event loop's clock.
    """

    outcome: Outcome = Outcome.REFUSED
    lost: str = ""
    at: float = -math.inf

    @property
    def may_come_late(self) -> bool:
        """Whether the platform may still carry out an attempt, because its response was lost."""
        return bool(self.lost) or self.outcome is Outcome.UNKNOWN
