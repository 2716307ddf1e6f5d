"""The transport under httpx: a connection of its own for each request in flight.

httpx's own pool looks at all of its connections at every request, which takes most of the time of
thousands of small uploads (`docs/performance.md`). Here a request takes an idle connection of its
origin, or a new one, and puts it back. The connections are httpcore's: HTTP, TLS, and a proxy's tunnel.
"""

from __future__ import annotations

import math
import ssl
from collections import defaultdict
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

    from httpcore import AsyncConnectionInterface as Connection

_PROXY_LOGIN = 407
"""Proxy Authentication Required."""
_NOT_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError)
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    ssl.SSLError,  # an alert, which neither anyio nor httpcore translates
    anyio.EndOfStream,
)


class Transport(httpx.AsyncBaseTransport):
    """Carries requests to any origin, directly or through the proxy that the environment names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Connect to nothing yet; `env` names proxies and certificate authorities (see `Network`)."""
        self._network = Network(env)
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and read the whole response; a proxy's, where it wants a login.

        Raises:
            httpx.TransportError: when there is no complete response. Only `ConnectError`, `ConnectTimeout`
                and `ProxyError` say that the request was not sent.
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
        connection = await self._take(origin) or self._network.connection_to(origin)
        try:
            return await _send(connection, request)
        except _ERRORS as error:
            await self.aclose()  # what was idle meanwhile is likely to be dead as well
            proxy = self._network.proxy_for(origin)
            if proxy is None or not isinstance(error, _NOT_CONNECTED):
                kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.ReadError)
                raise kind(str(error)) from error
            if str(error).startswith(f"{_PROXY_LOGIN} "):
                return httpx.Response(_PROXY_LOGIN, text=str(proxy))
            raise httpx.ProxyError(f"through {proxy}") from error
        finally:
            if connection.is_available():
                self._idle[origin].append(connection)
            else:
                await _close(connection)

    async def aclose(self) -> None:
        """Close the idle connections. Those in use are closed or kept when their request ends."""
        for idle in list(self._idle.values()):  # other requests go on meanwhile
            while idle:
                await _close(idle.pop())

    async def _take(self, origin: str) -> Connection | None:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()  # used last, so the least likely to be closed
            if not connection.has_expired():
                return connection
            await _close(connection)
        return None


async def _send(connection: Connection, request: httpx.Request) -> httpx.Response:
    """Send the request, and read the response."""
    url = request.url
    outgoing = httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
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


async def _close(connection: Connection) -> None:
    """Drop a connection, whatever it is doing and whatever cancels this."""
    with anyio.CancelScope(shield=True):
        await connection.aclose()
