"""The platform's responses: valid ones, errors and failures, each with its hint.

A response is valid in one of these cases. In any other case, the request failed and is retried.

- A 2xx with the expected content.
- A status in `FINAL` with any body, except a 403 to heartbeat or finalize.
- A 409, unless its body is a web page.
- Any other 4xx with the platform's `{"error"}`, except a 404 to a request with `retries_missing`.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from zerokie_action import limits
from zerokie_action.errors import AuthenticationError, Conflict, DeployError, NotFound, RequestRejected
from zerokie_action.http import Request, Response
from zerokie_action.http.failure import Cause, Failure, is_web_page, of_status, parse_retry_after
from zerokie_action.http.request import MEGABYTE, RequestOptions
from zerokie_action.http.url import origin
from zerokie_action.platform.models import Malformed
from zerokie_action.text.escapes import shorten
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

_LONGEST_QUOTE = 500

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
CONFLICT, TOO_LARGE = 409, 413
FINAL = frozenset({UNAUTHORIZED, FORBIDDEN, 407, TOO_LARGE, 414, 415, 431})
"""Statuses that are final with any body."""

_REFUSALS = {NOT_FOUND: NotFound, CONFLICT: Conflict}
"""The errors for statuses that callers handle."""

_HINT = "Fix the problem that the response describes, then run the job again."
_HINTS = {
    NOT_FOUND: "Check `app` and `api-url`, then run the job again.",
    UNAUTHORIZED: "Check that the secret for `api-key` contains a valid key for this `api-url`.",
    407: "Check the user and password in the proxy's URL, such as http://user:password@host:port.",
    CONFLICT: "Run the job again later, because something else may be changing the app.",
}
_HINT_GATEWAY = (
    "Check `api-url`. If it's correct, a firewall, gateway or proxy rejected the request, so contact its "
    "operator."
)
_HINT_TOO_LARGE = f"{_HINT_GATEWAY} It may limit the size of requests (nginx: `client_max_body_size`)."
_ADVICE = {
    Cause.OUTAGE: "Run the job again in a few minutes. If it fails again, check `api-url`, the proxy "
    "settings and the platform's status.",
    Cause.WRONG_SERVER: "Check `api-url`, the proxy settings and DNS. If they're correct, run the job again "
    "in a few minutes.",
    Cause.CERTIFICATE: "Check `api-url`. If a private authority issued the certificate, set SSL_CERT_FILE to "
    "a file with the authority's certificate.",
    Cause.OWN_MACHINE: "Check that the server is listening on this port. In a container, this address is the "
    "container itself, so use `--network host`, or `host.docker.internal` in `api-url` (http is allowed).",
}
"""Hints for a request that failed for the last time."""


def advice(failed: Failure, usual: str = "") -> str:
    """Return the hint for a request that failed for the last time.

    Args:
        failed: its last failure.
        usual: the hint without a long `Retry-After`. By default, the one for the failure's cause.
    """
    if failed.retry_after > limits.MOST_WAITED:
        return f"Run the job again after {human_seconds(failed.retry_after)}, as the response asks."
    return usual or _ADVICE[failed.cause]


def read_response(
    request: Request,
    response: Response,
    parse: Callable[[Response], T],
    redact: Callable[[str], str],
) -> T | Failure | DeployError:
    """Return a response's value, its error, or the failure to retry.

    Args:
        request: the request.
        response: its response.
        parse: turns a 2xx into the value, or raises `Malformed`.
        redact: removes secrets from the response's text.
    """
    if response.is_success:
        with suppress(Malformed):
            return parse(response)
    options, status, error = RequestOptions.of(request), response.status_code, _error_text(response.content)
    quoted = quotation(response.content, redact)
    responded = f"responded with {status} ({quoted})" if quoted else f"responded with {status}"
    if failed := of_status(response, f"the platform {responded}"):
        return failed
    # A 409 is the platform's even without its `error`. Only a web page isn't, because Cloudflare sends one.
    conflicts = status == CONFLICT and not is_web_page(response.content)
    is_final = status in FINAL and not (status == FORBIDDEN and options.retries_forbidden)
    if is_final or conflicts or (response.is_client_error and error):
        if status == NOT_FOUND and options.retries_missing:
            return Failure(f"the platform {responded}", may_have_arrived=False)
        return _refusal(
            request, response, f"{status}: {quoted}" if quoted else f"{status}", is_ours=bool(error)
        )
    # Another server may have responded after the platform carried out the request.
    return Failure(f"{origin(request.url)} {responded}, but not in the API's format", Cause.WRONG_SERVER)


def quotation(body: bytes, redact: Callable[[str], str]) -> str:
    """Return a quotation from a body: its `{"error": "…"}`, an HTML page's title, or any other text.

    Read only the first megabyte of the body. Never raise.

    Args:
        body: the response's body.
        redact: removes secrets before the text is shortened, because it can't find half a secret.
    """
    error = _error_text(body)
    kind, text = "", error or body[:MEGABYTE].decode("utf-8", "replace")
    if not error and is_web_page(body):
        title = re.search("<title>(.*?)(</?title>|$)", text, re.IGNORECASE | re.DOTALL)
        kind, text = "an HTML page", title[1] if title else ""
    text = shorten(" ".join(redact(text).split()), _LONGEST_QUOTE)
    return ", ".join(filter(None, (kind, text and f'"{text}"')))


def _error_text(body: bytes) -> str:
    """Return the text of the platform's `{"error": "…"}`; empty for any other body."""
    try:
        content = json.loads(body[:MEGABYTE])
    except (ValueError, RecursionError):
        return ""
    error = content.get("error") if isinstance(content, dict) else None
    return error.strip() if isinstance(error, str) else ""


def _refusal(request: Request, response: Response, quoted: str, *, is_ours: bool) -> DeployError:
    """Return the error for a rejected request.

    `quoted` is the status with a quotation. `is_ours` is whether the platform sent it, not a gateway.
    """
    status = response.status_code
    of_gateway = _HINT_TOO_LARGE if status == TOO_LARGE else _HINT_GATEWAY
    hint = _HINTS.get(status, _HINT if is_ours else of_gateway)
    if status == UNAUTHORIZED:
        return AuthenticationError(f"The platform rejected the API key ({quoted})", hint=hint)
    rejected = _REFUSALS.get(status, RequestRejected)(
        f"{RequestOptions.of(request).purpose} was refused ({quoted})",
        status=status,
        response=quoted,
        hint=hint,
    )
    rejected.retry_after = parse_retry_after(response.headers)
    return rejected
