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

from zerokie_action.http.failure import ResponseTooLarge, explain
from zerokie_action.http.request import MAX_BODY
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from zerokie_action.http.network import Network, Proxy

_IDLE_TIME = 4.0
"""Seconds that a connection is kept: the shortest that servers keep theirs is 5 (Node)."""
_CLOSE_TIMEOUT = 1.0
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    ssl.SSLError,  # an alert, which neither anyio nor httpcore translates
    anyio.EndOfStream,
)
_BACKEND = httpcore.AnyIOBackend()
_Connection = httpcore.AsyncConnectionInterface


class Transport(httpx.AsyncBaseTransport):
    """Carries requests to any origin, directly or through the proxy that the environment names."""

    def __init__(self, network: Network, *, trace: Callable[[str], None] | None = None) -> None:
        """Connect to nothing yet.

        Args:
            network: proxies and certificate authorities.
            trace: gets one line for every request, which may hold secrets.
        """
        self._network = network
        self._trace = trace
        self._idle: defaultdict[str, list[tuple[float, _Connection]]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and read the whole response.

        Raises:
            httpx.TransportError: when there is no complete response. Only `ConnectError`, `ConnectTimeout`
                and `ProxyError` say that the request was not sent.
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        began = anyio.current_time()
        outcome = "given up after"  # cancelled, or the content could not be read
        try:
            response = await self._exchange(request)
            outcome = f"{response.status_code} in"
        except httpx.TransportError as error:
            outcome = f"{error}, after"
            raise
        finally:
            if self._trace:
                path = request.url.raw_path.decode().partition("?")[0]
                taken = human_seconds(anyio.current_time() - began)
                self._trace(f"{request.method} {path}: {outcome} {taken}")
        return response

    async def aclose(self) -> None:
        """Close the idle connections. Those in use are closed or kept when their request ends."""
        for idle in list(self._idle.values()):  # other requests go on meanwhile
            while idle:
                await _close(idle.pop()[1])

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
        proxy = self._network.proxy_for(origin)
        connection: _Connection | None = None
        try:
            connection = await self._take(origin) or await self._open(request, proxy)
            response = await _send(connection, request, proxy)
        except _ERRORS as error:
            await self.aclose()  # what was idle meanwhile is likely to be dead as well
            raise _translated(error, request, proxy) from error
        except httpx.TransportError as error:
            error.request = request
            raise
        finally:
            if connection is not None and connection.is_available():
                self._idle[origin].append((anyio.current_time() + _IDLE_TIME, connection))
            elif connection is not None:
                await _close(connection)
        return response

    async def _take(self, origin: str) -> _Connection | None:
        idle = self._idle[origin]
        while idle:
            expires_at, connection = idle.pop()  # used last, so the least likely to be closed
            if anyio.current_time() < expires_at and not connection.has_expired():
                return connection
            await _close(connection)
        return None

    async def _open(self, request: httpx.Request, proxy: Proxy | None) -> _Connection:
        url, seconds = request.url, request.extensions["timeout"]["connect"]
        if proxy is None:
            return await self._connection_to(url, seconds)
        if url.scheme == "http":  # the proxy is asked for the whole URL
            return await self._connection_to(httpx.URL(proxy.url), seconds)
        context = await self._network.tls()
        to_proxy = await self._connection_to(httpx.URL(proxy.url), seconds)
        return await _tunnel(to_proxy, proxy, url, context, seconds)

    async def _connection_to(self, url: httpx.URL, seconds: float) -> _Connection:
        context = await self._network.tls() if url.scheme == "https" else None
        origin = _core_url(url).origin
        stream = await _BACKEND.connect_tcp(origin.host.decode(), origin.port, seconds)
        if context is not None:
            stream = await _start_tls(stream, context, origin, seconds)
        return httpcore.AsyncHTTP11Connection(origin, stream)


async def _start_tls(
    stream: httpcore.AsyncNetworkStream, context: ssl.SSLContext, origin: httpcore.Origin, seconds: float
) -> httpcore.AsyncNetworkStream:
    try:
        return await stream.start_tls(context, origin.host.decode(), seconds)
    except BaseException:  # a cancellation, too
        await _close(stream)
        raise


async def _tunnel(
    connection: _Connection, proxy: Proxy, url: httpx.URL, context: ssl.SSLContext, seconds: float
) -> _Connection:
    """A connection to the URL's origin, through a tunnel of the proxy.

    httpcore's own waits for the proxy as long as for an answer, and asks for IPv6 hosts without brackets.

    Raises:
        httpx.ProxyError: there is no tunnel.
    """
    origin = _core_url(url).origin
    target = url.netloc.decode() if url.port else f"{url.netloc.decode()}:{origin.port}"
    request = httpcore.Request(
        "CONNECT",
        _core_url(httpx.URL(proxy.url), target),
        headers=[(b"Host", target.encode()), (b"Accept", b"*/*"), *proxy.authorization],
    )
    try:
        with anyio.fail_after(seconds):
            response = await connection.handle_async_request(request)
        _require_tunnel(response)
        stream = await _start_tls(response.extensions["network_stream"], context, origin, seconds)
    except (*_ERRORS, httpx.ProxyError, TimeoutError) as error:
        await _close(connection)
        why = "no answer in time" if isinstance(error, TimeoutError) else explain(error)
        raise httpx.ProxyError(f"{why} through {proxy}") from error
    return httpcore.AsyncHTTP11Connection(origin, stream)


def _require_tunnel(response: httpcore.Response) -> None:
    if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        phrase = response.extensions.get("reason_phrase", b"").decode("ascii", "replace")
        raise httpx.ProxyError(f"tunnel refused ({response.status} {phrase})")


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
    try:
        content = await _read(response, request.extensions.get(MAX_BODY, math.inf))
    finally:
        await response.aclose()
    return httpx.Response(
        response.status,
        # Nobody asked for a coding. httpx would inflate a small body to any size before it is measured.
        headers=[field for field in response.headers if field[0].lower() != b"content-encoding"],
        content=content,
    )


async def _read(response: httpcore.Response, most: float) -> bytes:
    body = BytesIO()  # which hands out what it holds without a copy
    async for chunk in response.aiter_stream():
        body.write(chunk)
        if body.tell() > most:
            raise ResponseTooLarge(f"the response is larger than {most} bytes")
    return body.getvalue()


async def _close(connection: _Connection | httpcore.AsyncNetworkStream) -> None:
    """Drop a connection, whatever it is doing."""
    with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), suppress(OSError, httpcore.NetworkError):
        await connection.aclose()


def _core_url(url: httpx.URL, target: str = "") -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target.encode() or url.raw_path
    )


def _translated(error: Exception, request: httpx.Request, proxy: Proxy | None) -> httpx.TransportError:
    """The error of httpx that has the same name."""
    kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.ReadError)
    timeouts = request.extensions["timeout"]
    match error:
        case httpcore.ConnectTimeout():
            text = f"no connection within {human_seconds(timeouts['connect'])}"
        case httpcore.ReadTimeout() | httpcore.WriteTimeout():
            text = f"no answer within {human_seconds(timeouts['read'])}"
        case _:
            text = explain(error)
    if proxy and isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        text += f" through {proxy}"
    return kind(text, request=request)
