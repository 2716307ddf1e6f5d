"""What is sent: the paths of the reference, bodies, and the time and room that an answer has."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from zerokie_action.http.transport import MEGABYTE, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.platform.models import Registry

REQUEST_TIMEOUT = 30.0
LISTING_TIMEOUT = 120.0
LARGEST_LISTING = 512 * MEGABYTE
"""Seconds and bytes for a listing: a hundred thousand files make a long answer."""
FINALIZE_TIMEOUT = 25.0
"""Seconds for one attempt to finalize: a second one must fit into the minute that a release may take."""


def new_request(
    purpose: str,
    method: str,
    target: str,
    body: Mapping[str, object] | None = None,
    *,
    max_answer: int = MEGABYTE,
    timeout: float = REQUEST_TIMEOUT,
) -> Request:
    """A request with a body of JSON, or none (see `Request`)."""
    if body is None:
        return Request(purpose, method, target, max_answer=max_answer, timeout=timeout)
    content = json.dumps(body).encode()
    kind = "application/json"
    return Request(purpose, method, target, content, kind, max_answer=max_answer, timeout=timeout)


def lock_request(purpose: str, method: str, app: str, session: str) -> Request:
    """A request about the deploy lock ("POST" and "PUT /v1/apps/:name/deploy/lock")."""
    return new_request(purpose, method, app_target(app, "/deploy/lock"), {"deploy_session_id": session})


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


def registry_auth(registry: Registry | None) -> dict[str, str] | None:
    """Credentials as the platform takes them ("registry_auth")."""
    return registry._asdict() if registry else None


@lru_cache(maxsize=1024)  # the app and its folders come again and again
def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can't be addressed as a path segment")
    return quote(text, safe="")
