"""Parsers and checks for the values of inputs.

Each function takes one input's text and returns its value. It raises `ValueError` with the problem and the
fix. No message quotes a text that may contain a secret, such as a token, `env` or a URL's query.
"""
# os.path returns False for a name that is too long or a folder that isn't accessible, but pathlib raises.
# ruff: noqa: PTH113

import os.path
import re
from contextlib import suppress
from typing import NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from zerokie_action.ci.commits import valid_commit

DOCKER_HUB = "docker.io"
DEFAULT_WAIT = 300.0
"""The default of the input `wait`, in seconds."""

_DURATION = re.compile(
    r"(?=\S)(?:([0-9]{1,9})d)?\s*(?:([0-9]{1,9})h)?\s*(?:([0-9]{1,9})m)?\s*(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?"
    r"|([0-9]{1,9}(?:\.[0-9]{1,9})?)",
    re.IGNORECASE,
)
"""A duration: its numbers by unit (groups 1 to 4), or its seconds if it has no unit (group 5)."""
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_BOOLEAN: TypeAdapter[bool] = TypeAdapter(bool)
_SHORTEST_DELAY, _LONGEST_DELAY = 60.0, 3650 * 86400.0
_COMMA_BEFORE_NAME = re.compile(r",\s*[A-Za-z_][A-Za-z0-9_.-]*=")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)")
_DOMAIN = re.compile(r"[^\s.,:/\\?#@]+(?:\.[^\s.,:/\\?#@]+){2,}")
_IMAGE = re.compile(
    r"(?:((?=[^/]*[.:]|localhost/)(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?)/)?"
    r"([a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@([a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9A-Fa-f]{32,}))?"
)
"""An image reference in the grammar of registries (distribution's `reference`).

Its groups are the registry, path, tag and digest. A registry has a dot or a port, or is `localhost`."""
_HOST = re.compile(r"(?:https?://)?([^./]+)(?:\.[^./]+){2,}", re.IGNORECASE)
"""A host name or a site's URL. The first label (group 1) may be the app's name."""


def parse_duration(text: str) -> float:
    """Return the seconds in a duration such as `90`, `90s`, `5m`, `1h30m` or `7d`."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} isn't a duration. Write a duration such as 90, 90s, 5m, 1h30m or 7d")
    return sum(
        float(number or 0) * unit for number, unit in zip(match.groups(), (*_UNITS.values(), 1), strict=True)
    )


def parse_delete_stale(text: str) -> bool | float:
    """Return a boolean, or the seconds of a duration that has a unit."""
    with suppress(ValidationError):
        return _BOOLEAN.validate_python(text)
    match = _DURATION.fullmatch(text)
    seconds = parse_duration(text) if match and not match[5] else 0.0
    if not _SHORTEST_DELAY <= seconds <= _LONGEST_DELAY:
        raise ValueError(
            f"{text!r} isn't valid. Write 7d or another duration with a unit (1m to 3650d), true or false"
        )
    return seconds


def parse_wait(text: str) -> float:
    """Return the seconds of a duration. `true` means the default, and `false` means 0."""
    with suppress(ValidationError):
        return DEFAULT_WAIT if _BOOLEAN.validate_python(text) else 0.0
    return parse_duration(text)


def written_duration(seconds: float) -> str:
    """Return a duration as users write it, such as `15m`."""
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds / _UNITS[unit]:.0f}{unit}"


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, split only at CR, LF and CR LF."""
    return re.split(r"\r\n?|\n", text)


def parse_lines(text: str) -> tuple[str, ...]:
    """Return one item per line, without blank lines and lines that start with `#`."""
    return tuple(line for line in map(str.strip, split_lines(text)) if line and not line.startswith("#"))


def check_domain(text: str) -> str:
    """Return a custom domain in lower case. The platform rejects domains with fewer than three labels."""
    domain = text.lower().removesuffix(".")
    if not (_DOMAIN.fullmatch(domain) and domain.isprintable()):
        raise ValueError(
            f"{text!r} isn't a valid custom domain. Write one name per line with at least three labels, such "
            "as www.example.com"
        )
    return domain


def parse_variables(text: str) -> dict[str, str]:
    """Return environment variables from `NAME=value` lines. Messages don't quote values."""
    variables: dict[str, str] = {}
    problems = []
    for number, line in enumerate(parse_lines(text), 1):
        match = _VARIABLE.fullmatch(line)
        if match and match[1] not in variables:
            variables[match[1]] = match[2]
        else:
            problems.append(
                f"item {number} isn't `NAME=value` or repeats a name. Write one variable per line, and only "
                "letters, digits, _ . and - in its name"
            )
    if problems:
        raise ValueError("\n".join(problems))
    return variables


def has_joined_variables(text: str) -> bool:
    """Return whether a line of `env` has a comma before `NAME=`, because a CI system joined a YAML list."""
    return any(map(_COMMA_BEFORE_NAME.search, parse_lines(text)))


def check_operation(text: str) -> str:
    """Return an operation. Other tools have other words for `destroy`."""
    if text.lower() in {"delete", "remove"}:
        raise ValueError(f"{text!r} isn't an operation. Did you mean `destroy`?")
    return text


def check_app(text: str) -> str:
    """Return an app's name that can be part of a URL. The platform checks everything else.

    A text with a `*` contains patterns for `operation: sweep`, and `problem_with_preview` checks those.
    """
    _refuse_unexpanded(text)
    is_name = text.isprintable() and re.fullmatch(r"(?!\.\.?$)[^\s/\\]+", text)
    if is_name or "*" in text:
        return text
    host = _HOST.match(text)
    better = re.sub(r"[^a-z0-9]+", "-", (host[1] if host else text).lower())[:63].strip("-") or "my-site"
    raise ValueError(
        f"{text!r} isn't a valid app name. Write a name of a to z, 0 to 9 and dashes, such as {better!r}"
    )


def check_image(text: str) -> str:
    """Return a valid image reference."""
    _refuse_unexpanded(text)
    if is_image(text):
        return text
    if text.endswith((":", "@", "/")):
        raise ValueError(f"{text!r} ends in {text[-1]!r}. Check whether a variable in it is empty")
    example = text.lower() if is_image(text.lower()) else "ghcr.io/owner/name:1.2"
    raise ValueError(f"{text!r} isn't an image reference. Write a reference such as {example!r}")


def is_image(text: str) -> bool:
    """Return whether a text is an image reference."""
    return _IMAGE.fullmatch(text) is not None


class ImageName(NamedTuple):
    """The parts of an image's name, with Docker's defaults. An empty part is unknown.

    Attributes:
        registry: the registry's host, such as `docker.io`.
        path: the path in the registry, such as `library/nginx`. If the name isn't an image reference, the
            whole name.
        tag: the tag. Empty if the name has a digest alone.
        digest: the digest, such as `sha256:0123…`.
    """

    registry: str = ""
    path: str = ""
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, image: str) -> Self:
        """Return the parts of a name. An empty text is an unknown image."""
        match = _IMAGE.fullmatch(image)
        if not match or image.startswith("sha256:"):
            return cls(digest=image) if match else cls(path=image)
        registry, path, tag, digest = match.groups("")
        registry = registry.lower() or DOCKER_HUB
        namespace = "library/" if registry == DOCKER_HUB and "/" not in path else ""
        return cls(registry, namespace + path, tag or ("" if digest else "latest"), digest)


def check_commit(text: str) -> str:
    """Return the full SHA of a commit in lower case."""
    _refuse_unexpanded(text)
    commit = valid_commit(text.lower())
    if not commit:
        raise ValueError(
            f"{text!r} isn't the full SHA of a commit. Write its 40 or 64 hex digits, as printed by "
            "`git rev-parse HEAD`"
        )
    return commit


def check_registry(text: str) -> str:
    """Return a registry's host. Messages don't quote the text, because a URL may contain a password."""
    scheme, separator, rest = text.partition("://")
    if separator:
        host = rest.rpartition("@")[2].partition("/")[0]
        raise ValueError(f"the value starts with {scheme + separator!r}. Write only the host, {host!r}")
    return text


def check_api_key(text: str) -> str:
    """Return a valid API key of the platform."""
    return check_token(check_secret(text))


def check_secret(text: str) -> str:
    """Return a secret that isn't the path of an existing file."""
    if os.path.isfile(text):
        raise ValueError("the value is a path. Pass the file's content (on GitLab, set `file: false`)")
    return text


def check_token(text: str) -> str:
    """Return a secret that an HTTP header can contain."""
    if text.startswith("$"):
        raise ValueError(
            "the value is an unexpanded variable. Check that the secret exists and this run can use it"
        )
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(
            "the value contains whitespace or other characters that tokens don't have. Pass only the token"
        )
    return text


def _refuse_unexpanded(text: str) -> None:
    if "$" in text:
        raise ValueError(f"{text!r} looks like an unexpanded variable. Check how the workflow sets it")
