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
    from bench.measure import Usage

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
        Goal("Start to first request, http / bare imports", 1.15, table.ratio(cases.HTTP, cases.IMPORTS)),
        Goal("Start to first request, https / bare imports", 1.15, table.ratio(cases.HTTPS, cases.IMPORTS)),
    ]


def _first(_size: Size, plain: Table, secure: Table) -> list[Goal]:
    return [
        Goal(f"First deploy / {CURL}, http", 1.25, plain.ratio(ACTION, CURL)),
        Goal(f"First deploy / {CURL}, https", 1.25, secure.ratio(ACTION, CURL)),
        Goal("The loop over one httpx client / first deploy", 8, plain.ratio(HTTPX, ACTION), at_least=True),
    ]


def _later(_size: Size, unchanged: Table, _changed: Table) -> list[Goal]:
    return [Goal("Nothing changed / `sha256sum` and bare imports", 2, unchanged.ratio(ACTION, cases.BOTH))]


def _large(_size: Size, table: Table) -> list[Goal]:
    return [_memory("the large file", 100, table.rows[ACTION])]


def _many(size: Size, *tables: Table) -> list[Goal]:
    growth = [
        (after.rows[ACTION].wall / before.rows[ACTION].wall) ** (1 / math.log2(more / few))
        for (few, before), (more, after) in pairwise(zip(size.many, tables, strict=True))
    ]
    most = f"{size.many[-1]:,} files"
    return [
        Goal(f"Time for twice the files, up to {most}", 2, max(growth)),
        _memory(f"{most}, new", 200, tables[-1].rows[ACTION]),
        _memory(f"{most}, unchanged", 200, tables[-1].rows[cases.UNCHANGED]),
    ]


def _memory(what: str, limit: float, usage: Usage) -> Goal:
    value = None if usage.rss is None else usage.rss / _MB
    return Goal(f"Peak memory, {what}", limit, value, unit=" MB")


_OF_CASE: Mapping[str, Callable[..., list[Goal]]] = {
    "start-up": _start_up,
    "container": lambda _size, *_tables: [],
    "first": _first,
    "later": _later,
    "large": _large,
    "many": _many,
}


def goals(size: Size, tables: Mapping[str, Sequence[Table]]) -> list[Goal]:
    """The goals of these cases; `tables` are what each case returned, by its name."""
    return [goal for case, found in tables.items() for goal in _OF_CASE[case](size, *found)]
