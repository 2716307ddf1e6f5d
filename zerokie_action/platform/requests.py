"""What is sent: the paths of the reference, bodies, and the time and room that an answer has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from zerokie_action.http import Request
from zerokie_action.http.request import HEADERS, MEGABYTE, Bytes, ContentStream, extensions

if TYPE_CHECKING:
    from zerokie_action.http.request import Content

UPLOADS, DELETIONS, MANIFESTS = "Uploads", "Deletions", "Manifests"
"""Kinds of requests: each of the others is one by itself."""

LISTING_TIMEOUT = 120.0
LARGEST_LISTING = 128 * MEGABYTE
"""Seconds and bytes for a listing: more than a million files. Parsing it takes four times as much memory."""
FINALIZE_TIMEOUT = 25.0
"""Seconds for one attempt to finalize: a second one must fit into the minute that a release may take."""


class Requests:
    """Makes the requests to one API, with its key. Nothing else is ever sent with that key."""

    def __init__(self, base_url: str, api_key: str) -> None:
        """Make nothing yet.

        Args:
            base_url: the API's, without a trailing slash.
            api_key: goes with every request.
        """
        self._base_url = base_url
        self._headers = {"Host": urlsplit(base_url).netloc, **HEADERS, "Accept": "application/json"}
        self._headers["Authorization"] = f"Bearer {api_key}"

    def __call__(
        self,
        purpose: str,
        method: str,
        target: str,
        body: Mapping[str, object] | Content | None = None,
        *,
        content_type: str = "application/json",
        kind: str = "",
        max_body: int = MEGABYTE,
        timeout: float = 30.0,
    ) -> Request:
        """A request.

        Args:
            purpose: what it is for, as the beginning of a sentence.
            method: HTTP's.
            target: below the API's URL, from `app_target`: httpx would resolve a dot segment.
            body: a mapping is sent as JSON, without what is None; a content is read when it is sent.
            content_type: of the body.
            kind: of requests; without one, the purpose is one by itself.
            max_body: bytes of body that the response may have.
            timeout: seconds in which nothing moves, after which it is given up.
        """
        if isinstance(body, Mapping):
            given = {key: value for key, value in body.items() if value is not None}
            body = Bytes(json.dumps(given).encode())
        headers, stream, size = self._headers, None, 0
        if body is not None:
            stream, size = ContentStream(body), body.size
            headers = headers | {"Content-Type": content_type, "Content-Length": str(size)}
        more = extensions(purpose, kind=kind, timeout=timeout, size=size, max_body=max_body)
        return Request(method, self._base_url + target, headers=headers, stream=stream, extensions=more)


def app_target(app: str, *rest: str) -> str:
    """The request target for an app (`/v1/apps/:name`), or for what the segments in `rest` name below it.

    Raises:
        ValueError: when a segment is empty, `.` or `..`: it would reach something else.
    """
    return f"/v1/apps/{'/'.join(map(_segment, (app, *rest)))}"


@lru_cache(maxsize=1024)  # the app and its directories come again and again
def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can't be addressed as a path segment")
    return quote(text, safe="")
