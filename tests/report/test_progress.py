"""Progress: silent when short, calm when long, a bar on a terminal."""

from __future__ import annotations

import io
import sys

import anyio
import pytest

from zerokie_action.ci import detect
from zerokie_action.report.progress import Progress, TerminalProgress, start_progress

pytestmark = pytest.mark.anyio
MB = 10**6


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def upload(progress: Progress, sizes: list[int], seconds: float) -> None:
    """Upload files of these sizes one after the other, each in so many seconds, and wait for nothing more."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.log_regularly)
        for number, size in enumerate(sizes):
            began = anyio.current_time()

            def moved(size: int = size, began: float = began) -> int:
                return round(size * min(1, (anyio.current_time() - began) / seconds))

            progress.begin(str(number), size, moved)
            await anyio.sleep(seconds)
            progress.end(str(number))
        tasks.cancel_scope.cancel()


async def test_a_line_every_ten_seconds() -> None:
    """Files, bytes, rate, and the time left at that rate; what takes less than that needs no progress."""
    lines: list[str] = []
    await upload(Progress(30, 90 * MB, lines.append), [3 * MB] * 30, 0.75)
    assert lines == [
        "Uploading 13 of 30 files, 40.0 MB of 90.0 MB, 4.0 MB/s, 12 s left",
        "Uploading 26 of 30 files, 80.0 MB of 90.0 MB, 4.0 MB/s, 2 s left",
    ]
    await upload(Progress(1, MB, lines.append), [MB], 9)
    assert len(lines) == 2


async def test_a_large_file() -> None:
    """What has gone out of it counts."""
    lines: list[str] = []
    await upload(Progress(1, 900 * MB, lines.append), [900 * MB], 15)
    assert lines == ["Uploading 0 of 1 file, 600 MB of 900 MB, 60.0 MB/s, 5 s left"]


async def test_nothing_moves() -> None:
    """Then there is nothing to say, and nobody knows how long it will take. Empty files are files, too."""
    lines: list[str] = []
    progress = Progress(2, 0, lines.append)
    with anyio.move_on_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.log_regularly)
            await anyio.sleep(15)
            progress.begin("a", 0, lambda: 0)
            progress.end("a")
    assert lines == ["Uploading 1 of 2 files, 0 B of 0 B, 0 B/s"]


async def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With rich a person sees a bar, which is gone afterwards; no lines are written."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    progress = start_progress(4, 4_000, detect({}, terminal))
    assert isinstance(progress, TerminalProgress)
    await upload(progress, [1_000] * 2, 5)
    assert "Uploading 2 of 4 files \x1b[" in terminal.getvalue()
    assert "2.0/4.0 kB" in terminal.getvalue()
    assert "200 B/s, 10 s left" in terminal.getvalue()


async def test_lines_where_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody watches, and on a terminal without the optional rich."""
    assert type(start_progress(1, 1, detect({}, io.StringIO()))) is Progress
    monkeypatch.setitem(sys.modules, "rich", None)
    assert type(start_progress(1, 1, detect({}, Terminal()))) is Progress
