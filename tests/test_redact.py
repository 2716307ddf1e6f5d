"""Secrets do not end up anywhere."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from tests.ci.grammar import whatever_happens
from zerokie_action.redact import Redactor, secret_forms

SECRETS = st.text(min_size=4, max_size=40).map(str.strip).filter(lambda secret: len(secret) >= 4)
GO_JSON = str.maketrans({"&": r"\u0026", "<": r"\u003c", ">": r"\u003e"})
ENCODINGS = [
    str,
    quote,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    lambda secret: re.sub("%..", lambda match: match[0].lower(), quote(secret)),
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    lambda secret: json.dumps(secret).replace("/", "\\/")[1:-1],
    html.escape,
    lambda secret: repr(secret)[1:-1],
    lambda secret: repr(f"'{secret}\"")[3:-2],
    # Go's JSON, HTML and paths; JavaScript's URLs
    lambda secret: json.dumps(secret).translate(GO_JSON)[1:-1],
    lambda secret: html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    lambda secret: quote(secret, safe="$&+=:@"),
    lambda secret: quote(secret, safe="!'()*"),
    lambda secret: b64encode(secret.encode()).decode(),
    lambda secret: b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: urlsafe_b64encode(secret.encode()).decode(),
]


@whatever_happens
@given(SECRETS, st.sampled_from(ENCODINGS), st.text(), st.text(), st.lists(SECRETS, max_size=2))
def test_no_secret_survives(secret, encode, before, after, others):
    """Whatever is around it and however it is encoded, a secret is not in the text any more."""
    redacted = Redactor(secret, *others).redact(before + encode(secret) + after)
    assert encode(secret) not in redacted
    assert secret not in redacted


KEYS = st.uuids().map(str) | st.sampled_from(["zk_live_Äö/+?~4711", "pa ss"])


@whatever_happens
@given(KEYS, st.binary(max_size=8), st.binary(max_size=8), st.sampled_from([b64encode, urlsafe_b64encode]))
def test_no_bit_of_a_secret_survives_inside_base64(secret, before, after, encode):
    """Base64 of `user:password` gives nothing of the password away, at none of the alignments."""
    token = encode(before + secret.encode() + after).decode()
    left, right = Redactor(secret).redact(token).split("***")
    first_character = len(before) * 8 // 6
    last_character = (len(before + secret.encode()) * 8 - 1) // 6
    assert token[:first_character].startswith(left)
    assert token[last_character + 1 :].endswith(right)


@whatever_happens
@given(st.lists(SECRETS, min_size=1, max_size=4))
def test_every_line_of_a_secret_is_one(lines):
    """A key of several lines is hidden also where one of its lines is shown alone."""
    redactor = Redactor("\r\n".join(lines) + "\n")
    for line in lines:
        for part in filter(lambda part: len(part) >= 4, map(str.strip, re.split(r"[\r\n]", line))):
            assert part not in redactor.redact(f"x {part} y")


def test_redaction_reads_well():
    """Only the secret is replaced."""
    redactor = Redactor("s3cr3t/key", "", "abc")
    assert redactor.redact("Bearer s3cr3t/key.") == "Bearer ***."
    assert redactor.redact("?key=s3cr3t%2Fkey&a=b") == "?key=***&a=b"
    assert redactor.redact("Basic " + b64encode(b"user:s3cr3t/key").decode()) == "Basic dXNlcj***"
    assert redactor.redact("nothing to hide, abc") == "nothing to hide, abc"


def test_a_replacement_cannot_complete_a_secret():
    """Text is looked at again after a replacement."""
    assert Redactor("abcd", "x***y").redact("xabcdy") == "***"


def test_short_secrets_are_not_masked():
    """A secret of three characters would turn the whole log into asterisks."""
    assert secret_forms("abc\n") == []
    assert secret_forms("") == []


def test_secret_forms():
    """The spellings that a runner is told to mask, the longest first."""
    assert secret_forms("ab/c") == [
        "YWIvYw==",
        "ab%2Fc",
        "ab%2fc",
        "YWIvY",
        "ab\\/c",
        "hYi9j",
        "FiL2",
        "ab/c",
    ]
