"""Tells the platform's answers from failures, and says what a user can do about either.

Answers are: a 2xx of the right shape; a status in `FINAL`, with any body; a 409, unless its body is a web
page; and any other 4xx with the platform's `{"error"}`. Everything else is a failure, and the request is sent
again. `Rules` has an endpoint's exceptions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from zerokie_action.errors import AuthenticationError, DeployError, PlatformUnavailable, RequestRejected
from zerokie_action.http.failure import (
    Cause,
    Failure,
    asks_to_try_again,
    is_web_page,
    of_status,
    parse_retry_after,
    quote,
    quoted,
)
from zerokie_action.http.request import MEGABYTE, about
from zerokie_action.platform.models import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from zerokie_action.http import Request, Response
    from zerokie_action.http.retry import GaveUp

T = TypeVar("T")

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_LARGE = 400, 401, 403, 404, 409, 413
FINAL = frozenset({UNAUTHORIZED, FORBIDDEN, 407, TOO_LARGE, 414, 415, 431})
"""Statuses that are answers with any body."""

_HINT = "The answer says why: correct that, then run the job again."
_HINTS = {
    NOT_FOUND: "Check `app`. A deploy with `create: true` creates an app that does not exist.",
    407: "Check user and password in the proxy's URL: http://user:password@host:port.",
    CONFLICT: "If something else is changing the app, run the job again later. If the name is taken, choose "
    "another `app`.",
}
_HINTS_WITHOUT_ERROR = {
    FORBIDDEN: "The answer is not the platform's: a firewall or gateway in front of it may have refused the "
    "request. Check `api-url`, and ask whoever runs that gateway.",
    TOO_LARGE: "A gateway or proxy limits the size of requests: raise that limit "
    "(nginx: `client_max_body_size`).",
}
_NOT_THE_API = (
    "Check `api-url`: it may not lead to the platform's API. If it is right, a gateway may have answered in "
    "the platform's place: run the job again in a few minutes."
)
_ADVICE = {
    Cause.OUTAGE: "Run the job again in a few minutes. If it fails again, check `api-url`, proxies and the "
    "platform's status.",
    Cause.WRONG_ANSWER: _NOT_THE_API,
    Cause.NO_HOST: "Check the host names in `api-url` and in the proxy's URL, and this job's DNS server.",
    Cause.CERTIFICATE: "Check `api-url`. If the certificate comes from a private authority, set "
    "SSL_CERT_FILE to a file with that authority's certificate.",
    Cause.OWN_CONTAINER: "Inside a container, this address is the container itself. Start the container with "
    "`--network host`, or use the host `host.docker.internal` in `api-url`; http is allowed for that host.",
    Cause.UPLOAD_BROKEN: "The connection broke each time in the middle of the upload. A gateway or proxy may "
    "limit the size of a request (nginx: `client_max_body_size`), or its duration.",
}
_HINT_WAIT = "Run the job again after that time. A longer `timeout` helps with waits of up to 10 minutes."


class Rules(NamedTuple):
    """How an endpoint treats some statuses.

    Attributes:
        final: statuses that are refusals with any body.
        failures: statuses that are failures, even with the platform's `{"error"}`.
    """

    final: AbstractSet[int] = FINAL
    failures: AbstractSet[int] = frozenset()


LOCK_RULES = Rules(final=FINAL - {FORBIDDEN})
"""For heartbeat and finalize: a firewall's page for some seconds must not keep the lock."""
UPLOAD_RULES = Rules(failures=frozenset({NOT_FOUND}))
"""For uploads: while the lock is held, the app exists, and only its storage may not be ready."""


def read_answer(
    request: Request,
    response: Response,
    parse: Callable[[Response], T],
    redact: Callable[[str], str],
    rules: Rules,
) -> T | Failure | DeployError:
    """The value of a 2xx, the error of a refusal, or the failure that a response stands for.

    Args:
        request: the request.
        response: its response.
        parse: turns a 2xx into the value, or raises `Malformed`.
        redact: removes secrets from the response's text.
        rules: the endpoint's rules.
    """
    status = response.status_code
    if response.is_success:
        try:
            return parse(response)
        except Malformed as malformed:
            said = words(response.content, redact)
            but = f"{malformed} ({said})" if said else f"{malformed}"
            return _not_the_platform(request, f"answered {status}, but {but}")
    said = words(response.content, redact)
    answer = f"answered {status} ({said})" if said else f"answered {status}"
    if asks_to_try_again(status):
        return of_status(response, f"the platform {answer}")
    # A 409 counts as the platform's, whatever its text, unless it is a web page: such a 409 is Cloudflare's.
    is_conflict = status == CONFLICT and not is_web_page(response.content)
    is_refused = response.is_client_error and bool(_error_text(response.content))
    if is_refused and status in rules.failures:
        return Failure(f"the platform {answer}", may_have_arrived=False)
    if status in rules.final or is_conflict or is_refused:
        return _refusal(request, response, f"{status}: {said}" if said else f"{status}")
    return _not_the_platform(request, f"{answer}, but not in the API's format")


def unavailable(error: GaveUp) -> PlatformUnavailable:
    """The error of a request that was given up."""
    hint = _HINT_WAIT if error.is_told_to_wait else _ADVICE[error.failure.cause]
    found = PlatformUnavailable(str(error), hint=hint)
    found.retry_after = error.failure.retry_after
    return found


def words(body: bytes, redact: Callable[[str], str]) -> str:
    """The platform's own words in `{"error": "…"}`, or the text of any other body, in quotation marks."""
    error = _error_text(body)
    return quoted(error, redact) if error else quote(body, redact)


def _error_text(body: bytes) -> str:
    """The text of the platform's `{"error": "…"}`; empty for any other body."""
    try:
        found = json.loads(body[:MEGABYTE])
    except (ValueError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    return error.strip() if isinstance(error, str) else ""


def _not_the_platform(request: Request, answer: str) -> Failure:
    """The failure of a response that another server may have sent.

    The platform may have carried out the request all the same.
    """
    origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
    return Failure(f"{origin} {answer}", Cause.WRONG_ANSWER, makes_no_sense=True)


def _refusal(request: Request, response: Response, answer: str) -> DeployError:
    """The error for a refusal; `answer` is the status and the answer's own words."""
    status = response.status_code
    if status == UNAUTHORIZED:
        return AuthenticationError(
            f"The platform does not accept the API key ({answer})",
            hint="Check that the secret behind `api-key` holds a current key for this `api-url`.",
        )
    rejected = RequestRejected(
        f"{about(request).purpose} was refused ({answer})", status=status, answer=answer
    )
    rejected.has_error = bool(_error_text(response.content))
    hints = _HINTS if rejected.has_error else _HINTS | _HINTS_WITHOUT_ERROR
    rejected.hint = hints.get(status, _HINT)
    rejected.retry_after = parse_retry_after(response.headers)
    return rejected
