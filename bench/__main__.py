"""Command `python -m bench`, which prints its figures as Markdown."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import document
from bench.cases import CASES, USUAL
from bench.interpreter import like_the_image
from bench.lab import QUICK, Lab, Size, Table

_DOCUMENT = document.DOCUMENT.relative_to(document.ROOT).as_posix()


def main() -> None:
    """Run the benchmark."""
    parser = _parser()
    given = vars(parser.parse_args())
    quick, write, only, beside = (given.pop(name) for name in ("quick", "write", "only", "beside"))
    if write and (quick or only or beside):
        parser.error("--write requires a whole run, without --quick, --only and --beside")
    size = replace(QUICK if quick else Size(), **given)
    tables: list[Table] = []
    command = " ".join(["python -m bench", *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="zerokie-bench-") as place:
        python = sys.executable if quick else like_the_image(Path(place))
        for name in only or USUAL:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                _tell(f"{name}:")
                tables += CASES[name](Lab(size, Path(folder), _tell, python, beside))
        figures = document.render(command, size, python, tables)
        print(figures)  # noqa: T201 - the command's result
        if write:
            document.write(document.overview(command, size, python, tables))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare deploys with other tools on this machine in ten minutes.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    quick = "check that the benchmark works, with small numbers"
    add("--quick", action="store_true", default=False, help=quick)
    add("--write", action="store_true", default=False, help=f"write an overview into {_DOCUMENT}")
    add("--only", action="append", choices=CASES, default=[], help="run only this case; can be repeated")
    add("--beside", type=Path, default=None, help="also measure this checkout of another commit")
    add("--runs", type=int, help="repeat each measurement, and show the medians")
    add("--latency", type=float, help="delay each response of the platform by this many seconds")
    add("--connections", type=int, help="limit the connections of every tool")
    return parser


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the progress


if __name__ == "__main__":
    main()
