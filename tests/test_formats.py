"""The text of one input becoming a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action import formats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = st.integers(0, 10**6)


def refusal(parse: Callable[[str], object], text: str) -> str:
    """The sentence with which a parser refuses a text."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    return str(caught.value)


# --- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("0.5s", 0.5),
        ("5m", 300),
        ("5M", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1h30s", 3630),
        ("1h2m3s", 3723),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Seconds, or hours, minutes and seconds with their units."""
    assert formats.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "5 minutes",
        "-1",
        "1h30",
        "1 30",
        "s",
        "m",
        "1m1h",
        "1.5h",
        "1e3",
        "٣",
        "inf",
        "9" * 40,
        "5d",
        "1h\x00",
    ],
)
def test_no_durations(text: str) -> None:
    """What has two meanings, or none, is refused, with an example of what to write."""
    assert (
        refusal(formats.parse_duration, text)
        == f"{text!r} is not a duration; write for example 90, 90s, 5m or 1h30m"
    )


@given(NUMBERS, NUMBERS, NUMBERS)
def test_every_written_duration_is_read_back(hours: int, minutes: int, seconds: int) -> None:
    """Hours, minutes and seconds add up, whatever they are."""
    assert formats.parse_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@given(st.text() | st.from_regex(r"[0-9hms. ]{1,12}", fullmatch=True))
def test_a_duration_is_a_finite_number_or_refused(text: str) -> None:
    """Nothing but `ValueError` comes out of a text, and no duration is negative or endless."""
    try:
        seconds = formats.parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds < 10**14


@given(st.integers(0, 10**6))
def test_a_written_duration_is_read_back(seconds: int) -> None:
    """What messages and documents say can be given as an input."""
    assert formats.parse_duration(formats.written_duration(seconds)) == seconds


# --- lists

ITEMS = st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1).map(str.strip).filter(bool))


@given(ITEMS, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n  \n", " \n\t"]))
def test_lists_have_one_item_a_line(items: list[str], line_break: str) -> None:
    """Whatever breaks the lines, and with blank ones between them; no other character separates items."""
    expected = tuple(item for item in items if not item.startswith("#"))
    assert formats.parse_lines(line_break.join(items)) == expected


def test_comments_are_skipped() -> None:
    """A line that starts with `#` is no item; a `#` further on is part of one."""
    assert formats.parse_lines("# one\n  # two\nthree # four\n") == ("three # four",)


def test_patterns_keep_their_trailing_space() -> None:
    r"""Spaces at a pattern's end are gitignore's to judge."""
    assert formats.parse_patterns("  *.map\n#x\na\\ \n\nb ") == ("*.map", "", "a\\ ", "", "b ")


@pytest.mark.parametrize("pattern", ["a,b", "*.map,drafts/", "[a],b", "a\\\\,b", ","])
def test_patterns_with_a_comma(pattern: str) -> None:
    """Somebody wrote two patterns in a line; a misread one deletes files."""
    assert refusal(formats.parse_patterns, f"x\n{pattern}") == (
        f"{pattern!r} has a comma; write one pattern a line, and \\, for a comma itself"
    )


@pytest.mark.parametrize("pattern", ["a\\,b", "[,]", "x[a,b]y", "[!,]", "[],]", "# a, b"])
def test_patterns_with_a_comma_of_their_own(pattern: str) -> None:
    """Behind a backslash or in brackets it is a character; in a comment it is nothing."""
    assert formats.parse_patterns(pattern) in ((pattern,), ("",))


@pytest.mark.parametrize(
    ("joined", "items"),
    [
        ("*.map,drafts/", "*.map\ndrafts/"),
        ("a\\,b,[c,d],e", "a\\,b\n[c,d]\ne"),
        ("a,b\nc", "a\nb\nc"),
        ("# no a, no b\nc,d", "# no a, no b\nc\nd"),
    ],
)
def test_joined_lists(joined: str, items: str) -> None:
    """Where a comma separates items, and where it does not."""
    assert formats.split_at_commas(joined) == items


@pytest.mark.parametrize(
    ("joined", "items"),
    [
        ("A=1,B=2", "A=1\nB=2"),
        ("A=1,2,3,B=x, y", "A=1,2,3\nB=x, y"),
        ("A=1\\,B=2", "A=1,B=2"),
        ("A=[1,B=2]", "A=[1\nB=2]"),
        ("# A=1,B=2\nC=3", "# A=1,B=2\nC=3"),
    ],
)
def test_joined_variables(joined: str, items: str) -> None:
    """A value may have commas: only one before another `NAME=` separates."""
    assert formats.split_at_commas(joined, only_variables=True) == items


def test_domains() -> None:
    """One name a line."""
    assert formats.parse_domains("www.example.com\n*.example.org\n") == ("www.example.com", "*.example.org")


@pytest.mark.parametrize(
    "text",
    [
        "https://www.example.com",
        "a.b/c",
        "a.b c.d",
        "a.b,c.d",
        "a.b:443",
        "a@b.c",
        "a\x07.b",
        ".",
        "..",
        "a..b",
        ".a",
    ],
)
def test_no_domains(text: str) -> None:
    """A URL, or several names in a line, are refused."""
    assert refusal(formats.parse_domains, f"ok.example.com\n{text}") == (
        f"{text!r} is not a domain; write one name per line, such as www.example.com"
    )


def test_apex_domains() -> None:
    """The platform can't serve them; it can forget one that it has."""
    assert refusal(formats.parse_new_domains, "www.example.com\nExample.com.") == (
        "'example.com' is an apex domain, which the platform does not support; "
        "attach for example 'www.example.com'"
    )
    assert formats.parse_domains("example.com") == ("example.com",)


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
        ("hunter2", "item 1 is not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -"),
        (
            "A=1\nhunter2\n=hunter2\n1A=hunter2",
            "items 2, 3, 4 are not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -",
        ),
        (
            '{"A": "hunter2"}',
            "item 1 is not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -",
        ),
        ("B=hunter2\nA=1\nB=hunter3\nA=2", "A, B is given more than once; keep one line for each key"),
    ],
)
def test_wrong_variables_are_counted_not_quoted(text: str, sentence: str) -> None:
    """A value may be a secret, and so may be what looks like a key."""
    assert refusal(formats.parse_variables, text) == sentence


# --- names of apps and images


@pytest.mark.parametrize("name", ["my-app", "a", "Ünïcode", "a.b_c", "...", "100%"])
def test_app_names(name: str) -> None:
    """What a name may look like is the platform's to say."""
    assert formats.check_app(name) == name


@pytest.mark.parametrize(
    "name", ["${{ github.ref }}", "$[[ formats.app ]]", "site-$CI_COMMIT_REF_SLUG", "${APP}", "$(App)"]
)
def test_unexpanded_variables_are_no_names(name: str) -> None:
    """A destroy of `site-$CI_…` must not reach the platform."""
    sentence = f"{name!r} looks like a variable that was not expanded; check how the workflow sets it"
    assert refusal(formats.check_app, name) == sentence
    assert refusal(formats.check_image, f"nginx:{name}") == sentence.replace(
        repr(name), repr(f"nginx:{name}")
    )


@pytest.mark.parametrize(
    "name",
    [".", "..", "a/b", "a\\b", "a b", "a\tb", "a\nb", "a\x00b", "a\x7f", "\udc80", "a\u202eb", "a\u2003b"],
)
def test_names_that_no_request_can_be_made_of(name: str) -> None:
    """A name must be one path segment, and printable."""
    assert refusal(formats.check_app, name) == (
        f"{name!r} can't be an app's name: no white space, slashes or control characters"
    )


@pytest.mark.parametrize("image", ["nginx", "nginx:1", "localhost:5000/a/b:c", "ghcr.io/o/n@sha256:00ff"])
def test_images(image: str) -> None:
    """What an image may be called is the registry's to say."""
    assert formats.check_image(image) == image


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("ghcr.io/o/n:", "'ghcr.io/o/n:' ends in ':'; is the variable for what should follow empty?"),
        ("n@", "'n@' ends in '@'; is the variable for what should follow empty?"),
        ("ghcr.io/", "'ghcr.io/' ends in '/'; is the variable for what should follow empty?"),
        ("nginx latest", "'nginx latest' is not an image; write for example ghcr.io/owner/name:1.2"),
        ("https://a/b", "'https://a/b' is not an image; write for example ghcr.io/owner/name:1.2"),
        ("n\udc80", "'n\\udc80' is not an image; write for example ghcr.io/owner/name:1.2"),
    ],
)
def test_no_images(image: str, sentence: str) -> None:
    """The usual slips, such as a tag whose variable is empty, are found before the deploy."""
    assert refusal(formats.check_image, image) == sentence


# --- tokens and URLs


def test_an_api_key_that_is_a_files_path(tmp_path: Path) -> None:
    """GitLab's `secrets:` puts the key into a file and its path into the variable."""
    file = tmp_path / "key"
    assert formats.check_api_key(str(file)) == str(file)
    file.touch()
    assert refusal(formats.check_api_key, str(file)) == (
        "the value is the path of a file; set `api-key-file` to it, and not `api-key`"
    )


@pytest.mark.parametrize("token", ["a", "zk_1.2-3~+/=", "!~"])
def test_tokens(token: str) -> None:
    """Any visible ASCII text can be a token."""
    assert formats.check_token(token) == token


@given(st.text(min_size=1).filter(lambda text: not re.fullmatch(r"[!-~]+", text)))
def test_no_tokens(text: str) -> None:
    """What no header can carry is refused; the value is not quoted."""
    assert refusal(formats.check_token, text).startswith("the value ")
    assert refusal(formats.check_token, "Bearer hunter2") == (
        "the value holds white space or characters that no token has; pass the token and nothing else"
    )
    assert refusal(formats.check_token, "$ZEROKIE_API_KEY") == (
        "the value is a variable that was not expanded; check that the secret exists for this run"
    )


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com/v1/", "https://api.example.com"),
        ("https://example.com:8443/zerokie/v1", "https://example.com:8443/zerokie"),
        ("HTTPS://API.example.com", "HTTPS://API.example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://zerokie.localhost", "http://zerokie.localhost"),
        ("https://api.example.com//", "https://api.example.com"),
        ("https://api.example.com/a%20%C3%a9/..c/v1//", "https://api.example.com/a%20%C3%a9/..c"),
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
        "https://",
        "https:///v1",
        "https://a:b",
        "https://a:99999",
        "https://[::1",
        "https://a b",
        "https://a\\b",
        "https://a\n",
        "user:hunter2@api.example.com",
        "https://ä.example.com",
        "file:///etc/passwd",
    ],
)
def test_no_api_urls(text: str) -> None:
    """What programs read differently is no URL either; it is not quoted, as it may hold a password."""
    assert (
        refusal(formats.check_api_url, text)
        == "the value is not a URL; write for example https://api.example.com"
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://u:hunter2@a.example.com",
        "http://u@localhost",
        "https://a.example.com?key=hunter2",
        "https://a/#b",
    ],
)
def test_api_urls_have_no_extras(text: str) -> None:
    """User, query and fragment are refused, and not quoted."""
    assert refusal(formats.check_api_url, text) == (
        "the value has more than scheme, host and path; leave user, query and fragment out"
    )


@pytest.mark.parametrize(
    "path", ["/..", "/a/../b", "/./a", "/%2e%2E/v1", "/.%2e", "//v1", "/a//b", "/v1/.", "/%zz/../a"]
)
def test_api_urls_lead_to_one_place(path: str) -> None:
    """Segments that vanish on the way, or take others along, are refused."""
    assert refusal(formats.check_api_url, f"https://api.example.com{path}") == (
        "the value's path has an empty, `.` or `..` segment; write the path without it"
    )


@pytest.mark.parametrize("path", ["/%", "/%2", "/%zz/v1", "/a%2gb"])
def test_api_urls_are_escaped(path: str) -> None:
    """A percent sign begins an escape, or is one."""
    assert refusal(formats.check_api_url, f"https://api.example.com{path}") == (
        "the value's path has a % without two hex digits; write %25 for the sign itself"
    )


@pytest.mark.parametrize(
    "text",
    [
        "http://api.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
    ],
)
def test_the_key_never_travels_in_the_clear(text: str) -> None:
    """http is refused for every host that is not this machine for certain."""
    assert refusal(formats.check_api_url, text) == (
        f"{text!r} would send the API key unencrypted; use https (http is for loopback hosts)"
    )


@pytest.mark.parametrize(
    "text", ["/", "/healthz?token=$x", "https://www.example.com/a?b=c", "http://a.example.com"]
)
def test_health_checks(text: str) -> None:
    """A path or a whole URL."""
    assert formats.check_health_check(text) == text


@pytest.mark.parametrize(
    "text", ["healthz", "example.com/health?token=hunter2", "ftp://a/b", "https://", "/a b", "/a\x07"]
)
def test_no_health_checks(text: str) -> None:
    """Anything else would fail only after the deploy; its query may hold a token."""
    assert refusal(formats.check_health_check, text) == (
        "the value is neither a path that starts with / nor a URL; write for example /healthz"
    )


@given(st.text())
def test_checks_accept_or_refuse(text: str) -> None:
    """No text brings a check down."""
    for check in (formats.check_app, formats.check_image, formats.check_api_url, formats.check_health_check):
        try:
            assert isinstance(check(text), str)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - any sentence will do
