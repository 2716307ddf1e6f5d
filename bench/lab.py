"""Size, place and results of a benchmark."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import Trial
from bench.measure import Usage, compare
from bench.served import Certificate, ServedPlatform
from bench.sites import Site

ACTION = "this action"
CURL = "`curl -Z`"
RCLONE = "`rclone sync`, tuned, to S3"
RCLONE_CHECKSUM = "`rclone sync --checksum`, tuned, to S3"
AWS = "`aws s3 sync`"
HTTPX = "a loop over httpx, a connection for each worker"
BESIDE = "this action, the other commit"

PROGRAMS = {CURL: "curl", RCLONE: "rclone", RCLONE_CHECKSUM: "rclone", AWS: "aws"}
"""Programs that some rows require, by the rows' names."""


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers and sizes of a benchmark.

    Attributes:
        runs: number of runs for a median.
        start_ups: number of runs of the shortest case.
        latency: the platform's latency in seconds.
        near, far: latencies of a near and a distant platform.
        connections: maximum number of connections of each tool.
        first: files of the first deploy.
        later: files of the deploys that change little or nothing.
        large: bytes of the large file.
        many: growing numbers of files.
        huge: files of the largest first deploy.
        usual: files of a usual site.
        outage: seconds for which requests are sent again, in the case of answers without an end.
    """

    runs: int = 3
    start_ups: int = 45
    latency: float = 0.02
    near: float = 0.005
    far: float = 0.06
    connections: int = 64
    first: int = 5_000
    later: int = 10_000
    large: int = 2 * 1024**3
    many: tuple[int, ...] = (1_000, 10_000, 100_000)
    huge: int = 200_000
    usual: int = 300
    outage: int = 30


QUICK = Size(
    runs=1,
    start_ups=1,
    latency=0.001,
    near=0.0005,
    far=0.002,
    connections=8,
    first=40,
    later=100,
    large=3 * 1024**2,
    many=(10, 20),
    huge=30,
    usual=10,
    outage=1,
)
"""A size that only checks whether the benchmark works."""


@dataclass(frozen=True, slots=True)
class Table:
    """The medians of one case.

    Attributes:
        rows: results by name.
        base: the row for comparisons.
    """

    title: str
    rows: Mapping[str, Usage]
    base: str

    def ratio(self, name: str, base: str) -> float | None:
        """Return the duration of a row relative to the base; None unless both rows exist."""
        if name not in self.rows or base not in self.rows:
            return None
        return self.rows[name].wall / self.rows[base].wall


@dataclass(frozen=True, slots=True)
class Lab:
    """The place of a benchmark.

    Attributes:
        folder: folder for all files.
        python: the interpreter for this action.
        beside: a checkout of another commit to measure too.
        tell: prints a line about the progress.
    """

    size: Size
    folder: Path
    tell: Callable[[str], None]
    python: str
    beside: Path | None = None

    @contextmanager
    def trial(
        self,
        site: Site,
        certificate: Certificate | None = None,
        *,
        latency: float | None = None,
        endless: str = "",
    ) -> Iterator[Trial]:
        """Start a platform for a folder after its files are on the disk; see `ServedPlatform`."""
        os.sync()
        seconds = self.size.latency if latency is None else latency
        with ServedPlatform(seconds, certificate, endless=endless) as platform:
            yield Trial(platform, site.folder, self.size.connections, self.folder / "list", self.python)

    def compare(
        self, contestants: Mapping[str, Callable[[int], Usage]], *, runs: int = 0
    ) -> dict[str, Usage]:
        """Return the medians of the contestants whose program is installed; see `bench.measure.compare`."""
        missing = {name for name in contestants if name in PROGRAMS and not shutil.which(PROGRAMS[name])}
        for name in sorted(missing):
            self.tell(f"{PROGRAMS[name]} is not on this machine: no row for it")
        present = {name: contestant for name, contestant in contestants.items() if name not in missing}
        return compare(runs or self.size.runs, present, self.tell)

    def latency_bound(self, files: int, latency: float | None = None) -> Usage:
        """Return the duration of a deploy if only the latency took time."""
        return Usage(wall=files * (latency or self.size.latency) / self.size.connections)
