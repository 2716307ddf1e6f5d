"""The way out: proxies and certificate authorities, found once and shared by all connections."""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import httpcore
import httpx

from zerokie_action.errors import ConfigurationError
from zerokie_action.formats import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_IDLE_TIME = 4.0
"""Seconds that a connection is kept: the shortest that servers keep theirs is 5 (Node)."""
_BACKEND = httpcore.AnyIOBackend()


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


class Network:
    """What the usual environment variables say about reaching other hosts.

    Honoured are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case
    wins), and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read nothing yet but the proxies' variables in `env`."""
        self._env = env
        self._found: dict[str, Proxy | None] = {}
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
        if origin not in self._found:
            scheme, _, host = origin.partition("://")
            kind = scheme if self._proxies.get(scheme) else "all"
            url = self._proxies.get(kind)
            is_direct = is_this_machine(urlsplit(origin).hostname or "")
            if not url or is_direct or proxy_bypass_environment(host, self._proxies):
                self._found[origin] = None
            else:
                self._found[origin] = _parse(url, self._variables[kind])
        return self._found[origin]

    def connection_to(self, origin: str) -> httpcore.AsyncConnectionInterface:
        """A connection to an origin, which its first request opens.

        Raises:
            ConfigurationError: when the proxy or the certificate authorities can't be used.
        """
        found = self.proxy_for(origin)
        proxy = found and httpcore.Proxy(found.url, found.login, ssl_context=self._tls_for(found.url))
        # The pool is not used as one: it knows which kind of connection leads to an origin.
        pool = httpcore.AsyncConnectionPool(
            self._tls_for(origin), proxy, keepalive_expiry=_IDLE_TIME, network_backend=_BACKEND
        )
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
            context = ssl.create_default_context(cafile=file)
        except OSError as error:  # OpenSSL's own are such, too
            where = f"{name}={file}" if name else "The system's certificates"
            raise ConfigurationError(f"{where} can't be used as certificate authorities: {error}") from error
        return context


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
