"""The transport under httpx: a connection of its own for each request in flight.

httpx's own pool looks at all of its connections at every request, which takes most of the time of
thousands of small uploads (`make bench`). Here a request takes an idle connection of its
origin, or a new one, and puts it back. The connections are httpcore's: HTTP, TLS, and a proxy's tunnel.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections import defaultdict
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import anyio
import httpcore
import httpx

from zerokie_action.errors import ConfigurationError
from zerokie_action.formats import is_this_machine
from zerokie_action.http.failure import ResponseTooLarge
from zerokie_action.http.request import about

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from httpcore import AsyncConnectionInterface as Connection

_IDLE_TIME = 4.0
"""Seconds that a connection is kept: the shortest that servers keep theirs is 5 (Node)."""
_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
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
        # In lower case, as the connection's own: httpx leaves an IPv6 address as it was written.
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host.lower(), port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=cast("AsyncIterable[bytes]", request.stream),
        extensions=request.extensions,
    )
    response = await connection.handle_async_request(outgoing)
    most = about(request).max_body
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


class Network:
    """What the usual environment variables say about reaching other hosts.

    Honoured are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case
    wins), and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read nothing yet but the proxies' variables in `env`."""
        self._env = env
        by_case = sorted(env, key=str.islower)
        self._variables = {
            name.lower().removesuffix("_proxy"): name for name in by_case if name.lower().endswith("_proxy")
        }
        self._proxies = {kind: env[name] for kind, name in self._variables.items()}

    def proxy_for(self, origin: str) -> Proxy | None:
        """The proxy for an origin (`https://host:port`), None for a direct connection.

        `NO_PROXY` is read as urllib reads it. This machine is always reached directly: over http, a proxy
        would see the API key.

        Raises:
            ConfigurationError: when the proxy is not an HTTP proxy, or its URL is wrong.
        """
        scheme, _, host = origin.partition("://")
        kind = scheme if self._proxies.get(scheme) else "all"
        url = self._proxies.get(kind)
        is_direct = is_this_machine(urlsplit(origin).hostname or "")
        if not url or is_direct or proxy_bypass_environment(host, self._proxies):
            return None
        return _parse(url, self._variables[kind])

    def warnings(self) -> list[str]:
        """A sentence about the networks in `NO_PROXY`, where a proxy is set; empty when there are none."""
        if not any(map(self._proxies.get, ("https", "http", "all"))):
            return []
        networks = [entry.strip() for entry in self._proxies.get("no", "").split(",") if _is_network(entry)]
        if not networks:
            return []
        are = "is a network, which has" if len(networks) == 1 else "are networks, which have"
        what = f"{self._variables['no']}: {', '.join(networks)} {are} no effect"
        return [f"{what}; list host names, addresses or `*`"]

    def connection_to(self, origin: str) -> httpcore.AsyncConnectionInterface:
        """A connection to an origin, which its first request opens.

        Raises:
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        found = self.proxy_for(origin)
        proxy = found and httpcore.Proxy(found.url, found.login, ssl_context=self._tls_for(found.url))
        # The pool is not used as one: it knows which kind of connection leads to an origin.
        pool = httpcore.AsyncConnectionPool(self._tls_for(origin), proxy, keepalive_expiry=_IDLE_TIME)
        return pool.create_connection(httpcore.URL(origin).origin)

    def _tls_for(self, url: str) -> ssl.SSLContext | None:
        return self.tls if url.startswith("https:") else None

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Trusts the named bundle, else the system's store, else certifi's.

        Raises:
            ConfigurationError: when the named bundle can't be read.
        """
        name = next((name for name in _CA_FILES if self._env.get(name)), "")
        file = self._env.get(name)
        system = ssl.get_default_verify_paths()  # None for what does not exist
        if not (file or system.cafile or self._env.get("SSL_CERT_DIR")):
            import certifi  # noqa: PLC0415 - only where the system has no certificates

            file = certifi.where()
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:  # OpenSSL's own are such, too
            where = f"{name}={file}" if name else "The system's certificates"
            raise ConfigurationError(f"{where} can't be used as certificate authorities: {error}") from error


def _is_network(entry: str) -> bool:
    """Whether an entry of `NO_PROXY` is a network such as `10.0.0.0/8`, of other machines than this one."""
    with suppress(ValueError):
        return "/" in entry and not ipaddress.ip_network(entry.strip(), strict=False).is_loopback
    return False


class Proxy(NamedTuple):
    """An HTTP proxy; as text, what an error calls it.

    Attributes:
        url: without user and password.
        variable: of the environment, which names it.
        login: user and password, with which it lets us in.
    """

    url: str
    variable: str
    login: tuple[bytes, bytes] | None

    def __str__(self) -> str:
        return f"the proxy {self.url} ({self.variable})"


def _parse(url: str, variable: str) -> Proxy:
    """The proxy of this URL, if it is one. It may hold a password, so no error quotes it."""
    try:
        proxy = httpx.Proxy(url if "://" in url else f"http://{url}")  # takes the login out of the URL
        is_http = proxy.url.scheme in {"http", "https"}
        if not (is_http and proxy.url.host and (proxy.url.port or 0) < 2**16):
            raise ValueError  # noqa: TRY301 - one error for all
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError(
            f"{variable} is not the URL of an HTTP proxy, and only HTTP proxies are supported",
            hint="Write it as http://host:port or http://user:password@host:port, "
            "or list the host in NO_PROXY.",
        ) from None
    return Proxy(str(proxy.url), variable, proxy.raw_auth)
