"""What the figures should be, and whether they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bench import cases
from bench.lab import ACTION, CURL, HTTPX, RCLONE_CHECKSUM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.lab import Size, Table
    from bench.measure import Usage

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its limits.

    Attributes:
        limit: what it should not exceed.
        value: None when it was not measured.
        most: what it must not exceed, where that is more.
    """

    text: str
    limit: float
    value: float | None
    most: float | None = None
    unit: str = ""

    @property
    def verdict(self) -> str:
        """What became of it."""
        if self.value is None:
            return "not measured"
        if self.value <= self.limit:
            return "met"
        return "within the most" if self.most is not None and self.value <= self.most else "missed"


def _start_up(_size: Size, table: Table) -> list[Goal]:
    return [
        Goal("Start to first request, http / bare imports", 1.3, table.ratio(cases.HTTP, cases.IMPORTS)),
        Goal("Start to first request, https / bare imports", 1.3, table.ratio(cases.HTTPS, cases.IMPORTS)),
    ]


def _first(size: Size, plain: Table, secure: Table, far: Table) -> list[Goal]:
    spent = [table.rows[ACTION].cpu for table in (plain, secure)]
    per_file = max(1000 * (cpu or 0) / size.first for cpu in spent)
    return [
        Goal(f"First deploy / {CURL}, http", 1.3, plain.ratio(ACTION, CURL), most=1.4),
        Goal(f"First deploy / {CURL}, https", 1.4, secure.ratio(ACTION, CURL), most=1.5),
        Goal(f"First deploy / {CURL}, far away", 1.15, far.ratio(ACTION, CURL)),
        Goal(f"First deploy / {HTTPX}", 1, plain.ratio(ACTION, HTTPX)),
        Goal("First deploy, CPU per file", 0.5, per_file, unit=" ms"),
    ]


def _later(size: Size, *tables: Table) -> list[Goal]:
    """Two tables for each number of files: nothing changed, and little."""
    return [
        Goal(f"{count:,} files, {what} / {RCLONE_CHECKSUM}", limit, table.ratio(ACTION, RCLONE_CHECKSUM))
        for what, limit, found in (("unchanged", 1, tables[::2]), ("1 % changed", 1.25, tables[1::2]))
        for count, table in zip(size.later, found, strict=True)
    ]


def _large(_size: Size, table: Table) -> list[Goal]:
    return [
        Goal(f"The large file / {CURL}", 1.8, table.ratio(ACTION, CURL)),
        _memory("the large file", 60, table.rows[ACTION]),
    ]


def _many(size: Size, *tables: Table) -> list[Goal]:
    growth = [
        (after.rows[ACTION].wall / before.rows[ACTION].wall) ** (1 / math.log2(more / few))
        for (few, before), (more, after) in pairwise(zip(size.many, tables, strict=True))
    ]
    most = f"{size.many[-1]:,} files"
    return [
        Goal(f"Time for twice the files, up to {most}", 2, max(growth)),
        _memory(f"{most}, new", 180, tables[-1].rows[ACTION]),
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
    "resume": lambda _size, *_tables: [],
    "large": _large,
    "many": _many,
}


def goals(size: Size, tables: Mapping[str, Sequence[Table]]) -> list[Goal]:
    """The goals of these cases; `tables` are what each case returned, by its name."""
    return [goal for case, found in tables.items() for goal in _OF_CASE[case](size, *found)]
