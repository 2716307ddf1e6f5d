"""Failed attempts: the cause, whether the request may have taken effect, and when to retry.

The retry loop and the messages use one description, whether the connection broke or the server responded with
an error.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import NamedTuple

import httpx

from zerokie_action.http.url import is_loopback
from zerokie_action.text.numbers import human_seconds

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_RETRYABLE = {408, 425, _TOO_MANY_REQUESTS}
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""The only errors after which the request certainly didn't reach the server."""

_HTML_WITHIN = 1000
"""The number of bytes at the start of a body to search for HTML."""


class Cause(Enum):
    """The kind of a failure, which decides the hint."""

    OUTAGE = auto()
    """The server or the network is unavailable."""
    WRONG_SERVER = auto()
    """Another server responded, such as a gateway during an outage, or the host name doesn't exist."""
    CERTIFICATE = auto()
    """The server's certificate isn't trusted."""
    OWN_MACHINE = auto()
    """No server is listening on this machine."""


class Failure(NamedTuple):
    """An attempt without a valid response.

    Attributes:
        reason: why the attempt failed, as the end of a sentence.
        cause: the kind of the failure.
        may_have_arrived: whether the request may have taken effect.
        retry_after: the seconds in `Retry-After`; 0 without the header.
        was_silent: whether the attempt ended because the server sent nothing for too long.
    """

    reason: str
    cause: Cause = Cause.OUTAGE
    may_have_arrived: bool = True
    retry_after: float = 0.0
    was_silent: bool = False


def of_error(request: httpx.Request, error: httpx.TransportError) -> Failure:
    """Return the failure of a request without a complete response."""
    failed = _classified(request, error)
    through = f" {error}" if isinstance(error, httpx.ProxyError) else ""
    was_sent = not isinstance(error, NOT_SENT)
    return failed._replace(reason=failed.reason + through, may_have_arrived=was_sent)


def _classified(request: httpx.Request, error: httpx.TransportError) -> Failure:  # noqa: PLR0911 - one per cause
    """Return the failure for the first known cause of an error."""
    for cause in _causes(error):
        match cause:
            case httpx.TimeoutException():
                return Failure(str(cause), was_silent=isinstance(cause, httpx.ReadTimeout))
            case ssl.SSLCertVerificationError():
                reason = f"the server's TLS certificate isn't trusted ({cause.verify_message})"
                return Failure(reason, Cause.CERTIFICATE)
            case ssl.SSLError():
                is_no_tls = cause.reason == "WRONG_VERSION_NUMBER"
                reason = f"TLS failed ({cause.reason or cause})"
                return Failure(reason, Cause.WRONG_SERVER if is_no_tls else Cause.OUTAGE)
            case socket.gaierror():
                is_unknown = cause.errno == socket.EAI_NONAME
                reason = f"the host name can't be resolved ({cause.strerror})"
                return Failure(reason, Cause.WRONG_SERVER if is_unknown else Cause.OUTAGE)
            case ConnectionRefusedError():
                is_here = is_loopback(request.url.host)
                return Failure("connection refused", Cause.OWN_MACHINE if is_here else Cause.OUTAGE)
            case OSError(strerror=str(text)):
                return Failure(text[:1].lower() + text[1:])
    description = str(error.__cause__ or error).removesuffix(".")
    return Failure(description[:1].lower() + description[1:] or "the connection broke")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, including members of exception groups, without `__context__`."""
    yield error
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for cause in (*members, error.__cause__):
        if cause is not None:
            yield from _causes(cause)


def of_status(response: httpx.Response, reason: str) -> Failure | None:
    """Return the failure if a retry may work (408, 425, 429, 5xx), otherwise None.

    The failure's reason is `reason`, followed by the response's `Retry-After`.
    """
    status = response.status_code
    if status not in _RETRYABLE and status < _SERVER_ERROR:
        return None
    wait = parse_retry_after(response.headers)
    retry_after = f" and a Retry-After of {human_seconds(wait)}" if wait else ""
    may_have_arrived = status != _TOO_MANY_REQUESTS
    return Failure(reason + retry_after, may_have_arrived=may_have_arrived, retry_after=wait)


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds in `Retry-After`; 0 if the header is missing, invalid or in the past."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def is_web_page(body: bytes) -> bool:
    """Return whether a body is an HTML page. Only proxies and login pages send HTML."""
    head = body[:_HTML_WITHIN].decode("utf-8", "replace").lower()
    return "<html" in head or "<!doctype html" in head
