"""The httpx client of a run, and what its requests are made of: headers, extensions, bodies."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio
import anyio.to_thread
import httpx

import zerokie_action
from zerokie_action.http.transport import CONNECT_TIMEOUT, MAX_BODY, RESENDABLE, Transport, explain
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from zerokie_action.http.network import Network

USER_AGENT = f"zerokie-action/{zerokie_action.__version__}"
"""How every request introduces us, to the platform and to anybody else."""

HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
"""Of every request. No coding: httpx would inflate a small body to any size before it could be measured."""

MEGABYTE = 1_000_000

PURPOSE = "purpose"
"""The request extension that says what a request is for, as a sentence begins: `Listing the apps`."""

KIND = "kind"
"""The request extension that names the kind of a request: they share a circuit breaker."""

EXPECTED = "expected"
"""The request extension that lists the statuses which are an answer whatever the body."""

_SMALL = 64 * 1024
"""Bytes that are read faster than a thread could be asked to."""


def extensions(
    purpose: str,
    *,
    timeout: float,
    max_body: int = MEGABYTE,
    resendable: bool = False,
    kind: str = "",
) -> dict[str, object]:
    """A request's extensions.

    Args:
        purpose: see `PURPOSE`.
        kind: see `KIND`; without one, the purpose is one by itself.
        timeout: seconds in which nothing moves, after which it is given up; connecting has its own.
        max_body: bytes of body that the response may have.
        resendable: whether the transport may send it twice (see `RESENDABLE`).
    """
    seconds = {"connect": CONNECT_TIMEOUT, "read": timeout, "write": timeout}
    return {
        PURPOSE: purpose,
        KIND: kind or purpose,
        MAX_BODY: max_body,
        RESENDABLE: resendable,
        "timeout": seconds,
    }


class Content(Protocol):
    """What a request body is read from."""

    @property
    def size(self) -> int:
        """Bytes in all, known before anything is read: they go into `Content-Length`."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the beginning.

        Blocks. Raises when there are more or fewer than `size`, or they are not what they were to be; an
        `OSError` only before the first of them, when no file can be opened now.
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
        """Pieces: the connection copies what it sends with the request's head."""
        for start in range(0, len(self.data), _SMALL):
            yield self.data[start : start + _SMALL]


class ContentStream(httpx.AsyncByteStream):
    """A `Content` as httpx sends it, read anew for each attempt; a large one in a thread, piece by piece."""

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
                chunk := await anyio.to_thread.run_sync(next, chunks, None, abandon_on_cancel=True)
            ) is not None:
                yield chunk
        except OSError as error:
            raise httpx.ConnectError(explain(error)) from error


class Http(httpx.AsyncClient):
    """The client for everything that a run asks of other hosts.

    It has no credentials of its own, keeps no cookies, follows no redirect, and reads nothing from the
    environment: each request brings its own.

    Attributes:
        transport: below the client; thousands of uploads hand their requests straight to it.
    """

    def __init__(self, network: Network, *, trace: Callable[[str], None] | None = None) -> None:
        """Connect to nothing yet.

        Args:
            network: proxies and certificate authorities.
            trace: gets one line for every attempt of every request, which may hold secrets.
        """
        self.transport = TracingTransport(network, trace) if trace else Transport(network)
        super().__init__(
            transport=self.transport,
            headers=HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            event_hooks={"response": [_set_location_aside, _drop_stream]},
            trust_env=False,
            follow_redirects=False,
        )


class TracingTransport(Transport):
    """Logs a line for every attempt: `PUT /v1/apps/site/files/a.css: 200 in 0.04 s`."""

    def __init__(self, network: Network, log: Callable[[str], None]) -> None:
        """Connect to nothing yet. `log` gets the lines."""
        super().__init__(network)
        self._log = log

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once."""
        began = anyio.current_time()
        outcome = "given up after"  # cancelled, or the content could not be read
        try:
            response = await super().handle_async_request(request)
            outcome = f"{response.status_code} in"
        except httpx.TransportError as error:
            outcome = f"{error}, after"
            raise
        finally:
            path = request.url.raw_path.decode().partition("?")[0]
            self._log(f"{request.method} {path}: {outcome} {human_seconds(anyio.current_time() - began)}")
        return response


async def _set_location_aside(response: httpx.Response) -> None:
    # httpx reads where a redirect leads even if it is not to follow, and fails if that is no URL.
    if (location := response.headers.pop("location", None)) is not None:
        response.extensions["location"] = location


async def _drop_stream(response: httpx.Response) -> None:
    # httpx's own refers back to the response: both would stay, with a body of megabytes, until the garbage
    # collector looks for them. The transport has read the body.
    response.stream = httpx.ByteStream(b"")


def location(response: httpx.Response) -> str | None:
    """Where a redirect leads, as it came; None when it does not say."""
    value: str | None = response.extensions.get("location")
    return value
