"""What a failed attempt means: another one may help, the other side asks to wait, or it is final.

down        no connection, reset, silence, 408, 425, every 5xx but 501 and 505. The request may have taken
            effect, unless it was not sent.
wait        429, which has no effect, and any of those with `Retry-After`.
unexpected  a 2xx of the wrong shape, a 3xx, a 4xx without the platform's `{"error"}`, an unknown host name.
final       a certificate that is not trusted, a TLS version that is not spoken, a proxy that wants a login,
            a response over its bound.

Everything else is an answer: 2xx of the right shape, 401 with any body, other 4xx with `{"error"}`, and 407,
413, 414, 415 and 431, which also a proxy or gateway means for good.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import httpx

from zerokie_action.errors import too_many_open_files
from zerokie_action.http.client import MEGABYTE
from zerokie_action.http.transport import ResponseTooLarge, causes, may_have_been_sent
from zerokie_action.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROXY_LOGIN = 407
"""Proxy Authentication Required."""
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_UNAVAILABLE = {408, 425}
_NOT_SUPPORTED = {501, 505}
_FINAL_WITH_ANY_BODY = {401, PROXY_LOGIN, 413, 414, 415, 431}
_THROTTLING = {429, 502, 503, 504}
_TLS_VERSION = {
    "NO_PROTOCOLS_AVAILABLE",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}

TRY_LATER = (
    "Run the job again in a few minutes. "
    "If it stays like this, check `api-url`, proxies and the platform's status."
)
_CERTIFICATE = (
    "Check `api-url`. If the certificate is your own, name its authority's bundle in SSL_CERT_FILE."
)
_VERSION = (
    "Check `api-url` and its port: what answers there does not speak a TLS version that is still in use."
)
PROXY_LOGIN_HINT = "Put user and password into the proxy's URL: http://user:password@host:port."
_NO_DESCRIPTOR = "Raise the limit on open files (`ulimit -n`), or lower `concurrency`."
_TOO_LARGE = "Check `api-url`: no response of the platform is that large."
_NOT_THE_API = (
    "Check `api-url`: what answers there may not be the platform's API. If it is right, a gateway may have "
    "answered in the platform's place: run the job again in a few minutes."
)
_REDIRECT = "Redirects are not followed with the API key; correct `api-url`."
_NO_SUCH_HOST = "Check the host name in `api-url` or of the proxy, and the name server that this job uses."

_PAGE_HEAD = 1000


class Meaning(Enum):
    """What a failed attempt says about the next one."""

    DOWN = auto()
    """The other side, or the way there, does not work now."""
    WAIT = auto()
    """It works, and wants fewer requests."""
    UNEXPECTED = auto()
    """What came back is not the platform's, or not what its reference describes."""
    FINAL = auto()
    """Another attempt can't help."""


class Failure(NamedTuple):
    """One attempt that gave no answer of the platform's.

    Attributes:
        meaning: what it says about the next attempt.
        reason: the end of a sentence.
        ambiguous: whether the request may have taken effect.
        retry_after: seconds for which the other side asked not to be asked; None when it did not.
        throttled: whether fewer requests at once might help.
        hint: what to do, if this is the last attempt.
        status: of a final refusal by something in between; None of anything else.
    """

    meaning: Meaning
    reason: str
    ambiguous: bool
    retry_after: float | None = None
    throttled: bool = False
    hint: str = TRY_LATER
    status: int | None = None


def of_error(error: httpx.TransportError) -> Failure:  # noqa: PLR0911 - one for each cause
    """What it means that there was no response."""
    is_slow = isinstance(error, httpx.ConnectTimeout)
    down = Failure(Meaning.DOWN, str(error), may_have_been_sent(error), throttled=is_slow)
    if isinstance(error, ResponseTooLarge):
        return down._replace(meaning=Meaning.FINAL, hint=_TOO_LARGE)
    if isinstance(error, httpx.ProxyError) and f"({PROXY_LOGIN}" in str(error):
        return down._replace(meaning=Meaning.FINAL, hint=PROXY_LOGIN_HINT, status=PROXY_LOGIN)
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return down._replace(meaning=Meaning.FINAL, hint=_CERTIFICATE)
        if isinstance(cause, ssl.SSLError) and cause.reason in _TLS_VERSION:
            return down._replace(meaning=Meaning.FINAL, hint=_VERSION)
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return down._replace(meaning=Meaning.UNEXPECTED, hint=_NO_SUCH_HOST)
        if too_many_open_files(cause):
            return down._replace(throttled=True, hint=_NO_DESCRIPTOR)
    return down


def of_response(response: httpx.Response, origin: str, detail: str) -> Failure | None:
    """What it means that this is the response; None when it is an answer of the platform's.

    Args:
        response: what came.
        origin: where it came from.
        detail: what it says of itself.
    """
    status = response.status_code
    answer = f"{status} ({detail})" if detail else f"{status}"
    if may_change(status):
        wait = retry_after(response.headers)
        is_busy = status == _TOO_MANY_REQUESTS
        return Failure(
            Meaning.WAIT if is_busy or wait else Meaning.DOWN,
            f"the platform answered {answer}",
            ambiguous=not is_busy,
            retry_after=wait,
            throttled=status in _THROTTLING,
        )
    is_refusal = status in _FINAL_WITH_ANY_BODY or _is_platform_error(response.content)
    if response.is_redirect or (response.is_client_error and not is_refusal):
        failed = not_the_platform(f"{origin} answered {answer}, but not as the API does")
        return failed._replace(hint=_REDIRECT) if response.is_redirect else failed
    return None


def not_the_platform(reason: str) -> Failure:
    """What came may be anybody's; the request may have taken effect all the same."""
    return Failure(Meaning.UNEXPECTED, reason, ambiguous=True, hint=_NOT_THE_API)


def may_change(status: int) -> bool:
    """Whether another attempt may get another status, whoever sent this one."""
    is_server_error = status >= _SERVER_ERROR and status not in _NOT_SUPPORTED
    return is_server_error or status == _TOO_MANY_REQUESTS or status in _UNAVAILABLE


def _is_platform_error(body: bytes) -> bool:
    """Whether a body is the platform's `{"error": "…"}`."""
    found = _json(body)
    error = found.get("error") if isinstance(found, dict) else None
    return isinstance(error, str) and bool(error.strip())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for; None when there is none, it makes no sense, or it is over.

    A date is compared with the response's own `Date` where there is one: clocks differ.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        return float(text) or None
    until = _seconds(text)
    if until is None:
        return None
    since = _seconds(headers.get("date", ""))
    seconds = until - (since if since is not None else time.time())
    return seconds if seconds > 0 else None


def _seconds(date: str) -> float | None:
    """An HTTP date as seconds since the epoch; None when it is none."""
    try:
        moment = parsedate_to_datetime(date)
        # HTTP's dates are all GMT (RFC 9110, 5.6.7); the forms that don't say so would be read as local time.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def error_detail(body: bytes, limit: int, redact: Callable[[str], str]) -> str:
    """What a response says of itself, in quotation marks: the platform's `{"error": "…"}`, or any other text.

    An HTML page, as proxies send it, is named as such, with its title. Empty when there is nothing to quote.
    White space is folded; never raises, whatever the bytes. Only the first megabyte of a body counts.

    Args:
        body: the response's.
        limit: characters that are quoted, at most.
        redact: takes the secrets out, before the text is cut: half a secret looks like none.
    """
    head = body[:MEGABYTE]
    text = head.decode("utf-8", "replace")
    message = _message(_json(head))
    is_page = not message and is_web_page(head)
    message = message or (_title(text) if is_page else text)
    message = shorten(" ".join(redact(message).split()), limit)
    detail = f'"{message}"' if message else ""
    return ", ".join(part for part in ("an HTML page" if is_page else "", detail) if part)


def is_web_page(body: bytes) -> bool:
    """Whether a body is HTML, as proxies and login pages send it and the platform's API never does."""
    head = body[:_PAGE_HEAD].decode("utf-8", "replace").lower()
    return "<html" in head or "<!doctype html" in head


def _json(body: bytes) -> object:
    """What a body of JSON says; None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _message(found: object) -> str:
    """The innermost text under one of the usual names; objects may be nested."""
    message: object = ""
    while isinstance(found, dict):
        inner = next((found[key] for key in ("error", "message", "detail") if found.get(key)), None)
        if inner is None:
            break
        message = found = inner
    return str(message)


def _title(page: str) -> str:
    _, *after = re.split("</?title>", page, maxsplit=2, flags=re.IGNORECASE)
    return after[0] if after else ""
