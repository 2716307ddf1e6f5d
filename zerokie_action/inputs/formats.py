"""Parses and checks the texts of inputs.

Each function takes the text of one input and returns a value, or raises `ValueError` with a sentence that
says what is wrong and what to write instead. No message quotes a text that may have a secret (a token, `env`,
a URL's query).
"""
# os.path returns False for a name that is too long or a folder that can't be entered; pathlib raises.
# ruff: noqa: PTH113

import os.path
import re
from contextlib import suppress

from pydantic import TypeAdapter, ValidationError

from zerokie_action.ci.commits import valid_commit

DOCKER_HUB = "docker.io"

_DURATION = re.compile(
    r"(?=\S)(?:([0-9]{1,9})d)?\s*(?:([0-9]{1,9})h)?\s*(?:([0-9]{1,9})m)?\s*(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?"
    r"|([0-9]{1,9}(?:\.[0-9]{1,9})?)",
    re.IGNORECASE,
)
"""The numbers before the units (groups 1 to 4), or the seconds of a duration without a unit (group 5)."""
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_BOOLEAN: TypeAdapter[bool] = TypeAdapter(bool)
_LEAST_WAIT, _LONGEST_WAIT = 60.0, 3650 * 86400.0
_COMMA_BEFORE_NAME = re.compile(r",\s*[A-Za-z_][A-Za-z0-9_.-]*=")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)")
_DOMAIN = re.compile(r"[^\s.,:/\\?#@]+(?:\.[^\s.,:/\\?#@]+){2,}")
_IMAGE = re.compile(
    r"(?:(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?/)?"  # the registry's host
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9A-Fa-f]{32,})?"
)
"""An image reference, by the grammar of registries (distribution's `reference`)."""
_REGISTRY = re.compile(r"(localhost|[^/]*[.:][^/]*)/")
"""The host (group 1) that begins an image reference. Without a dot or a port it is part of the name."""
_HOST = re.compile(r"(?:https?://)?([^./]+)(?:\.[^./]+){2,}", re.IGNORECASE)
"""A host name or the URL of a site, whose first label (group 1) may be the app's name."""


def parse_duration(text: str) -> float:
    """Seconds from `90`, `90s`, `5m`, `1h30m` or `7d`."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a duration; write for example 90, 90s, 5m, 1h30m or 7d")
    return sum(
        float(number or 0) * unit for number, unit in zip(match.groups(), (*_UNITS.values(), 1), strict=True)
    )


def parse_delete_stale(text: str) -> bool | float:
    """A boolean, or the seconds of a duration with its unit."""
    with suppress(ValidationError):
        return _BOOLEAN.validate_python(text)
    match = _DURATION.fullmatch(text)
    seconds = parse_duration(text) if match and not match[5] else 0.0
    if not _LEAST_WAIT <= seconds <= _LONGEST_WAIT:
        raise ValueError(
            f"{text!r} is neither true, false nor a duration with its unit, from a minute to ten years; "
            "write for example 7d"
        )
    return seconds


def written_duration(seconds: float) -> str:
    """A duration as `parse_duration` reads it: `15m`."""
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds / _UNITS[unit]:.0f}{unit}"


def split_lines(text: str) -> list[str]:
    """The lines of a text, split at CR, LF and CR LF only."""
    return re.split(r"\r\n?|\n", text)


def parse_lines(text: str) -> tuple[str, ...]:
    """Read one item per line; blank lines and lines that start with `#` are skipped."""
    return tuple(line for line in map(str.strip, split_lines(text)) if line and not line.startswith("#"))


def check_domain(text: str) -> str:
    """Check a custom domain. It needs three labels, because the platform serves no apex domains."""
    domain = text.lower().removesuffix(".")
    if not (_DOMAIN.fullmatch(domain) and domain.isprintable()):
        raise ValueError(
            f"{text!r} can't be a custom domain; write one name per line, with at least three labels, such "
            "as www.example.com"
        )
    return domain


def parse_variables(text: str) -> dict[str, str]:
    """Environment variables from `KEY=VALUE` lines. No message quotes a value, which may be a secret."""
    variables: dict[str, str] = {}
    problems = []
    for number, line in enumerate(parse_lines(text), 1):
        match = _VARIABLE.fullmatch(line)
        if match and match[1] not in variables:
            variables[match[1]] = match[2]
        else:
            problems.append(
                f"item {number} is not KEY=VALUE, or repeats a key; write one per line, with a key of "
                "letters, digits, _ . and -"
            )
    if problems:
        raise ValueError("\n".join(problems))
    return variables


def has_joined_variables(text: str) -> bool:
    """Whether a line of `env` has a comma before `NAME=`, as when a CI system joins a YAML list."""
    return any(map(_COMMA_BEFORE_NAME.search, parse_lines(text)))


def check_app(text: str) -> str:
    """Check that an app's name can be part of a URL; the platform checks everything else.

    A text with a `*` is a list of patterns for `operation: sweep`, which `problem_with_preview` checks.
    """
    _refuse_unexpanded(text)
    is_name = text.isprintable() and re.fullmatch(r"(?!\.\.?$)[^\s/\\]+", text)
    if is_name or "*" in text:
        return text
    host = _HOST.match(text)
    better = re.sub(r"[^a-z0-9]+", "-", (host[1] if host else text).lower())[:63].strip("-") or "my-site"
    raise ValueError(
        f"{text!r} can't be an app's name; write for example {better!r}: the name is part of a host name "
        "(a to z, 0 to 9 and dashes)"
    )


def check_image(text: str) -> str:
    """Check an image reference: host, path, tag and digest."""
    _refuse_unexpanded(text)
    if is_image(text):
        return text
    if text.endswith((":", "@", "/")):
        raise ValueError(f"{text!r} ends in {text[-1]!r}; is a variable in it empty?")
    example = text.lower() if is_image(text.lower()) else "ghcr.io/owner/name:1.2"
    raise ValueError(f"{text!r} is not an image reference; write for example {example!r}")


def is_image(text: str) -> bool:
    """Whether a text is an image reference."""
    return _IMAGE.fullmatch(text) is not None


def check_commit(text: str) -> str:
    """Check the full SHA of a commit, and return it in lower case."""
    _refuse_unexpanded(text)
    commit = valid_commit(text.lower())
    if not commit:
        raise ValueError(
            f"{text!r} is not the full SHA of a commit; write its 40 or 64 hex digits, as "
            "`git rev-parse HEAD` prints them"
        )
    return commit


def check_registry(text: str) -> str:
    """Check a registry's host. No message quotes the text, which may have a password in a URL."""
    scheme, separator, rest = text.partition("://")
    if separator:
        host = rest.rpartition("@")[2].partition("/")[0]
        raise ValueError(f"the value begins with {scheme + separator!r}; write the host alone: {host!r}")
    return text


def registry_of(image: str) -> str:
    """The registry's host of an image reference; Docker Hub's for a name without a host."""
    match = _REGISTRY.match(image)
    return match[1].lower() if match else DOCKER_HUB


def check_api_key(text: str) -> str:
    """Check the platform's API key."""
    return check_token(check_secret(text))


def check_secret(text: str) -> str:
    """Refuse the path of a file that contains the secret."""
    if os.path.isfile(text):
        raise ValueError("This is a path. Pass the content (GitLab: `file: false`)")
    return text


def check_token(text: str) -> str:
    """Check a secret for an HTTP header."""
    if text.startswith("$"):
        raise ValueError(
            "the value is a variable that was not expanded; check that the secret exists for this run"
        )
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(
            "the value has white space or other characters that no token has; pass the token and nothing else"
        )
    return text


def _refuse_unexpanded(text: str) -> None:
    if "$" in text:
        raise ValueError(
            f"{text!r} looks like a variable that was not expanded; check how the workflow sets it"
        )
