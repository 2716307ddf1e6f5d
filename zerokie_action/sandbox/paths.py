"""Request paths, worked on as the raw bytes of the wire.

Decoding a path before splitting it would make `a%2Fb` and `a/b` the same name, so everything here
splits first and decodes segment by segment.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from zerokie_action.sandbox.problems import ApiError

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
