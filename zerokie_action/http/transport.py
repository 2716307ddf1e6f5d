"""Transport: opens connections, and keeps idle ones for the next request.

httpx's own pool checks all of its connections for every request, which takes most of the time of thousands of
small uploads (`make bench`). Here, a request takes an idle connection or opens a new one, and puts it back
afterwards.
"""

import ssl
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import anyio
import httpx
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from zerokie_action import limits
from zerokie_action.errors import ConfigurationError
from zerokie_action.http.connection import Connection
from zerokie_action.http.failure import NOT_SENT
from zerokie_action.http.request import RequestOptions
from zerokie_action.http.url import origin, web_url
from zerokie_action.text.numbers import human_seconds

_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE_NAME = "[0-9a-f]" * 8 + ".[0-9]*"
"""OpenSSL's names for certificates in a directory: a hash of the subject and a number."""
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""The variables that may name a proxy. The first one that is set wins, even if it is empty."""
_PORTS = {"http": 80, "https": 443}


class Transport(httpx.AsyncBaseTransport):
    """A transport for requests to any origin. https requests use the environment's proxy."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Prepare the transport without connecting; `env` names proxies and certificate authorities."""
        self._network = Network(env)
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and return the complete response.

        If the proxy requires credentials, the response is a 407.

        Raises:
            httpx.TransportError: when no complete response arrives. Only `ConnectError`, `ConnectTimeout`
                and `ProxyError` mean that the request wasn't sent.
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        server = origin(request.url)
        try:
            connection = await self._take(server) or await self._network.connect(server)
            if not isinstance(connection, Connection):
                return connection
            try:
                return await connection.send(request)
            finally:
                if connection.is_idle:
                    self._idle[server].append(connection)
                else:
                    await connection.aclose()
        except httpx.TransportError as error:
            await self.aclose()  # the idle connections are probably broken as well
            if isinstance(error, NOT_SENT) and (proxy := self._network.proxy_for(server)):
                raise httpx.ProxyError(f"through {proxy.name}") from error
            raise

    async def aclose(self) -> None:
        """Close the idle connections. Requests in flight keep their connections."""
        for idle in list(self._idle.values()):  # a copy, because other requests change the dictionary
            while idle:
                await idle.pop().aclose()

    async def _take(self, server: str) -> Connection | None:
        idle = self._idle[server]
        while idle:
            connection = idle.pop()  # the most recently used is the least likely to be closed
            if connection.is_fresh():
                return connection
            await connection.aclose()
        return None


class Proxy(NamedTuple):
    """An HTTP proxy.

    Attributes:
        name: its name for messages, without credentials.
        url: its address, with credentials if it has any.
    """

    name: str
    url: httpx.URL


class Network:
    """Connections that use the environment's proxies and certificate authorities.

    The environment variables are `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case wins),
    and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`. Requests in plain http use no proxy.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        """Use these environment variables."""
        self._env = env

    def proxy_for(self, server: str) -> Proxy | None:
        """Return the proxy for a server such as `https://host:port`; None for a direct connection.

        urllib's rules apply to `NO_PROXY`.

        Raises:
            ConfigurationError: when the proxy isn't an HTTP proxy, or its URL is invalid.
        """
        scheme, _, host = server.partition("://")
        variable = next((name for name in _PROXIES if name in self._env), "")
        url = self._env.get(variable)
        exceptions = {"no": self._env.get("no_proxy", self._env.get("NO_PROXY", ""))}
        if not url or scheme == "http" or proxy_bypass_environment(host, exceptions):
            return None
        proxy = web_url(url if "://" in url else f"http://{url}")
        if proxy is None or proxy.scheme != "http":
            raise ConfigurationError(  # without the URL, because it may contain a password
                f"{variable} must be the URL of an HTTP proxy, because other proxies aren't supported",
                hint="Write it as http://host:port or http://user:password@host:port, "
                "or list the host in NO_PROXY.",
            )
        return Proxy(f"the proxy {origin(proxy)} ({variable})", proxy)

    async def connect(self, server: str) -> Connection | httpx.Response:
        """Return a new connection to a server. `limits.CONNECT` limits each step of connecting.

        If the proxy requires credentials, return its response with the proxy's name as the text.

        Raises:
            httpx.ConnectError: when a step fails.
            httpx.ConnectTimeout: when a step takes too long.
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        proxy, url = self.proxy_for(server), httpx.URL(server)
        hop = proxy.url if proxy else url
        with _step():
            stream: ByteStream = await anyio.connect_tcp(_host(hop), hop.port or _PORTS[hop.scheme])
        try:
            refusal = await _tunnel(stream, url, proxy) if proxy else None
            if refusal is None:
                return Connection(await self._secure(stream, url) if url.scheme == "https" else stream)
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise
        await anyio.aclose_forcefully(stream)
        return refusal

    async def _secure(self, stream: ByteStream, url: httpx.URL) -> ByteStream:
        """Return the stream with TLS."""
        tls = self.tls
        with _step():
            return await TLSStream.wrap(
                stream, hostname=_host(url), ssl_context=tls, standard_compatible=False
            )

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The TLS context. It trusts the environment's bundle, otherwise the system's, otherwise certifi's.

        Raises:
            ConfigurationError: when the environment's bundle is unreadable.
        """
        name = next((name for name in _CA_FILES if self._env.get(name)), "")
        file = self._env.get(name)
        try:
            context = ssl.create_default_context(cafile=file)
        except OSError as error:  # includes ssl.SSLError
            where = f"{name}={file}" if name else "the system"
            raise ConfigurationError(f"Can't load certificate authorities from {where}: {error}") from error
        if not (file or context.cert_store_stats()["x509"] or _has_certificate_directory()):
            import certifi  # noqa: PLC0415 - only for systems without certificates

            context.load_verify_locations(certifi.where())
        context.set_alpn_protocols(["http/1.1"])
        return context


def _has_certificate_directory() -> bool:
    """Return whether the system has a directory with certificates, which OpenSSL reads on demand."""
    directory = ssl.get_default_verify_paths().capath  # None for a missing directory
    return bool(directory) and any(Path(directory).glob(_CERTIFICATE_NAME))


async def _tunnel(stream: ByteStream, url: httpx.URL, proxy: Proxy) -> httpx.Response | None:
    """Connect the stream to the URL's host through the proxy at its other end.

    If the proxy requires credentials, return its response with the proxy's name as the text.
    """
    host = _host(url)
    address = f"{f'[{host}]' if ':' in host else host}:{url.port or _PORTS[url.scheme]}".encode()
    headers = {b"Host": address}
    if proxy.url.username:
        credentials = b64encode(f"{proxy.url.username}:{proxy.url.password}".encode())
        headers[b"Proxy-Authorization"] = b"Basic " + credentials
    extensions = RequestOptions(purpose="Connecting").extensions | {"target": address}
    request = httpx.Request("CONNECT", url, headers=headers, extensions=extensions)
    with _step():
        response = await Connection(stream).send(request)
    if response.status_code == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
        return httpx.Response(response.status_code, text=proxy.name)
    if not response.is_success:
        raise httpx.ConnectError(f"{response.status_code} {response.reason_phrase}")
    return None


def _host(url: httpx.URL) -> str:
    """Return the host in lower case without brackets. httpx keeps the case of an IPv6 address."""
    return url.raw_host.decode().lower()


@contextmanager
def _step() -> Iterator[None]:
    """Limit a step of connecting, and turn its errors into those that mean "not sent"."""
    try:
        with anyio.fail_after(limits.CONNECT):
            yield
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection within {human_seconds(limits.CONNECT)}") from error
    except (OSError, ValueError, anyio.BrokenResourceError, anyio.EndOfStream, httpx.TransportError) as error:
        raise httpx.ConnectError(str(error)) from error
