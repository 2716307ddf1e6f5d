"""Counts the cases, over all tests and workers, and says how many there were at the end; shared fixtures."""

from __future__ import annotations

import signal
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give pytest its own signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
