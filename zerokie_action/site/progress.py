"""The progress of a site's uploads and of other long steps, in the log.

A terminal shows a bar. Any other log has a line every ten seconds.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice

import anyio

from zerokie_action import limits
from zerokie_action.ci import Log
from zerokie_action.job import Job
from zerokie_action.text.numbers import human_bytes, human_files, human_seconds

_FRAME_EVERY = 0.2
"""Seconds between two frames of the bar."""


class Progress:
    """Counts the uploaded files and bytes, and shows the progress.

    Args:
        total_files: number of files to upload.
        total_bytes: their size.
        log: gets the lines and the bar.
        outage_logged_at: returns the time of the last log line about an outage (event loop).
    """

    def __init__(
        self, total_files: int, total_bytes: int, log: Log, outage_logged_at: Callable[[], float]
    ) -> None:
        """Start the clock."""
        self._total_files = total_files
        self._total_bytes = total_bytes
        self._log = log
        self._outage_logged_at = outage_logged_at
        self._began = self._moved_at = anyio.current_time()
        self._files = 0
        self._bytes = 0
        self._under_way: dict[str, tuple[int, Callable[[], int]]] = {}
        self._before = (0, 0)
        self._history = deque([(self._began, 0)])
        """The times of the measurements that the rate covers, and the bytes sent until then."""

    def begin(self, path: str, size: int, sent: Callable[[], int]) -> None:
        """Note that the upload of a file begins. `sent` returns how many of its bytes were sent."""
        self._under_way[path] = size, sent

    def end(self, path: str) -> None:
        """Note that a file is uploaded."""
        size, _ = self._under_way.pop(path)
        self._files += 1
        self._bytes += size

    @property
    def so_far(self) -> str:
        """The uploaded files, their size and the time taken: `12 files, 1.2 MB in 1.4s`."""
        seconds = anyio.current_time() - self._began
        return f"{human_files(self._files)}, {human_bytes(self._bytes)} in {human_seconds(seconds)}"

    async def show(self) -> None:
        """Show a bar on a terminal, and a line every ten seconds elsewhere, until cancelled."""
        if self._log.bar:
            await self._show_bar()
        while True:
            await anyio.sleep(limits.PROGRESS_LINE)
            if not self._measure():
                facts = f" ({self._counts(' of ')}, {self._rate})"
            elif self._since(self._outage_logged_at()) < limits.PROGRESS_LINE:
                continue
            else:
                facts = f", {self._stalled}"
            self._log.info(f"Uploading: {self._percent}%{facts}")

    async def _show_bar(self) -> None:
        try:
            while True:
                is_stalled = self._measure() >= limits.PROGRESS_LINE
                facts = [self._counts("/"), self._stalled if is_stalled else self._rate]
                self._log.show_bar((self._percent, ", ".join([*facts, *islice(self._under_way, 1)])))
                await anyio.sleep(_FRAME_EVERY)
        finally:
            self._log.show_bar(None)

    def _measure(self) -> float:
        """Take a measurement, and return the seconds without progress."""
        now, files, sent = anyio.current_time(), self._files, self._sent
        files_before, sent_before = self._before
        if files > files_before or sent > sent_before:
            self._moved_at = now
        self._before = files, sent
        self._history.append((now, sent))
        while self._since(self._history[1][0]) >= limits.PROGRESS_RATE:
            self._history.popleft()
        return now - self._moved_at

    def _since(self, moment: float) -> float:
        return anyio.current_time() - moment

    @property
    def _sent(self) -> int:
        """The number of bytes sent."""
        return self._bytes + sum(sent() for _, sent in self._under_way.values())

    @property
    def _percent(self) -> int:
        """The percentage of bytes, or of files if all files are empty."""
        if self._total_bytes:
            return 100 * self._sent // self._total_bytes
        return 100 * self._files // self._total_files

    def _counts(self, of: str) -> str:
        """Return files and bytes, such as `13 of 30 files, 40.0 of 90.0 MB`."""
        total = human_bytes(self._total_bytes)
        sent = human_bytes(self._sent).removesuffix(f" {total.split()[1]}")
        return f"{self._files:,}{of}{human_files(self._total_files)}, {sent}{of}{total}"

    @property
    def _rate(self) -> str:
        """The last rate, and the time left at that rate: `1.0 MB/s, 15s left`."""
        began, sent_before = self._history[0]
        sent, seconds = self._sent - sent_before, self._since(began)
        if sent <= 0 or not seconds:
            return "0 B/s"
        left = round(seconds * (self._total_bytes - self._sent) / sent)
        return f"{human_bytes(sent / seconds)}/s" + (f", {human_seconds(left)} left" if left else "")

    @property
    def _stalled(self) -> str:
        return f"no progress for {human_seconds(round(self._since(self._moved_at)))}"


async def log_step(job: Job, step: Callable[[], str]) -> None:
    """Log a line about a step every ten seconds, until cancelled.

    After a line about an outage, none is due for ten seconds.
    """
    began = anyio.current_time()
    while True:
        await anyio.sleep(limits.PROGRESS_LINE)
        now = anyio.current_time()
        if now - job.client.http.outage_logged_at() >= limits.PROGRESS_LINE:
            job.log.info(f"{step()} ({human_seconds(round(now - began))} so far)")


@asynccontextmanager
async def logged_step(job: Job, step: Callable[[], str]) -> AsyncIterator[None]:
    """Log a line about a step every ten seconds, while the block runs."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log_step, job, step)
        yield
        tasks.cancel_scope.cancel()
