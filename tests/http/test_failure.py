"""What a failed attempt means, and what a response says of itself."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from email.utils import formatdate

import httpcore
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerokie_action.http import failure
from zerokie_action.http.failure import Meaning, error_detail, parse_retry_after
from zerokie_action.http.request import extensions

DOWN, UNEXPECTED, FINAL = Meaning.DOWN, Meaning.UNEXPECTED, Meaning.FINAL
NOW = 1_772_902_800
API = httpx.Request("GET", "https://api.test/", extensions=extensions("Looking"))


def because(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = cause
    return error


EXPIRED = ssl.SSLCertVerificationError(1, "expired")
EXPIRED.verify_message = "expired"
NO_TLS, ALERT = ssl.SSLError(), ssl.SSLError()
NO_TLS.reason, ALERT.reason = "WRONG_VERSION_NUMBER", "TLSV1_ALERT_INTERNAL_ERROR"
GROUP = because(httpx.ConnectError(""), ExceptionGroup("", [OSError(), EXPIRED]))
ERRORS: list[tuple[httpx.TransportError, Meaning, bool, str, str]] = [
    # what happened, what it means, whether the request may have been sent, and words of reason and hint
    (
        because(httpx.ConnectError(""), OSError(errno.ENETUNREACH, "Network is unreachable")),
        DOWN,
        False,
        "network is unreachable",
        "again",
    ),
    (
        because(httpx.ConnectError(""), socket.gaierror(socket.EAI_AGAIN, "x")),
        DOWN,
        False,
        "host name",
        "name",
    ),
    (because(httpx.ConnectError(""), socket.gaierror(socket.EAI_NONAME, "")), UNEXPECTED, False, "", "name"),
    (GROUP, FINAL, False, "certificate is not trusted (expired)", "SSL_CERT_FILE"),
    (because(httpx.ConnectError(""), NO_TLS), UNEXPECTED, False, "TLS failed", "api-url"),
    (because(httpx.ConnectError(""), ALERT), DOWN, False, "TLS failed", "again"),
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


class TestDetail:
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
    def test_whose_words(self, body: bytes, expected: str) -> None:
        """The platform's own words, or what a page or a text says of itself, on one line."""
        assert error_detail(body, str) == expected

    @settings(deadline=None)
    @given(st.binary() | st.text().map(lambda text: json.dumps({"error": text}).encode()))
    @example(b'{"error":' * 100_000)
    @example(b'{"error": ' + b"9" * 10_000 + b"}")
    @example(b'{"error": "\\ud800"}')
    def test_any_bytes(self, body: bytes) -> None:
        """It never raises, and is one line."""
        text = error_detail(body, str)
        assert text == " ".join(text.split())


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("30", 30.0),
            (formatdate(NOW + 30, usegmt=True), 30.0),
            (formatdate(NOW - 30, usegmt=True), 0.0),
            ("soon", 0.0),
            ("-30", 0.0),
            ("", 0.0),
        ],
    )
    def test_forms(self, text: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Seconds or a date; what makes no sense is no wish."""
        monkeypatch.setattr(time, "time", lambda: NOW)
        assert parse_retry_after({"retry-after": text}) == expected

    @settings(deadline=None)
    @given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
    def test_anything(self, text: str) -> None:
        """No value that a header can have raises, or asks for less than nothing."""
        assert parse_retry_after({"retry-after": text}) >= 0
