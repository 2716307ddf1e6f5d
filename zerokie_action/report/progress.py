"""How far an upload is, and how long it will take: a calm line every few seconds, or a bar on a terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TextIO

import anyio

from zerokie_action.text import human_bytes, human_files, human_progress, human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY = 5.0
"""Seconds between two lines, and between two estimates."""
_REFRESH = 0.5
_ASSUMED = 0.1
"""Seconds that a request takes, as long as nobody knows better."""
_TRUST = 0.03
"""What that assumption weighs, beside one upload."""
_SHORTEST = 0.001


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
        self._under_way: dict[str, _UnderWay] = {}
        self._estimate = _Estimate(self._start, total_files, total_bytes)

    def begin(self, path: str, size: int, moved: Callable[[], int]) -> None:
        """The upload of a file begins; `moved` tells how many of its bytes have gone out."""
        now = self._clock()
        self._under_way[path] = _UnderWay(size, moved, began=now, seen_at=now)
        self._estimate.begun(size, len(self._under_way))

    def end(self, path: str) -> None:
        """A file is uploaded."""
        upload = self._under_way.pop(path)
        self._files += 1
        self._bytes += upload.size
        self._estimate.done(upload.size, self._clock() - upload.began)

    async def tell(self) -> None:
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
        seconds = self._estimate.left(self._clock(), self._bytes, list(self._under_way.values()))
        return "" if seconds is None else f"{human_seconds(round(seconds))} left"


@dataclass(slots=True)
class _UnderWay:
    """A file that is being uploaded, and what was seen of it at the last estimate."""

    size: int
    moved: Callable[[], int]
    began: float
    seen_at: float
    seen: int = 0


class _Estimate:
    """The time left, from what an upload takes: so many seconds for the request, so many for each byte.

    The two are fitted to the uploads so far (least squares of the relative errors), so neither many small
    files nor a few large ones mislead. The work that is left is shared by all who upload. One large file may
    take longer than that: with its own speed, or with that of all together when the others are done. Nobody
    knows which, so it is the mean of both.
    """

    def __init__(self, now: float, files: int, size: int) -> None:
        self._files_waiting = files
        self._bytes_waiting = size
        self._workers = 1
        self._samples = _Samples()
        self._seen_at = now
        self._seen = 0

    def begun(self, size: int, workers: int) -> None:
        self._files_waiting -= 1
        self._bytes_waiting -= size
        self._workers = max(self._workers, workers)

    def done(self, size: int, seconds: float) -> None:
        self._samples.add(size, seconds)

    def left(self, now: float, done: int, under_way: list[_UnderWay]) -> float | None:
        """Seconds; None as long as nothing has moved.

        Args:
            now: monotonic time in seconds.
            done: bytes of the files that are uploaded.
            under_way: the files that are not yet.
        """
        moved = [upload.moved() for upload in under_way]
        samples = self._samples.copy()
        for upload, sent in zip(under_way, moved, strict=True):
            if sent:
                samples.add(sent, now - upload.began, requests=0)
        if not samples.count:
            return None
        per_request, per_byte = samples.fit()
        total = done + sum(moved)
        speed = (total - self._seen) / max(now - self._seen_at, _SHORTEST)
        self._seen, self._seen_at = total, now
        work = self._files_waiting * per_request + self._bytes_waiting * per_byte
        longest = 0.0
        for upload, sent in zip(under_way, moved, strict=True):
            rest = upload.size - sent
            age = now - upload.began
            alone = per_request + upload.size * per_byte - age
            if alone < 0:  # nobody knows; what took long may take long
                alone = age
            if sent:
                recent = (sent - upload.seen) / max(now - upload.seen_at, _SHORTEST)
                own = recent if recent > 0 else sent / max(age, _SHORTEST)
                alone = rest / math.sqrt(own * max(speed, own))
                work += rest * per_byte
            else:
                work += alone
            upload.seen, upload.seen_at = sent, now
            longest = max(longest, alone)
        return max(work / self._workers, longest)


@dataclass(slots=True)
class _Samples:
    """Sums over uploads, for the fit of `seconds = requests * per_request + bytes * per_byte`.

    It begins with an assumption about requests, which a few uploads outweigh.
    """

    count: int = 0
    requests: float = _TRUST / _ASSUMED
    size: float = 0.0
    requests_squared: float = _TRUST / _ASSUMED**2
    size_squared: float = 0.0
    mixed: float = 0.0

    def copy(self) -> _Samples:
        return _Samples(
            self.count, self.requests, self.size, self.requests_squared, self.size_squared, self.mixed
        )

    def add(self, size: int, seconds: float, requests: int = 1) -> None:
        seconds = max(seconds, _SHORTEST)
        x, y = requests / seconds, size / seconds
        self.count += 1
        self.requests += x
        self.size += y
        self.requests_squared += x * x
        self.size_squared += y * y
        self.mixed += x * y

    def fit(self) -> tuple[float, float]:
        """Seconds for a request and for a byte, neither less than zero."""
        determinant = self.requests_squared * self.size_squared - self.mixed**2
        if determinant <= 0:
            return self.requests / self.requests_squared, 0.0
        per_request = (self.requests * self.size_squared - self.size * self.mixed) / determinant
        per_byte = (self.size * self.requests_squared - self.requests * self.mixed) / determinant
        if per_byte < 0:
            return self.requests / self.requests_squared, 0.0
        if per_request < 0:
            return 0.0, self.size / self.size_squared
        return per_request, per_byte


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

        super().__init__(total_files, total_bytes, write=lambda _line: None, clock=clock)
        self._bar = rich.Progress(
            rich.TextColumn("Uploading {task.fields[files]}"),
            rich.BarColumn(),
            rich.DownloadColumn(),
            rich.TransferSpeedColumn(),
            rich.TextColumn("{task.fields[left]}"),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total_bytes, files=self._counted(), left="")

    async def tell(self) -> None:
        """Keep the bar up to date until it is cancelled, which takes it away."""
        with self._bar:
            for tick in count():
                self._bar.update(self._task, completed=self._moved(), files=self._counted())
                if tick % round(_EVERY / _REFRESH) == 0:
                    self._bar.update(self._task, left=self._left())
                await anyio.sleep(_REFRESH)


def start_progress(
    total_files: int, total_bytes: int, *, write: Callable[[str], None], terminal: TextIO | None = None
) -> Progress:
    """Return a bar if `terminal` is given and rich is installed, else calm lines for `write`."""
    if terminal:
        try:
            return TerminalProgress(total_files, total_bytes, stream=terminal)
        except ImportError:
            pass
    return Progress(total_files, total_bytes, write=write)
