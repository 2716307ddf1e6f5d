"""`python -m bench`: measure, and show what came out as Markdown."""

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
    """Measure what the arguments say."""
    parser = _parser()
    given = vars(parser.parse_args())
    quick, write, only, beside = (given.pop(name) for name in ("quick", "write", "only", "beside"))
    if write and (quick or only or beside):
        parser.error("--write is for the figures of a whole run")
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
        print(figures)  # noqa: T201 - that is what it is for
        if write:
            document.write(document.overview(command, size, python, tables))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures deploys beside other tools, in turns, on this machine; takes ten minutes.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--quick", action="store_true", default=False, help="small numbers: it works, but how fast?")
    add("--write", action="store_true", default=False, help=f"put an overview into {_DOCUMENT}")
    add("--only", action="append", choices=CASES, default=[], help="one case; may be repeated")
    add("--beside", type=Path, default=None, help="a checkout of another commit, to measure in the same runs")
    add("--runs", type=int, help="how many, of which the median counts")
    add("--latency", type=float, help="seconds before each of the platform's answers")
    add("--connections", type=int, help="upper bound, for every tool")
    return parser


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress, for a person


if __name__ == "__main__":
    main()
