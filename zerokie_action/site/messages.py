"""Log lines, warnings and the progress of a site's deploy."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice

import anyio

from zerokie_action.apps.job import Job
from zerokie_action.ci import Log
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import Finalized
from zerokie_action.report.changes import Files
from zerokie_action.site.ignore import names_directory
from zerokie_action.site.plan import Plan
from zerokie_action.site.rules import FRONT_PAGE
from zerokie_action.site.scan import Scan
from zerokie_action.text.numbers import human_bytes, human_files, human_paths, human_seconds, utc_time

_LINE_EVERY = 10.0
"""Seconds between two lines about a step."""
_FRAME_EVERY = 0.2
"""Seconds between two frames of the bar."""
_RATE_OVER = 30.0
"""Seconds that the rate covers, or fewer after an outage."""
_OUTAGE = 15.0
"""Seconds without progress after which the rate starts again."""
_SHOWN_PLAIN = 20
"""Limit of paths in a plain log."""
_SHOWN_FOLDED = 50
"""Limit of paths in a folded group."""

# Steps that take long


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
        """The uploaded files, their size and the time taken: `12 files, 1.2 MB in 1.4 s`."""
        seconds = anyio.current_time() - self._began
        return f"{human_files(self._files)}, {human_bytes(self._bytes)} in {human_seconds(seconds)}"

    async def show(self) -> None:
        """Show a bar on a terminal, and a line every ten seconds elsewhere, until cancelled."""
        if self._log.bar:
            await self._show_bar()
        while True:
            await anyio.sleep(_LINE_EVERY)
            if not self._measure():
                facts = f" ({self._counts(' of ')}, {self._rate})"
            elif self._since(self._outage_logged_at()) < _LINE_EVERY:
                continue
            else:
                facts = f", {self._stalled}"
            self._log.info(f"Uploading: {self._percent} %{facts}")

    async def _show_bar(self) -> None:
        try:
            while True:
                is_stalled = self._measure() >= _LINE_EVERY
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
            if now - self._moved_at >= _OUTAGE:
                self._history = deque([self._history[-1]])
            self._moved_at = now
        self._before = files, sent
        self._history.append((now, sent))
        while self._since(self._history[1][0]) >= _RATE_OVER:
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
        """The last rate, and the time left at that rate: `1.0 MB/s, 15 s left`."""
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
        await anyio.sleep(_LINE_EVERY)
        now = anyio.current_time()
        if now - job.client.http.outage_logged_at() >= _LINE_EVERY:
            job.log.info(f"{step()} ({human_seconds(round(now - began))} so far)")


@asynccontextmanager
async def logged_step(job: Job, step: Callable[[], str]) -> AsyncIterator[None]:
    """Log a line about a step every ten seconds, while the block runs."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log_step, job, step)
        yield
        tasks.cancel_scope.cancel()


# Results of a step


def log_scan(job: Job, scanned: Scan) -> None:
    """Log the scan, and warn about likely mistakes in the inputs."""
    if scanned.ignore_file is not None:
        job.log.info(f"Ignore file: {scanned.ignore_file}")
    ignored = f", {scanned.ignored:,} ignored" if scanned.ignored else ""
    size = human_bytes(sum(file.size for file in scanned.files))
    job.log.info(f"Scanned {human_files(len(scanned.files))}, {size}{ignored}")
    if scanned.secrets:
        job.log.info(f"Left out names that look like secrets: {human_paths(scanned.secrets, _SHOWN_PLAIN)}")
    for warning in scanned.warnings:
        job.report.warn(warning)
    for name, patterns in (("ignore", job.settings.ignore), ("keep", job.settings.keep)):
        for pattern in patterns:
            if names_directory(pattern, scanned.directory):
                job.report.warn(
                    f"`{name}`: {pattern!r} begins with the name of `directory`. Remove that name, because "
                    "patterns are relative to `directory`"
                )


def log_plan(job: Job, plan: Plan) -> None:
    """Log the changes, in a folded group if the log has groups. At `debug`, log all, with reasons."""
    log = job.log
    kept = f", {plan.kept:,} kept" if plan.kept else ""
    pending = f", {len(plan.pending):,} pending deletion" if plan.pending else ""
    line = (
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(sum(file.size for file in plan.uploads))}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}{pending}"
    )
    if log.shows("debug"):
        names = [f"  {sign} {path} ({reason})" for sign, path, reason in plan.changes()]
    else:
        shown = _SHOWN_FOLDED if log.folds else _SHOWN_PLAIN
        names = [f"  {sign} {path}" for sign, path, _ in islice(plan.changes(), shown)]
        if (more := len(plan.uploads) + len(plan.delete) - shown) > 0:
            names.append(f"  and {more:,} more (`log-level: debug` lists all)")
    log.group(line, names)
    if plan.remote.unsafe:
        paths = human_paths(plan.remote.unsafe)
        job.report.warn(f"Skipped remote paths that can't be addressed safely: {paths}")
    is_first = not plan.remote.files
    if FRONT_PAGE in plan.delete or (is_first and FRONT_PAGE not in {file.path for file in plan.files}):
        job.report.warn(f"The folder has no {FRONT_PAGE} at its root, so the site's address may show no page")


def note_pending(job: Job, plan: Plan, files: Files) -> None:
    """Note how many files are pending deletion, and when the deletions are due."""
    files.pending = len(plan.pending)
    if plan.pending:
        last_since = max(plan.stale.get(path, time.time()) for path in plan.pending)
        files.pending_until = utc_time(last_since + job.settings.delete_stale)
        stale, day = human_files(len(plan.pending), "stale file"), files.pending_until.partition("T")[0]
        are, them = ("is", "it") if len(plan.pending) == 1 else ("are", "them")
        job.report.note(f"{stale} {are} pending deletion. The first deploy after {day} deletes {them}")
        if plan.remote.is_unread:
            job.report.warn(
                "The manifest can't be read, so the delay of all pending deletions starts again. If the "
                "manifest stays unreadable, delete these files with `delete-stale: true`"
            )


def log_unconfirmed(job: Job, count: int) -> None:
    """Log how many uploads the next deploy repeats."""
    files = human_files(count)
    them = "it" if count == 1 else "them"
    job.log.info(f"The next deploy uploads {files} again, because the file list can't confirm {them}")


def log_finalized(job: Job, lock: DeployLock) -> None:
    """Log the end of a deploy, and warn if the response lacks something."""
    response = lock.released.response or Finalized()
    deploy_id, is_purged = response.deploy_id, response.cache_purged
    job.log.info(f"Finalized {deploy_id or 'the deploy'}{', CDN cache purged' if is_purged else ''}")
    if not deploy_id:
        job.report.warn(f"Finalize returned no deploy ID: {lock.released.lost}")
    if is_purged is False or lock.released.response is None:
        job.report.warn(
            "The CDN's cache may not have been purged. Visitors may see the old version for a while"
        )


def log_commits(job: Job) -> None:
    """Log the run's commit and its comparison with the last complete deploy, with links."""
    for line in job.report.commits.lines():
        job.log.info(f"{line.text}{line.commits}{line.url and ', '}{line.url}")
