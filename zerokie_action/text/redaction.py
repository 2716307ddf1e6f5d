"""Redaction of secrets in raw text, before any escaping.

The redaction may not recognize a secret in shortened or escaped text.
"""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from urllib.parse import quote_plus

_SHORTEST_SECRET = 4


class Redactor:
    """A redactor that replaces secrets with `***`, also percent-encoded and in JSON, HTML and Base64.

    Args:
        secrets: texts to replace everywhere.
        values: texts to replace unless they are a whole word of a text in `shown`. Replacing a value such as
            `production` would garble well-known names.
        shown: texts that the log shows, such as the app's name.
    """

    def __init__(self, *secrets: str, values: Iterable[str] = (), shown: Iterable[str] = ()) -> None:
        self._secrets, self._hidden = secret_values(secrets), secret_values(values)
        self.show(*shown)

    def show(self, *texts: str) -> None:
        """Don't replace values anymore that are a whole word of one of these texts."""
        text, patterns = "\n".join(texts), set[str]()
        self._hidden = {value for value in self._hidden if not _is_word(value, text)}
        for value in self._secrets | self._hidden:
            patterns |= {"".join(map(_spelled, value)), *map(re.escape, _in_base64(value))}
        longest_first = sorted(patterns, key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first) or "(?!)")  # never matches

    def redact(self, text: str) -> str:
        """Return `text` without the secrets. Overlapping secrets become one `***`."""
        shown, end = "", 0
        match = self._pattern.search(text)
        while match:
            start, stop = match.span()
            shown += f"{text[end:start]}***" if start >= end else ""
            end = max(end, stop)
            match = self._pattern.search(text, start + 1)  # one secret may start inside another
        return shown + text[end:]


def secret_values(secrets: Iterable[str]) -> set[str]:
    """Return each secret and each of its lines, stripped.

    Values with fewer than four characters are left out, because replacing them would garble the log.
    """
    values = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
    return {value for value in values if len(value) >= _SHORTEST_SECRET}


def _is_word(value: str, text: str) -> bool:
    """Return whether a text contains a value as a whole word, without a letter or digit next to it."""
    return bool(re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", text))


def _in_base64(value: str) -> set[str]:
    """Return the Base64 forms of a secret, alone or inside a longer text such as `user:password`.

    Base64 turns three bytes into four characters. So the secret has a form for each position of its first
    byte in a group of three. Each form leaves out the characters that depend on the bytes next to the secret.
    """
    data = value.encode(errors="surrogatepass")
    texts = set()
    for encode in (b64encode, urlsafe_b64encode):
        texts.add(encode(data).decode().rstrip("="))
        for before in range(3):
            bits = 8 * (before + len(data))
            texts.add(encode(bytes(before) + data).decode()[-(-8 * before // 6) : bits // 6])
    return texts


def _spelled(char: str) -> str:
    """Return a regular expression for a character in all its encodings."""
    if char.isascii() and char.isalnum():
        return char
    code = ord(char)
    forms = {char, f"\\{char}", f"\\u{code:04x}", json.dumps(char)[1:-1], repr(char)[1:-1], html.escape(char)}
    # Some encoders change `~` and similar characters, and some don't.
    forms |= {
        quote_plus(char, errors="surrogatepass"),
        "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogatepass")),
    }
    # An error may quote JSON that contains JSON, such as a registry's response.
    forms |= {json.dumps(form)[1:-1] for form in forms}
    expressions = [*map(re.escape, sorted(forms, key=len, reverse=True)), f"&#0*{code};", f"&#x0*{code:x};"]
    return f"(?i:{'|'.join(expressions)})"
