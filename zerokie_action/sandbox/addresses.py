"""Hosts and paths of requests.

Only requests for loopback's names are served, so that no page of another site reaches the sandbox: a name
server can make any name point to 127.0.0.1 (DNS rebinding). A browser then takes the sandbox for that name's
site, but says the name in `Host`.

Paths are worked on as the raw bytes of the wire. Decoding a path before splitting it would make `a%2Fb` and
`a/b` the same name, so everything here splits first and decodes segment by segment.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from zerokie_action.sandbox.records import ApiError

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


_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def normalise(raw: str) -> str:
    """Remove dot segments, `%2E` included, as proxies and HTTP libraries do (RFC 3986, 5.2.4).

    So `/v1/apps/site/files/..` is `/v1/apps/site`, the app itself.
    """
    kept: list[str] = []
    for segment in raw.split("/")[1:]:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def decode_segment(segment: str) -> str:
    """Undo the percent-encoding of one path segment.

    Raises:
        ApiError: 400 when that gives no name: a stray `%`, no UTF-8, an encoded slash, a NUL byte.
    """
    if _BROKEN_ESCAPE.search(segment):
        raise ApiError(400, "invalid path: '%' must be followed by two hexadecimal digits")
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise ApiError(400, "invalid path: not UTF-8") from None
    if "/" in text or "\0" in text:
        raise ApiError(400, "invalid path: a segment cannot contain a slash or a NUL byte")
    return text


def is_hidden(path: str) -> bool:
    """Whether a file's name, or that of a folder above it, starts with a dot."""
    return path.startswith(".") or "/." in path


def decode_path(raw: str) -> str:
    """Undo the percent-encoding of a file path.

    Raises:
        ApiError: 400 as in `decode_segment`, and for an empty segment.
    """
    segments = raw.split("/")
    if "" in segments:
        raise ApiError(400, "invalid path: empty segment")
    return "/".join(map(decode_segment, segments))
