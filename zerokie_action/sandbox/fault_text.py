"""Faults in one line, for the command line."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from zerokie_action.sandbox.faults import Fault, Kind

GRAMMAR = "METHOD PATH WHAT [after] [skip=N] [xN]"
HELP = (
    "METHOD may be *; PATH is a regular expression; WHAT is a status code or one of html, empty, truncated,"
    " reset, reset-upload=BYTES, hang, delay=SECONDS, slow=SECONDS; after lets the request take effect"
    " first; skip=N lets N requests through; x* means for ever (default: x1)"
)
_HEAD = 3
_ARGUMENTS = {Kind.RESET_UPLOAD: ("size", int), Kind.DELAY: ("seconds", float), Kind.SLOW: ("seconds", float)}
_TIMES = re.compile(r"x(\d+|\*)")
_SKIP = re.compile(r"skip=(\d+)")


def parse_fault(text: str) -> Fault:
    """Read a fault as `GRAMMAR` describes it.

    Raises:
        ValueError: it is not written so.
    """
    words = text.split()
    if len(words) < _HEAD:
        raise ValueError(f"{text!r} is not '{GRAMMAR}'")
    method, path, what, *rest = words
    fault = Fault(method=None if method == "*" else method, path=path, **_kind(what))
    for word in rest:
        fault = dataclasses.replace(fault, **_modifier(word))
    return fault


def _kind(what: str) -> dict[str, Any]:
    if what.isdecimal():
        return {"kind": Kind.STATUS, "status": int(what)}
    name, _, argument = what.partition("=")
    if name not in set(Kind):
        raise ValueError(f"{what!r} is neither a status code nor one of {', '.join(Kind)}")
    kind = Kind(name)
    if kind not in _ARGUMENTS:
        return {"kind": kind}
    field, read = _ARGUMENTS[kind]
    return {"kind": kind, field: read(argument)}


def _modifier(word: str) -> dict[str, Any]:
    if word == "after":
        return {"after": True}
    if match := _TIMES.fullmatch(word):
        return {"times": None if match[1] == "*" else int(match[1])}
    if match := _SKIP.fullmatch(word):
        return {"skip": int(match[1])}
    raise ValueError(f"{word!r} is not 'after', 'skip=N' or 'xN'")
