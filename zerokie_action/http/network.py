"""The way out: proxies and certificate authorities, found once and shared by all connections."""

from __future__ import annotations

import base64
import os
import ssl
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import anyio
import anyio.to_thread
import httpx

from zerokie_action.errors import ConfigurationError
from zerokie_action.formats import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LARGEST_PORT = 65_535
_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Proxy(NamedTuple):
    """An HTTP proxy; as text, what an error calls it.

    Attributes:
        url: without user and password.
        variable: of the environment, which names it.
        authorization: the headers with which it lets us in.
    """

    url: str
    variable: str
    authorization: tuple[tuple[bytes, bytes], ...] = ()

    def __str__(self) -> str:
        return f"the proxy {self.url} ({self.variable})"


class Network:
    """What the usual environment variables say about reaching other hosts.

    Honoured are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case
    wins), and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_DIR`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read nothing yet but the proxies' variables in `env`."""
        self._env = env
        self._ssl_context: ssl.SSLContext | None = None
        self._building = anyio.Lock()
        self._found: dict[str, Proxy | None] = {}
        by_case = sorted(env, key=str.islower)
        self._variables = {
            name.lower().removesuffix("_proxy"): name for name in by_case if name.lower().endswith("_proxy")
        }
        self._proxies = {kind: env[name] for kind, name in self._variables.items()}

    def proxy_for(self, origin: str) -> Proxy | None:
        """The proxy for an origin (`https://host:port`), None for a direct connection.

        Raises:
            ConfigurationError: when the proxy is not an HTTP proxy, or its URL is wrong.
        """
        if origin not in self._found:
            scheme, _, host = origin.partition("://")
            kind = scheme if self._proxies.get(scheme) else "all"
            proxy = self._proxies.get(kind)
            if not proxy or self._bypasses(host):
                self._found[origin] = None
            else:
                url = proxy if "://" in proxy else f"http://{proxy}"
                self._found[origin] = _parse(url, self._variables[kind])
        return self._found[origin]

    def _bypasses(self, host: str) -> bool:
        """Whether a host, with its port if the URL has one, is reached directly.

        `NO_PROXY` is read as urllib reads it (suffixes and ports), and as curl does (`10.0.0.0/8`).
        This machine is always: over http, a proxy would see the API key.
        """
        name = urlsplit(f"//{host}").hostname or ""
        if is_this_machine(name) or proxy_bypass_environment(host, self._proxies):
            return True
        with suppress(ValueError):
            address = ip_address(name)
            return any(address in network for network in self._networks())
        return False

    def _networks(self) -> Iterator[IPv4Network | IPv6Network]:
        for entry in self._proxies.get("no", "").split(","):
            with suppress(ValueError):
                yield ip_network(entry.strip().strip("[]"), strict=False)

    async def tls(self) -> ssl.SSLContext:
        """Trusts the named bundle or directory, else the system's store, else certifi's.

        It is built once, in a thread: whatever the files are that it is read from, the event loop goes on.

        Raises:
            ConfigurationError: when the named bundle can't be read.
        """
        async with self._building:
            if self._ssl_context is None:
                self._ssl_context = await anyio.to_thread.run_sync(
                    self._build_ssl_context, abandon_on_cancel=True
                )
            return self._ssl_context

    def _build_ssl_context(self) -> ssl.SSLContext:
        named = next((name for name in _CA_FILES if self._env.get(name)), None)
        directory = self._env.get("SSL_CERT_DIR") or None
        if named:
            return _ssl_context(self._env[named], directory, f"{named}={self._env[named]}")
        system = ssl.get_default_verify_paths().cafile
        if directory or (system and os.path.exists(system)):  # noqa: PTH110 - no pathlib needed for this
            return _ssl_context(None, directory, f"SSL_CERT_DIR={directory}")
        import certifi  # noqa: PLC0415 - only where the system has no certificates

        return _ssl_context(certifi.where(), None, "certifi's bundle")


def _parse(url: str, variable: str) -> Proxy:
    """The proxy of this URL, if it is one. It may hold a password, so no error quotes it."""
    try:
        parts = httpx.URL(url)
        usable = bool(parts.host) and 0 < (parts.port or 1) <= _LARGEST_PORT
    except (httpx.InvalidURL, ValueError):
        usable = False
    else:
        if parts.scheme not in {"http", "https"}:
            raise ConfigurationError(
                f"{variable} names a {parts.scheme!r} proxy, and only HTTP proxies are supported",
                hint=f"Set {variable} to an http:// or https:// URL, or list the host in NO_PROXY.",
            )
    if not usable:
        raise ConfigurationError(
            f"{variable} is not the URL of a proxy",
            hint="Write it as http://host:port or http://user:password@host:port.",
        )
    proxy = httpx.Proxy(url)  # takes user and password out of the URL
    login = b":".join(proxy.raw_auth) if proxy.raw_auth else b""
    header = (b"Proxy-Authorization", b"Basic " + base64.b64encode(login))
    return Proxy(str(proxy.url), variable, (header,) if login else ())


def _ssl_context(cafile: str | None, capath: str | None, where: str) -> ssl.SSLContext:
    """A context that trusts these authorities, or else the system's.

    Raises:
        ConfigurationError: when they, or the file for TLS keys, can't be used.
    """
    if cafile and os.path.isdir(cafile):  # noqa: PTH112 - no pathlib needed for this
        cafile, capath = None, cafile
    try:
        context = ssl.create_default_context(cafile=cafile, capath=capath)
        context.set_alpn_protocols(["http/1.1"])
    except (OSError, ssl.SSLError) as error:
        # Python opens this one for every context.
        if (key_log := os.environ.get("SSLKEYLOGFILE")) and getattr(error, "filename", None) == key_log:
            raise ConfigurationError(
                f"SSLKEYLOGFILE={key_log} can't be written ({error.strerror})",
                hint="Unset SSLKEYLOGFILE, or name a file that this user may write.",
            ) from error
        raise ConfigurationError(f"{where} can't be used as certificate authorities: {error}") from error
    return context
