"""Redaction: secrets never appear in an output."""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerokie_action.http.url import host_and_path
from zerokie_action.text.redaction import Redactor

SECRETS = (
    st.text(st.sampled_from("&<>\"'/+~. a") | st.characters(codec="utf-8"), min_size=4, max_size=40)
    .map(str.strip)
    .filter(lambda secret: len(secret) >= 4)
)
FORMS: list[Callable[[str], str]] = [
    str,
    quote,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    lambda secret: re.sub("%..", lambda match: match[0].lower(), quote(secret)),
    lambda secret: re.sub("[-._~]", lambda match: f"%{ord(match[0]):X}", quote(secret)),  # Java's `~`
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    lambda secret: json.dumps(json.dumps(secret))[3:-3],
    lambda secret: json.dumps(json.dumps(secret, ensure_ascii=False), ensure_ascii=False)[3:-3],
    lambda secret: repr(secret)[1:-1],
    lambda secret: json.dumps(secret)[1:-1].translate({ord(c): f"\\u{ord(c):04x}" for c in "&<>"}),  # Go
    lambda secret: json.dumps(secret)[1:-1].translate({ord(c): f"\\u{ord(c):04X}" for c in "&<>"}),  # .NET
    html.escape,
    lambda secret: html.escape(secret, quote=False),
    lambda secret: html.escape(secret, quote=False).replace('"', "&#34;").replace("'", "&#39;"),  # Go
    lambda secret: html.escape(secret, quote=False).replace('"', "&quot;").replace("'", "&#039;"),  # PHP
    lambda secret: html.escape(secret, quote=False).replace('"', "&quot;").replace("'", "&#39;"),  # lodash
    lambda secret: html.escape(secret, quote=False).replace("/", "&#x2F;"),  # Mustache
    lambda secret: b64encode(secret.encode()).decode(),
    lambda secret: b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: urlsafe_b64encode(secret.encode()).decode(),
    lambda secret: b64encode(f"user:{secret}".encode()).decode(),
    lambda secret: b64encode(f"x:{secret}".encode()).decode(),
    lambda secret: b64encode(f'{{"username":"u","password":"{secret}"}}'.encode()).decode(),
]


@settings(max_examples=40)
@example("a&<>\"'/+~. %\\é", "", "")
@given(SECRETS, st.text(), st.text())
def test_every_encoding_of_a_secret_is_hidden(secret: str, before: str, after: str) -> None:
    """The text around the secret doesn't matter."""
    redactor = Redactor(secret)
    for number, form in enumerate(FORMS):
        shown = redactor.redact(f"{before} {form(secret)} {after}").replace("***", "\0")
        assert form(secret) not in shown, number


def test_secret_bytes_that_are_not_text_are_hidden():
    """A variable may contain any bytes. Python shows them as surrogates."""
    assert Redactor("caf\udce9-key").redact("caf\udce9-key, caf%ED%B3%A9-key") == "***, ***"


def test_base64_of_a_text_hides_the_secret_in_it():
    """At most a part of the secret's last byte can be decoded."""
    for before in ("", "u:", "us:", "use:"):
        text = b64encode(f"{before}s3cr3t-key!~ more".encode()).decode()
        assert len(Redactor("s3cr3t-key!").redact(text).replace("***", "").rstrip("=")) <= len(before) + 12


def test_base64_of_a_secret_is_hidden():
    """The whole secret is hidden, even with several lines."""
    for secret in ("s3cr3t-key", "s3cr3t-key!", "first line\nlast line"):
        assert Redactor(secret).redact(b64encode(secret.encode()).decode()).rstrip("=") == "***"


def test_each_line_of_a_secret_is_hidden():
    """A line of a key is also hidden when it appears alone."""
    redactor = Redactor("-----BEGIN-----\r\n  first+line\n}\nlast line\n")
    assert redactor.redact("first+line, first%2Bline, last line, }") == "***, ***, ***, }"


def test_only_the_secret_is_replaced():
    """A secret of three characters stays visible, because it would garble the log."""
    redactor = Redactor("s3cr3t/key", "", "abc")
    assert redactor.redact("Bearer s3cr3t/key.") == "Bearer ***."
    assert redactor.redact("?key=s3cr3t%2Fkey&a=b") == "?key=***&a=b"
    assert Redactor("pass%").redact("pass%25") == "***"
    assert redactor.redact("nothing to hide, abc") == "nothing to hide, abc"
    assert Redactor("key?>~key").redact("a2V5Pz5-a2V5 a2V5Pz5+a2V5") == "*** ***"


def test_the_longer_secret_is_replaced_first():
    """If a shorter secret inside it was replaced first, the rest would stay visible."""
    assert Redactor("pass", "password").redact("password, pass") == "***, ***"


def test_overlapping_secrets_are_hidden_completely():
    """No part of either secret stays visible."""
    assert Redactor("Bearer sand", "sandbox-key").redact("<Bearer sandbox-key>") == "<***>"
    assert Redactor("me:sandbox-key:shop", "sandbox-key").redact("me:sandbox-key:shop") == "***"


@pytest.mark.parametrize(
    ("value", "shown", "is_hidden"),
    [
        ("production", "acme/production:2", False),
        ("production", "shop_production", False),
        ("production", "preproduction", True),
        ("production", "acme/production2", True),
        ("production", "Production", True),
        ("größe", "große-größe", False),
        ("prod", "prodé", True),
        ("123456", "web:1234567", True),
        ("123456", "web:1234567-123456", False),
        ("pro.uction", "production", True),
        ("first line\nproduction", "production", False),
    ],
)
def test_a_value_that_is_a_word_of_a_shown_text_is_not_hidden(
    value: str, shown: str, *, is_hidden: bool
) -> None:
    redactor = Redactor(values=[value], shown=["web", shown])
    word = value.splitlines()[-1]
    assert redactor.redact(word) == ("***" if is_hidden else word)


def test_a_secret_is_hidden_even_if_it_is_a_word_of_a_shown_text() -> None:
    redactor = Redactor("production", values=["production", "blue"], shown=["acme/production:2"])
    assert redactor.redact("production, blue") == "***, ***"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://me:hunter22@web.example.com:8443/up?token=t0ken#part", "web.example.com/up"),
        ("/my%20site/up?token=t0ken", "/my site/up"),
        ("/up#t0ken?x", "/up"),
        ("", ""),
    ],
)
def test_only_host_and_path_of_a_url_are_shown(url: str, words: str) -> None:
    assert host_and_path(url) == words
