"""The transport for httpx requests, with a simple pool: a stack of idle connections for each origin.

httpx's own pool looks at all of its connections at every request, which takes most of the time of thousands
of small uploads (`make bench`). Here a request pops an idle connection, or opens a new connection,
and puts it back afterwards. httpcore implements the connections: HTTP, TLS and proxy tunnels.
"""

import ssl
from collections import defaultdict
from collections.abc import AsyncIterable, Mapping
from functools import cached_property
from io import BytesIO
from typing import cast
from urllib.parse import unquote
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import anyio
import httpcore
import httpx
from httpcore import AsyncConnectionInterface as Connection

from zerokie_action.errors import ConfigurationError
from zerokie_action.formats import is_this_machine, split_web_url
from zerokie_action.http.failure import NOT_SENT

_IDLE_TIME = 4.0
"""Seconds to keep an idle connection. Servers keep theirs at least 5 s (Node)."""
_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXY_AUTHENTICATION_REQUIRED = 407
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    ssl.SSLError,  # a TLS alert; neither anyio nor httpcore translates it
    anyio.EndOfStream,
)


class Transport(httpx.AsyncBaseTransport):
    """Sends requests to any origin, directly or through the proxy that the environment names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Prepare the transport without connecting; `env` names proxies and certificate authorities."""
        self._network = Network(env)
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and read the whole response.

        If the proxy requires a login, the response is a 407.

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
            await self.aclose()  # the idle connections are likely to be dead as well
            # httpx's errors have the names of httpcore's.
            kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.ReadError)
            if issubclass(kind, NOT_SENT) and (found := self._network.proxy_for(origin)):
                proxy, _ = found
                if str(error).startswith(f"{_PROXY_AUTHENTICATION_REQUIRED} "):
                    return httpx.Response(_PROXY_AUTHENTICATION_REQUIRED, text=proxy)
                raise httpx.ProxyError(f"through {proxy}") from error
            raise kind(str(error)) from error
        finally:
            if connection.is_available():
                self._idle[origin].append(connection)
            else:
                await _close(connection)

    async def aclose(self) -> None:
        """Close the idle connections. Requests in flight keep their connections."""
        for idle in list(self._idle.values()):  # a copy: other requests go on meanwhile
            while idle:
                await _close(idle.pop())

    async def _take(self, origin: str) -> Connection | None:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()  # the most recently used is the least likely to be closed
            if not connection.has_expired():
                return connection
            await _close(connection)
        return None


async def _send(connection: Connection, request: httpx.Request) -> httpx.Response:
    """Send the request, and read the response."""
    url = request.url
    outgoing = httpcore.Request(
        request.method,
        # In lower case, like the connection's host: httpx does not change the case of IPv6 addresses.
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host.lower(), port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=cast("AsyncIterable[bytes]", request.stream),
        extensions=request.extensions,
    )
    response = await connection.handle_async_request(outgoing)
    max_body = request.extensions["max_body"]
    body = BytesIO()  # `getvalue` makes no copy
    try:
        async for chunk in response.aiter_stream():
            body.write(chunk)
            if body.tell() > max_body:
                raise httpx.RemoteProtocolError(f"the response is larger than {max_body} bytes")
    finally:
        await response.aclose()
    return httpx.Response(
        response.status,
        # Without this header: httpx would decompress the body, and a small body can inflate to any size.
        headers=[field for field in response.headers if field[0].lower() != b"content-encoding"],
        content=body.getvalue(),
    )


async def _close(connection: Connection) -> None:
    """Close a connection, shielded from cancellation."""
    with anyio.CancelScope(shield=True):
        await connection.aclose()


class Network:
    """Proxies and certificate authorities from the usual environment variables.

    The variables are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case
    wins), and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read the proxy variables in `env`."""
        self._env = env
        by_case = sorted(env, key=str.islower)  # lower case last, so that it wins
        self._variables = {
            name.lower().removesuffix("_proxy"): name for name in by_case if name.lower().endswith("_proxy")
        }
        self._proxies = {kind: env[name] for kind, name in self._variables.items()}

    def proxy_for(self, origin: str) -> tuple[str, httpcore.Proxy] | None:
        """The proxy for an origin such as `https://host:port`; None for a direct connection.

        With the proxy comes its name for messages, which has no login.

        urllib's rules apply to `NO_PROXY`. Connections to this machine never use a proxy, which would see the
        API key in plain http.

        Raises:
            ConfigurationError: when the proxy is not an HTTP proxy, or its URL is wrong.
        """
        scheme, _, host = origin.partition("://")
        kind = scheme if self._proxies.get(scheme) else "all"
        url = self._proxies.get(kind)
        is_direct = is_this_machine(httpcore.URL(origin).host.decode())
        if not url or is_direct or proxy_bypass_environment(host, self._proxies):
            return None
        variable = self._variables[kind]
        parts = split_web_url(url if "://" in url else f"http://{url}")
        if parts is None:
            raise ConfigurationError(  # without the URL, which may have a password
                f"{variable} is not the URL of an HTTP proxy, and only HTTP proxies are supported",
                hint="Write it as http://host:port or http://user:password@host:port, "
                "or list the host in NO_PROXY.",
            )
        login = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        proxy = httpcore.Proxy(where, login if parts.username else None, ssl_context=self._tls_for(where))
        return f"the proxy {where} ({variable})", proxy

    def connection_to(self, origin: str) -> httpcore.AsyncConnectionInterface:
        """A new connection to an origin; the first request opens it.

        Raises:
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        _, proxy = self.proxy_for(origin) or ("", None)
        # This pool only chooses the kind of connection; it holds no connections.
        pool = httpcore.AsyncConnectionPool(self._tls_for(origin), proxy, keepalive_expiry=_IDLE_TIME)
        return pool.create_connection(httpcore.URL(origin).origin)

    def _tls_for(self, url: str) -> ssl.SSLContext | None:
        return self.tls if url.startswith("https:") else None

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """A TLS context that trusts the named bundle, else the system's store, else certifi's bundle.

        Raises:
            ConfigurationError: when the named bundle can't be read.
        """
        name = next((name for name in _CA_FILES if self._env.get(name)), "")
        file = self._env.get(name)
        system = ssl.get_default_verify_paths()  # None for a missing file
        if not (file or system.cafile or self._env.get("SSL_CERT_DIR")):
            import certifi  # noqa: PLC0415 - only where the system has no certificates

            file = certifi.where()
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:  # includes ssl.SSLError
            where = f"{name}={file}" if name else "The system's certificates"
            raise ConfigurationError(f"{where} can't be used as certificate authorities: {error}") from error
