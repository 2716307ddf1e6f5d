"""The way out: proxies, addresses and certificate authorities, found once and shared by all connections."""

from __future__ import annotations

import os.path
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from zerokie_action.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

T = TypeVar("T")

_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_NEXT_ADDRESS_AFTER = 3.0
"""Seconds for each address but the last: otherwise a broken IPv6 would use up all the time to connect."""


class Network:
    """What the usual environment variables say about reaching other hosts.

    Honoured are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case
    wins), and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_DIR`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read nothing yet but the proxies' variables in `env`."""
        self._env = env
        self._addresses: dict[tuple[str, int], list[str]] = {}
        self._looking_up = anyio.Lock()
        self._ssl_context: ssl.SSLContext | None = None
        self._building = threading.Lock()
        by_case = sorted(env.items(), key=lambda item: item[0].islower())
        self._proxies = {
            name.lower().removesuffix("_proxy"): value
            for name, value in by_case
            if name.lower().endswith("_proxy")
        }

    def proxy_for(self, url: str) -> str | None:
        """The proxy's URL for a URL, None for a direct connection.

        Raises:
            ConfigurationError: when the proxy is not an HTTP proxy, or its URL is wrong.
        """
        parts = urlsplit(url)
        kind = parts.scheme if self._proxies.get(parts.scheme) else "all"
        proxy = self._proxies.get(kind)
        if not proxy or self._bypasses(parts.netloc.rpartition("@")[2]):
            return None
        return _checked(proxy if "://" in proxy else f"http://{proxy}", f"{kind.upper()}_PROXY")

    def _bypasses(self, host: str) -> bool:
        # Loads all of http.client, so only where there is a proxy. typeshed lacks it.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # noqa: PLC0415

        return bool(proxy_bypass_environment(host, self._proxies))

    async def addresses(self, host: str, port: int) -> list[str]:
        """The IP addresses of a host, looked up once: many connections ask at the same moment.

        Raises:
            OSError: when the name can't be resolved.
        """
        async with self._looking_up:
            if (host, port) not in self._addresses:
                found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                self._addresses[host, port] = list(dict.fromkeys(str(address[0]) for *_, address in found))
            return self._addresses[host, port]

    async def reach(self, host: str, port: int, dial: Callable[[str], Awaitable[T]]) -> T:
        """Connect to the first address of a host that answers; the next connection begins with that one.

        Raises:
            OSError: when none does, or the name can't be resolved. The next connection looks it up again.
        """
        addresses = await self.addresses(host, port)
        for address in addresses:
            is_last = address == addresses[-1]
            try:
                with anyio.fail_after(None if is_last else _NEXT_ADDRESS_AFTER):
                    reached = await dial(address)
            except BaseException as error:
                if isinstance(error, OSError) and not is_last:
                    continue
                self._addresses.pop((host, port), None)  # it may have moved
                raise
            else:
                self._addresses[host, port] = [address, *(other for other in addresses if other != address)]
                return reached
        raise OSError(f"{host} has no address")

    def read_authorities(self) -> None:
        """Begin to build `ssl_context` in a thread: OpenSSL does that without holding up Python."""

        def build() -> None:
            with suppress(Exception):  # raised again for whoever uses it
                _ = self.ssl_context

        threading.Thread(target=build, daemon=True).start()

    async def tls(self) -> ssl.SSLContext:
        """`ssl_context`, without holding up the event loop, whatever the files are that it is read from.

        Raises:
            ConfigurationError: as `ssl_context`.
        """
        if self._ssl_context is not None:
            return self._ssl_context
        return await anyio.to_thread.run_sync(lambda: self.ssl_context, abandon_on_cancel=True)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the named bundle or folder, else the system's store, else certifi's.

        It takes a while, so it is built once.

        Raises:
            ConfigurationError: when the named bundle can't be read.
        """
        with self._building:
            if self._ssl_context is None:
                self._ssl_context = self._trusting_who_is_named()
            return self._ssl_context

    def _trusting_who_is_named(self) -> ssl.SSLContext:
        named = next((name for name in _CA_FILES if self._env.get(name)), None)
        folder = self._env.get("SSL_CERT_DIR") or None
        if named:
            return _trusting(self._env[named], folder, f"{named}={self._env[named]}")
        if folder:
            return _trusting(None, folder, f"SSL_CERT_DIR={folder}")
        system = ssl.get_default_verify_paths()
        if system.cafile and os.path.exists(system.cafile):  # noqa: PTH110 - no pathlib needed for this
            return ssl.create_default_context()
        import certifi  # noqa: PLC0415 - only where the system has no certificates

        return ssl.create_default_context(cafile=certifi.where())


def _checked(proxy: str, variable: str) -> str:
    """The URL of an HTTP proxy. It may hold a password, so no error quotes it."""
    try:
        parts = urlsplit(proxy)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
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
    return proxy


def _trusting(cafile: str | None, capath: str | None, where: str) -> ssl.SSLContext:
    if cafile and os.path.isdir(cafile):  # noqa: PTH112 - no pathlib needed for this
        cafile, capath = None, cafile
    try:
        return ssl.create_default_context(cafile=cafile, capath=capath)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{where} can't be used as certificate authorities: {error}") from error
