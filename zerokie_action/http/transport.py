"""The transport under httpx: a connection of its own for each request in flight.

httpx's own pool looks at all of its connections at every request, which takes most of the time of
thousands of small uploads (`docs/performance.md`). Here a request takes an idle connection of its
origin, or opens a new one, and puts it back. The connections are httpcore's, so HTTP itself, TLS and
proxies are theirs. What a deploy needs beyond that is in the network stream below them (`stream`).
"""

from __future__ import annotations

import math
import socket
import ssl
from collections import defaultdict
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, cast

import anyio
import httpcore
import httpx

from zerokie_action.errors import too_many_open_files
from zerokie_action.http.stream import LARGE, Backend, Traffic
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zerokie_action.http.network import Network

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the other side, and as many again for TLS."""

MAX_BODY = "max_body"
"""The request extension that says how many bytes of body the response may have; without it, any number."""

FRESH = "fresh"
"""The request extension that asks for a new connection: those used before may all be dead."""

RESENDABLE = "resendable"
"""The request extension that says whether the request may be sent again when a kept connection was closed:
that does no harm, and the answer is the same."""

_CLOSE_TIMEOUT = 1.0
_CORE_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response has more bytes of body than the request allows."""


class Transport(httpx.AsyncBaseTransport):
    """Carries requests to any origin, directly or through the proxy that the environment names."""

    def __init__(self, network: Network) -> None:
        """Connect to nothing yet."""
        self._network = network
        self._idle: defaultdict[str, list[_Connection]] = defaultdict(list)
        self._addresses: dict[tuple[str, int], str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and read the whole response.

        A kept-alive connection that the other side has closed meanwhile is replaced without a word, when
        nothing was answered and sending the request again does no harm.

        Raises:
            httpx.TransportError: when there is no complete response.
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        url = _core_url(request.url)
        if request.extensions.get(FRESH):
            await self.aclose()
        connection = await self._take(url.origin)
        try:
            return await self._exchange(connection, request, url)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if connection.is_new or connection.answered or not request.extensions.get(RESENDABLE):
                raise
        await self.aclose()  # what was idle for as long may be closed as well
        return await self._exchange(await self._take(url.origin), request, url)

    async def aclose(self) -> None:
        """Close the idle connections. Those in use are closed or kept when their request ends."""
        for idle in list(self._idle.values()):  # other requests go on meanwhile
            while idle:
                await idle.pop().close()

    async def _exchange(
        self, connection: _Connection, request: httpx.Request, url: httpcore.URL
    ) -> httpx.Response:
        try:
            response, body = await connection.send(request, url)
        except BaseException:
            await connection.close()
            raise
        if connection.is_idle:
            connection.is_new = False
            self._idle[str(url.origin)].append(connection)
        else:
            await connection.close()
        return httpx.Response(
            response.status,
            # Nobody asked for a coding. httpx would inflate a small body to any size before it is measured.
            headers=[field for field in response.headers if field[0].lower() != b"content-encoding"],
            content=body,
            extensions=response.extensions,
            request=request,
        )

    async def _take(self, origin: httpcore.Origin) -> _Connection:
        idle = self._idle[str(origin)]
        while idle:
            connection = idle.pop()  # the one that was used last is the least likely to be closed
            if connection.is_alive:
                return connection
            await connection.close()
        return await self._open(origin)

    async def _open(self, origin: httpcore.Origin) -> _Connection:
        traffic = Traffic()
        backend = Backend(traffic, self._addresses)
        context = await self._network.tls() if origin.scheme == b"https" else None
        proxy = self._network.proxy_for(str(origin))
        if proxy is None:
            return _Connection(
                httpcore.AsyncHTTPConnection(origin, ssl_context=context, network_backend=backend), traffic
            )
        where = httpx.Proxy(proxy.url)
        pool = httpcore.AsyncHTTPProxy(
            _core_url(where.url),
            proxy_auth=where.raw_auth,
            ssl_context=context,
            proxy_ssl_context=await self._network.tls() if where.url.scheme == "https" else None,
            network_backend=backend,
        )
        connection = pool.create_connection(origin)
        # httpx has taken user and password out of the URL.
        name = f"the proxy {where.url} ({proxy.variable})"
        return _Connection(connection, traffic, name, is_tunnel=context is not None)


def _core_url(url: httpx.URL) -> httpcore.URL:
    host = url.raw_host
    # Without brackets, httpcore's CONNECT to an IPv6 address is none that a proxy understands.
    return httpcore.URL(
        scheme=url.raw_scheme,
        host=b"[" + host + b"]" if b":" in host else host,
        port=url.port,
        target=url.raw_path,
    )


class _Connection:
    """A connection of httpcore's, what moves on it, and the proxy that it goes through; empty without one."""

    def __init__(
        self,
        connection: httpcore.AsyncConnectionInterface,
        traffic: Traffic,
        proxy: str = "",
        *,
        is_tunnel: bool = False,
    ) -> None:
        self.is_new = True
        self._connection = connection
        self._traffic = traffic
        self._proxy = proxy
        self._is_tunnel = is_tunnel

    @property
    def is_idle(self) -> bool:
        """Whether it could carry another request."""
        return self._connection.is_available()

    @property
    def is_alive(self) -> bool:
        """Whether an idle connection is open, as far as can be seen: nothing waits to be read."""
        return not self._connection.has_expired()

    @property
    def answered(self) -> bool:
        """Whether anything came back after the last request began."""
        return self._traffic.received > 0

    @property
    def _begins_with_connect(self) -> bool:
        return self._is_tunnel and self.is_new

    async def close(self) -> None:
        """Drop the connection, whatever it is doing."""
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), suppress(OSError, httpcore.NetworkError):
            await self._connection.aclose()

    async def send(self, request: httpx.Request, url: httpcore.URL) -> tuple[httpcore.Response, bytes]:
        """The response to a request, and its body."""
        size = int(request.headers.get("Content-Length", 0))
        self._traffic.begin_request(size, head_first=not self._begins_with_connect)
        outgoing = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=self._body(request),
            extensions=request.extensions,
        )
        try:
            response = await self._handle(outgoing, is_large=size > LARGE)
            if not self.answered:
                # It was there before the request: more than the last one had asked for.
                raise httpx.RemoteProtocolError("the response was not to this request", request=request)
            if response.status < 300 and not self._traffic.is_sent:  # noqa: PLR2004 - HTTP's own number
                raise httpx.RemoteProtocolError("the response came before the body was sent", request=request)
            body = await _read(response, request)
            await response.aclose()
        except (*_CORE_ERRORS, ssl.SSLError) as error:
            raise self._translated(error, request) from error
        return response, body

    def _translated(self, error: Exception, request: httpx.Request) -> httpx.TransportError:
        """The error of httpx that has the same name; one before the request was sent names the proxy."""
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.ReadError)
        timeouts = request.extensions.get("timeout", {})
        match error:
            case httpcore.ConnectTimeout():
                text = f"no connection within {human_seconds(timeouts['connect'])}"
            case httpcore.ReadTimeout() | httpcore.WriteTimeout():
                text = f"no answer within {human_seconds(timeouts['read'])}"
            case httpcore.ProxyError():
                text = f"tunnel refused ({error})"
            case _:
                text = explain(error)
        if self._begins_with_connect and self._traffic.writes == 1 and not issubclass(kind, _NOT_SENT):
            kind = httpx.ProxyError
        if self._proxy and issubclass(kind, _NOT_SENT):
            text += f" through {self._proxy}"
        return kind(text, request=request)

    async def _handle(self, request: httpcore.Request, *, is_large: bool) -> httpcore.Response:
        if not is_large:
            return await self._connection.handle_async_request(request)
        outcome: httpcore.Response | Exception
        async with anyio.create_task_group() as self._traffic.listeners:
            try:
                outcome = await self._connection.handle_async_request(request)
            except Exception as error:  # noqa: BLE001 - raised below, as the group would wrap it
                outcome = error
            self._traffic.listeners.cancel_scope.cancel()
        self._traffic.listeners = None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _body(self, request: httpx.Request) -> AsyncIterator[bytes]:
        async for chunk in cast("AsyncIterator[bytes]", request.stream):
            self._traffic.body_left -= len(chunk)
            yield chunk


async def _read(response: httpcore.Response, request: httpx.Request) -> bytes:
    most = request.extensions.get(MAX_BODY, math.inf)
    body = BytesIO()  # which hands out what it holds without a copy
    async for chunk in response.aiter_stream():
        body.write(chunk)
        if body.tell() > most:
            raise ResponseTooLarge(f"the response is larger than {most} bytes", request=request)
    return body.getvalue()


def may_have_been_sent(error: httpx.TransportError) -> bool:
    """Whether the other side may have seen the request. Only a failed connect is a certain "no"."""
    return not isinstance(error, _NOT_SENT)


def explain(error: BaseException) -> str:  # noqa: PLR0911 - one for each cause
    """Why a connection failed, as the end of a sentence."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's TLS certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or cause})"
        if isinstance(cause, socket.gaierror):
            return f"the host name can't be resolved ({cause.strerror})"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return "the connection was reset"
        if too_many_open_files(cause):
            return "too many open files"
    description = str(error).removesuffix(".")
    return description[:1].lower() + description[1:] or type(error).__name__


def causes(error: BaseException) -> list[BaseException]:
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
