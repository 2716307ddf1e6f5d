"""Inputs as they arrive: how their names are spelled, and how their text becomes values.

Every parser takes the text of one input and returns a value or raises `ValueError` with a
sentence that says what is wrong and what to write instead. A value that is or may hold a secret
(a token, `env`, a URL's query) is never quoted.
"""

from __future__ import annotations

import ipaddress
import math
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from urllib.parse import SplitResult

_DURATION = re.compile(
    r"(?:([0-9]{1,9})h)?\s*(?:([0-9]{1,9})m)?\s*(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?", re.IGNORECASE
)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_UNITS = (3600.0, 60.0, 1.0)
_FLAGS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def input_name(field: str) -> str:
    """The input's name as users write it: `api-key` for the field `api_key`."""
    return field.replace("_", "-")


def spellings(field: str) -> tuple[str, ...]:
    """Environment variables that carry the input of this field name, first match wins.

    `api_key` is read from `INPUT_API-KEY` (GitHub keeps the dash), `INPUT_API_KEY`,
    `PLUGIN_API_KEY` (Woodpecker, Drone) and `ZEROKIE_API_KEY`.
    """
    upper = field.upper()
    names = (f"INPUT_{input_name(upper)}", f"INPUT_{upper}", f"PLUGIN_{upper}", f"ZEROKIE_{upper}")
    return tuple(dict.fromkeys(names))


def find(env: Mapping[str, str], field: str) -> tuple[str, str] | None:
    """The variable that carries an input, and its text without surrounding white space; None when not set."""
    for variable in spellings(field):
        text = _trimmed(env.get(variable, ""))
        if text and not (variable == "ZEROKIE_DOMAINS" and text.startswith("[")):
            return variable, text
        # A JSON list there is the output `domains` of an earlier job, which GitLab hands on under
        # that name: what that deploy reported, not what this one should do.
    return None


def read(env: Mapping[str, str], fields: Iterable[str]) -> dict[str, str]:
    """The text of every input of these names that is set, by field name.

    `RUNNER_DEBUG`, which GitHub sets for a run with debug logging, outranks `log-level`.
    """
    texts = {field: found[1] for field in fields if (found := find(env, field))}
    if env.get("RUNNER_DEBUG") == "1":
        texts["log_level"] = "debug"
    return texts


def is_reported(env: Mapping[str, str], field: str) -> bool:
    """Whether an input may be what an earlier job reported: GitLab hands outputs on as `ZEROKIE_…`."""
    found = find(env, field)
    return bool(env.get("ZEROKIE_STATUS")) and found is not None and found[0] == f"ZEROKIE_{field.upper()}"


def _trimmed(value: str) -> str:
    text = value.strip()
    cut_off = value.lstrip()[len(text) :]
    # The last pattern of `ignore` or `keep` may end in an escaped space.
    return f"{text} " if text.endswith("\\") and cut_off.startswith(" ") else text


def parse_duration(text: str) -> float:
    """Seconds from `90`, `90s`, `5m` or `1h30m`."""
    if _SECONDS.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example 90, 90s, 5m or 1h30m")
    return sum(float(number) * unit for number, unit in zip(match.groups(), _UNITS, strict=True) if number)


def duration(lowest: str, highest: str | None = None) -> Callable[[str], float]:
    """A parser for durations in a range; both ends belong to it."""
    bounds = f"from {lowest} to {highest}" if highest else f"of at least {lowest}"
    shortest, longest = parse_duration(lowest), parse_duration(highest) if highest else math.inf

    def parse(text: str) -> float:
        seconds = parse_duration(text)
        if not shortest <= seconds <= longest:
            raise ValueError(f"{text!r} is out of range; write a duration {bounds}")
        return seconds

    return parse


def parse_flag(text: str) -> bool:
    """True or false from true/false/yes/no/on/off/1/0 in any case."""
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false; write true or false") from None


def whole_number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """A parser for whole numbers in a range; both ends belong to it."""
    bounds = f"from {lowest} to {highest}" if highest else f"of at least {lowest}"

    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", text) and lowest <= int(text) <= (highest or math.inf):
            return int(text)
        raise ValueError(f"{text!r} is not a whole number {bounds}")

    return parse


def parse_patterns(text: str) -> tuple[str, ...]:
    r"""Like `parse_lines`, but keeps what gitignore gives a meaning, a trailing `\ `, and the lines' numbers.

    A line that is skipped is an empty one.
    """
    lines = (line.lstrip() for line in re.split(r"\r\n?|\n", text))
    return tuple("" if line.startswith("#") else line for line in lines)


def parse_lines(text: str) -> tuple[str, ...]:
    """One item per line; blank lines and lines that start with `#` are skipped."""
    return tuple(line.rstrip() for line in parse_patterns(text) if line)


def parse_domains(text: str) -> tuple[str, ...]:
    """One host name per line."""
    domains = parse_lines(text)
    for domain in domains:
        labels = domain.removesuffix(".").split(".")
        if not all(labels) or not domain.isprintable() or re.search(r"[\s,:/\\?#@]", domain):
            raise ValueError(f"{domain!r} is not a domain; write one name per line, such as www.example.com")
    return domains


def host_name(domain: str) -> str:
    """A domain as it is compared: neither case nor the root's dot make another name (RFC 4343)."""
    return domain.lower().removesuffix(".")


def parse_variables(text: str) -> dict[str, str]:
    """Environment variables from `KEY=VALUE` lines. The values may be secrets: they are never quoted."""
    items = [
        (key.strip(), equals, value)
        for key, equals, value in (line.partition("=") for line in parse_lines(text))
    ]
    is_right = [equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", key) for key, equals, _ in items]
    if wrong := [str(number) for number, right in enumerate(is_right, 1) if not right]:
        which = f"item {wrong[0]} is" if len(wrong) == 1 else f"items {', '.join(wrong)} are"
        raise ValueError(
            f"{which} not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -"
        )
    keys = [key for key, _, _ in items]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"{', '.join(twice)} is given more than once; keep one line for each key")
    return {key: value for key, _, value in items}


def check_app(text: str) -> str:
    """An app's name that a request can be made of; what else it may look like is the platform's to say."""
    _refuse_unexpanded(text)
    if text in {".", ".."} or not text.isprintable() or re.search(r"[\s/\\]", text):
        raise ValueError(f"{text!r} can't be an app's name: no white space, slashes or control characters")
    return text


def check_image(text: str) -> str:
    """An image reference without the usual slips; what else it may look like is the registry's to say."""
    _refuse_unexpanded(text)
    if text.endswith((":", "@", "/")):
        raise ValueError(f"{text!r} ends in {text[-1]!r}; is the variable for what should follow empty?")
    if not text.isprintable() or re.search(r"\s", text) or "://" in text:
        raise ValueError(f"{text!r} is not an image; write for example ghcr.io/owner/name:1.2")
    return text


def check_token(text: str) -> str:
    """A secret that goes into a header."""
    if text.startswith("$"):
        raise ValueError(
            "the value is a variable that was not expanded; check that the secret exists for this run"
        )
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(
            "the value holds white space or characters that no token has; pass the token and nothing else"
        )
    return text


def check_health_check(text: str) -> str:
    """A path or a URL; its query may hold a token."""
    parts = _split_url(text)
    is_url = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not (is_url or text.startswith("/")) or not text.isprintable() or re.search(r"\s", text):
        raise ValueError(
            "the value is neither a path that starts with / nor a URL; write for example /healthz"
        )
    return text


def check_api_url(text: str) -> str:
    """The platform's API without what is not part of its base; never quotes what may hold a password."""
    parts = _split_url(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the value is not a URL; write for example https://api.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the value has more than scheme, host and path; leave user, query and fragment out")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"{text!r} would send the API key unencrypted; use https (http is for loopback hosts)"
        )
    _refuse_ambiguous(parts.path.rstrip("/"))
    return text.rstrip("/").removesuffix("/v1")


def is_loopback(host: str) -> bool:
    """Whether a host name or address always means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_ambiguous(path: str) -> None:
    # Each program on the way may read these in its own way; what comes back is a 404 that blames the app.
    if any(unquote(segment) in {"", ".", ".."} for segment in path.split("/")[1:]):
        raise ValueError("the value's path has an empty, `.` or `..` segment; write the path without it")
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise ValueError("the value's path has a % without two hex digits; write %25 for the sign itself")


def _refuse_unexpanded(text: str) -> None:
    if "$" in text:
        raise ValueError(
            f"{text!r} looks like a variable that was not expanded; check how the workflow sets it"
        )


def _split_url(text: str) -> SplitResult | None:
    """The parts of a URL; None when it is none, or has characters that different parsers read differently."""
    if not re.fullmatch(r"[!-\[\]^_`a-z{|}~]+", text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts
