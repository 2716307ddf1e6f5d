"""What a response says of itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerokie_action.http.failure import error_detail, is_web_page
from zerokie_action.redact import Redactor


class TestQuoted:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"error": "app not found"}', '"app not found"'),
            (b'{"error": "two\\nlines,  spaces"}', '"two lines, spaces"'),
            (b'{"message": "from a gateway"}', '"from a gateway"'),
            (b'{"detail": "from FastAPI"}', '"from FastAPI"'),
            (b'{"error": {"message": "nested"}}', '"nested"'),
            (b'{"error": {"error": {"detail": "deep"}}}', '"deep"'),
            (b'{"error": {"code": 5}}', "\"{'code': 5}\""),
            (b'{"error": ["a", "b"]}', "\"['a', 'b']\""),
            (b'{"error": 7}', '"7"'),
            (b'{"error": "", "message": "the other"}', '"the other"'),
            (b'{"error": null}', '"{"error": null}"'),
            (b"{}", '"{}"'),
            (b"[1]", '"[1]"'),
            (b"", ""),
            (b"  \n ", ""),
            (b"plain text\nof two lines", '"plain text of two lines"'),
            (b"<html><title>502 Bad Gateway</title>", 'an HTML page, "502 Bad Gateway"'),
            (b"<!DOCTYPE html>\n<html><title>\n Sign\n in </title>", 'an HTML page, "Sign in"'),
            (b"<HTML><body>no title", "an HTML page"),
            (b"<HTML><TITLE>ERROR: not satisfied</TITLE>", 'an HTML page, "ERROR: not satisfied"'),
            (b"<html><title> </title>", "an HTML page"),
            (b"<html><title>cut off", 'an HTML page, "cut off"'),
            (b"<html>" + b" " * 5000 + b"<title>far down</title>", 'an HTML page, "far down"'),
            (b"<!DOCTYPE plist><title>no page</title>", '"<!DOCTYPE plist><title>no page</title>"'),
            (b'{"error": "<html><title>x</title>"}', '"<html><title>x</title>"'),
            (b"\xff\xfe\x00", '"\ufffd\ufffd\x00"'),
            ('{"error": "gr\u00fc\u00dfe"}'.encode(), '"gr\u00fc\u00dfe"'),
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
    @example(b'{"error":' * 200 + b'"x"' + b"}" * 200)
    @example(b'{"error":' * 900 + b'"x"' + b"}" * 900)
    @example(b'{"error":' * 100_000)
    @example(b"[" * 100_000)
    @example(b'{"error":' + b"[" * 980 + b"]" * 980 + b"}")
    @example(b'{"error": ' + b"9" * 10_000 + b"}")
    @example(b'{"error": "\\ud800"}')
    @example(b'{"error": NaN}')
    def test_any_bytes(self, body: bytes) -> None:
        """It never raises, and is one line."""
        text = error_detail(body, 100, str)
        assert text == " ".join(text.split())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html>", True),
        (b"\n <!DOCTYPE HTML><body>", True),
        (b" " * 995 + b"<html>", True),
        (b" " * 996 + b"<html>", False),
        (b"<!DOCTYPE plist>", False),
        (b"", False),
        (b'{"error": "x"}', False),
        (b"[]", False),
        (b"\xff\xfe", False),
    ],
)
def test_web_pages(body: bytes, *, expected: bool) -> None:
    """What is one is told as one."""
    assert is_web_page(body) is expected
    assert error_detail(body, 100, str).startswith("an HTML page") is expected
