"""The contract's own formats: text that becomes a value, or is refused.

Each function takes the text of one input and returns a value, or raises `ValueError` with a sentence that
says what is wrong and what to write instead. What is or may hold a secret (a token, `env`, a URL's query) is
never quoted.
"""
# os.path says no where pathlib raises: a name that is too long, a folder that can't be entered.
# ruff: noqa: PTH112, PTH113, PTH120

from __future__ import annotations

import ipaddress
import os.path
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

DEFAULT_API_URL = "https://api.platform-dev.zerokie.com"

_DURATION = re.compile(
    r"(?:([0-9]{1,9})h)?\s*(?:([0-9]{1,9})m)?\s*(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?", re.IGNORECASE
)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_SEPARATOR = re.compile(r"(\\.|\[[!^]?\]?[^\]\n]*\])|,")
"""A comma, but one after a backslash or in brackets."""
_BEFORE_VARIABLE = re.compile(r"(\\?),(?=\s*[A-Za-z_][A-Za-z0-9_.-]*=)")


def parse_duration(text: str) -> float:
    """Seconds from `90`, `90s`, `5m` or `1h30m`."""
    if _SECONDS.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example 90, 90s, 5m or 1h30m")
    return sum(
        float(number) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True) if number
    )


def written_duration(seconds: float) -> str:
    """A duration as `parse_duration` reads it: `15m`."""
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds / _UNITS[unit]:.0f}{unit}"


def split_at_commas(text: str, *, only_variables: bool = False) -> str:
    r"""One item a line, of a list that Woodpecker or Drone has joined with commas.

    `\,` and a comma in brackets separate nothing; nor does one in a comment, or, with `only_variables`, one
    that no `NAME=` follows.
    """

    def split(line: str) -> str:
        if line.lstrip().startswith("#"):
            return line
        if only_variables:
            return _BEFORE_VARIABLE.sub(lambda found: "," if found[1] else "\n", line)
        return _SEPARATOR.sub(lambda found: found[1] or "\n", line)

    return "\n".join(map(split, split_lines(text)))


def split_lines(text: str) -> list[str]:
    """The lines of a text, whatever breaks them; no other character does."""
    return re.split(r"\r\n?|\n", text)


def parse_lines(text: str) -> tuple[str, ...]:
    """One item a line; blank lines and lines that start with `#` are skipped."""
    return tuple(line for line in map(str.strip, split_lines(text)) if line and not line.startswith("#"))


def parse_patterns(text: str) -> tuple[str, ...]:
    r"""Like `parse_lines`, but keeps what gitignore gives a meaning, a trailing `\ `, and the lines' numbers.

    A line that is skipped is an empty one.
    """
    lines = [line.lstrip() for line in split_lines(text)]
    patterns = tuple("" if line.startswith("#") else line for line in lines)
    for pattern in patterns:
        if any(not found[1] for found in _SEPARATOR.finditer(pattern)):
            raise ValueError(f"{pattern!r} has a comma; write one pattern a line, and \\, for a comma itself")
    return patterns


def parse_domains(text: str) -> tuple[str, ...]:
    """One host name a line."""
    domains = parse_lines(text)
    for domain in domains:
        labels = domain.removesuffix(".").split(".")
        if not all(labels) or not domain.isprintable() or re.search(r"[\s,:/\\?#@]", domain):
            raise ValueError(f"{domain!r} is not a domain; write one name per line, such as www.example.com")
    return domains


def parse_new_domains(text: str) -> tuple[str, ...]:
    """Host names that the platform can serve."""
    domains = parse_domains(text)
    for domain in map(host_name, domains):
        if domain.count(".") == 1:
            raise ValueError(
                f"{domain!r} is an apex domain, which the platform does not support; "
                f"attach for example 'www.{domain}'"
            )
    return domains


def host_name(domain: str) -> str:
    """A domain as it is compared: neither case nor the root's dot make another name (RFC 4343)."""
    return domain.lower().removesuffix(".")


def parse_variables(text: str) -> dict[str, str]:
    """Environment variables from `KEY=VALUE` lines. The values may be secrets: they are never quoted."""
    pairs = [line.partition("=") for line in parse_lines(text)]
    keys = [key.strip() if equals else "" for key, equals, _ in pairs]
    right = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
    if wrong := [str(number) for number, key in enumerate(keys, 1) if not right.fullmatch(key)]:
        which = f"item {wrong[0]} is" if len(wrong) == 1 else f"items {', '.join(wrong)} are"
        raise ValueError(
            f"{which} not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -"
        )
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"{', '.join(twice)} is given more than once; keep one line for each key")
    return {key: value for key, (_, _, value) in zip(keys, pairs, strict=True)}


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


def check_api_key(text: str) -> str:
    """The platform's key, and not the path of the file that it is in."""
    if os.path.isfile(text):
        raise ValueError("the value is the path of a file; set `api-key-file` to it, and not `api-key`")
    return check_token(text)


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


def is_this_machine(host: str) -> bool:
    """Whether a host name or address means this machine, or the one that a container runs on."""
    return is_loopback(host) or host in {"host.docker.internal", "host.containers.internal"}


def check_report_file(path: Path) -> Path:
    """A file that can be written."""
    parent = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise ValueError(f"{str(path)!r} is a folder; give the path of a file")
    if not os.path.isdir(parent):
        raise ValueError(f"the folder {parent!r} does not exist; create it first or choose another path")
    if not any(os.access(place, os.W_OK, effective_ids=True) for place in (path, parent)):
        raise ValueError(f"{str(path)!r} can't be written (Permission denied); choose another path")
    return path


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
