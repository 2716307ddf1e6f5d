"""Progress: silent when short, calm when long, a bar on a terminal."""

from __future__ import annotations

import io
import sys

from zerokie_action.report.progress import Progress, TerminalProgress, start_progress


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_short_upload_is_silent():
    """What takes less than five seconds needs no progress."""
    clock, lines = Clock(), list[str]()
    with Progress(10, 1_000, write=lines.append, clock=clock) as progress:
        for _ in range(10):
            progress.advance(files=1, nbytes=100)
            clock.now += 0.49
    assert lines == []


def test_a_long_upload():
    """A line every five seconds: files, bytes, rate, time left."""
    clock, lines = Clock(), list[str]()
    with Progress(5_000, 50_000_000, write=lines.append, clock=clock) as progress:
        for _ in range(24):
            clock.now += 1
            progress.advance(files=100, nbytes=1_000_000)
            progress.advance()
    assert lines == [
        "Uploading 500 of 5,000 files, 5.0 of 50.0 MB, 1.0 MB/s, 45 s left",
        "Uploading 1,000 of 5,000 files, 10.0 of 50.0 MB, 1.0 MB/s, 40 s left",
        "Uploading 1,500 of 5,000 files, 15.0 of 50.0 MB, 1.0 MB/s, 35 s left",
        "Uploading 2,000 of 5,000 files, 20.0 of 50.0 MB, 1.0 MB/s, 30 s left",
    ]


def test_the_time_left_is_of_what_is_slower():
    """Many small files after a big one take their time, and so does a big one after many small."""
    clock, lines = Clock(), list[str]()
    with Progress(100, 1_000, write=lines.append, clock=clock, every=10) as progress:
        clock.now += 10
        progress.advance(files=50, nbytes=100)
        clock.now += 10
        progress.advance(files=0, nbytes=800)
    assert lines == [
        "Uploading 50 of 100 files, 0.1 of 1.0 kB, 10 B/s, 1 m 30 s left",
        "Uploading 50 of 100 files, 0.9 of 1.0 kB, 45 B/s, 20 s left",
    ]


def test_no_estimate_without_a_base():
    """As long as no file is done nobody knows how long it will take."""
    clock, lines = Clock(), list[str]()
    with Progress(2, 1_000_000, write=lines.append, clock=clock) as progress:
        clock.now += 5
        progress.advance(nbytes=500_000)
    assert lines == ["Uploading 0 of 2 files, 0.5 of 1.0 MB, 100 kB/s"]


def test_empty_files():
    """A folder of empty files has a progress, too."""
    clock, lines = Clock(), list[str]()
    with Progress(4, 0, write=lines.append, clock=clock) as progress:
        clock.now += 6
        progress.advance(files=2)
    assert lines == ["Uploading 2 of 4 files, 0 of 0 B, 0 B/s, 6 s left"]


def test_bytes_that_are_sent_again_do_not_end_before_now():
    """Repeated bytes can exceed the total; the time left is never negative."""
    clock, lines = Clock(), list[str]()
    with Progress(1, 100, write=lines.append, clock=clock) as progress:
        clock.now += 5
        progress.advance(files=1, nbytes=150)
    assert lines[0].endswith("0 s left")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(monkeypatch):
    """With rich a person sees a bar, which is gone afterwards; no lines are written."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal, lines = Terminal(), list[str]()
    with start_progress(1_200, 5_000, write=lines.append, terminal=terminal) as progress:
        assert isinstance(progress, TerminalProgress)
        progress.advance(files=1_100, nbytes=2_500)
    assert "Uploading 1,100 of 1,200 files" in terminal.getvalue()
    assert "2.5/5.0 kB" in terminal.getvalue()
    assert lines == []


def test_lines_on_a_terminal_without_rich(monkeypatch):
    """The extra is optional: without it a terminal gets the calm lines."""
    monkeypatch.setitem(sys.modules, "rich", None)
    assert isinstance(start_progress(1, 1, write=print, terminal=Terminal()), Progress)


def test_lines_in_ci():
    """Where nobody watches, lines are the progress."""
    assert isinstance(start_progress(1, 1, write=print), Progress)
