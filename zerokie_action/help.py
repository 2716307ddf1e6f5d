"""`--help`, and what to do about arguments: there are none."""

from __future__ import annotations

import difflib
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

import zerokie_action
from zerokie_action.ci import detect
from zerokie_action.environment import Environment, input_name, spellings
from zerokie_action.errors import ConfigurationError, DeployError, Interrupted
from zerokie_action.formats import written_duration
from zerokie_action.redact import Redactor
from zerokie_action.report.reporter import Reporter
from zerokie_action.report.result import Result
from zerokie_action.settings import INPUTS, load_reports, operation, secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

_WIDTH = 100
_COLUMN = 27
_SPELLINGS = (
    f"An input such as `api-key` is read from {', '.join(spellings('api_key')[:-1])} or ZEROKIE_API_KEY."
)


class Input(NamedTuple):
    """One row of the table of inputs; `default` is the text that stands for it, empty for none."""

    name: str
    default: str
    required: bool
    description: str


def inputs() -> Iterator[Input]:
    """Every input, in the documented order."""
    for field, info in INPUTS.items():
        yield Input(input_name(field), _default(info.default), info.is_required(), info.description or "")


def _default(value: object) -> str:
    if value in (None, PydanticUndefined, ()) or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return written_duration(value) if isinstance(value, float) else str(value)


def exit_codes() -> Iterator[tuple[str, str, str]]:
    """Code, error class (empty for none) and meaning."""
    yield "0", "", "done"
    yield "1", "", "unexpected: a defect; `log-level: debug` shows the traceback"
    for error in DeployError.__subclasses__():
        code = "128 + n" if error is Interrupted else str(error.exit_code)
        yield code, error.__name__, error.meaning


def deploy_help() -> str:
    """How `zerokie-deploy` is called, the table of inputs, and the exit codes."""
    lines = [
        f"zerokie-action {zerokie_action.__version__}",
        "Deploys a container image or a static folder to the Zerokie platform.",
        "",
        "Usage: zerokie-deploy     (no arguments: inputs come from the environment)",
        "       zerokie-cleanup    releases a deploy lock that a killed run left behind",
        "",
        *textwrap.wrap(_SPELLINGS, _WIDTH),
        "",
    ]
    for row in inputs():
        note = "(required)" if row.required else f"(default: {row.default})" if row.default else ""
        lines.append(_entry(row.name, f"{row.description} {note}"))
    lines += ["", "Exit codes:", ""]
    lines += [_entry(code, meaning) for code, _, meaning in exit_codes()]
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
            "run in the same job; `api-key-file` does as well. A lock that was released already, or that",
            "somebody else holds, is left alone. The exit code is 0 in every case; what could not be done",
            "is a warning.",
            "",
            *textwrap.wrap(_SPELLINGS, _WIDTH),
        ]
    )


def _entry(name: str, text: str) -> str:
    filled = textwrap.wrap(text.replace("`", ""), _WIDTH - _COLUMN)
    return f"  {name:<{_COLUMN - 3}} " + ("\n" + " " * _COLUMN).join(filled)


def refuse(argument: str, env: Mapping[str, str], stream: TextIO) -> int:
    """Report an argument as the wrong input that it is. Returns the exit code."""
    environment = Environment(env)
    settings, _ = load_reports(environment)
    # No `ci.mask`: this log is short, and a mask would be the only place that shows the secret.
    ci = detect(env, stream, settings.log_level, Redactor(*secrets(environment)))
    error = ConfigurationError(suggestion(argument), hint="`--help` lists all inputs.")
    result = Result(
        operation=operation(environment),
        app=environment.text("app"),
        exit_code=error.exit_code,
        error=str(error),
        hint=error.hint,
    )
    return Reporter(ci, settings.files).write(result, problems=error.problems)


def suggestion(argument: str) -> str:
    """One sentence that names the input to set instead of this argument."""
    wanted = argument.lstrip("-").partition("=")[0].replace("-", "_").lower()
    close = difflib.get_close_matches(wanted, INPUTS, n=1)
    field = close[0] if close else "app"
    fix = f"set the input `{input_name(field)}`" if close else f"set inputs, such as `{field}`"
    return f"{_shown(argument)!r}: there are no arguments; {fix} ({spellings(field)[-1]}) in the environment"


def _shown(argument: str) -> str:
    # What follows may be a secret: `--api-key=…`.
    name, equals, _ = argument.partition("=")
    return f"{name}{equals}…" if equals else name
