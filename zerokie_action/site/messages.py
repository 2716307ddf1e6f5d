"""The progress of an upload: a log line every ten seconds."""

from collections.abc import Callable

import anyio

from zerokie_action.ci import Log
from zerokie_action.text.numbers import human_bytes, human_files, human_seconds

_LINE_EVERY = 10.0
"""Seconds between two lines."""


class Progress:
    """Counts the uploaded files and bytes, and shows the progress."""

    def __init__(self, total_files: int, total_bytes: int, log: Log) -> None:
        """Start the clock."""
        self._total_files = total_files
        self._total_bytes = total_bytes
        self._log = log
        self._began = anyio.current_time()
        self._files = 0
        self._bytes = 0
        self._under_way: dict[str, tuple[int, Callable[[], int]]] = {}

    def begin(self, path: str, size: int, sent: Callable[[], int]) -> None:
        """Note that the upload of a file begins; `sent` returns how many of its bytes were sent."""
        self._under_way[path] = size, sent

    def end(self, path: str) -> None:
        """Note that a file is uploaded."""
        size, _ = self._under_way.pop(path)
        self._files += 1
        self._bytes += size

    @property
    def so_far(self) -> str:
        """The uploaded files, their size and the time taken: `12 files, 1.2 MB in 1.4 s`."""
        seconds = anyio.current_time() - self._began
        return f"{human_files(self._files)}, {human_bytes(self._bytes)} in {human_seconds(seconds)}"

    async def show(self) -> None:
        """Log a line every ten seconds if there was progress, until cancelled."""
        before = (0, 0)
        while True:
            await anyio.sleep(_LINE_EVERY)
            if (now := (self._files, self._sent)) > before:
                files = f"{self._files:,} of {human_files(self._total_files)}"
                sizes = f"{human_bytes(self._sent)} of {human_bytes(self._total_bytes)}"
                self._log.info(f"Uploading {files}, {sizes}, {self._rate}")
                before = now

    @property
    def _sent(self) -> int:
        """The number of bytes sent."""
        return self._bytes + sum(sent() for _, sent in self._under_way.values())

    @property
    def _rate(self) -> str:
        """The average rate, and the time left at that rate: `1.0 MB/s, 15 s left`."""
        sent, seconds = self._sent, anyio.current_time() - self._began
        if not sent or not seconds:
            return "0 B/s"
        left = round(seconds * (self._total_bytes - sent) / sent)
        return f"{human_bytes(sent / seconds)}/s" + (f", {human_seconds(left)} left" if left else "")
