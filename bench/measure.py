"""Measuring whole processes: time, processor time and peak memory, from start to exit."""

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
    """What to run, with nothing in its environment but this and what every program needs.

    Attributes:
        exit_code: with which it has to end.
    """

    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process used.

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
    """One run of one process.

    Attributes:
        began: when it was started, by the machine's monotonic clock.
        output: what it wrote.
    """

    began: float
    usage: Usage
    output: str


def measure(command: Command) -> Run:
    """Run a command.

    Raises:
        RuntimeError: when it has another exit code, with what it wrote.
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
    """The medians of some runs of each, one after the other in turns: what disturbs one disturbs all.

    Args:
        runs: how many.
        contestants: makes its run of this number (from 0), by its name.
        tell: takes a line about each run.
    """
    found: dict[str, list[Usage]] = {name: [] for name in contestants}
    for number in range(runs):
        for name, contestant in contestants.items():
            usage = contestant(number)
            tell(f"run {number + 1} of {runs}, {name}: {usage.wall:.2f} s")
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
