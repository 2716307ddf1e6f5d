"""Tells answers from failures, and whether a failed request is worth another attempt.

Answers are: a 2xx of the right shape; 401; 409, unless the body is a web page; any other 4xx with the
platform's `{"error"}`; and 407, 413, 414, 415 and 431, which are final even from a proxy or gateway.
Everything else is a failure. There are two special cases. From a server other than the platform, every status
except 408, 425, 429 and 5xx is an answer. Until a new app is ready, a 404 is a failure.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import httpcore
import httpx

from zerokie_action.formats import is_loopback
from zerokie_action.http.request import MEGABYTE, MOST_BUFFERED, ContentStream, about
from zerokie_action.text import human_seconds, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NOT_FOUND = 404
_CONFLICT = 409
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_UNAVAILABLE = {408, 425}
_ANSWER_WITH_ANY_BODY = {401, 407, 413, 414, 415, 431}
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""The only errors that prove that the request did not reach the server."""
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))

_TRY_LATER = (
    "Run the job again in a few minutes. "
    "If it fails again, check `api-url`, proxies and the platform's status."
)
_CERTIFICATE = (
    "Check `api-url`. If the certificate comes from a private authority, set SSL_CERT_FILE to a file with "
    "that authority's certificate."
)
_OWN_CONTAINER = (
    "Inside a container, this address is the container itself. Start the container with `--network host`, or "
    "use the host `host.docker.internal` in `api-url`; http is allowed for that host."
)
_NOT_THE_API = (
    "Check `api-url`: it may not lead to the platform's API. If it is right, a gateway may have answered in "
    "the platform's place: run the job again in a few minutes."
)
_NO_SUCH_HOST = "Check the host names in `api-url` and in the proxy's URL, and this job's DNS server."
_UPLOAD_BROKEN = (
    "The connection broke each time in the middle of the upload. A gateway or proxy may limit the size of a "
    "request (nginx: `client_max_body_size`), or its duration."
)
"""A gateway that refuses a large body (413) may reset the connection before its answer can be read."""

_HTML_WITHIN = 1000
"""How many bytes at the start of a body are searched for HTML."""
_LONGEST_REASON = 200
_LONGEST_QUOTE = 500


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response has more bytes of body than the request allows."""


class Meaning(Enum):
    """What a failed attempt says about the next attempt."""

    DOWN = auto()
    """The server or the network does not work now, for any request."""
    ALONE = auto()
    """The server works, but this request fails."""
    BUSY = auto()
    """The platform works, and asks for fewer requests (429)."""
    UNEXPECTED = auto()
    """Something other than the platform answered: in an outage, or because `api-url` is wrong."""
    FINAL = auto()
    """Another attempt can't help."""


class Failure(NamedTuple):
    """An attempt that got no answer.

    Attributes:
        meaning: what the failure says about the next attempt.
        reason: why the attempt failed, as the end of a sentence.
        hint: what the user can do, if no attempt follows.
        ambiguous: whether the request may have taken effect.
        retry_after: the wait in seconds that `Retry-After` asks for; 0 without the header.
    """

    meaning: Meaning
    reason: str
    hint: str = _TRY_LATER
    ambiguous: bool = True
    retry_after: float = 0.0


def of_error(request: httpx.Request, error: httpx.TransportError) -> Failure:
    """The failure of a request that got no complete response."""
    failed = _classified(request, error)
    if isinstance(error, httpx.ProxyError):
        failed = failed._replace(reason=f"{failed.reason} {error}")
    if isinstance(error, _NOT_SENT):
        return failed._replace(ambiguous=False)
    sent = request.stream.sent if isinstance(request.stream, ContentStream) else 0
    # More was sent than buffers on the way can hold, so a part of the body has reached the server.
    if sent > MOST_BUFFERED and not isinstance(error, httpx.TimeoutException):
        return failed._replace(meaning=Meaning.ALONE, hint=_UPLOAD_BROKEN)
    return failed


def _classified(request: httpx.Request, error: httpx.TransportError) -> Failure:  # noqa: PLR0911 - a row for each
    """The failure for the first known cause of an error."""
    timeouts = request.extensions["timeout"]
    for cause in _causes(error):
        match cause:
            case ResponseTooLarge():
                return Failure(Meaning.FINAL, f"{cause}", _NOT_THE_API)
            case httpcore.ConnectTimeout():
                return Failure(Meaning.DOWN, f"no connection within {human_seconds(timeouts['connect'])}")
            case httpcore.TimeoutException():
                return Failure(Meaning.DOWN, f"no answer within {human_seconds(timeouts['read'])}")
            case ssl.SSLCertVerificationError():
                reason = f"the server's TLS certificate is not trusted ({cause.verify_message})"
                return Failure(Meaning.FINAL, reason, _CERTIFICATE)
            case ssl.SSLError():
                meaning = Meaning.UNEXPECTED if cause.reason == "WRONG_VERSION_NUMBER" else Meaning.DOWN
                return Failure(meaning, f"TLS failed ({cause.reason or cause})", _NOT_THE_API)
            case socket.gaierror():
                meaning = Meaning.UNEXPECTED if cause.errno == socket.EAI_NONAME else Meaning.DOWN
                reason = f"the host name can't be resolved ({cause.strerror})"
                return Failure(meaning, reason, _NO_SUCH_HOST)
            case ConnectionRefusedError():
                is_here = is_loopback(request.url.host) and any(mark.exists() for mark in _CONTAINER_MARKS)
                return Failure(Meaning.DOWN, "connection refused", _OWN_CONTAINER if is_here else _TRY_LATER)
            case OSError(strerror=str(text)):
                return Failure(Meaning.DOWN, text[:1].lower() + text[1:])
    description = shorten(str(error.__cause__ or error).removesuffix("."), _LONGEST_REASON)
    return Failure(Meaning.DOWN, description[:1].lower() + description[1:] or "the connection broke")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, members of exception groups included; `__context__` is not followed."""
    yield error
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for cause in (*members, error.__cause__):
        if cause is not None:
            yield from _causes(cause)


def of_response(request: httpx.Request, response: httpx.Response, detail: str) -> Failure | None:
    """The failure that a response stands for; None when the response is an answer.

    Args:
        request: the request.
        response: its response.
        detail: the response's own words, from `error_detail`.
    """
    status = response.status_code
    answer = f"answered {status} ({detail})" if detail else f"answered {status}"
    is_busy = status == _TOO_MANY_REQUESTS
    if is_busy or status >= _SERVER_ERROR or status in _UNAVAILABLE:
        return Failure(
            Meaning.BUSY if is_busy else Meaning.DOWN,
            f"the platform {answer}",
            ambiguous=not is_busy,
            retry_after=parse_retry_after(response.headers),
        )
    if response.is_success or status in _ANSWER_WITH_ANY_BODY or about(request).is_public:
        return None
    if status == _NOT_FOUND and anyio.current_time() < about(request).ready_by:
        return Failure(Meaning.DOWN, f"the new app is not ready: the platform {answer}", ambiguous=False)
    # A 409 counts as the platform's, whatever its text, unless it is a web page: such a 409 is Cloudflare's.
    if status == _CONFLICT and not is_web_page(response.content):
        return None
    if response.is_client_error and _platform_error(response.content):
        return None
    return not_the_platform(request, f"{answer}, but not in the API's format")


def not_the_platform(request: httpx.Request, answer: str) -> Failure:
    """The failure for a response that another server may have sent.

    The platform may have carried out the request all the same.
    """
    origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
    return Failure(Meaning.UNEXPECTED, f"{origin} {answer}", _NOT_THE_API)


def _platform_error(body: bytes) -> str:
    """The text of the platform's `{"error": "…"}`; empty for any other body."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    return error.strip() if isinstance(error, str) else ""


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """The wait in seconds that `Retry-After` asks for; 0 if the header is missing, invalid or in the past."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def error_detail(body: bytes, redact: Callable[[str], str]) -> str:
    """A response's own words, in quotation marks: the platform's `{"error": "…"}`, or else the whole text.

    Of an HTML page, only the title is quoted. Runs of white space become one space. The result is empty if
    the body has no text. Only the first megabyte of the body is read. Never raises.

    Args:
        body: the response's body.
        redact: removes the secrets before the text is shortened: half a secret would not be recognised.
    """
    head = body[:MEGABYTE]
    kind, text = "", _platform_error(head)
    if not text:
        text = head.decode("utf-8", "replace")
        if is_web_page(head):
            title = re.search("<title>(.*?)(</?title>|$)", text, re.IGNORECASE | re.DOTALL)
            kind, text = "an HTML page", title[1] if title else ""
    text = shorten(" ".join(redact(text).split()), _LONGEST_QUOTE)
    return ", ".join(filter(None, (kind, text and f'"{text}"')))


def is_web_page(body: bytes) -> bool:
    """Whether a body is an HTML page. Proxies and login pages send HTML; the platform's API never does."""
    head = body[:_HTML_WITHIN].decode("utf-8", "replace").lower()
    return "<html" in head or "<!doctype html" in head
