"""The commands. Handlers for signals are in place before anything heavy is imported.

`zerokie-deploy` takes its configuration from the environment only; `zerokie-cleanup` likewise.
"""

from __future__ import annotations

import gc
import os
import sys
import textwrap
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import zerokie_action
from zerokie_action.errors import exit_codes
from zerokie_action.signals import Signals, on_first_signal

if TYPE_CHECKING:
    from collections.abc import Callable

_PASSED_THROUGH = {"sh", "bash", "cat"}
_WIDTH = 100
_COLUMN = 27
_SPELLINGS = """\
An input such as `api-key` is read from INPUT_API-KEY, INPUT_API_KEY, PLUGIN_API-KEY, PLUGIN_API_KEY
or ZEROKIE_API_KEY: the first that is not empty counts."""


def deploy() -> NoReturn:
    """`zerokie-deploy`, `python -m zerokie_action`, `entrypoint.py`. Ends the process with the exit code."""
    arguments = sys.argv[1:]
    if arguments and os.path.basename(arguments[0]) in _PASSED_THROUGH:  # noqa: PTH119 - pathlib is heavy here
        # In this process' place: GitLab and Jenkins start an image with a shell of their own.
        os.execvp(arguments[0], arguments)  # noqa: S606 - that is what they ask for
    signals = _start()
    _answer(arguments, deploy_help)
    from zerokie_action.run import run  # noqa: PLC0415 - the handlers come first

    _end(run(os.environ, signals, sys.stderr if arguments else sys.stdout, *arguments[:1]))


def cleanup() -> NoReturn:
    """`zerokie-cleanup`. Ends the process with 0 in every case."""
    arguments = sys.argv[1:]
    signals = _start(fails=False)
    _answer(arguments, cleanup_help)
    if arguments:
        # A mistake here must not cost a lock.
        print("zerokie-cleanup takes no arguments; these are ignored", file=sys.stderr)  # noqa: T201
    from zerokie_action.cleanup import cleanup as clean_up  # noqa: PLC0415

    clean_up(os.environ, signals, sys.stdout)
    _end(0)


def _start(*, fails: bool = True) -> Signals:
    """Streams, then the handlers (no socket of theirs may become stdout), then the heavy imports."""
    _replace_missing_streams()
    signals = Signals(partial(on_first_signal, fails=fails))
    signals.install()
    gc.disable()  # what is imported stays; there is nothing to collect before the run
    return signals


def _replace_missing_streams() -> None:
    """Run without a log if stdout is closed (`>&-`), and keep sockets from taking its descriptor."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - until the process ends


def _end(code: int) -> NoReturn:
    """End the process now: nothing that would follow may change the exit code, or wait for a thread."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads the log (`| head`), or it has no room
            stream.flush()
    os._exit(code)


# --- what is said of arguments


def _answer(arguments: list[str], help_text: Callable[[], str]) -> None:
    """End the process with the answer, if a person asks for help or the version."""
    if arguments in (["--help"], ["-h"]):
        text = help_text()
    elif arguments == ["--version"]:
        text = f"zerokie-action {zerokie_action.__version__}"
    else:
        return
    with suppress(OSError):  # as at the end: nobody reads it
        print(text)  # noqa: T201 - a person asked
    _end(0)


def deploy_help() -> str:
    """How `zerokie-deploy` is called, the table of inputs, and the exit codes."""
    from zerokie_action.settings import documented_inputs  # noqa: PLC0415

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
    for row in documented_inputs():
        note = "(required)" if row.required else f"(default: {row.default})" if row.default else ""
        lines.append(_entry(row.name, f"{row.description} {note}"))
    lines += ["", "Exit codes:", ""]
    lines += [_entry(code, meaning) for code, _, meaning in exit_codes()]
    return "\n".join(lines)


def cleanup_help() -> str:
    """How `zerokie-cleanup` is called."""
    return f"""\
zerokie-action {zerokie_action.__version__}
Releases a deploy lock that a killed run of zerokie-deploy left behind.

Usage: zerokie-cleanup    (no arguments: inputs come from the environment)

Call it after that run, in the same job, with the run's inputs `api-key` (or `api-key-file`),
`api-url` and `state-file`. It does nothing to a lock that was released already, or that
somebody else holds. The exit code is always 0; a cleanup that failed is a warning.

{_SPELLINGS}"""


def _entry(name: str, text: str) -> str:
    filled = textwrap.wrap(text.replace("`", ""), _WIDTH - _COLUMN)
    return f"  {name:<{_COLUMN - 3}} " + ("\n" + " " * _COLUMN).join(filled)
