"""What the figures should be, and whether they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bench import cases
from bench.lab import ACTION, CURL, HTTPX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.lab import Size, Table

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its limit.

    Attributes:
        limit: the most that it may be; with `at_least`, the least.
        value: None when it was not measured.
    """

    text: str
    limit: float
    value: float | None
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure is within the limit; None when it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def _start_up(_size: Size, table: Table) -> list[Goal]:
    return [
        Goal(f"{name} / {cases.IMPORTS}", 1.15, table.ratio(name, cases.IMPORTS))
        for name in (cases.HTTP, cases.HTTPS)
    ]


def _first(_size: Size, table: Table) -> list[Goal]:
    slower = table.ratio(HTTPX, ACTION)
    return [
        Goal(f"First deploy / {CURL}", 1.25, table.ratio(ACTION, CURL)),
        Goal(f"{HTTPX[0].upper()}{HTTPX[1:]} / first deploy", 8, slower, at_least=True),
    ]


def _later(_size: Size, unchanged: Table, _changed: Table) -> list[Goal]:
    return [Goal(f"Nothing changed / {cases.SHA256SUM}, and imports", 2, unchanged.ratio(ACTION, cases.BOTH))]


def _large(_size: Size, table: Table) -> list[Goal]:
    return [Goal("Peak memory, large file", 100, _rss(table, ACTION), unit=" MB")]


def _many(size: Size, table: Table) -> list[Goal]:
    most = size.many[-1]
    growth = [
        (table.rows[cases.new_files(more)].wall / table.rows[cases.new_files(few)].wall)
        ** (1 / math.log2(more / few))
        for few, more in pairwise(size.many)
    ]
    return [
        Goal("Time for twice the files, at most", 2, max(growth)),
        Goal(f"Peak memory, {cases.new_files(most)}", 200, _rss(table, cases.new_files(most)), unit=" MB"),
        Goal(
            f"Peak memory, {cases.unchanged_files(most)}",
            200,
            _rss(table, cases.unchanged_files(most)),
            unit=" MB",
        ),
    ]


def _rss(table: Table, name: str) -> float | None:
    rss = table.rows[name].rss
    return None if rss is None else rss / _MB


_OF_CASE: Mapping[str, Callable[..., list[Goal]]] = {
    "start-up": _start_up,
    "first": _first,
    "later": _later,
    "large": _large,
    "many": _many,
}


def goals(size: Size, tables: Mapping[str, Sequence[Table]]) -> list[Goal]:
    """The goals of these cases; `tables` are what each case returned, by its name."""
    return [goal for case, found in tables.items() for goal in _OF_CASE[case](size, *found)]
