"""`--help`, and what to do about arguments: there are none."""

from __future__ import annotations

import difflib
import textwrap

import zerokie_action
from zerokie_action.documentation import input_rows
from zerokie_action.settings import Settings, input_name
from zerokie_action.text import log_line

_WIDTH = 100
_COLUMN = 24


def help_text() -> str:
    """How it is called, and the table of inputs."""
    lines = [
        f"zerokie-action {zerokie_action.__version__}",
        "Deploys a container image or a static folder to the Zerokie platform.",
        "",
        "Usage: zerokie-deploy     (no arguments: inputs come from the environment)",
        "       zerokie-cleanup    releases a deploy lock that a killed run left behind",
        "",
        "An input such as `api-key` is read from INPUT_API-KEY, INPUT_API_KEY, PLUGIN_API_KEY or ZEROKIE_API_KEY.",
        "",
    ]
    for name, default, description in input_rows():
        text = description.replace("`", "") + (f" (default: {default})" if default else "")
        wrapped = textwrap.wrap(text, _WIDTH - _COLUMN)
        lines += [f"  {name:<{_COLUMN - 3}} {wrapped[0]}", *(" " * _COLUMN + more for more in wrapped[1:])]
    return "\n".join(lines)


def suggest_input(argument: str) -> str:
    """One sentence that names the input to set instead of this argument."""
    wanted = argument.lstrip("-").partition("=")[0].replace("_", "-").lower()
    names = [input_name(field) for field in Settings.model_fields]
    close = difflib.get_close_matches(wanted, names, n=1)
    fix = f"set the input `{close[0]}` (ZEROKIE_{close[0].upper().replace('-', '_')}) instead" if close else (
        "set inputs in the environment, such as ZEROKIE_APP; --help lists them"
    )
    return f"{log_line(repr(argument))}: there are no arguments; {fix}"
