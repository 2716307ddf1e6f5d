"""Tells the platform's answers from failures, and says what a user can do about either.

Answers are: a 2xx of the right shape; a status in `FINAL`, with any body; a 409, unless its body is a web
page; and any other 4xx with the platform's `{"error"}`. Everything else is a failure, and the request is sent
again.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from zerokie_action.errors import AuthenticationError, DeployError, RequestRejected
from zerokie_action.http import Request, Response
from zerokie_action.http.failure import Cause, Failure, is_web_page, of_status, parse_retry_after
from zerokie_action.http.request import MEGABYTE, RequestOptions
from zerokie_action.platform.models import Malformed
from zerokie_action.text.escapes import shorten

T = TypeVar("T")

_LONGEST_QUOTE = 500

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
CONFLICT, TOO_LARGE = 409, 413
FINAL = frozenset({UNAUTHORIZED, FORBIDDEN, 407, TOO_LARGE, 414, 415, 431})
"""Statuses that are answers with any body."""

_HINT = "The answer says why: correct that, then run the job again."
_HINTS = {
    UNAUTHORIZED: "Check that the secret behind `api-key` holds a current key for this `api-url`.",
    NOT_FOUND: "Check `app`. A deploy with `create: true` creates an app that does not exist.",
    407: "Check user and password in the proxy's URL: http://user:password@host:port.",
    CONFLICT: "If something else is changing the app, run the job again later.",
}
_HINT_GATEWAY = (
    "The answer is not the platform's: a firewall, gateway or proxy in front of it has refused the request. "
    "Check `api-url`, and ask whoever runs that gateway."
)
_HINT_TOO_LARGE = f"{_HINT_GATEWAY} It may limit the size of requests (nginx: `client_max_body_size`)."
ADVICE = {
    Cause.OUTAGE: "Run the job again in a few minutes. If it fails again, check `api-url`, proxies and the "
    "platform's status.",
    Cause.WRONG_SERVER: "Check `api-url`, proxies and DNS: the request may not lead to the platform's API. "
    "If it does, a gateway may have answered in the platform's place: run the job again in a few minutes.",
    Cause.CERTIFICATE: "Check `api-url`. If the certificate comes from a private authority, set "
    "SSL_CERT_FILE to a file with that authority's certificate.",
    Cause.OWN_MACHINE: "Check that the server runs on this port. Inside a container, this address is the "
    "container itself: start the container with `--network host`, or use the host `host.docker.internal` in "
    "`api-url`; http is allowed for that host.",
}
"""What to do about a request that was given up."""


def read_answer(
    request: Request,
    response: Response,
    parse: Callable[[Response], T],
    redact: Callable[[str], str],
    final: frozenset[int] = FINAL,
) -> T | Failure | DeployError:
    """The value of a 2xx, the error of a refusal, or the failure that a response stands for.

    Args:
        request: the request.
        response: its response.
        parse: turns a 2xx into the value, or raises `Malformed`.
        redact: removes secrets from the response's text.
        final: the statuses that are refusals with any body.
    """
    if response.is_success:
        with suppress(Malformed):
            return parse(response)
    status, error = response.status_code, _error_text(response.content)
    said = _quote(error, response.content, redact)
    answer = f"answered {status} ({said})" if said else f"answered {status}"
    if failed := of_status(response, f"the platform {answer}"):
        return failed
    # A 409 counts as the platform's, whatever its text, unless it is a web page: such a 409 is Cloudflare's.
    conflicts = status == CONFLICT and not is_web_page(response.content)
    if status in final or conflicts or (response.is_client_error and error):
        return _refusal(request, response, f"{status}: {said}" if said else f"{status}", is_ours=bool(error))
    # Another server may have answered, and the platform may have carried out the request all the same.
    origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
    return Failure(f"{origin} {answer}, but not in the API's format", Cause.WRONG_SERVER)


def words(body: bytes, redact: Callable[[str], str]) -> str:
    """A response's own words in quotation marks: `{"error": "…"}`, an HTML page's title, or any other text.

    Only the first megabyte of the body is read. Never raises.

    Args:
        body: the response's body.
        redact: removes the secrets before the text is shortened: half a secret would not be recognised.
    """
    return _quote(_error_text(body), body, redact)


def _quote(error: str, body: bytes, redact: Callable[[str], str]) -> str:
    """The words of a body whose error text is known."""
    kind, text = "", error or body[:MEGABYTE].decode("utf-8", "replace")
    if not error and is_web_page(body):
        title = re.search("<title>(.*?)(</?title>|$)", text, re.IGNORECASE | re.DOTALL)
        kind, text = "an HTML page", title[1] if title else ""
    text = shorten(" ".join(redact(text).split()), _LONGEST_QUOTE)
    return ", ".join(filter(None, (kind, text and f'"{text}"')))


def _error_text(body: bytes) -> str:
    """The text of the platform's `{"error": "…"}`; empty for another body, which may be a gateway's."""
    try:
        answer = json.loads(body[:MEGABYTE])
    except (ValueError, RecursionError):
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error.strip() if isinstance(error, str) else ""


def _refusal(request: Request, response: Response, answer: str, *, is_ours: bool) -> DeployError:
    """The error for a refusal.

    `answer` is the status and the answer's own words; `is_ours` tells the platform's answer from a gateway's.
    """
    status = response.status_code
    of_gateway = _HINT_TOO_LARGE if status == TOO_LARGE else _HINT_GATEWAY
    hint = _HINTS.get(status, _HINT if is_ours else of_gateway)
    if status == UNAUTHORIZED:
        return AuthenticationError(f"The platform does not accept the API key ({answer})", hint=hint)
    rejected = RequestRejected(
        f"{RequestOptions.of(request).purpose} was refused ({answer})",
        status=status,
        answer=answer,
        hint=hint,
    )
    rejected.retry_after = parse_retry_after(response.headers)
    return rejected


def is_conflict(error: BaseException) -> bool:
    """Whether the platform refused a request with 409."""
    return isinstance(error, RequestRejected) and error.status == CONFLICT
