"""URLs from inputs and from the platform.

All modules use this parser, so that they agree on a URL's host.
"""

import ipaddress
import re
from urllib.parse import unquote

from httpx import URL, InvalidURL

_CHARACTERS = re.compile(r"[!-\[\]^_`a-z{|}~]+")
"""Visible ASCII without the backslash, because some programs read it as a slash."""
_HOST = re.compile(rb"[a-z0-9._:-]+", re.IGNORECASE)
_LARGEST_PORT = 65_535


def web_url(text: str) -> URL | None:
    """Return the http or https URL in `text`; None if httpx can't send a request to it."""
    if not _CHARACTERS.fullmatch(text):
        return None
    try:
        url = URL(text)
        host = url.host  # decodes an international name, which `URL` doesn't check
        if re.fullmatch(r"[0-9.]+", host):
            ipaddress.IPv4Address(host)
    except (InvalidURL, ValueError):
        return None
    is_web = url.scheme in {"http", "https"} and (url.port or 0) <= _LARGEST_PORT
    return url if is_web and _HOST.fullmatch(url.raw_host) else None


def origin(url: URL) -> str:
    """Return an origin such as `https://host:port`, in lower case and without the scheme's default port."""
    return f"{url.scheme}://{url.netloc.decode()}"


def host_and_path(text: str) -> str:
    """Return a web URL's host and path, or another text's path, without percent-encoding."""
    url = web_url(text)
    return f"{url.host}{url.path}" if url else unquote(re.split(r"[?#]", text, maxsplit=1)[0])


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_this_machine(host: str) -> bool:
    """Return whether a host name or address means this machine or the container's host."""
    # Docker and Podman use these names for the machine that runs the container.
    return is_loopback(host) or host in {"host.docker.internal", "host.containers.internal"}
