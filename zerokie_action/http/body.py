"""Bodies that are read when they are sent, anew for each attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio.to_thread
import httpx

from zerokie_action.http.descriptors import ran_out
from zerokie_action.http.errors import explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_SMALL = 64 * 1024
"""Bytes that are read faster than a thread could be asked to."""


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

    data: bytes | bytearray

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """All of them."""
        yield bytes(self.data)


class ContentStream(httpx.AsyncByteStream):
    """A `Content` as httpx sends it. A large one is read in a thread, piece by piece."""

    def __init__(self, content: Content) -> None:
        """Read nothing yet."""
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces.

        Raises:
            httpx.ConnectError: no file can be opened now, so no complete request was sent.
        """
        chunks = self._content.chunks()
        try:
            if self._content.size <= _SMALL:
                for piece in chunks:
                    yield piece
                return
            while (
                chunk := await anyio.to_thread.run_sync(_next, chunks, abandon_on_cancel=True)
            ) is not None:
                yield chunk
        except OSError as error:
            if not ran_out(error):
                raise
            raise httpx.ConnectError(explain(error)) from error


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)
