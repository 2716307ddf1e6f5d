"""Under which names a request may come: loopback's, so that no page of another site reaches the sandbox.

A name server can make any name point to 127.0.0.1 (DNS rebinding). A browser then takes the sandbox for that
name's site, but says the name in `Host`.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request

_SITE_DOMAIN = ".localhost"


def is_loopback(name: str) -> bool:
    """Whether only this machine is meant: `localhost`, `NAME.localhost`, 127.0.0.0/8, `::1`."""
    if name == "localhost" or name.endswith(_SITE_DOMAIN):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(request: Request) -> str:
    """Return the name in `Host`, without the port and in lower case; empty when it is none."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def app_of(request: Request) -> str | None:
    """Return the app whose own host name was asked for: `site` for `site.localhost`."""
    host = host_of(request)
    return host.removesuffix(_SITE_DOMAIN) if host.endswith(_SITE_DOMAIN) else None


def site_url(request: Request, app: str) -> str:
    """Return where a browser that came by this request finds the app, without a slash at the end.

    On loopback that is an origin of its own, so that the app's scripts have no say in the sandbox.
    """
    if not is_loopback(host_of(request)):
        return f"/_apps/{app}"
    _, colon, port = request.headers["host"].rpartition(":")
    return f"http://{app}{_SITE_DOMAIN}{colon}{port}" if port.isdecimal() else f"http://{app}{_SITE_DOMAIN}"


def is_same_origin(request: Request) -> bool:
    """Whether a page of the sandbox itself sent the request, as the browser tells with `Origin`."""
    host = request.headers.get("host", "")
    return request.headers.get("origin") in {f"http://{host}", f"https://{host}"}
