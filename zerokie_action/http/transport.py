"""The transport under httpx: a connection of its own for each request in flight.

httpx's own pool looks at all of its connections at every request, which takes most of the time of
thousands of small uploads (`docs/performance.md`). Here a request takes an idle connection of its
origin, or opens a new one, and puts it back. HTTP and TLS are httpcore's.
"""

from __future__ import annotations

import math
import ssl
from collections import defaultdict
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, cast

import anyio
import httpcore
import httpx

from zerokie_action.http.failure import ResponseTooLarge
from zerokie_action.http.network import Network
from zerokie_action.http.request import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from zerokie_action.http.network import Proxy

_IDLE_TIME = 4.0
"""Seconds that a connection is kept: the shortest that servers keep theirs is 5 (Node)."""
_CLOSE_TIMEOUT = 1.0
_PROXY_LOGIN = 407
"""Proxy Authentication Required."""
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    ssl.SSLError,  # an alert, which neither anyio nor httpcore translates
    anyio.EndOfStream,
)
_BACKEND = httpcore.AnyIOBackend()
_Connection = httpcore.AsyncConnectionInterface


class _LoginWanted(Exception):  # noqa: N818 - it becomes a response
    """The proxy lets nobody through without a login."""


class Transport(httpx.AsyncBaseTransport):
    """Carries requests to any origin, directly or through the proxy that the environment names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Connect to nothing yet; `env` names proxies and certificate authorities (see `Network`)."""
        self._network = Network(env)
        self._idle: defaultdict[str, list[_Connection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and read the whole response; a proxy's, where it wants a login.

        Raises:
            httpx.TransportError: when there is no complete response. Only `ConnectError`, `ConnectTimeout`
                and `ProxyError` say that the request was not sent.
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
        proxy = self._network.proxy_for(origin)
        connection: _Connection | None = None
        try:
            connection = await self._take(origin) or await self._open(request, proxy)
            return await _send(connection, request, proxy)
        except _LoginWanted:
            return httpx.Response(_PROXY_LOGIN, text=str(proxy))
        except _ERRORS as error:
            await self.aclose()  # what was idle meanwhile is likely to be dead as well
            kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.ReadError)
            raise kind(str(error)) from error
        finally:
            if connection is not None and connection.is_available():
                self._idle[origin].append(connection)
            elif connection is not None:
                await _close(connection)

    async def aclose(self) -> None:
        """Close the idle connections. Those in use are closed or kept when their request ends."""
        for idle in list(self._idle.values()):  # other requests go on meanwhile
            while idle:
                await _close(idle.pop())

    async def _take(self, origin: str) -> _Connection | None:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()  # used last, so the least likely to be closed
            if not connection.has_expired():
                return connection
            await _close(connection)
        return None

    async def _open(self, request: httpx.Request, proxy: Proxy | None) -> _Connection:
        url, seconds = request.url, request.extensions["timeout"]["connect"]
        if proxy is None:
            return await self._connect(url, seconds)
        try:
            connection = await self._connect(httpx.URL(proxy.url), seconds)
            if url.scheme == "https":
                return await self._tunnel(connection, proxy, url, seconds)
        except _ERRORS as error:
            raise httpx.ProxyError(f"through {proxy}") from error
        return connection  # a proxy is asked for the whole URL of plain http

    async def _connect(self, url: httpx.URL, seconds: float) -> _Connection:
        context = self._network.tls if url.scheme == "https" else None
        origin = _core_url(url).origin
        stream = await _BACKEND.connect_tcp(origin.host.decode(), origin.port, seconds)
        return await _secured(stream, context, origin, seconds)

    async def _tunnel(
        self, connection: _Connection, proxy: Proxy, url: httpx.URL, seconds: float
    ) -> _Connection:
        """A connection to the URL's origin, through a tunnel of the proxy.

        httpcore's own waits for the proxy as long as for an answer, and asks for IPv6 hosts without brackets.
        """
        context = self._network.tls
        origin = _core_url(url).origin
        target = url.netloc.decode() if url.port else f"{url.netloc.decode()}:{origin.port}"
        request = httpcore.Request(
            "CONNECT",
            _core_url(httpx.URL(proxy.url), target),
            headers=[(b"Host", target.encode()), (b"Accept", b"*/*"), *proxy.authorization],
            extensions={"timeout": {"read": seconds, "write": seconds}},
        )
        response = await connection.handle_async_request(request)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
            await _close(connection)
            if response.status == _PROXY_LOGIN:
                raise _LoginWanted
            phrase = response.extensions["reason_phrase"].decode("ascii", "replace")
            raise httpcore.ProxyError(f"tunnel refused ({response.status} {phrase})")
        return await _secured(response.extensions["network_stream"], context, origin, seconds)


async def _secured(
    stream: httpcore.AsyncNetworkStream,
    context: ssl.SSLContext | None,
    origin: httpcore.Origin,
    seconds: float,
) -> _Connection:
    """A connection over the stream, with TLS if there is a context for it."""
    if context is not None:
        try:
            stream = await stream.start_tls(context, origin.host.decode(), seconds)
        except BaseException:  # a cancellation, too
            await _close(stream)
            raise
    return httpcore.AsyncHTTP11Connection(origin, stream, keepalive_expiry=_IDLE_TIME)


async def _send(connection: _Connection, request: httpx.Request, proxy: Proxy | None) -> httpx.Response:
    """Send the request, and read the response."""
    url, headers = _core_url(request.url), request.headers.raw
    if proxy is not None and request.url.scheme == "http":
        url = _core_url(httpx.URL(proxy.url), str(request.url))
        headers = [*proxy.authorization, *headers]
    outgoing = httpcore.Request(
        request.method,
        url,
        headers=headers,
        content=cast("AsyncIterable[bytes]", request.stream),
        extensions=request.extensions,
    )
    response = await connection.handle_async_request(outgoing)
    most = request.extensions.get(MAX_BODY, math.inf)
    body = BytesIO()  # which hands out what it holds without a copy
    try:
        async for chunk in response.aiter_stream():
            body.write(chunk)
            if body.tell() > most:
                raise ResponseTooLarge(f"the response is larger than {most} bytes")
    finally:
        await response.aclose()
    return httpx.Response(
        response.status,
        # Nobody asked for a coding. httpx would inflate a small body to any size before it is measured.
        headers=[field for field in response.headers if field[0].lower() != b"content-encoding"],
        content=body.getvalue(),
    )


async def _close(connection: _Connection | httpcore.AsyncNetworkStream) -> None:
    """Drop a connection, whatever it is doing."""
    with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), suppress(OSError, httpcore.NetworkError):
        await connection.aclose()


def _core_url(url: httpx.URL, target: str = "") -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target.encode() or url.raw_path
    )
