"""What is sent: the paths of the reference, bodies, and the time and room that an answer has."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from zerokie_action.http import Request
from zerokie_action.http.request import HEADERS, MEGABYTE, ContentStream, extensions

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        parts = urlsplit(base_url)
        self._base_url = base_url
        self._prefix = parts.path
        self._headers = {"Host": parts.netloc, **HEADERS, "Accept": "application/json"}
        self._headers["Authorization"] = f"Bearer {api_key}"

    def __call__(
        self,
        purpose: str,
        method: str,
        target: str,
        body: Mapping[str, object] | None = None,
        *,
        kind: str = "",
        max_body: int = MEGABYTE,
        timeout: float = 30.0,
    ) -> Request:
        """A request with a body of JSON, or none.

        Args:
            purpose: what it is for, as the beginning of a sentence.
            method: HTTP's.
            target: below the API's URL, percent-encoded.
            body: what is sent as JSON, without what is None.
            kind: of requests; without one, the purpose is one by itself.
            max_body: bytes of body that the response may have.
            timeout: seconds in which nothing moves, after which it is given up.
        """
        json_type = {} if body is None else {"Content-Type": "application/json"}
        given = body and {key: value for key, value in body.items() if value is not None}
        request = Request(
            method,
            self._base_url + target,
            headers=self._headers | json_type,
            content=None if body is None else json.dumps(given),
            extensions=extensions(purpose, kind=kind, timeout=timeout, max_body=max_body),
        )
        return self._checked(request, target)

    def upload(self, app: str, path: str, content: Content, content_type: str, kind: str) -> Request:
        """A request that stores a file ("PUT /v1/apps/:name/files/{path}"), read when it is sent."""
        target = app_target(app, "files", *path.split("/"))
        length = {"Content-Type": content_type, "Content-Length": str(content.size)}
        request = Request(
            "PUT",
            self._base_url + target,
            headers=self._headers | length,
            stream=ContentStream(content),
            extensions=extensions(f"Uploading {path!r}", kind=kind, size=content.size),
        )
        return self._checked(request, target)

    def _checked(self, request: Request, target: str) -> Request:
        # httpx normalises: a dot segment would turn the deletion of a file into that of its app.
        if request.url.raw_path.decode() != (wanted := self._prefix + target):
            raise ValueError(
                f"the request would go to {request.url.raw_path.decode()!r} instead of {wanted!r}"
            )
        return request


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
