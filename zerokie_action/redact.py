"""Secrets, taken out of a text before anybody sees it.

This works on raw text. Once text was escaped for a sink (see `text`), a secret in it may not be recognisable
any more.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable

_SHORTEST_SECRET = 4
_MASK = "***"
_URL_SAFE = ("", "/", "!'()*", "$&+=:@")
"""What stays as it is in a query, in a path, in JavaScript's `encodeURIComponent`, in Go's `PathEscape`."""
_GO_JSON = str.maketrans({"&": r"\u0026", "<": r"\u003c", ">": r"\u003e"})
_ALPHABETS = (b64encode, urlsafe_b64encode)


class Redactor:
    """Replaces secrets, in all their spellings (`secret_forms`), by `***`."""

    def __init__(self, *secrets: str) -> None:
        self._patterns: dict[str, str] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Know one more secret. An empty or very short one changes nothing."""
        patterns = self._patterns | _patterns(secret)
        self._patterns = dict(sorted(patterns.items(), key=lambda item: -len(item[0])))

    def redact(self, text: str) -> str:
        """Return `text` without any secret."""
        # A replacement may complete another secret, so look again; each one makes the text shorter.
        while found := next((form for form in self._patterns if form in text), None):
            text = re.sub(self._patterns[found], _MASK, text, flags=re.ASCII)
        return text


def secret_forms(secret: str) -> list[str]:
    """Return the spellings of a secret that must not be shown, the longest first.

    They are the secret and each of its lines, trimmed, and of each: base64 (also as a part of something
    longer, so at all three alignments; both alphabets), URL-encoded, as a string of JSON, HTML and Python.
    What is shorter than four characters is left out: masking it would garble everything.
    """
    return sorted(_patterns(secret), key=lambda form: (-len(form), form))


def _patterns(secret: str) -> dict[str, str]:
    """Return each spelling with the expression to replace: neighbours in base64 hold bits of it."""
    values = {part.strip() for part in (secret, *re.split(r"[\r\n]", secret))}
    values = {value for value in values if len(value) >= _SHORTEST_SECRET}
    patterns = {form: re.escape(form) for value in values for form in _spellings(value)}
    for value in values:
        patterns |= {form: rf"[\w+/-]?{re.escape(form)}[\w+/-]?={{0,2}}" for form in _base64_inside(value)}
    return patterns


def _spellings(value: str) -> set[str]:
    quoted = {quote(value, safe, errors="surrogatepass") for safe in _URL_SAFE}
    quoted |= {quote_plus(value, errors="surrogatepass")}
    quoted |= {re.sub("%..", lambda match: match[0].lower(), form) for form in quoted}
    strings = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    # Beside a double quote, Python escapes the single ones.
    strings |= {repr(f"{value}'\"")[1 : -len("\\'\"'")]}
    strings |= {form.replace("/", r"\/") for form in strings}
    strings |= {form.translate(_GO_JSON) for form in strings}
    escaped = html.escape(value)
    go_html = escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    encoded = {_encoded(value, alphabet) for alphabet in _ALPHABETS}
    return {value, escaped, go_html} | quoted | strings | encoded


def _encoded(value: str, encode: Callable[[bytes], bytes], shift: int = 0) -> str:
    return encode(bytes(shift) + value.encode(errors="surrogatepass")).decode("ascii")


def _base64_inside(value: str) -> set[str]:
    """Return the characters that `value` alone decides, for each alignment and alphabet."""
    size = len(value.encode(errors="surrogatepass"))
    return {
        _encoded(value, alphabet, shift)[-(-shift * 8 // 6) : (shift + size) * 8 // 6]
        for alphabet in _ALPHABETS
        for shift in range(3)
    }
