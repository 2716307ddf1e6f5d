"""What a failed attempt means, and what a response says of itself."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from email.utils import formatdate

import httpcore
import httpx
import pytest

from zerokie_action.http import failure
from zerokie_action.http.failure import Meaning, error_detail, parse_retry_after
from zerokie_action.http.request import extensions

DOWN, UNEXPECTED, FINAL = Meaning.DOWN, Meaning.UNEXPECTED, Meaning.FINAL
NOW = 1_772_902_800
API = httpx.Request("GET", "https://api.test/", extensions=extensions("Looking"))


def because(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = cause
    return error


def unconnected(cause: BaseException) -> httpx.TransportError:
    return because(httpx.ConnectError(""), cause)


EXPIRED = ssl.SSLCertVerificationError(1, "expired")
EXPIRED.verify_message = "expired"
NO_TLS, ALERT = ssl.SSLError(), ssl.SSLError()
NO_TLS.reason, ALERT.reason = "WRONG_VERSION_NUMBER", "TLSV1_ALERT_INTERNAL_ERROR"
GROUP = unconnected(ExceptionGroup("", [OSError(), EXPIRED]))
NO_NETWORK = OSError(errno.ENETUNREACH, "Network is unreachable")
ERRORS: list[tuple[httpx.TransportError, Meaning, bool, str, str]] = [
    # what happened, what it means, whether the request may have been sent, and words of reason and hint
    (unconnected(NO_NETWORK), DOWN, False, "network is unreachable", "again"),
    (unconnected(socket.gaierror(socket.EAI_AGAIN, "x")), DOWN, False, "host name", "name"),
    (unconnected(socket.gaierror(socket.EAI_NONAME, "")), UNEXPECTED, False, "", "name"),
    (GROUP, FINAL, False, "certificate is not trusted (expired)", "SSL_CERT_FILE"),
    (unconnected(NO_TLS), UNEXPECTED, False, "TLS failed", "api-url"),
    (unconnected(ALERT), DOWN, False, "TLS failed", "again"),
    (httpx.ReadError(""), DOWN, True, "the connection broke", "again"),
    (because(httpx.WriteError(""), OSError(errno.EPIPE, "Broken pipe")), DOWN, True, "broken pipe", "again"),
    (because(httpx.ReadTimeout(""), httpcore.ReadTimeout()), DOWN, True, "no answer within 30 s", "again"),
]


@pytest.mark.parametrize(("error", "meaning", "sent", "reason", "hint"), ERRORS, ids=repr)
def test_no_response(
    error: httpx.TransportError, meaning: Meaning, *, sent: bool, reason: str, hint: str
) -> None:
    """Where waiting does not help, nobody is told to wait."""
    failed = failure.of_error(API, error)
    assert (failed.meaning, failed.ambiguous) == (meaning, sent)
    assert reason in failed.reason
    assert hint in failed.hint


def test_what_was_handled_meanwhile() -> None:
    """A lock that is released because of a certificate may meet another trouble, which passes."""
    silence = because(httpx.ReadTimeout(""), TimeoutError())
    silence.__context__ = GROUP
    assert failure.of_error(API, silence).meaning is DOWN


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": "two\\nlines,  spaces"}', '"two lines, spaces"'),
        (b'{"message": "from a gateway"}', '"{"message": "from a gateway"}"'),
        (b'{"error": null}', '"{"error": null}"'),
        (b"  \n ", ""),
        (b"plain text\nof two lines", '"plain text of two lines"'),
        (b"<!DOCTYPE html>\n<html><title>\n Sign\n in </title>", 'an HTML page, "Sign in"'),
        (b"<HTML><body>no title", "an HTML page"),
        (b"<html>" + b" " * 5000 + b"<title>far down", 'an HTML page, "far down"'),
        (b'{"error": "<html><title>x</title>"}', '"<html><title>x</title>"'),
    ],
)
def test_whose_words(body: bytes, expected: str) -> None:
    """The platform's own words, or what a page or a text says of itself, on one line."""
    assert error_detail(body, str) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30.0),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), 0.0),
        ("soon", 0.0),
        ("-30", 0.0),
        ("\xb2", 0.0),
        ("9" * 400, 0.0),
        ("", 0.0),
    ],
)
def test_retry_after(text: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds or a date; what makes no sense is no wish."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert parse_retry_after({"retry-after": text}) == expected
