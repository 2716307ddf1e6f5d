"""The dotenv file: `KEY=value` lines that GitLab, and many other places, make variables of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.text import dotenv_json, dotenv_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = 5_000
"""GitLab refuses a file of 5 KB or more, as a whole."""


def render_dotenv(outputs: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return outputs as lines `ZEROKIE_NAME=value`, within what GitLab accepts of such a file.

    That is: at most 20 variables, less than 5 KB, no blank line, no empty value. `error` stays out: prose
    does not survive there. A value that does not fit any more is left out: those are the names that are
    returned beside the text.
    """
    lines = []
    left_out = []
    room = _LIMIT - 1
    for name, value in outputs.items():
        if name == "error" or not value:
            continue
        safe = dotenv_json(value) if name == "domains" else dotenv_value(value)
        line = f"ZEROKIE_{name.upper().replace('-', '_')}={safe}\n"
        if len(line) <= room:
            lines.append(line)
            room -= len(line)
        else:
            left_out.append(name)
    return "".join(lines), left_out
