"""What a failed attempt means: another one may help, the other side wants fewer requests, or it is final.

An answer is a 2xx of the right shape, a 401, any other 4xx with the platform's `{"error"}`, and 407, 413,
414, 415, 431, 501 and 505, which also a proxy or gateway means for good. Everything else is a failure.
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
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from zerokie_action.errors import too_many_open_files
from zerokie_action.formats import is_loopback
from zerokie_action.http.request import MEGABYTE, PUBLIC
from zerokie_action.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROXY_LOGIN = 407
"""Proxy Authentication Required."""
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_UNAVAILABLE = {408, 425}
_NOT_SUPPORTED = {501, 505}
_ANSWER_WITH_ANY_BODY = {401, PROXY_LOGIN, 413, 414, 415, 431}
_TLS_VERSION = {
    "NO_PROTOCOLS_AVAILABLE",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""The only errors after which the other side can't have seen the request."""
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")

TRY_LATER = (
    "Run the job again in a few minutes. "
    "If it fails again, check `api-url`, proxies and the platform's status."
)
_CERTIFICATE = (
    "Check `api-url`. If the certificate is your own, name its authority's bundle in SSL_CERT_FILE."
)
_VERSION = "Check `api-url` and its port: what answers there does not support a current TLS version."
_OWN_CONTAINER = (
    "Inside a container, this address is the container itself. Start it with `--network host`, or write "
    "`host.docker.internal` in `api-url`, over http too."
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
_LONGEST_REASON = 200


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response has more bytes of body than the request allows."""


class Meaning(Enum):
    """What a failed attempt says about the next one."""

    DOWN = auto()
    """The other side, or the network between, does not work now."""
    BUSY = auto()
    """The platform works, and wants fewer requests (429)."""
    UNEXPECTED = auto()
    """What came back is not the platform's: an outage once the platform has answered, else a wrong URL."""
    FINAL = auto()
    """Another attempt can't help."""


class Failure(NamedTuple):
    """One attempt that gave no answer.

    Attributes:
        meaning: what it says about the next attempt.
        reason: why it failed; the end of a sentence.
        hint: what to do, if this is the last attempt.
        ambiguous: whether the request may have taken effect.
        retry_after: seconds for which the other side asked not to be asked; 0 when it did not.
        broke: whether the connection broke while the request was under way.
    """

    meaning: Meaning
    reason: str
    hint: str = TRY_LATER
    ambiguous: bool = True
    retry_after: float = 0.0
    broke: bool = False


def of_error(error: httpx.TransportError) -> Failure:
    """What it means that there was no response."""
    meaning, _, hint = _cause(error, error.request.url.host)
    was_sent = not isinstance(error, _NOT_SENT)
    broke = was_sent and not isinstance(error, httpx.TimeoutException)
    return Failure(meaning, str(error), hint, ambiguous=was_sent, broke=broke)


def explain(error: BaseException) -> str:
    """Why a connection failed, as the end of a sentence."""
    return _cause(error)[1]


def _cause(error: BaseException, host: str = "") -> tuple[Meaning, str, str]:  # noqa: PLR0911 - a row for each
    """The table of what can go wrong without a response: its meaning, the reason, what to do."""
    description = shorten(str(error).removesuffix(".") or "the connection broke", _LONGEST_REASON)
    description = description[:1].lower() + description[1:]
    if isinstance(error, ResponseTooLarge):
        return Meaning.FINAL, description, _TOO_LARGE
    if isinstance(error, httpx.ProxyError) and f"({PROXY_LOGIN}" in description:
        return Meaning.FINAL, description, PROXY_LOGIN_HINT
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                reason = f"the server's TLS certificate is not trusted ({cause.verify_message})"
                return Meaning.FINAL, reason, _CERTIFICATE
            case ssl.SSLError():
                is_version = cause.reason in _TLS_VERSION
                meaning, hint = (Meaning.FINAL, _VERSION) if is_version else (Meaning.DOWN, TRY_LATER)
                return meaning, f"TLS failed ({cause.reason or cause})", hint
            case socket.gaierror():
                is_unknown = cause.errno == socket.EAI_NONAME
                meaning = Meaning.UNEXPECTED if is_unknown else Meaning.DOWN
                return meaning, f"the host name can't be resolved ({cause.strerror})", _NO_SUCH_HOST
            case ConnectionRefusedError():
                hint = _OWN_CONTAINER if _is_own_container(host) else TRY_LATER
                return Meaning.DOWN, "connection refused", hint
            case ConnectionResetError() | BrokenPipeError():
                return Meaning.DOWN, "the connection was reset", TRY_LATER
            case OSError() if too_many_open_files(cause):
                return Meaning.DOWN, "too many open files", _NO_DESCRIPTOR
    return Meaning.DOWN, description, TRY_LATER


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what led to it, and so on: members of groups, but not what was handled meanwhile."""
    yield error
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for cause in (*members, error.__cause__):
        if cause is not None:
            yield from _causes(cause)


def _is_own_container(host: str) -> bool:
    return is_loopback(host) and any(Path(mark).exists() for mark in _CONTAINER_MARKS)


def of_response(request: httpx.Request, response: httpx.Response, detail: str) -> Failure | None:
    """What it means that this is the response; None when it is an answer.

    Args:
        request: what was sent.
        response: what came.
        detail: what it says of itself.
    """
    status = response.status_code
    answer = f"answered {status} ({detail})" if detail else f"answered {status}"
    if may_change(status):
        meaning = Meaning.BUSY if status == _TOO_MANY_REQUESTS else Meaning.DOWN
        return Failure(
            meaning,
            f"the platform {answer}",
            ambiguous=meaning is Meaning.DOWN,
            retry_after=retry_after(response.headers),
        )
    if request.extensions[PUBLIC] or response.is_success or status >= _SERVER_ERROR:
        return None
    if status in _ANSWER_WITH_ANY_BODY or (response.is_client_error and _is_platform_error(response.content)):
        return None
    failed = not_the_platform(request, f"{answer}, but not as the API does")
    return failed._replace(hint=_REDIRECT) if response.is_redirect else failed


def not_the_platform(request: httpx.Request, answer: str) -> Failure:
    """What came may be anybody's; the request may have taken effect all the same."""
    origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
    return Failure(Meaning.UNEXPECTED, f"{origin} {answer}", _NOT_THE_API)


def may_change(status: int) -> bool:
    """Whether another attempt may get another status, whoever sent this one."""
    is_server_error = status >= _SERVER_ERROR and status not in _NOT_SUPPORTED
    return is_server_error or status == _TOO_MANY_REQUESTS or status in _UNAVAILABLE


def _is_platform_error(body: bytes) -> bool:
    """Whether a body is the platform's `{"error": "…"}`."""
    found = _json(body)
    error = found.get("error") if isinstance(found, dict) else None
    return isinstance(error, str) and bool(error.strip())


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that `Retry-After` asks for; 0 when there is none, it makes no sense, or it is over.

    A date is compared with the response's own `Date` where there is one: clocks differ.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        return float(text)
    until = _seconds(text)
    if until is None:
        return 0.0
    since = _seconds(headers.get("date", ""))
    return max(0.0, until - (since if since is not None else time.time()))


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
