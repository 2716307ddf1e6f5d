"""What is sent: the paths of the reference, bodies, and the time and room that an answer has."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from zerokie_action.http import Request
from zerokie_action.http.request import HEADERS, KIND, MEGABYTE, ContentStream, extensions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.http.request import Content

UPLOADS, DELETIONS, MANIFESTS = "Uploads", "Deletions", "Manifests"
"""Kinds of requests: each of the others is one by itself."""

REQUEST_TIMEOUT = 30.0
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
        max_body: int = MEGABYTE,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Request:
        """A request with a body of JSON, or none.

        Args:
            purpose: what it is for, as the beginning of a sentence.
            method: HTTP's.
            target: below the API's URL, percent-encoded.
            body: what is sent as JSON, without what is None.
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
            extensions=extensions(purpose, timeout=timeout, max_body=max_body),
        )
        return self._checked(request, target)

    def lock(self, purpose: str, method: str, app: str, session: str) -> Request:
        """A request about the deploy lock ("POST" and "PUT /v1/apps/:name/deploy/lock")."""
        return self(purpose, method, app_target(app, "/deploy/lock"), {"deploy_session_id": session})

    def upload(self, app: str, path: str, content: Content, content_type: str, kind: str) -> Request:
        """A request that stores a file ("PUT /v1/apps/:name/files/{path}"), read when it is sent."""
        target = file_target(app, path)
        length = {"Content-Type": content_type, "Content-Length": str(content.size)}
        request = Request(
            "PUT",
            self._base_url + target,
            headers=self._headers | length,
            stream=ContentStream(content),
            extensions=extensions(f"Uploading {path!r}", kind=kind, size=content.size),
        )
        return self._checked(request, target)

    def delete_file(self, app: str, path: str) -> Request:
        """A request that deletes a file ("DELETE /v1/apps/:name/files/{path}")."""
        request = self(f"Deleting {path!r}", "DELETE", file_target(app, path))
        request.extensions[KIND] = DELETIONS
        return request

    def _checked(self, request: Request, target: str) -> Request:
        # httpx normalises: a dot segment would turn the deletion of a file into that of its app.
        if request.url.raw_path.decode() != (wanted := self._prefix + target):
            raise ValueError(
                f"the request would go to {request.url.raw_path.decode()!r} instead of {wanted!r}"
            )
        return request


def app_target(app: str, rest: str = "") -> str:
    """The request target for an app (`/v1/apps/:name`), or for what is below it.

    Raises:
        ValueError: when the name is empty, `.` or `..`: it would reach something else.
    """
    return f"/v1/apps/{_segment(app)}{rest}"


def file_target(app: str, path: str) -> str:
    """The request target for a file of a static app.

    Raises:
        ValueError: when a segment is empty, `.` or `..`: it would reach something else.
    """
    return app_target(app, f"/files/{'/'.join(_segment(part) for part in path.split('/'))}")


def domain_target(app: str, domain: str) -> str:
    """The request target for a custom domain of a static app.

    Raises:
        ValueError: as `file_target`.
    """
    return app_target(app, f"/domains/{_segment(domain)}")


@lru_cache(maxsize=1024)  # the app and its directories come again and again
def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can't be addressed as a path segment")
    return quote(text, safe="")
