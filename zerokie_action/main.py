"""The commands. Handlers for signals are in place before anything heavy is imported.

`zerokie-deploy` takes its configuration from the environment only; `zerokie-cleanup` likewise.
"""

from __future__ import annotations

import os
import sys

import zerokie_action
from zerokie_action.signals import Signals

_PASSED_THROUGH = {"sh", "bash", "cat"}
_USAGE_ERROR = 2


def deploy() -> int:
    """`zerokie-deploy`, `python -m zerokie_action` and `entrypoint.py`. Returns the exit code."""
    arguments = sys.argv[1:]
    if arguments and os.path.basename(arguments[0]) in _PASSED_THROUGH:  # noqa: PTH119 - pathlib is heavy here
        # GitLab and Jenkins start the image's entrypoint with a shell of their own.
        os.execvp(arguments[0], arguments)  # noqa: S606 - that is what they ask for
    signals = Signals()
    signals.install()
    if arguments:
        return _answer(arguments)
    from zerokie_action.run import run  # noqa: PLC0415 - after the handlers

    return run(os.environ, signals, sys.stdout)


def cleanup() -> int:
    """`zerokie-cleanup`. Returns 0 in every case."""
    signals = Signals()
    signals.install()
    if "--version" in sys.argv[1:]:
        return _answer(["--version"])
    if sys.argv[1:]:
        print("zerokie-cleanup takes no arguments; it reads the same inputs as zerokie-deploy.")
        return 0
    from zerokie_action.cleanup import cleanup as clean_up  # noqa: PLC0415 - after the handlers

    return clean_up(os.environ, signals, sys.stdout)


def _answer(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print(f"zerokie-action {zerokie_action.__version__}")
        return 0
    if arguments in (["--help"], ["-h"]):
        from zerokie_action.help import help_text  # noqa: PLC0415 - rarely

        print(help_text())
        return 0
    from zerokie_action.help import suggest_input  # noqa: PLC0415 - rarely

    print(f"Error: {suggest_input(arguments[0])}", file=sys.stderr)
    return _USAGE_ERROR
