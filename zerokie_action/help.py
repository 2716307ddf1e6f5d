"""`--help`, and what to do about arguments: there are none."""

from __future__ import annotations

import difflib
import textwrap
from typing import TYPE_CHECKING

import zerokie_action
from zerokie_action import documentation
from zerokie_action.ci import detect
from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs import input_name
from zerokie_action.log import log_level, secrets
from zerokie_action.report.result import Result
from zerokie_action.reports import Reports
from zerokie_action.settings import Destinations, InputSource, Settings, operation
from zerokie_action.text import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_WIDTH = 100
_COLUMN = 24
_SPELLINGS = (
    "An input such as `api-key` is read from INPUT_API-KEY, INPUT_API_KEY, PLUGIN_API_KEY or ZEROKIE_API_KEY."
)


def deploy_help() -> str:
    """How `zerokie-deploy` is called, the table of inputs, and the exit codes."""
    lines = [
        f"zerokie-action {zerokie_action.__version__}",
        "Deploys a container image or a static folder to the Zerokie platform.",
        "",
        "Usage: zerokie-deploy     (no arguments: inputs come from the environment)",
        "       zerokie-cleanup    releases a deploy lock that a killed run left behind",
        "",
        _SPELLINGS,
        "",
    ]
    for row in documentation.inputs():
        note = "(required)" if row.required else f"(default: {row.default})" if row.default else ""
        lines.append(_entry(row.name, f"{row.description} {note}"))
    lines += ["", "Exit codes:", ""]
    lines += [_entry(code, meaning) for code, _, meaning in documentation.exit_codes()]
    return "\n".join(lines)


def cleanup_help() -> str:
    """How `zerokie-cleanup` is called."""
    return "\n".join(
        [
            f"zerokie-action {zerokie_action.__version__}",
            "Releases a deploy lock that a killed run of zerokie-deploy left behind.",
            "",
            "Usage: zerokie-cleanup    (no arguments: inputs come from the environment)",
            "",
            "Give it the inputs `api-key`, `api-url` and `state-file` of that run, and call it after that",
            "run in the same job. A lock that was released already, or that somebody else holds, is left",
            "alone. The exit code is 0 in every case; what could not be done is a warning.",
            "",
            _SPELLINGS,
        ]
    )


def _entry(name: str, text: str) -> str:
    filled = textwrap.wrap(text.replace("`", ""), _WIDTH - _COLUMN)
    return f"  {name:<{_COLUMN - 3}} " + ("\n" + " " * _COLUMN).join(filled)


def refuse(argument: str, env: Mapping[str, str], stream: TextIO) -> int:
    """Report an argument as the wrong input that it is. Returns the exit code."""
    texts = InputSource(env)()
    # Not `open_log`: this log is short, and a mask would be the only place that shows the secret.
    ci = detect(env, stream, log_level(texts), Redactor(*secrets(texts)))
    error = ConfigurationError(suggestion(argument), hint="`--help` lists all inputs.")
    result = Result(
        operation=operation(texts),
        app=texts.get("app", ""),
        exit_code=error.exit_code,
        error=str(error),
        hint=error.hint,
    )
    return Reports(ci, Destinations.of(texts)).write(result, problems=error.problems)


def suggestion(argument: str) -> str:
    """One sentence that names the input to set instead of this argument."""
    wanted = argument.lstrip("-").partition("=")[0].replace("_", "-").lower()
    close = difflib.get_close_matches(wanted, map(input_name, Settings.model_fields), n=1)
    name = close[0] if close else "app"
    fix = f"set the input `{name}`" if close else f"set inputs, such as `{name}`"
    return f"{_shown(argument)!r}: there are no arguments; {fix} ({_variable(name)}) in the environment"


def _shown(argument: str) -> str:
    # What follows may be a secret: `--api-key=…`.
    name, equals, _ = argument.partition("=")
    return f"{name}{equals}…" if equals else name


def _variable(name: str) -> str:
    return f"ZEROKIE_{name.upper().replace('-', '_')}"
