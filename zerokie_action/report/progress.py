"""How far an upload is: a calm line every few seconds, or a bar on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self, TextIO

from zerokie_action.text import human_bytes, human_files, human_progress, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """Says every `every` seconds how far an upload is; an upload that is done before that is silent.

    Use it as a context manager.

    Args:
        total_files: how many files will be uploaded.
        total_bytes: their sizes in bytes, together.
        write: takes a line.
        clock: monotonic time in seconds.
        every: seconds between two lines.
    """

    def __init__(
        self,
        total_files: int,
        total_bytes: int,
        *,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        every: float = 5.0,
    ) -> None:
        self._total_files = total_files
        self._total_bytes = total_bytes
        self._write = write
        self._clock = clock
        self._every = every
        self._files = 0
        self._bytes = 0
        self._start = self._last = clock()

    def __enter__(self) -> Self:
        self._start = self._last = self._clock()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, files: int = 0, nbytes: int = 0) -> None:
        """Count `files` more files and `nbytes` more bytes as uploaded."""
        self._files += files
        self._bytes += nbytes
        now = self._clock()
        if now - self._last >= self._every:
            self._last = now
            self._write(self._line(now - self._start))

    def _line(self, elapsed: float) -> str:
        line = (
            f"Uploading {self._files:,} of {human_files(self._total_files)}, "
            f"{human_progress(self._bytes, self._total_bytes)}, {human_bytes(self._bytes / elapsed)}/s"
        )
        done = min(_share(self._files, self._total_files), _share(self._bytes, self._total_bytes))
        return f"{line}, {human_seconds(round(elapsed / done - elapsed))} left" if done else line


def _share(done: int, total: int) -> float:
    return min(done / total, 1.0) if total else 1.0


class TerminalProgress:
    """The same as a bar on a terminal, with rich (extra `terminal`)."""

    def __init__(self, total_files: int, total_bytes: int, *, stream: TextIO) -> None:
        from rich import progress as rich  # noqa: PLC0415 optional, and it takes its time
        from rich.console import Console  # noqa: PLC0415

        self._total_files = total_files
        self._files = 0
        self._bar = rich.Progress(
            rich.TextColumn("Uploading {task.fields[files]}"),
            rich.BarColumn(),
            rich.DownloadColumn(),
            rich.TransferSpeedColumn(),
            rich.TimeRemainingColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total_bytes, files=self._counted())

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, files: int = 0, nbytes: int = 0) -> None:
        """Count `files` more files and `nbytes` more bytes as uploaded."""
        self._files += files
        self._bar.update(self._task, advance=nbytes, files=self._counted())

    def _counted(self) -> str:
        return f"{self._files:,} of {human_files(self._total_files)}"


def start_progress(
    total_files: int, total_bytes: int, *, write: Callable[[str], None], terminal: TextIO | None = None
) -> Progress | TerminalProgress:
    """Return a bar if `terminal` is given and rich is installed, else calm lines for `write`."""
    if terminal:
        try:
            return TerminalProgress(total_files, total_bytes, stream=terminal)
        except ImportError:
            pass
    return Progress(total_files, total_bytes, write=write)
