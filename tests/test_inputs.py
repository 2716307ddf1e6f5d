"""Names of inputs, and the text of one input becoming a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action import inputs

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = st.integers(0, 10**6)


def refusal(parse: Callable[[str], object], text: str) -> str:
    """The sentence with which a parser refuses a text."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    return str(caught.value)


# --- names


def test_spellings_in_order_of_precedence() -> None:
    """GitHub keeps the dash; the more deliberate spelling comes first."""
    assert inputs.spellings("api_key") == (
        "INPUT_API-KEY",
        "INPUT_API_KEY",
        "PLUGIN_API_KEY",
        "ZEROKIE_API_KEY",
    )
    assert inputs.spellings("app") == ("INPUT_APP", "PLUGIN_APP", "ZEROKIE_APP")


@given(
    st.dictionaries(
        st.sampled_from(inputs.spellings("api_key")), st.sampled_from(["", " ", "\n", "a", " b\n"])
    )
)
def test_the_first_spelling_that_is_not_empty_wins(env: dict[str, str]) -> None:
    """Empty, or nothing but white space, counts as not set; white space around a value is cut off."""
    set_ones = [
        (name, env[name].strip()) for name in inputs.spellings("api_key") if env.get(name, "").strip()
    ]
    assert inputs.find(env, "api_key") == (set_ones[0] if set_ones else None)


def test_reported_domains_are_not_the_input() -> None:
    """The JSON list that an earlier job reported is passed over; a list of names is not."""
    assert inputs.find({"ZEROKIE_DOMAINS": '[{"domain":"a.example.com"}]'}, "domains") is None
    assert inputs.find({"ZEROKIE_DOMAINS": "[]"}, "domains") is None
    assert inputs.find({"ZEROKIE_DOMAINS": "a.example.com"}, "domains") == (
        "ZEROKIE_DOMAINS",
        "a.example.com",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\\ ", "a\\ "), ("a\\ \n", "a\\ "), ("a\\  ", "a\\ "), ("\ta \n", "a"), ("a\\", "a\\")],
)
def test_an_escaped_space_at_the_end_is_kept(value: str, text: str) -> None:
    r"""`\ ` at the end of a gitignore pattern is a name's last character."""
    assert inputs.find({"ZEROKIE_IGNORE": value}, "ignore") == ("ZEROKIE_IGNORE", text)


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
    assert inputs.parse_duration(text) == seconds


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
        refusal(inputs.parse_duration, text)
        == f"{text!r} is not a duration; write for example 90, 90s, 5m or 1h30m"
    )


@given(NUMBERS, NUMBERS, NUMBERS)
def test_every_written_duration_is_read_back(hours: int, minutes: int, seconds: int) -> None:
    """Hours, minutes and seconds add up, whatever they are."""
    assert inputs.parse_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@given(st.text() | st.from_regex(r"[0-9hms. ]{1,12}", fullmatch=True))
def test_a_duration_is_a_finite_number_or_refused(text: str) -> None:
    """Nothing but `ValueError` comes out of a text, and no duration is negative or endless."""
    try:
        seconds = inputs.parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds < 10**14


def test_durations_in_a_range() -> None:
    """Both ends belong to the range, and the sentence names them."""
    parse = inputs.duration("1s", "15m")
    assert (parse("1"), parse("15m")) == (1, 900)
    assert refusal(parse, "901") == "'901' is out of range; write a duration from 1s to 15m"
    assert refusal(inputs.duration("1s"), "0") == "'0' is out of range; write a duration of at least 1s"


# --- flags and numbers


@given(st.sampled_from(["true", "yes", "on", "1", "false", "no", "off", "0"]), st.randoms())
def test_flags_in_any_case(word: str, random: object) -> None:
    """Eight words, in any mixture of cases."""
    mixed = "".join(random.choice((char.upper(), char)) for char in word)  # type: ignore[attr-defined]
    assert inputs.parse_flag(mixed) is (word in {"true", "yes", "on", "1"})


@given(
    st.text().filter(lambda text: text.lower() not in {"true", "yes", "on", "1", "false", "no", "off", "0"})
)
def test_no_flag_is_guessed(text: str) -> None:
    """Any other word is refused rather than taken for false."""
    assert refusal(inputs.parse_flag, text) == f"{text!r} is neither true nor false; write true or false"


@given(st.integers(-300, 600))
def test_whole_numbers(number: int) -> None:
    """A number is read if it is in the range, both ends included."""
    parse = inputs.whole_number(1, 256)
    if 1 <= number <= 256:
        assert parse(str(number)) == number
    else:
        assert refusal(parse, str(number)) == f"'{number}' is not a whole number from 1 to 256"


@pytest.mark.parametrize("text", ["", "1.0", "1e2", "0x10", "+5", "1_0", "\uff16", "ten", "1" * 5000])
def test_no_whole_numbers(text: str) -> None:
    """Only plain digits are a number."""
    assert refusal(inputs.whole_number(1), text) == f"{text!r} is not a whole number of at least 1"


# --- lists

ITEMS = st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1).map(str.strip).filter(bool))


@given(ITEMS, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n  \n", " \n\t"]))
def test_lists_have_one_item_a_line(items: list[str], line_break: str) -> None:
    """Whatever breaks the lines, and with blank ones between them; no other character separates items."""
    expected = tuple(item for item in items if not item.startswith("#"))
    assert inputs.parse_lines(line_break.join(items)) == expected


def test_comments_are_skipped() -> None:
    """A line that starts with `#` is no item; a `#` further on is part of one."""
    assert inputs.parse_lines("# one\n  # two\nthree # four\n") == ("three # four",)


def test_patterns_keep_their_trailing_space() -> None:
    r"""Spaces at a pattern's end are gitignore's to judge."""
    assert inputs.parse_patterns("  *.map\n#x\na\\ \n\nb ") == ("*.map", "", "a\\ ", "", "b ")


def test_domains() -> None:
    """One name a line."""
    assert inputs.parse_domains("www.example.com\n*.example.org\n") == ("www.example.com", "*.example.org")


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
    assert refusal(inputs.parse_domains, f"ok.example.com\n{text}") == (
        f"{text!r} is not a domain; write one name per line, such as www.example.com"
    )


def test_variables() -> None:
    """What follows the first `=` is the value, as it stands."""
    assert inputs.parse_variables('A=1\n# no\n B_2 =x=y "z" # w\nspring.url-1=\n') == {
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
    assert refusal(inputs.parse_variables, text) == sentence


# --- names of apps and images


@pytest.mark.parametrize("name", ["my-app", "a", "Ünïcode", "a.b_c", "...", "100%"])
def test_app_names(name: str) -> None:
    """What a name may look like is the platform's to say."""
    assert inputs.check_app(name) == name


@pytest.mark.parametrize(
    "name", ["${{ github.ref }}", "$[[ inputs.app ]]", "site-$CI_COMMIT_REF_SLUG", "${APP}", "$(App)"]
)
def test_unexpanded_variables_are_no_names(name: str) -> None:
    """A destroy of `site-$CI_…` must not reach the platform."""
    sentence = f"{name!r} looks like a variable that was not expanded; check how the workflow sets it"
    assert refusal(inputs.check_app, name) == sentence
    assert refusal(inputs.check_image, f"nginx:{name}") == sentence.replace(repr(name), repr(f"nginx:{name}"))


@pytest.mark.parametrize(
    "name",
    [".", "..", "a/b", "a\\b", "a b", "a\tb", "a\nb", "a\x00b", "a\x7f", "\udc80", "a\u202eb", "a\u2003b"],
)
def test_names_that_no_request_can_be_made_of(name: str) -> None:
    """A name must be one path segment, and printable."""
    assert refusal(inputs.check_app, name) == (
        f"{name!r} can't be an app's name: no white space, slashes or control characters"
    )


@pytest.mark.parametrize("image", ["nginx", "nginx:1", "localhost:5000/a/b:c", "ghcr.io/o/n@sha256:00ff"])
def test_images(image: str) -> None:
    """What an image may be called is the registry's to say."""
    assert inputs.check_image(image) == image


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
    assert refusal(inputs.check_image, image) == sentence


# --- tokens and URLs


@pytest.mark.parametrize("token", ["a", "zk_1.2-3~+/=", "!~"])
def test_tokens(token: str) -> None:
    """Any visible ASCII text can be a token."""
    assert inputs.check_token(token) == token


@given(st.text(min_size=1).filter(lambda text: not re.fullmatch(r"[!-~]+", text)))
def test_no_tokens(text: str) -> None:
    """What no header can carry is refused; the value is not quoted."""
    assert refusal(inputs.check_token, text).startswith("the value ")
    assert refusal(inputs.check_token, "Bearer hunter2") == (
        "the value holds white space or characters that no token has; pass the token and nothing else"
    )
    assert refusal(inputs.check_token, "$ZEROKIE_API_KEY") == (
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
    assert inputs.check_api_url(text) == base


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
        refusal(inputs.check_api_url, text)
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
    assert refusal(inputs.check_api_url, text) == (
        "the value has more than scheme, host and path; leave user, query and fragment out"
    )


@pytest.mark.parametrize(
    "path", ["/..", "/a/../b", "/./a", "/%2e%2E/v1", "/.%2e", "//v1", "/a//b", "/v1/.", "/%zz/../a"]
)
def test_api_urls_lead_to_one_place(path: str) -> None:
    """Segments that vanish on the way, or take others along, are refused."""
    assert refusal(inputs.check_api_url, f"https://api.example.com{path}") == (
        "the value's path has an empty, `.` or `..` segment; write the path without it"
    )


@pytest.mark.parametrize("path", ["/%", "/%2", "/%zz/v1", "/a%2gb"])
def test_api_urls_are_escaped(path: str) -> None:
    """A percent sign begins an escape, or is one."""
    assert refusal(inputs.check_api_url, f"https://api.example.com{path}") == (
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
    assert refusal(inputs.check_api_url, text) == (
        f"{text!r} would send the API key unencrypted; use https (http is for loopback hosts)"
    )


@pytest.mark.parametrize(
    "text", ["/", "/healthz?token=$x", "https://www.example.com/a?b=c", "http://a.example.com"]
)
def test_health_checks(text: str) -> None:
    """A path or a whole URL."""
    assert inputs.check_health_check(text) == text


@pytest.mark.parametrize(
    "text", ["healthz", "example.com/health?token=hunter2", "ftp://a/b", "https://", "/a b", "/a\x07"]
)
def test_no_health_checks(text: str) -> None:
    """Anything else would fail only after the deploy; its query may hold a token."""
    assert refusal(inputs.check_health_check, text) == (
        "the value is neither a path that starts with / nor a URL; write for example /healthz"
    )


@given(st.text())
def test_checks_accept_or_refuse(text: str) -> None:
    """No text brings a check down."""
    for check in (inputs.check_app, inputs.check_image, inputs.check_api_url, inputs.check_health_check):
        try:
            assert isinstance(check(text), str)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - any sentence will do
