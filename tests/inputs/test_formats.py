"""Formats of inputs: valid values, and the messages about invalid ones."""

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


def unchanged(*texts: str) -> dict[str, object]:
    return {text: text for text in texts}


READ: dict[Parse, dict[str, object]] = {
    # seconds, or numbers with units
    formats.parse_duration: {"0": 0, "1.5": 1.5, "0.5s": 0.5, "5M": 300, "1h 30m": 5400, "1d 1h": 90_000},
    # a boolean, or a duration with a unit
    formats.parse_delete_stale: {
        **dict.fromkeys(("true", "Yes", "on", "1"), True),
        **dict.fromkeys(("FALSE", "no", "off", "0"), False),
        "60s": 60,
        "12h": 43_200,
        "7d": 604_800,
    },
    # everything after the first `=` is the value
    formats.parse_variables: {
        'A=1\n# no\n B_2 =x=y "z" # w\nspring.url-1=\n': {"A": "1", "B_2": 'x=y "z" # w', "spring.url-1": ""},
    },
    formats.check_domain: {"WWW.Example.com.": "www.example.com"},
    # the platform decides which names are valid
    formats.check_app: unchanged("my-app", "a", "Ünïcode", "a.b_c", "My_Site"),
    # host and port, path, tag, digest
    formats.check_image: unchanged(
        *("nginx:1", "localhost:5000/a/b:c", "[::1]:5000/a", "GHCR.io/o/my_app.x--y:V1.2-rc_3"),
        f"n:1@sha256:{'0f' * 32}",
    ),
    formats.check_token: unchanged("!zk_1.2-3~+/="),
    # https, or http to this machine, without a final slash and `/v1`
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
    # each message with its texts; a message never quotes a possible secret
    formats.parse_duration: {
        "{!r} isn't a duration. Write a duration such as 90, 90s, 5m, 1h30m or 7d": [
            *("soon", "5 minutes", "-1", "1h30", "1 30", "s", "1m1h", "1.5h", "1e3", "٣", "9" * 40),
        ],
    },
    formats.parse_delete_stale: {
        "{!r} isn't valid. Write 7d or another duration with a unit (1m to 3650d), true or false": [
            *("never", "7 days", "7", "600", "0.5", "59s", "3651d"),
        ],
    },
    formats.check_domain: {
        "{!r} isn't a valid custom domain. Write one name per line with at least three labels, such as ": [
            *("example.com", "localhost", "a.b.\u200bc", "https://www.example.com", "a.b c.d"),
            *("a.b.c,d.e.f", "a.b.c:443", "a..b", "b.c."),
        ],
    },
    formats.parse_variables: {
        "item 4 isn't `NAME=value` or repeats a name. Write one variable per line": [
            *("A=1\nhunter2\n=hunter2\n1A=hunter2", "B=hunter2\nA=1\nC=1\nB=hunter3"),
        ],
    },
    formats.check_app: {
        "{!r} looks like an unexpanded variable. ": UNEXPANDED,
        "{!r} isn't a valid app name. Write a name of a to z, 0 to 9 and dashes, such as 'a-b'": [
            "a/b",
            "a\\b",
            "a\nb",
            "a\u202eb",
        ],
        "{!r} isn't a valid app name. Write a name of a to z, 0 to 9 and dashes, such as 'my-site'": [
            "..",
            "\udc80",
        ],
    },
    formats.check_image: {
        "{!r} looks like an unexpanded variable. ": UNEXPANDED,
        "{!r} ends in ':'. Check whether a variable in it is empty": ["ghcr.io/o/n:"],
        "{!r} ends in '/'. Check whether a variable in it is empty": ["ghcr.io/"],
        "{!r} isn't an image reference. Write a reference such as 'nginx:1'": ["Nginx:1"],
        "{!r} isn't an image reference. Write a reference such as 'ghcr.io/owner/name:1.2'": [
            *("n@sha256:abc", "nginx latest", "https://a/b", "a//b", ":1", "n\udc80"),
        ],
    },
    formats.check_token: {
        "the value contains whitespace or other characters ": [
            "Bearer hunter2",
            "a\n",
            "é",
            "\x7f",
            "\udc80",
        ],
        "the value is an unexpanded variable. ": ["$ZEROKIE_API_KEY"],
    },
    check_api_url: {
        # URLs that programs read differently, or that have more parts than a base URL
        "the value isn't the URL of an API. Write only scheme, host and path, such as ": [
            *("api.example.com", "ftp://api.example.com", "https:///v1", "https://a:b", "https://[::1"),
            *("https://u:hunter2@a.example.com", "https://:hunter2@a.example.com", "https://a b"),
            *("https://a.example.com?key=hunter2", "https://a/#b", "https://a/../v1", "https://${HOST}/v1"),
            *("https://xn--i-7iq.invalid/", "http://[::1]x/"),
        ],
        # hosts that may not be this machine
        "{!r} would send the API key unencrypted. Use https ": [
            *("http://api.example.com", "http://10.0.0.1", "http://localhost.example.com"),
            *("http://a.host.docker.internal", "http://127.0.0.1.example.com", "http://notlocalhost"),
        ],
    },
    # these would fail only after the deploy
    check_health_check: {
        "the value isn't a URL or a path that starts with /. Write a path such as /healthz, with `%20` ": [
            *("healthz", "example.com/health?token=hunter2", "ftp://a/b", "https://", "/a b", "/a\u200bb"),
            *("https://xn--i-7iq.invalid/?token=hunter2", "http://[::1]x/"),
        ],
    },
}


@pytest.mark.parametrize(
    ("parse", "text", "value"), [(parse, *row) for parse, rows in READ.items() for row in rows.items()]
)
def test_valid_values_are_read(parse: Parse, text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "sentence", "text"),
    [(parse, words, text) for parse, rows in REFUSED.items() for words in rows for text in rows[words]],
)
def test_invalid_values_are_refused_with_the_fix(parse: Parse, sentence: str, text: str) -> None:
    """The message has the fix and quotes no secret."""
    with pytest.raises(ValueError, match=re.escape(sentence.format(text))) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


@settings(max_examples=40)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_written_duration_is_read_back(hours: int, minutes: int, seconds: int) -> None:
    """Hours, minutes and seconds add up, and durations in messages are valid inputs."""
    total = hours * 3600 + minutes * 60 + seconds
    assert formats.parse_duration(f"{hours}h{minutes}m{seconds}s") == total
    assert formats.parse_duration(formats.written_duration(seconds)) == seconds


ITEMS = st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1).map(str.strip).filter(bool))


@settings(max_examples=40)
@given(ITEMS, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n  \n", " \n\t"]))
def test_a_list_has_one_item_per_line(items: list[str], line_break: str) -> None:
    """Skip blank lines and lines that start with `#`. No other character separates items."""
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
def test_the_suggested_app_name_is_valid(name: str, better: str) -> None:
    """The message suggests a name that fits into a host name."""
    with pytest.raises(ValueError, match=f" Write a name of a to z, 0 to 9 and dashes, such as {better!r}$"):
        formats.check_app(name)
    assert formats.check_app(better) == better
