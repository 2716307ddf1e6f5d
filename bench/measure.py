"""Measurements of whole processes from start to exit."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LAUNCHER = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py"))]


@dataclass(frozen=True, slots=True)
class Command:
    """A command with a minimal environment.

    Attributes:
        exit_code: the expected exit code.
    """

    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that a process used.

    Attributes:
        wall: seconds from start to exit.
        cpu: seconds of processor time.
        rss: peak resident memory in bytes.
    """

    wall: float
    cpu: float | None = None
    rss: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a process.

    Attributes:
        began: the time of its start, by the machine's monotonic clock.
        output: its output.
    """

    began: float
    usage: Usage
    output: str


def measure(command: Command) -> Run:
    """Run a command.

    Raises:
        RuntimeError: the command ended with another exit code. The message contains its output.
    """
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **command.env}
    with tempfile.TemporaryFile() as output:
        found = subprocess.run(  # noqa: S603 - commands of our own
            [*_LAUNCHER, *command.argv], env=env, check=True, stdout=subprocess.PIPE, stderr=output
        )
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    used = json.loads(found.stdout)
    if used["exit_code"] != command.exit_code:
        raise RuntimeError(f"{' '.join(command.argv)[:200]} ended with {used['exit_code']}:\n{text[-2000:]}")
    return Run(used["began"], Usage(used["wall"], used["cpu"], used["rss"]), text)


def compare(
    runs: int, contestants: Mapping[str, Callable[[int], Usage]], tell: Callable[[str], None]
) -> dict[str, Usage]:
    """Return the medians of some runs of each contestant.

    Args:
        runs: number of runs. The contestants take turns, so that a disturbance affects all of them.
        contestants: functions that do the run with this number (from 0), by the names of the contestants.
        tell: prints a line about each run.
    """
    found: dict[str, list[Usage]] = {name: [] for name in contestants}
    for number in range(runs):
        for name, contestant in contestants.items():
            usage = contestant(number)
            tell(f"run {number + 1} of {runs}, {name}: {usage.wall:.2f}s")
            found[name].append(usage)
    return {name: _medians(usages) for name, usages in found.items()}


def _medians(usages: Sequence[Usage]) -> Usage:
    return Usage(
        wall=statistics.median(usage.wall for usage in usages),
        cpu=_median(usage.cpu for usage in usages),
        rss=_median(usage.rss for usage in usages),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
