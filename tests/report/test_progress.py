"""Progress: silent when short, calm when long, a bar on a terminal; the time left is believable."""

from __future__ import annotations

import io
import random
import re
import sys
from dataclasses import dataclass, field

import anyio
import pytest

from zerokie_action.ci import detect
from zerokie_action.report.progress import Progress, TerminalProgress, start_progress

KB, MB, GB = 10**3, 10**6, 10**9
FILE = 1024 * 1024
"""A larger file is sent in pieces of this size; what is not a whole one yet is not seen."""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Line:
    """A network and a platform at the other end.

    Attributes:
        latency: seconds from the last byte of a file to the answer, about.
        together: bytes a second of all connections.
        each: bytes a second of one connection, at most.
        parallel: files at the same time.
    """

    latency: float
    together: float
    each: float = 1e12
    parallel: int = 64
    random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def upload(self, sizes: list[int]) -> tuple[list[str], list[float]]:
        """Upload files of these sizes, the biggest first. The progress's lines, and the true times left."""
        clock, step = Clock(), 0.02
        progress = Progress(len(sizes), sum(sizes), write=print, clock=clock)
        waiting = sorted(sizes)
        under_way: dict[str, _Sending] = {}
        lines: list[str] = []
        times: list[float] = []
        while waiting or under_way:
            while waiting and len(under_way) < self.parallel:
                sending = _Sending(waiting.pop(), self.latency * self.random.uniform(0.7, 1.3))
                path = str(len(waiting))
                under_way[path] = sending
                progress.begin(path, sending.size, sending.moved)
            moving = [sending for sending in under_way.values() if sending.sent < sending.size]
            speed = min(self.each, self.together / max(1, len(moving)))
            for sending in moving:
                sending.sent = min(sending.size, sending.sent + speed * step)
            clock.now += step
            for path, sending in list(under_way.items()):
                if sending.sent >= sending.size:
                    sending.wait -= step
                    if sending.wait <= 0:
                        progress.end(path)
                        del under_way[path]
            if clock.now - 1_000 >= 5 * (len(times) + 1):
                lines.append(progress.line())
                times.append(clock.now)
        return lines, [clock.now - time for time in times]


@dataclass
class _Sending:
    size: int
    wait: float
    sent: float = 0

    def moved(self) -> int:
        return int(self.sent // FILE) * FILE if self.size > FILE else 0


def seconds_left(line: str) -> float | None:
    """What a line says, in seconds; None when it says nothing of that."""
    if not (found := re.search(r", (?:(\d+) h )?(?:(\d+) m ?)?(?:([\d.]+) s )?left$", line)):
        return None
    hours, minutes, seconds = (float(number or 0) for number in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def small(count: int) -> list[int]:
    """So many files as sites have them: most of some kB."""
    source = random.Random(2)  # noqa: S311 - no secret
    return [int(source.lognormvariate(9, 1.5)) for _ in range(count)]


def big(count: int, least: float, most: float) -> list[int]:
    source = random.Random(3)  # noqa: S311 - no secret
    return [int(source.uniform(least, most)) for _ in range(count)]


SITES = {
    "small files": (small(30_000), Line(0.1, 100 * MB)),
    "small files, slow line": (small(6_000), Line(0.05, MB)),
    "photos among many small files": (small(30_000) + [MB] * 200, Line(0.05, 10 * MB)),
    "videos": (small(2_000) + big(100, 0.5 * MB, 20 * MB), Line(0.05, 10 * MB)),
    "videos, far away": (small(20_000) + big(30, 0.5 * MB, 20 * MB), Line(0.3, 50 * MB)),
    "few at a time": (small(3_000) + big(40, 0.1 * MB, 30 * MB), Line(0.1, 20 * MB, parallel=8)),
    "one huge file": ([*small(1_000), GB], Line(0.05, 10 * MB)),
    "one huge file, slow connections": ([*small(1_000), GB], Line(0.05, 1e12, each=10 * MB)),
    "a slow platform": ([3 * KB * number for number in range(1, 151)], Line(0.5, GB, parallel=2)),
    "three files": ([300 * MB, 5 * MB, 2 * KB], Line(0.05, 5 * MB)),
}


def estimates(sizes: list[int], line: Line) -> list[float]:
    """How many times as long as it takes each line says that it will, until five seconds before the end."""
    lines, times = line.upload(sizes)
    told = [(seconds_left(line), time) for line, time in zip(lines, times, strict=True) if time >= 5]
    shown = [left / time for left, time in told if left is not None]
    assert len(shown) >= 4
    assert len(told) - len(shown) <= 3, "it is told soon"
    return shown


@pytest.mark.parametrize("site", SITES)
def test_the_time_left_is_believable(site: str) -> None:
    """From the first line that tells it, never twice nor half as long as it takes."""
    shown = estimates(*SITES[site])
    assert min(shown) >= 0.5
    assert max(shown) <= 2


def test_one_file_that_is_ten_times_as_large() -> None:
    """Nobody knows whether it gets faster when the others are done."""
    shown = estimates([2 * GB] + [200 * MB] * 63, Line(0.05, 100 * MB))
    assert 0.5 <= shown[0] <= 2
    assert 0.5 <= shown[-1] <= 2


def test_a_line() -> None:
    """Files, bytes, rate, time left."""
    clock = Clock()
    progress = Progress(2_000, 20_000_000, write=print, clock=clock)
    for number in range(500):
        progress.begin(str(number), 10_000, lambda: 0)
        clock.now += 0.01
        progress.end(str(number))
    assert progress.line() == "Uploading 500 of 2,000 files, 5.0 of 20.0 MB, 1.0 MB/s, 15 s left"


def test_no_estimate_without_a_base() -> None:
    """As long as nothing has moved nobody knows how long it will take."""
    clock = Clock()
    progress = Progress(1, 3 * MB, write=print, clock=clock)
    sending = _Sending(3 * MB, 0)
    progress.begin("a", sending.size, sending.moved)
    clock.now += 5
    assert progress.line() == "Uploading 0 of 1 file, 0.0 of 3.0 MB, 0 B/s"


def test_empty_files() -> None:
    """A folder of empty files has a progress, too."""
    clock = Clock()
    progress = Progress(40, 0, write=print, clock=clock)
    for number in range(20):
        progress.begin(str(number), 0, lambda: 0)
        clock.now += 0.3
        progress.end(str(number))
    assert progress.line() == "Uploading 20 of 40 files, 0 of 0 B, 0 B/s, 6 s left"


@pytest.mark.anyio
async def test_a_line_every_five_seconds() -> None:
    """What takes less needs no progress, and where nothing moves there is none."""
    lines: list[str] = []
    progress = Progress(3, 0, write=lines.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.log_regularly)
        for path in ("a", "b", "c"):
            progress.begin(path, 0, lambda: 0)
        for path, told in (("a", 0), ("b", 1), ("c", 2)):
            await anyio.sleep(4)
            assert len(lines) == told
            progress.end(path)
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert len(lines) == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.anyio
async def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With rich a person sees a bar, which is gone afterwards; no lines are written."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    progress = start_progress(4, 4_000, detect({}, terminal))
    assert isinstance(progress, TerminalProgress)
    with anyio.move_on_after(11):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.log_regularly)
            for path in ("a", "b"):
                progress.begin(path, 1_000, lambda: 0)
                await anyio.sleep(5)
                progress.end(path)
    assert "Uploading 2 of 4 files" in terminal.getvalue()
    assert "2.0/4.0 kB" in terminal.getvalue()
    assert "10 s left" in terminal.getvalue()
    assert "Uploading 2 of 4 files, " not in terminal.getvalue()


async def test_lines_on_a_terminal_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional: without it a terminal gets the calm lines."""
    monkeypatch.setitem(sys.modules, "rich", None)
    assert type(start_progress(1, 1, detect({}, Terminal()))) is Progress


async def test_lines_in_ci() -> None:
    """Where nobody watches, lines are the progress."""
    assert type(start_progress(1, 1, detect({}, io.StringIO()))) is Progress
