"""The way out: proxies and certificate authorities, found once and shared by all connections."""

from __future__ import annotations

import os.path
import socket
import ssl
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import anyio

from zerokie_action.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Network:
    """What the usual environment variables say about reaching other hosts.

    Honoured are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case (lower case
    wins), and `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_DIR`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._addresses: dict[tuple[str, int], list[str]] = {}
        by_case = sorted(env.items(), key=lambda item: item[0].islower())
        self._proxies = {
            name.lower().removesuffix("_proxy"): value for name, value in by_case if name.lower().endswith("_proxy")
        }

    def proxy_for(self, url: str) -> str | None:
        """The proxy's URL for a URL, None for a direct connection."""
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if not proxy or proxy_bypass_environment(parts.netloc.rpartition("@")[2], self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    async def addresses(self, host: str, port: int) -> list[str]:
        """The IP addresses of a host, looked up once a run: many connections would ask at the same moment.

        Raises:
            OSError: when the name can't be resolved.
        """
        if (host, port) not in self._addresses:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._addresses[host, port] = list(dict.fromkeys(str(address[0]) for *_, address in found))
        return self._addresses[host, port]

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the named bundle or folder, else the system's store, else certifi's. Costs time: built when used.

        Raises:
            ConfigurationError: when the named bundle can't be read.
        """
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


def _trusting(cafile: str | None, capath: str | None, where: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cafile, capath=capath)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{where} can't be used as certificate authorities: {error}") from error
