"""The parts of a request: headers, options, body and outcome.

After a lost response or a cancellation, the reports must still say what the run may have changed. So the
outcome of a `Delivery` is unknown from the start of an attempt until its response arrives.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple, Protocol, Self

import anyio.to_thread
import httpx

import zerokie_action
from zerokie_action import limits

HEADERS = {"User-Agent": f"zerokie-action/{zerokie_action.__version__}", "Accept-Encoding": "identity"}
"""Headers of every request. `identity` prevents a small compressed body from growing past `max_body`."""

MEGABYTE = 1_000_000

_KEY = "zerokie"
"""The key of the options in httpx's extensions."""
_PIECE = 64 * 1024
"""Bytes that are faster to read directly than in a thread."""


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """Options that a request carries to the retry loop and the transport.

    Attributes:
        purpose: the start of a sentence about the request, such as `Listing the apps`.
        group: the name of the request's `Group`, which starts log lines. By default, the purpose.
        silence: seconds without a byte of the response before the attempt fails. A large body extends it, and
            `limits.CONNECT` limits connecting.
        max_body: the largest accepted response body, in bytes.
        is_repeatable: whether to retry after an attempt that may have taken effect.
        retries_forbidden: whether to retry a 403 without the platform's own error. A short block by a
            firewall must not keep the lock held.
        retries_missing: whether to retry a 404, because the resource exists or will soon exist.
    """

    purpose: str
    group: str = ""
    silence: float = limits.SILENCE
    max_body: int = MEGABYTE
    is_repeatable: bool = True
    retries_forbidden: bool = False
    retries_missing: bool = False

    @classmethod
    def of(cls, request: httpx.Request) -> Self:
        """Return the options that the request carries."""
        options: Self = request.extensions[_KEY]
        return options

    @property
    def extensions(self) -> dict[str, object]:
        """The options in the form that httpx carries along with a request."""
        return {_KEY: self}


class Content(Protocol):
    """A source of a request's body."""

    @property
    def size(self) -> int:
        """The size in bytes for `Content-Length`, available before the first read."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces from the start. Blocks.

        Raises:
            DeployError: when the content changed or can't be read.
        """
        ...


class Bytes(NamedTuple):
    """Content in memory.

    Attributes:
        data: the bytes.
    """

    data: bytes

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Yield small pieces, because the connection copies each piece."""
        for start in range(0, len(self.data), _PIECE):
            yield self.data[start : start + _PIECE]


class ContentStream(httpx.AsyncByteStream):
    """A `Content` as httpx streams it. Every attempt starts again, and a thread reads large contents."""

    def __init__(self, content: Content, require: Callable[[], None] = lambda: None) -> None:
        """Prepare the stream without reading the content yet; see `Guard.require`."""
        self._content = content
        self._require = require

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the content."""
        chunks = self._content.chunks()
        if self._content.size <= _PIECE:
            for chunk in chunks:
                self._require()
                yield chunk
            return
        while chunk := await anyio.to_thread.run_sync(next, chunks, b"", abandon_on_cancel=True):
            self._require()
            yield chunk


class Guard(NamedTuple):
    """The conditions of a request's attempts.

    Attributes:
        require: runs before each attempt and each piece of its body. Its error ends the request.
        shield: returns a context for each attempt, without the pauses.
    """

    require: Callable[[], None] = lambda: None
    shield: Callable[[], AbstractContextManager[object]] = nullcontext


UNGUARDED = Guard()
"""The guard of a request without conditions."""


class Outcome(IntEnum):
    """Outcome of a request. A change with several requests has the greatest of their outcomes."""

    REFUSED = auto()
    """The platform rejected the request, or the request was never sent."""
    DONE = auto()
    """The platform confirmed the request."""
    UNKNOWN = auto()
    """The request may have taken effect, because it is in flight or its response was lost."""


@dataclass(slots=True)
class Delivery:
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
    def was_attempted(self) -> bool:
        """Whether an attempt began."""
        return self.at > -math.inf

    @property
    def may_come_late(self) -> bool:
        """Whether the platform may still carry out an attempt, because its response was lost."""
        return bool(self.lost) or self.outcome is Outcome.UNKNOWN
