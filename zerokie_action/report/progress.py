"""How far an upload is, and how long it will take: a calm line every few seconds, or a bar on a terminal."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TextIO

import anyio

from zerokie_action.text import human_bytes, human_files, human_progress, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zerokie_action.ci import CI

_EVERY = 5.0
"""Seconds between two lines, and between two estimates."""
_REFRESH = 0.5
_RECENT = 1_000
"""How many uploads the time left is estimated from."""
_ASSUMED = 0.1
"""Seconds that a request takes, as long as nobody knows better."""
_TRUST = 0.03
"""What that assumption weighs, beside one upload."""
_SHORTEST = 0.001


class _Upload(NamedTuple):
    """A file that is being uploaded: its size, how many of its bytes have gone out, since when."""

    size: int
    moved: Callable[[], int]
    began: float


class Progress:
    """Knows what is uploaded, and says every few seconds how far that is. What is done before is silent."""

    def __init__(
        self,
        total_files: int,
        total_bytes: int,
        *,
        write: Callable[[str], None],
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        """Begin now.

        Args:
            total_files: how many files will be uploaded.
            total_bytes: their sizes in bytes, together.
            write: takes a line.
            clock: monotonic time in seconds.
        """
        self._total_files = total_files
        self._total_bytes = total_bytes
        self._write = write
        self._clock = clock
        self._start = clock()
        self._files = 0
        self._bytes = 0
        self._under_way: dict[str, _Upload] = {}
        self._parallel = 1
        self._recent: deque[tuple[int, float]] = deque(maxlen=_RECENT)

    def begin(self, path: str, size: int, moved: Callable[[], int]) -> None:
        """The upload of a file begins; `moved` tells how many of its bytes have gone out."""
        self._under_way[path] = _Upload(size, moved, self._clock())
        self._parallel = max(self._parallel, len(self._under_way))

    def end(self, path: str) -> None:
        """A file is uploaded."""
        upload = self._under_way.pop(path)
        self._files += 1
        self._bytes += upload.size
        self._recent.append((upload.size, self._clock() - upload.began))

    async def log_regularly(self) -> None:
        """Write a line every five seconds, for ever, unless nothing has moved."""
        before = (0, 0)
        while True:
            await anyio.sleep(_EVERY)
            if (now := (self._files, self._moved())) > before:
                self._write(self.line())
                before = now

    def line(self) -> str:
        """How far it is, and the time left if there is a base for that."""
        moved, left = self._moved(), self._left()
        return (
            f"Uploading {self._counted()}, {human_progress(moved, self._total_bytes)}, "
            f"{human_bytes(moved / max(self._clock() - self._start, _SHORTEST))}/s{left and ', ' + left}"
        )

    def _counted(self) -> str:
        return f"{self._files:,} of {human_files(self._total_files)}"

    def _moved(self) -> int:
        return self._bytes + sum(upload.moved() for upload in self._under_way.values())

    def _left(self) -> str:
        """The time left, from what the last uploads took; empty as long as nothing has moved.

        All who upload share the work. One large file may take longer than that: with its own speed, or with
        that of all together once the others are done.
        """
        now = self._clock()
        started = [(*upload, upload.moved()) for upload in self._under_way.values()]
        moving = [(size, moved, now - began) for size, _, began, moved in started if moved]
        samples = [*self._recent, *((moved, seconds) for _, moved, seconds in moving)]
        if not samples:
            return ""
        per_request, per_byte = _fit(samples)
        moved = self._moved()
        work = (self._total_files - self._files) * per_request + (self._total_bytes - moved) * per_byte
        speed = moved / max(now - self._start, _SHORTEST)
        rests = [(size - sent) / max(sent / max(age, _SHORTEST), speed) for size, sent, age in moving]
        return f"{human_seconds(round(max(work / self._parallel, *rests, 0)))} left"


def _fit(samples: Iterable[tuple[int, float]]) -> tuple[float, float]:
    """Seconds for a request and for a byte, neither less than zero, from uploads' sizes and seconds.

    Least squares of the relative errors, so neither many small files nor a few large ones mislead. It begins
    with an assumption about requests, which a few uploads outweigh.
    """
    xx, x, xy, yy, y = _TRUST / _ASSUMED**2, _TRUST / _ASSUMED, 0.0, 0.0, 0.0
    for size, seconds in samples:
        request, byte = 1 / max(seconds, _SHORTEST), size / max(seconds, _SHORTEST)
        xx, x, xy = xx + request * request, x + request, xy + request * byte
        yy, y = yy + byte * byte, y + byte
    determinant = xx * yy - xy * xy
    if determinant <= 0 or y * xx < x * xy:
        return x / xx, 0.0
    if x * yy < y * xy:
        return 0.0, y / yy
    return (x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant


class TerminalProgress(Progress):
    """The same as a bar on a terminal, with rich (extra `terminal`)."""

    def __init__(
        self,
        total_files: int,
        total_bytes: int,
        *,
        stream: TextIO,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        from rich import progress as rich  # noqa: PLC0415 optional, and it takes its time
        from rich.console import Console  # noqa: PLC0415
        from rich.theme import Theme  # noqa: PLC0415

        super().__init__(total_files, total_bytes, write=lambda _line: None, clock=clock)
        self._bar = rich.Progress(
            rich.TextColumn("Uploading {task.fields[files]}"),
            rich.BarColumn(complete_style="green"),
            rich.DownloadColumn(),
            rich.TransferSpeedColumn(),
            rich.TextColumn("{task.fields[left]}"),
            console=Console(file=stream, theme=Theme({"progress.data.speed": "none"})),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total_bytes, files=self._counted(), left="")

    async def log_regularly(self) -> None:
        """Keep the bar up to date until it is cancelled, which takes it away."""
        with self._bar:
            for tick in count():
                self._bar.update(self._task, completed=self._moved(), files=self._counted())
                if tick % round(_EVERY / _REFRESH) == 0:
                    self._bar.update(self._task, left=self._left())
                await anyio.sleep(_REFRESH)


def start_progress(total_files: int, total_bytes: int, ci: CI) -> Progress:
    """Return a bar if a person watches a terminal and rich is installed, else calm lines in the log."""
    if ci.terminal:
        with suppress(ImportError):
            return TerminalProgress(total_files, total_bytes, stream=ci.terminal)
    return Progress(total_files, total_bytes, write=ci.info)
