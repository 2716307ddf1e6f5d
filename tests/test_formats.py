"""The contract's own formats: what is read, what is refused, and what is said then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action import formats

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = st.integers(0, 10**9 - 1)
HOST = "the name is part of a host name (a to z, 0 to 9 and dashes)"


def refusal(parse: Callable[[str], object], text: str) -> str:
    """Why a text is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    return str(caught.value)


# --- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1.5", 1.5), ("90s", 90), ("0.5s", 0.5), ("5M", 300), ("1h 30m", 5400), ("1h2m3s", 3723)],
)
def test_durations(text: str, seconds: float) -> None:
    """Seconds, or hours, minutes and seconds with their units."""
    assert formats.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["soon", "5 minutes", "-1", "1h30", "1 30", "s", "1m1h", "1.5h", "1e3", "٣", "9" * 40]
)
def test_no_durations(text: str) -> None:
    """What has two meanings, or none, is refused, with an example of what to write."""
    sentence = f"{text!r} is not a duration; write for example 90, 90s, 5m or 1h30m"
    assert refusal(formats.parse_duration, text) == sentence


@given(NUMBERS, NUMBERS, NUMBERS)
def test_every_duration_is_read_as_it_is_written(hours: int, minutes: int, seconds: int) -> None:
    """Hours, minutes and seconds add up; what messages and documents say can be given as an input."""
    total = hours * 3600 + minutes * 60 + seconds
    assert formats.parse_duration(f"{hours}h{minutes}m{seconds}s") == total
    assert formats.parse_duration(formats.written_duration(seconds)) == seconds


# --- lists

ITEMS = st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1).map(str.strip).filter(bool))


@given(ITEMS, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n  \n", " \n\t"]))
def test_lists_have_one_item_a_line(items: list[str], line_break: str) -> None:
    """Blank lines and lines that start with `#` are skipped; no other character separates items."""
    expected = tuple(item for item in items if not item.startswith("#"))
    assert formats.parse_lines(line_break.join(items)) == expected


@pytest.mark.parametrize(
    ("joined", "items"),
    [
        ("a\\,b,[c,d],e", "a\\,b\n[c,d]\ne"),
        ("a,b\nc", "a\nb\nc"),
        ("# no a, no b\nc,d", "# no a, no b\nc\nd"),
    ],
)
def test_joined_lists(joined: str, items: str) -> None:
    """Where a comma separates items, and where it does not."""
    assert formats.split_at_commas(joined) == items


@pytest.mark.parametrize("text", ["https://www.example.com", "a.b c.d", "a.b.c,d.e.f", "a.b.c:443", "a..b"])
def test_no_domains(text: str) -> None:
    """A URL, or several names in a line, are refused, each by its name."""
    problem = f"{text!r} is not a domain; write one name per line, such as www.example.com"
    assert refusal(formats.parse_domains, f"a..b\nok.example.com\n{text}").splitlines()[-1] == problem


def test_variables() -> None:
    """What follows the first `=` is the value, as it stands."""
    assert formats.parse_variables('A=1\n# no\n B_2 =x=y "z" # w\nspring.url-1=\n') == {
        "A": "1",
        "B_2": 'x=y "z" # w',
        "spring.url-1": "",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "A=1\nhunter2\n=hunter2\n1A=hunter2",
            "items 2, 3, 4 are not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -",
        ),
        ("B=hunter2\nA=1\nB=hunter3\nA=2", "A, B: given more than once; keep one line for each key"),
    ],
)
def test_wrong_variables_are_counted_not_quoted(text: str, sentence: str) -> None:
    """A value may be a secret, and so may be what looks like a key."""
    assert refusal(formats.parse_variables, text) == sentence


# --- names of apps and images


@pytest.mark.parametrize("name", ["my-app", "a", "Ünïcode", "a.b_c", "My_Site"])
def test_app_names(name: str) -> None:
    """What a name may look like is the platform's to say."""
    assert formats.check_app(name) == name


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("My_Site", "my-site"),
        ("  Größe & Preis! ", "gr-e-preis"),
        ("-" * 70 + "x" * 70, "x" * 62),
        ("..", "my-site"),
    ],
)
def test_a_better_name(name: str, better: str) -> None:
    """What to write in place of a name that the platform refuses, or that no request can be made of."""
    assert formats.advice_for_app(name) == f"write for example {better!r}: {HOST}"
    assert formats.advice_for_app(better) == ""


@pytest.mark.parametrize("name", ["${{ github.ref }}", "$[[ inputs.app ]]", "site-$CI_COMMIT_REF_SLUG"])
def test_unexpanded_variables_are_no_names(name: str) -> None:
    """A destroy of `site-$CI_…` must not reach the platform."""
    sentence = f"{name!r} looks like a variable that was not expanded; check how the workflow sets it"
    assert refusal(formats.check_app, name) == sentence
    assert refusal(formats.check_image, name) == sentence


@pytest.mark.parametrize("name", ["..", "a/b", "a\\b", "a b", "a\nb", "\udc80", "a\u202eb"])
def test_names_that_no_request_can_be_made_of(name: str) -> None:
    """A name must be one path segment, and printable."""
    assert (
        refusal(formats.check_app, name) == f"{name!r} can't be an app's name; {formats.advice_for_app(name)}"
    )


@pytest.mark.parametrize(
    "image",
    [
        "nginx:1",
        "localhost:5000/a/b:c",
        "[::1]:5000/a",
        "GHCR.io/o/my_app.x--y:V1.2-rc_3",
        f"n:1@sha256:{'0f' * 32}",
    ],
)
def test_images(image: str) -> None:
    """Host and port, path, tag, digest."""
    assert formats.check_image(image) == image


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("ghcr.io/o/n:", "'ghcr.io/o/n:' ends in ':'; is a variable in it empty?"),
        ("ghcr.io/", "'ghcr.io/' ends in '/'; is a variable in it empty?"),
        ("Nginx:1", "'Nginx:1' is not an image reference; write for example 'nginx:1'"),
        *(
            (image, f"{image!r} is not an image reference; write for example 'ghcr.io/owner/name:1.2'")
            for image in ("n@sha256:abc", "nginx latest", "https://a/b", "a//b", ":1", "n\udc80")
        ),
    ],
)
def test_no_images(image: str, sentence: str) -> None:
    """The usual slips, such as a tag whose variable is empty, are found before the deploy."""
    assert refusal(formats.check_image, image) == sentence


# --- tokens and URLs


@given(st.text(min_size=1).filter(lambda text: not re.fullmatch(r"[!-~]+", text)))
def test_no_tokens(text: str) -> None:
    """What no header can carry is refused; the value is not quoted."""
    assert refusal(formats.check_token, text).startswith("the value ")
    assert "hunter2" not in refusal(formats.check_token, "Bearer hunter2")
    assert "was not expanded" in refusal(formats.check_token, "$ZEROKIE_API_KEY")
    assert formats.check_token("!zk_1.2-3~+/=") == "!zk_1.2-3~+/="


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://api.example.com/", "https://api.example.com"),
        ("https://example.com:8443/zerokie/v1/", "https://example.com:8443/zerokie"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://zerokie.localhost", "http://zerokie.localhost"),
        ("http://host.docker.internal:8080", "http://host.docker.internal:8080"),
    ],
)
def test_api_urls(text: str, base: str) -> None:
    """https, or http to this machine; what is not part of the base is cut off."""
    assert formats.check_api_url(text) == base


@pytest.mark.parametrize(
    "text",
    [
        "api.example.com",
        "ftp://api.example.com",
        "https:///v1",
        "https://a:b",
        "https://[::1",
        "https://a b",
        "https://u:hunter2@a.example.com",
        "https://:hunter2@a.example.com",
        "https://a.example.com?key=hunter2",
        "https://a/#b",
        "https://a/../v1",
        "https://${HOST}/v1",
    ],
)
def test_no_api_urls(text: str) -> None:
    """What programs read differently, or has more than a base; it is not quoted: it may hold a secret."""
    assert refusal(formats.check_api_url, text) == (
        "the value is not the URL of an API: write scheme, host and path, and nothing else, "
        "such as https://api.example.com"
    )


@pytest.mark.parametrize(
    "host",
    [
        "api.example.com",
        "10.0.0.1",
        "localhost.example.com",
        "a.host.docker.internal",
        "127.0.0.1.example.com",
    ],
)
def test_the_key_never_travels_in_the_clear(host: str) -> None:
    """http is refused for every host that is not this machine for certain."""
    assert "would send the API key unencrypted" in refusal(formats.check_api_url, f"http://{host}")


@pytest.mark.parametrize("text", ["/", "/healthz?token=$x", "https://www.example.com/a?b=c"])
def test_health_checks(text: str) -> None:
    """A path or a whole URL."""
    assert formats.check_health_check(text) == text


@pytest.mark.parametrize(
    "text", ["healthz", "example.com/health?token=hunter2", "ftp://a/b", "https://", "/a b"]
)
def test_no_health_checks(text: str) -> None:
    """Anything else would fail only after the deploy; its query may hold a token."""
    assert refusal(formats.check_health_check, text) == (
        "the value is neither a path that starts with / nor a URL; write for example /healthz"
    )
