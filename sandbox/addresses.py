"""Hosts and paths of requests.

The sandbox refuses a request unless its `Host` is a loopback name. This keeps other sites' pages out. A name
server can make any name point to 127.0.0.1 (DNS rebinding). Then a browser treats the sandbox as that name's
site, but sends the name in `Host`.

The sandbox splits a path before it decodes the segments, because decoding first would make `a%2Fb` and `a/b`
the same name.
"""

import re
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.requests import Request

from sandbox.records import ApiError

_SITE_DOMAIN = ".localhost"


def is_loopback(name: str) -> bool:
    """Whether the name means this machine: `localhost`, `NAME.localhost`, 127.0.0.0/8, `::1`."""
    if name == "localhost" or name.endswith(_SITE_DOMAIN):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(request: Request) -> str:
    """Return the name in `Host`, in lower case and without the port; empty for an invalid `Host`."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def app_of(request: Request) -> str | None:
    """Return the app in the host name: `site` for `site.localhost`."""
    host = host_of(request)
    return host.removesuffix(_SITE_DOMAIN) if host.endswith(_SITE_DOMAIN) else None


def site_url(request: Request, app: str) -> str:
    """Return the app's URL for the browser that sent the request, without a final slash.

    On loopback, each app has its own origin, so that the app's scripts can't use the sandbox.
    """
    if not is_loopback(host_of(request)):
        return f"/_apps/{app}"
    _, colon, port = request.headers["host"].rpartition(":")
    return f"http://{app}{_SITE_DOMAIN}{colon}{port}" if port.isdecimal() else f"http://{app}{_SITE_DOMAIN}"


def is_same_origin(request: Request) -> bool:
    """Whether the sandbox's own page sent the request, according to `Origin`."""
    host = request.headers.get("host", "")
    return request.headers.get("origin") in {f"http://{host}", f"https://{host}"}


_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def normalise(raw: str) -> str:
    """Remove dot segments, `%2E` included, as proxies and HTTP libraries do (RFC 3986, 5.2.4).

    For example, `/v1/apps/site/files/..` becomes `/v1/apps/site`, the app's own path.
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
        ApiError: 400 for a stray `%`, invalid UTF-8, an encoded slash or a NUL byte.
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
    """Whether the file's name, or the name of a folder above the file, starts with a dot."""
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
