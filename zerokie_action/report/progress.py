"""How far an upload is, and how long it will take: a calm line now and then, or a bar on a terminal."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import anyio

from zerokie_action.text import human_bytes, human_files, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.ci import CI

_EVERY = 10.0
_REFRESH = 0.5
"""Seconds between two lines, and between two states of the bar."""


class Progress:
    """Knows what is uploaded, and logs how far that is. What is done before the first line is silent."""

    def __init__(self, total_files: int, total_bytes: int, log: Callable[[str], None]) -> None:
        """Begin now. `log` takes a line."""
        self._total_files = total_files
        self._total_bytes = total_bytes
        self._log = log
        self._began = anyio.current_time()
        self._files = 0
        self._bytes = 0
        self._under_way: dict[str, tuple[int, Callable[[], int]]] = {}

    def begin(self, path: str, size: int, moved: Callable[[], int]) -> None:
        """The upload of a file begins; `moved` tells how many of its bytes have gone out."""
        self._under_way[path] = size, moved

    def end(self, path: str) -> None:
        """A file is uploaded."""
        size, _ = self._under_way.pop(path)
        self._files += 1
        self._bytes += size

    async def log_regularly(self) -> None:
        """Log a line every ten seconds, for ever, unless nothing has moved."""
        before = (0, 0)
        while True:
            await anyio.sleep(_EVERY)
            if (now := (self._files, self.moved)) > before:
                sizes = f"{human_bytes(self.moved)} of {human_bytes(self._total_bytes)}"
                self._log(f"Uploading {self.counted}, {sizes}, {self.rate}")
                before = now

    @property
    def counted(self) -> str:
        """How many files are uploaded: `500 of 2,000 files`."""
        return f"{self._files:,} of {human_files(self._total_files)}"

    @property
    def moved(self) -> int:
        """How many bytes have gone out."""
        return self._bytes + sum(moved() for _, moved in self._under_way.values())

    @property
    def rate(self) -> str:
        """Bytes in a second since the beginning, and the time left at that rate: `1.0 MB/s, 15 s left`."""
        moved, seconds = self.moved, anyio.current_time() - self._began
        if not moved or not seconds:
            return "0 B/s"
        left = seconds * (self._total_bytes - moved) / moved
        return f"{human_bytes(moved / seconds)}/s, {human_seconds(round(left))} left"


class TerminalProgress(Progress):
    """The same as a bar on a terminal, with rich (extra `terminal`)."""

    def __init__(self, total_files: int, total_bytes: int, stream: TextIO) -> None:
        from rich import console, progress  # noqa: PLC0415 optional, and it takes its time

        super().__init__(total_files, total_bytes, lambda _line: None)
        self._bar = progress.Progress(
            progress.TextColumn("Uploading {task.description}"),
            progress.BarColumn(complete_style="green"),
            progress.DownloadColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            console=console.Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task(self.counted, total=total_bytes, rate="")

    async def log_regularly(self) -> None:
        """Keep the bar up to date until it is cancelled, which takes it away."""
        with self._bar:
            while True:
                self._bar.update(self._task, completed=self.moved, description=self.counted, rate=self.rate)
                await anyio.sleep(_REFRESH)


def start_progress(total_files: int, total_bytes: int, ci: CI) -> Progress:
    """Return a bar if a person watches a terminal and rich is installed, else calm lines in the log."""
    if ci.terminal:
        with suppress(ImportError):
            return TerminalProgress(total_files, total_bytes, ci.terminal)
    return Progress(total_files, total_bytes, ci.info)
