"""Counts the cases, over all tests and workers, and says how many there were at the end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    figures: defaultdict[str, list[float]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                figures[name].append(float(value))
    for name, values in sorted(figures.items()):
        figure = f"{max(values):.2f}" if name.startswith("slowest") else f"{sum(values):.0f}"
        terminalreporter.write_line(f"{name}: {figure}")
