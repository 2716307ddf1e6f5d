"""Tables of the benchmark as Markdown."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import zerokie_action
from bench.cases import UNCHANGED
from bench.interpreter import packages
from bench.lab import ACTION, AWS, CURL, PROGRAMS, RCLONE, RCLONE_CHECKSUM, Size, Table
from bench.measure import Usage

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "contributing" / "figures.md"

_BEGIN, _END = "<!-- begin figures -->", "<!-- end figures -->"
_MB = 1_000_000


def render(command: str, size: Size, python: str, tables: Sequence[Table]) -> str:
    """Return all figures, with the command, the machine and the programs."""
    lines = [
        f"`{command}` with zerokie-action {zerokie_action.__version__} on {datetime.now(UTC):%Y-%m-%d}.",
        f"Medians of {size.runs} runs, of {size.start_ups} for start-ups.",
        f"Latency {size.latency * 1000:g}ms, {size.connections} connections.",
        f"{_machine(python)}.",
    ]
    for table in tables:
        lines += ["", f"### {table.title}", "", *_rows(table)]
    return "\n".join(lines) + "\n"


def overview(command: str, size: Size, python: str, tables: Sequence[Table]) -> str:
    """Return the durations of deploys with all tools."""
    lines = [
        f"`{command}` with zerokie-action {zerokie_action.__version__} on {datetime.now(UTC):%Y-%m-%d}.",
        f"Medians of {size.runs} runs.",
        f"Latency {size.latency * 1000:g}ms unless the row says otherwise, {size.connections} connections.",
        f"{_machine(python)}.",
        "",
        "| | this action | its peak memory | `curl -Z` | rclone | `aws s3 sync` |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for table in tables:
        rclone = table.rows.get(RCLONE_CHECKSUM) or table.rows.get(RCLONE)
        if usage := table.rows.get(ACTION):
            others = [table.rows.get(CURL), rclone, table.rows.get(AWS)]
            lines.append(_overview_row(table.title, usage, others))
        if usage := table.rows.get(UNCHANGED):
            lines.append(_overview_row(f"{table.title}, unchanged", usage, [None] * 3))
    return "\n".join(lines) + "\n"


def _overview_row(title: str, usage: Usage, others: Iterable[Usage | None]) -> str:
    times = " | ".join(_seconds(other.wall) if other else "" for other in others)
    return f"| {title} | {_seconds(usage.wall)} | {_megabytes(usage.rss)} | {times} |"


def write(figures: str, document: Path = DOCUMENT) -> None:
    """Replace the figures in the document.

    Raises:
        ValueError: the document lacks the markers.
    """
    before, begin, rest = document.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{document.name} lacks the markers {_BEGIN} … {_END}")
    document.write_text(f"{before}{begin}\n\n{figures}\n{end}{after}", "utf-8")


def _rows(table: Table) -> list[str]:
    lines = [
        "| | time | ratio | CPU | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, usage in table.rows.items():
        ratio = table.ratio(name, table.base)
        lines.append(
            f"| {name} | {_seconds(usage.wall)} | {_number(ratio)} | {_seconds(usage.cpu)} "
            f"| {_megabytes(usage.rss)} |"
        )
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}s"


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value / _MB:.0f} MB"


def _machine(python: str) -> str:
    """Return a line about the hardware and the programs."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return ", ".join(
        [
            f"{cpu[1] if cpu else platform.machine()} x {os.cpu_count()}",
            f"{memory / 1024**3:.0f} GiB",
            f"Linux {platform.release()}",
            f"{_version(python)} with {packages(python)}",
            *map(_version, dict.fromkeys(PROGRAMS.values())),
        ]
    )


def _version(program: str) -> str:
    if not shutil.which(program):
        return f"no {program}"
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - one of ours
    return " ".join(shown.stdout.split()[:2])
