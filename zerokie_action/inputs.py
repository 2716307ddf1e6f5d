"""Inputs as they arrive: how their names are spelled, and how their text becomes values.

Every parser takes the text of one input and returns a value or raises `ValueError` with a
sentence that says what is wrong and what to write instead. No value of a secret is ever quoted:
secrets have no parser.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.IGNORECASE)
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def spellings(field: str) -> tuple[str, ...]:
    """Environment variables that carry the input of this field name, first match wins.

    `api_key` is read from `INPUT_API-KEY` (GitHub keeps the dash), `INPUT_API_KEY`,
    `PLUGIN_API_KEY` (Woodpecker, Drone) and `ZEROKIE_API_KEY`.
    """
    upper = field.upper()
    names = (f"INPUT_{upper.replace('_', '-')}", f"INPUT_{upper}", f"PLUGIN_{upper}", f"ZEROKIE_{upper}")
    return tuple(dict.fromkeys(names))


def read(env: Mapping[str, str], field: str) -> str | None:
    """The text of one input, without surrounding white space; None when empty or not set."""
    for name in spellings(field):
        value = env.get(name, "").strip()
        if value and not (name == "ZEROKIE_DOMAINS" and _is_our_own_output(value)):
            return value
    return None


def _is_our_own_output(value: str) -> bool:
    # The output `domains` reaches later jobs of a GitLab pipeline as ZEROKIE_DOMAINS, the name of
    # the input: a JSON list there is what an earlier deploy reported, not what this one should do.
    try:
        return isinstance(json.loads(value), list)
    except ValueError:
        return False


def parse_duration(text: str) -> float:
    """Seconds from `90`, `90s`, `5m` or `1h30m`."""
    match = _DURATION.fullmatch(text.replace(" ", ""))
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example 90, 90s, 5m or 1h30m")
    return sum(float(number) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True) if number)


def parse_flag(text: str) -> bool:
    """True or false from true/false/yes/no/on/off/1/0 in any case."""
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false; write true or false") from None


def parse_lines(text: str) -> tuple[str, ...]:
    """One item a line; blank lines and lines that start with `#` are skipped."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def parse_patterns(text: str) -> tuple[str, ...]:
    r"""Like `parse_lines`, but keeps what gitignore gives a meaning: a trailing `\ `."""
    lines = (line.lstrip() for line in text.splitlines())
    return tuple(line for line in lines if line.strip() and not line.startswith("#"))


def whole_number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """A parser for whole numbers in a range; both ends belong to it."""
    bounds = f"from {lowest} to {highest}" if highest is not None else f"of at least {lowest}"

    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", text) and lowest <= int(text) <= (highest or 10**9):
            return int(text)
        raise ValueError(f"{text!r} is not a whole number {bounds}")

    return parse


def parse_variables(text: str) -> dict[str, str]:
    """Environment variables from `KEY=VALUE` lines. Values may be secrets: they are never quoted."""
    variables: dict[str, str] = {}
    for number, line in enumerate(parse_lines(text), 1):
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            raise ValueError(f"item {number} is not KEY=VALUE; a key has letters, digits and _ only")
        variables[name.strip()] = value
    return variables
