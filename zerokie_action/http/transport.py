"""The seam between what is asked of the platform and what carries it.

A transport makes exactly one attempt. It knows nothing of retries, endpoints or errors of the
API; it says what came back, or that nothing did and whether the platform may have seen the
request all the same.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple, Protocol

import zerokie_action

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

USER_AGENT = f"zerokie-action/{zerokie_action.__version__}"
"""How every request introduces us, to the platform and to anybody else."""

MEGABYTE = 1_000_000
CONNECT_TIMEOUT = 10.0
"""Seconds to reach the platform, name look-up and TLS included."""

_PIECE = 256 * 1024


class Content(Protocol):
    """A body that is read when it is sent, anew for each attempt.

    Attributes:
        size: bytes, known before anything is read: it goes into `Content-Length`.
    """

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the beginning, in pieces.

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
        """In pieces, each of which gets its own time to be sent."""
        for start in range(0, self.size, _PIECE):
            yield bytes(memoryview(self.data)[start : start + _PIECE])


class Request(NamedTuple):
    """One request.

    Attributes:
        purpose: what it is for, in words that a sentence begins with: `Listing the apps`.
        target: path and query, percent-encoded, exactly as it must be on the wire.
        timeout: seconds for the answer to one attempt, and for each piece of a large body.
        max_answer: bytes of body that are read at most.
        fresh: whether no connection that was used before will do: those may all be dead.
    """

    purpose: str
    method: str
    target: str
    content: bytes | Content = b""
    content_type: str | None = None
    timeout: float = 60.0
    max_answer: int = MEGABYTE
    fresh: bool = False


class Answer(NamedTuple):
    """What came back: status, headers under lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class NoAnswer(Exception):  # noqa: N818 - it is not an error of ours, and may be no error at all
    """No complete answer came.

    Attributes:
        sent: whether the platform may have seen the request. Judged by position (were we past
            connecting?), never by the kind of error: an unclear outcome is never taken for a clear one.
        permanent: whether another attempt can't help, such as a certificate that is not trusted.
    """

    def __init__(self, reason: str, *, sent: bool, permanent: bool = False) -> None:
        """`str(error)` is the reason, in words that end a sentence."""
        super().__init__(reason)
        self.sent = sent
        self.permanent = permanent


class Transport(Protocol):
    """Whatever carries requests."""

    async def send(self, request: Request) -> Answer:
        """Make one attempt.

        Raises:
            NoAnswer: when no complete answer came.
        """
        ...


def explain(error: BaseException) -> tuple[str, bool]:  # noqa: PLR0911 - one for each kind
    """Why a connection failed, in plain words, and whether another attempt can't help."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's TLS certificate is not trusted ({cause.verify_message})", True
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or cause})", False
        if isinstance(cause, socket.gaierror):
            return f"the host name can't be resolved ({cause.strerror})", False
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused", False
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return "the connection was reset", False
        if isinstance(cause, TimeoutError):
            return "timed out", False
    return str(error) or type(error).__name__, False


def _causes(error: BaseException) -> list[BaseException]:
    """The error, what led to it, and so on; the members of groups included."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or current in found:
            continue
        found.append(current)
        waiting += [current.__context__, current.__cause__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
    return found
