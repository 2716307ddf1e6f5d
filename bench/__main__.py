"""`python -m bench`: measure, and show what came out as Markdown."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import document
from bench.cases import CASES
from bench.goals import goals
from bench.lab import QUICK, Lab, Size, Table


def main() -> None:
    """Measure what the arguments say."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.write and (arguments.quick or arguments.only):
        parser.error("--write is for the figures of a whole run")
    size = QUICK if arguments.quick else Size()
    size = replace(
        size,
        **{name: value for name in ("runs", "latency", "connections") if (value := getattr(arguments, name))},
    )
    tables: dict[str, list[Table]] = {}
    for name in arguments.only or CASES:
        with tempfile.TemporaryDirectory(prefix="zerokie-bench-") as folder:
            _tell(f"{name}:")
            tables[name] = CASES[name](Lab(size, Path(folder), _tell))
    shown = [table for found in tables.values() for table in found]
    figures = document.render(" ".join(["python -m bench", *sys.argv[1:]]), size, shown, goals(size, tables))
    print(figures)  # noqa: T201 - that is what it is for
    if arguments.write:
        document.write(figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures deploys beside other tools, in turns, on this machine. All of it takes about ten minutes.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small numbers: shows that it works, not how fast"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"also put the figures into {document.DOCUMENT.name}"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=CASES,
        metavar="CASE",
        help=f"any of {', '.join(CASES)}; may be repeated",
    )
    parser.add_argument("--runs", type=int, help="how many, of which the median counts")
    parser.add_argument(
        "--latency", type=float, metavar="SECONDS", help="before each of the platform's answers"
    )
    parser.add_argument("--connections", type=int, help="for every tool")
    return parser


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress, for a person


if __name__ == "__main__":
    main()
