"""Secrets, taken out of a text before anybody sees it.

This works on whole, raw text. Once text was shortened or escaped for a sink (see `text`), a secret in it may
not be recognisable any more.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

_SHORTEST_SECRET = 4
_MASK = "***"
_NOT_ENCODED = ("", "/", "!'()*")
"""What stays as it is in a query, in a path, in JavaScript's `encodeURIComponent`."""


class Redactor:
    """Replaces secrets, in all the forms of `secret_forms`, by `***`."""

    def __init__(self, *secrets: str) -> None:
        self._forms: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str, user: str = "") -> None:
        """Know one more secret. An empty or very short one changes nothing."""
        self._forms.update(secret_forms(secret, user))
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """Return `text` without any secret."""
        return self._pattern.sub(_MASK, text) if self._forms else text


def secret_forms(secret: str, user: str = "") -> set[str]:
    """Return the forms of a secret that must not be shown.

    They are the secret and each of its lines, trimmed, and of each: percent-encoded, in Base64 (also as the
    password of `user`), as a string in JSON and in our own messages. What is shorter than four characters is
    left out: masking it would garble everything.
    """
    values = {part.strip() for part in (secret, *secret.splitlines())}
    return {form for value in values if len(value) >= _SHORTEST_SECRET for form in _forms(value, user)}


def _forms(value: str, user: str) -> set[str]:
    data = value.encode(errors="surrogatepass")
    encoded = {quote(data, safe) for safe in _NOT_ENCODED} | {quote_plus(data)}
    encoded |= {re.sub("%..", lambda match: match[0].lower(), form) for form in encoded}
    in_quotes = {json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)}
    in_base64 = {
        encode(credentials).decode().rstrip("=")
        for credentials in (data, f"{user}:".encode(errors="surrogatepass") + data)
        for encode in (b64encode, urlsafe_b64encode)
    }
    return {value, *encoded, *(form[1:-1] for form in in_quotes), *in_base64}
