"""The commands `zerokie-deploy` and `zerokie-cleanup`.

They read their inputs from the environment. The signal handlers are installed before any heavy import.
"""

import gc
import os
import sys
import textwrap
from contextlib import suppress
from functools import partial
from typing import NoReturn

import zerokie_action
from zerokie_action.errors import exit_codes
from zerokie_action.signals import Signals, on_first_signal

_PASSED_THROUGH = {"sh", "bash", "cat"}
_VERSION = f"zerokie-action {zerokie_action.__version__}"
_USAGE = f"""\
{_VERSION}
Deploys a container image or a static folder to the Zerokie platform.

Usage: zerokie-deploy     (no arguments: inputs come from the environment)
       zerokie-cleanup    releases the deploy lock of a killed run. Call it in the same job,
                          in the same folder, with that run's `api-key`, `api-url` and `state-file`.

An input such as `api-key` is read from INPUT_API-KEY, INPUT_API_KEY, PLUGIN_API-KEY, PLUGIN_API_KEY
or ZEROKIE_API_KEY. Variables of one input that aren't empty must have the same value.
"""


def deploy() -> NoReturn:
    """Run `zerokie-deploy` or `entrypoint.py`, and end the process with the exit code."""
    arguments = sys.argv[1:]
    if arguments and os.path.basename(arguments[0]) in _PASSED_THROUGH:  # noqa: PTH119 - pathlib is heavy here
        # GitLab and Jenkins start a shell in the image. The shell replaces this process.
        os.execvp(arguments[0], arguments)  # noqa: S606 - the CI system gave the command
    signals = _start()
    _answer(arguments)
    import anyio  # noqa: PLC0415 - the handlers come first

    from zerokie_action.ci.terminal import log_stream  # noqa: PLC0415
    from zerokie_action.run import run  # noqa: PLC0415

    # With an argument, `run` reports an error and does nothing else. Errors belong on stderr.
    argument = arguments[0] if arguments else None
    with log_stream((arguments and sys.stderr) or sys.stdout) as log:
        code = anyio.run(run, os.environ, signals, log, argument)
    _end(code)


def cleanup() -> NoReturn:
    """Run `zerokie-cleanup`, and end the process with 0 in every case."""
    arguments = sys.argv[1:]
    signals = _start(fails=False)
    # Any other argument is ignored, because a slip in an `after_script` must not cost a lock.
    _answer(arguments)
    from zerokie_action.ci.terminal import log_stream  # noqa: PLC0415
    from zerokie_action.cleanup import cleanup as clean_up  # noqa: PLC0415

    with log_stream(sys.stdout) as log:
        clean_up(os.environ, signals, log)
    _end(0)


def _start(*, fails: bool = True) -> Signals:
    """Install the signal handlers."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - closed (`>&-`)
    signals = Signals(partial(on_first_signal, fails=fails))
    signals.install()
    # A large deploy has many objects and few cycles. The usual threshold takes 7% of its time.
    gc.set_threshold(200_000)
    return signals


def _end(code: int) -> NoReturn:
    """End the process without Python's shutdown, which could change the exit code or wait for a thread."""
    with suppress(OSError):  # the log's reader ended (`| head`), or the disk is full
        sys.stdout.flush()
    os._exit(code)


# --- arguments


def _answer(arguments: list[str]) -> None:
    """If the arguments are `--help` or `--version`, print that and end the process."""
    if arguments not in (["--help"], ["-h"], ["--version"]):
        return
    with suppress(OSError):  # the reader ended
        print(_VERSION if arguments == ["--version"] else help_text())  # noqa: T201
    _end(0)


def help_text() -> str:
    """Return the help of both commands: usage, inputs and exit codes."""
    from zerokie_action.inputs.settings import documented_inputs  # noqa: PLC0415

    entries = [_USAGE]
    for row in documented_inputs():
        note = " (required)" if row.required else f" (default: {row.default})" if row.default else ""
        entries.append(_entry(row.name + note, row.description))
    return "\n".join([*entries, "\nExit codes:\n", *(_entry(code, text) for code, _, text in exit_codes())])


def _entry(name: str, text: str) -> str:
    return f"  {name}\n" + textwrap.indent(textwrap.fill(text.replace("`", ""), 94), " " * 6)
