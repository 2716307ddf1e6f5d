"""The contract's own formats: what is read, what is refused, and what is said then."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerokie_action.inputs import formats
from zerokie_action.inputs.settings import check_api_url, check_health_check

Parse = Callable[[str], Any]

NUMBERS = st.integers(0, 10**9 - 1)
HOST = "the name is part of a host name (a to z, 0 to 9 and dashes)"


def unchanged(*texts: str) -> dict[str, object]:
    return {text: text for text in texts}


READ: dict[Parse, dict[str, object]] = {
    # seconds, or hours, minutes and seconds with their units
    formats.parse_duration: {"0": 0, "1.5": 1.5, "0.5s": 0.5, "5M": 300, "1h 30m": 5400, "1d 1h": 90_000},
    # a boolean, or a duration with its unit
    formats.parse_delete_stale: {
        **dict.fromkeys(("true", "Yes", "on", "1"), True),
        **dict.fromkeys(("FALSE", "no", "off", "0"), False),
        "60s": 60,
        "12h": 43_200,
        "7d": 604_800,
    },
    # what follows the first `=` is the value, as it stands
    formats.parse_variables: {
        'A=1\n# no\n B_2 =x=y "z" # w\nspring.url-1=\n': {"A": "1", "B_2": 'x=y "z" # w', "spring.url-1": ""},
    },
    formats.check_domain: {"WWW.Example.com.": "www.example.com"},
    # what a name may look like is the platform's to say
    formats.check_app: unchanged("my-app", "a", "Ünïcode", "a.b_c", "My_Site"),
    # host and port, path, tag, digest
    formats.check_image: unchanged(
        *("nginx:1", "localhost:5000/a/b:c", "[::1]:5000/a", "GHCR.io/o/my_app.x--y:V1.2-rc_3"),
        f"n:1@sha256:{'0f' * 32}",
    ),
    formats.check_token: unchanged("!zk_1.2-3~+/="),
    # https, or http to this machine; what is not part of the base is cut off
    check_api_url: {
        "https://api.example.com/": "https://api.example.com",
        "https://example.com:8443/zerokie/v1/": "https://example.com:8443/zerokie",
        **unchanged("http://localhost:8080", "http://[::1]:80", "http://zerokie.localhost"),
        **unchanged("http://host.docker.internal:8080"),
    },
    check_health_check: unchanged("/", "/healthz?token=$x", "https://www.example.com/a?b=c"),
}

UNEXPANDED = ["${{ github.ref }}", "$[[ inputs.app ]]", "site-$CI_COMMIT_REF_SLUG"]
REFUSED: dict[Parse, dict[str, list[str]]] = {
    # what the sentence says of texts; one that may be a secret is not quoted
    formats.parse_duration: {
        "{!r} is not a duration; write for example 90, 90s, 5m, 1h30m or 7d": [
            *("soon", "5 minutes", "-1", "1h30", "1 30", "s", "1m1h", "1.5h", "1e3", "٣", "9" * 40),
        ],
    },
    formats.parse_delete_stale: {
        "{!r} is neither true, false nor a duration with its unit, from a minute to ten years; write for ": [
            *("never", "7 days", "7", "600", "0.5", "59s", "3651d"),
        ],
    },
    formats.check_domain: {
        "{!r} can't be a custom domain; write one name per line, with at least three labels, such as ": [
            *("example.com", "localhost", "a.b.\u200bc", "https://www.example.com", "a.b c.d"),
            *("a.b.c,d.e.f", "a.b.c:443", "a..b", "b.c."),
        ],
    },
    formats.parse_variables: {
        "item 4 is not KEY=VALUE, or repeats a key; write one per line": [
            *("A=1\nhunter2\n=hunter2\n1A=hunter2", "B=hunter2\nA=1\nC=1\nB=hunter3"),
        ],
    },
    formats.check_app: {
        "{!r} looks like a variable that was not expanded; ": UNEXPANDED,
        "{!r} can't be an app's name; write for example 'a-b'": ["a/b", "a\\b", "a\nb", "a\u202eb"],
        "{!r} can't be an app's name; write for example 'my-site'": ["..", "\udc80"],
    },
    formats.check_image: {
        "{!r} looks like a variable that was not expanded; ": UNEXPANDED,
        "{!r} ends in ':'; is a variable in it empty?": ["ghcr.io/o/n:"],
        "{!r} ends in '/'; is a variable in it empty?": ["ghcr.io/"],
        "{!r} is not an image reference; write for example 'nginx:1'": ["Nginx:1"],
        "{!r} is not an image reference; write for example 'ghcr.io/owner/name:1.2'": [
            *("n@sha256:abc", "nginx latest", "https://a/b", "a//b", ":1", "n\udc80"),
        ],
    },
    formats.check_token: {
        "the value has white space or other characters ": ["Bearer hunter2", "a\n", "é", "\x7f", "\udc80"],
        "the value is a variable that was not expanded; ": ["$ZEROKIE_API_KEY"],
    },
    check_api_url: {
        # what programs read differently, or has more than a base
        "the value is not the URL of an API: write scheme, host and path, and nothing else, ": [
            *("api.example.com", "ftp://api.example.com", "https:///v1", "https://a:b", "https://[::1"),
            *("https://u:hunter2@a.example.com", "https://:hunter2@a.example.com", "https://a b"),
            *("https://a.example.com?key=hunter2", "https://a/#b", "https://a/../v1", "https://${HOST}/v1"),
            *("https://xn--i-7iq.invalid/", "http://[::1]x/"),
        ],
        # every host that is not this machine for certain
        "{!r} would send the API key unencrypted; use https ": [
            *("http://api.example.com", "http://10.0.0.1", "http://localhost.example.com"),
            *("http://a.host.docker.internal", "http://127.0.0.1.example.com", "http://notlocalhost"),
        ],
    },
    # anything else would fail only after the deploy
    check_health_check: {
        "the value is neither a path that starts with / nor a URL; write for example /healthz, and `%20` ": [
            *("healthz", "example.com/health?token=hunter2", "ftp://a/b", "https://", "/a b", "/a\u200bb"),
            *("https://xn--i-7iq.invalid/?token=hunter2", "http://[::1]x/"),
        ],
    },
}


@pytest.mark.parametrize(
    ("parse", "text", "value"), [(parse, *row) for parse, rows in READ.items() for row in rows.items()]
)
def test_each_format_is_read(parse: Parse, text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "sentence", "text"),
    [(parse, words, text) for parse, rows in REFUSED.items() for words in rows for text in rows[words]],
)
def test_each_wrong_format_is_refused_with_what_to_write(parse: Parse, sentence: str, text: str) -> None:
    """With two meanings, or none: the sentence says what to write."""
    with pytest.raises(ValueError, match=re.escape(sentence.format(text))) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


@settings(max_examples=40)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_every_duration_is_read_as_it_is_written(hours: int, minutes: int, seconds: int) -> None:
    """Hours, minutes and seconds add up; what messages and documents say can be given as an input."""
    total = hours * 3600 + minutes * 60 + seconds
    assert formats.parse_duration(f"{hours}h{minutes}m{seconds}s") == total
    assert formats.parse_duration(formats.written_duration(seconds)) == seconds


ITEMS = st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1).map(str.strip).filter(bool))


@settings(max_examples=40)
@given(ITEMS, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n  \n", " \n\t"]))
def test_a_list_has_one_item_a_line(items: list[str], line_break: str) -> None:
    """Blank lines and lines that start with `#` are skipped; no other character separates items."""
    expected = tuple(item for item in items if not item.startswith("#"))
    assert formats.parse_lines(line_break.join(items)) == expected


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("My Site", "my-site"),
        ("/" + "x" * 70, "x" * 62),
        ("https://My-Site.platform-dev.zerokie.com/a?b", "my-site"),
        ("http://localhost:8080/", "http-localhost-8080"),
        ("../my/site", "my-site"),
    ],
)
def test_a_better_name_fits_a_host_name(name: str, better: str) -> None:
    """What to write in place of a name that no URL can have."""
    with pytest.raises(ValueError, match=f"write for example {better!r}: {re.escape(HOST)}$"):
        formats.check_app(name)
    assert formats.check_app(better) == better
