"""What a failed attempt means, and what a response says of itself."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from email.utils import formatdate

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerokie_action.http import failure
from zerokie_action.http.failure import Meaning, ResponseTooLarge, error_detail, is_web_page, retry_after
from zerokie_action.http.request import extensions
from zerokie_action.text import Redactor

ERROR = b'{"error": "words"}'
PAGE = b"<html><title>words</title></html>"
BODIES = pytest.mark.parametrize("body", [b"", ERROR, PAGE], ids=["empty", "error", "page"])
DOWN, BUSY, UNEXPECTED, FINAL = Meaning.DOWN, Meaning.BUSY, Meaning.UNEXPECTED, Meaning.FINAL
NOW = 1_772_902_800
API = httpx.Request("GET", "https://api.test/", extensions=extensions("Looking"))


def response(status: int, body: bytes = b"", **headers: str) -> failure.Failure | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure.of_response(API, httpx.Response(status, headers=named, content=body), '"words"')


def because(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.request = API
    error.__cause__ = cause
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words")
    error.reason = reason
    return error


class TestResponses:
    @BODIES
    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (408, DOWN),
            (425, DOWN),
            (429, BUSY),
            (500, DOWN),
            (502, DOWN),
            (503, DOWN),
            (504, DOWN),
            (599, DOWN),
        ],
    )
    def test_another_attempt_may_help(self, status: int, meaning: Meaning, body: bytes) -> None:
        """Whoever says it; only a 429 has no effect for sure."""
        for headers, seconds in (({}, 0.0), ({"retry_after": "7"}, 7.0)):
            failed = response(status, body, **headers)
            assert failed is not None
            assert (failed.meaning, failed.ambiguous) == (meaning, status != 429)
            assert failed.retry_after == seconds
            assert failed.reason == f'the platform answered {status} ("words")'

    @pytest.mark.parametrize("body", [b"", PAGE, b"{}", b'{"error": " "}', b'{"error": {}}', b"[" * 100_000])
    @pytest.mark.parametrize("status", [301, 304, 400, 403, 404, 409, 499])
    def test_not_the_platform_s_word(self, status: int, body: bytes) -> None:
        """A 4xx without its `error`, and a redirect, are somebody else's: they say nothing of app or lock."""
        failed = response(status, body)
        assert failed is not None
        assert (failed.meaning, failed.ambiguous) == (UNEXPECTED, True)
        assert failed.reason == f'https://api.test answered {status} ("words"), but not as the API does'
        assert "`api-url`" in failed.hint

    @pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 422, 499])
    def test_the_platform_s_word(self, status: int) -> None:
        """With it, it is an answer, whatever `Retry-After` says."""
        assert response(status, ERROR, retry_after="7") is None

    @BODIES
    @pytest.mark.parametrize("status", [401, 407, 413, 414, 415, 431, 501, 505])
    def test_an_answer_with_any_body(self, status: int, body: bytes) -> None:
        """What a gateway means for good as well."""
        assert response(status, body) is None


EXPIRED = ssl.SSLCertVerificationError(1, "expired")
EXPIRED.verify_message = "expired"
ERRORS: dict[str, tuple[httpx.TransportError, Meaning, bool]] = {
    # name: what happened, what it means, whether the request may have been sent
    "refused": (because(httpx.ConnectError(""), ConnectionRefusedError()), DOWN, False),
    "no connection in time": (because(httpx.ConnectTimeout(""), TimeoutError()), DOWN, False),
    "no route": (because(httpx.ConnectError(""), OSError(errno.EHOSTUNREACH, "")), DOWN, False),
    "no descriptor": (because(httpx.ConnectError(""), OSError(errno.EMFILE, "")), DOWN, False),
    "name server down": (because(httpx.ConnectError(""), socket.gaierror(socket.EAI_AGAIN, "")), DOWN, False),
    "unknown name": (
        because(httpx.ConnectError(""), socket.gaierror(socket.EAI_NONAME, "")),
        UNEXPECTED,
        False,
    ),
    "certificate": (because(httpx.ConnectError(""), EXPIRED), FINAL, False),
    "certificate, in a group": (because(httpx.ConnectError(""), ExceptionGroup("", [EXPIRED])), FINAL, False),
    "TLS version": (because(httpx.ConnectError(""), tls("UNSUPPORTED_PROTOCOL")), FINAL, False),
    "no TLS at all": (because(httpx.ConnectError(""), tls("WRONG_VERSION_NUMBER")), FINAL, False),
    "TLS broke off": (because(httpx.ConnectError(""), tls("UNEXPECTED_EOF_WHILE_READING")), DOWN, False),
    "reset": (because(httpx.ReadError(""), ConnectionResetError()), DOWN, True),
    "reset while sending": (because(httpx.WriteError(""), BrokenPipeError()), DOWN, True),
    "silence": (because(httpx.ReadTimeout(""), TimeoutError()), DOWN, True),
    "closed": (because(httpx.RemoteProtocolError("closed"), OSError()), DOWN, True),
    "too large": (because(ResponseTooLarge("too large"), OSError()), FINAL, True),
    "the proxy wants a login": (
        because(httpx.ProxyError("tunnel refused (407 Login)"), OSError()),
        FINAL,
        False,
    ),
    "the proxy can't connect": (because(httpx.ProxyError("tunnel refused (503 No)"), OSError()), DOWN, False),
}


@pytest.mark.parametrize("name", ERRORS)
def test_no_response(name: str) -> None:
    """Each error of httpx's, with what led to it; where waiting does not help, nobody is told to wait."""
    error, meaning, sent = ERRORS[name]
    failed = failure.of_error(error)
    assert (failed.meaning, failed.ambiguous) == (meaning, sent)
    assert failed.broke is (name in {"reset", "reset while sending", "closed", "too large"})
    waits = meaning is DOWN and name not in {"no descriptor", "name server down"}
    assert (failed.hint == failure.TRY_LATER) is waits


def test_what_was_handled_meanwhile() -> None:
    """A lock that is released because of a certificate may meet another trouble, which passes."""
    silence = because(httpx.ReadTimeout(""), TimeoutError())
    silence.__context__ = ERRORS["certificate"][0]
    assert failure.of_error(silence).meaning is DOWN


class TestDetail:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"error": "two\\nlines,  spaces"}', '"two lines, spaces"'),
            (b'{"message": "from a gateway"}', '"from a gateway"'),
            (b'{"error": {"error": {"detail": "deep"}}}', '"deep"'),
            (b'{"error": ["a", "b"]}', "\"['a', 'b']\""),
            (b'{"error": "", "message": "the other"}', '"the other"'),
            (b'{"error": null}', '"{"error": null}"'),
            (b"  \n ", ""),
            (b"plain text\nof two lines", '"plain text of two lines"'),
            (b"<!DOCTYPE html>\n<html><title>\n Sign\n in </title>", 'an HTML page, "Sign in"'),
            (b"<HTML><body>no title", "an HTML page"),
            (b"<html>" + b" " * 5000 + b"<title>far down", 'an HTML page, "far down"'),
            (b'{"error": "<html><title>x</title>"}', '"<html><title>x</title>"'),
            ('{"error": "gr\u00fc\u00dfe"}'.encode("utf-16"), '"gr\u00fc\u00dfe"'),
        ],
    )
    def test_whose_words(self, body: bytes, expected: str) -> None:
        """The platform's own words, or what a page or a text says of itself, on one line."""
        assert error_detail(body, 100, str) == expected

    def test_secrets(self) -> None:
        """They are taken out before white space is folded, and before anybody cuts the text."""
        redact = Redactor("two  words").redact
        assert error_detail(b'{"error": "x\\n two  words"}', 5, redact) == '"x ***"'

    @settings(deadline=None)
    @given(st.binary() | st.text().map(lambda text: json.dumps({"error": text}).encode()))
    @example(b'{"error":' * 100_000)
    @example(b'{"error":' + b"[" * 980 + b"]" * 980 + b"}")
    @example(b'{"error": ' + b"9" * 10_000 + b"}")
    @example(b'{"error": "\\ud800"}')
    def test_any_bytes(self, body: bytes) -> None:
        """It never raises, and is one line."""
        text = error_detail(body, 100, str)
        assert text == " ".join(text.split())

    @pytest.mark.parametrize(
        ("body", "expected"),
        [(b"\n <!DOCTYPE HTML><body>", True), (b" " * 995 + b"<html>", True), (b"<!DOCTYPE plist>", False)],
    )
    def test_web_pages(self, body: bytes, *, expected: bool) -> None:
        assert is_web_page(body) is expected


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0", 0.0),
            (" 7 ", 7.0),
            ("1.5", 1.5),
            ("999999999", 999999999.0),
            (formatdate(NOW + 90, usegmt=True), 90.0),
            (formatdate(NOW - 90, usegmt=True), 0.0),
            ("Saturday, 07-Mar-26 17:00:30 GMT", 30.0),
            ("Sat Mar  7 17:00:30 2026", 30.0),
            *(
                (text, 0.0)
                for text in ("", "-1", "1e3", "\u0663", "soon", "nan", "Sat, 99 Mar 2026 17:00:30 GMT")
            ),
        ],
    )
    def test_forms(self, text: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Seconds and all forms of a date, in any local time zone; all else, and what is over, is none."""
        monkeypatch.setattr(time, "time", lambda: float(NOW))
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            assert retry_after({"retry-after": text}) == expected
        finally:
            monkeypatch.delenv("TZ")
            time.tzset()

    def test_the_platform_s_own_clock(self) -> None:
        """A date is compared with the answer's own date: our clock may be wrong."""
        headers = {"retry-after": formatdate(NOW + 60, usegmt=True), "date": formatdate(NOW, usegmt=True)}
        assert retry_after(headers) == 60.0

    @settings(deadline=None)
    @given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
    def test_anything(self, text: str) -> None:
        """No value that a header can have raises, or asks for less than nothing."""
        assert retry_after({"retry-after": text, "date": text}) >= 0
