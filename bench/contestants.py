"""The programs that are measured, each as people would start it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Command, Usage, measure
from bench.served import API_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.served import ServedPlatform

_HERE = Path(__file__).resolve().parent
_LIKE_THE_IMAGE = {"PYTHONPATH": str(_HERE / "absent")}
IMPORTS = "import anyio, httpx, pydantic_settings, time; print(time.monotonic())"


@dataclass(frozen=True, slots=True)
class Trial:
    """A folder, a platform, and the tools that bring the one to the other.

    Each method runs one tool once, for an `app`, and checks that it stored what it had to: the files
    whose `sizes` are given by their paths, and nothing else. `RuntimeError` if not.

    Attributes:
        connections: upper bound for every tool.
        list_file: where the tools' lists of files go.
    """

    platform: ServedPlatform
    folder: Path
    connections: int
    list_file: Path

    def action(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """This action, as a CI job runs it."""
        return self._run(action(self.platform, app, self.folder, self.connections), app, sizes)

    def settle(self, app: str) -> None:
        """Deploy until nothing is left to do."""
        stored = -1
        while stored:
            self.platform.traffic()
            measure(action(self.platform, app, self.folder, self.connections))
            stored = self.platform.traffic().stored

    def curl(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """`curl -Z` for these files, in one process.

        Without `--parallel-immediate` it would hold back to find out whether the server speaks HTTP/2.
        """
        base = f"{self.platform.url}/v1/apps/{app}/files"
        with self.list_file.open("w", encoding="utf-8") as file:
            file.write(f'header = "Authorization: Bearer {API_KEY}"\nheader = "Expect:"\n')
            file.writelines(
                f'upload-file = "{self.folder / path}"\nurl = "{base}/{path}"\n' for path in sizes
            )
        options = ["--disable", "--silent", "--show-error", "--fail", "--config", str(self.list_file)]
        width = ["--parallel", "--parallel-immediate", "--parallel-max", str(self.connections)]
        trusted = ["--cacert", str(self.platform.bundle)] if self.platform.bundle else []
        return self._run(Command(["curl", *options, *width, *trusted]), app, sizes)

    def httpx_loop(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """A loop over one shared `httpx.AsyncClient`."""
        target = f"{self.platform.url}/v1/apps/{app}/files"
        script = [sys.executable, "-P", str(_HERE / "httpx_loop.py")]
        command = [*script, target, str(self.folder), str(self.connections)]
        return self._run(Command(command, {**_LIKE_THE_IMAGE, "API_KEY": API_KEY}), app, sizes)

    def rclone(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """Rclone over S3's protocol, tuned: it asks only for what it must."""
        login = ["--s3-provider=Other", "--s3-access-key-id=id", f"--s3-secret-access-key={API_KEY}"]
        where = [f"--s3-endpoint={self.platform.url}/s3", "--s3-force-path-style", "--s3-no-check-bucket"]
        tuned = [
            "--s3-no-head",
            "--fast-list",
            f"--transfers={self.connections}",
            f"--checkers={self.connections}",
        ]
        options = ["--config=", "--retries=1", *login, *where, *tuned]
        return self._run(Command(["rclone", "copy", *options, str(self.folder), f":s3:{app}"]), app, sizes)

    def _run(self, command: Command, app: str, sizes: Mapping[str, int]) -> Usage:
        self.platform.traffic()
        usage = measure(command).usage
        traffic = self.platform.traffic()
        if traffic.stored != len(sizes) or not sizes.items() <= self.platform.sizes(app).items():
            wrong = f"stored {traffic.stored:,} files, not these {len(sizes):,}"
            raise RuntimeError(f"{Path(command.argv[0]).name} for {app!r} {wrong}")
        return replace(usage, platform_cpu=traffic.cpu)


def action(platform: ServedPlatform, app: str, folder: Path, connections: int) -> Command:
    """This action."""
    given = inputs(platform, app, str(folder), connections)
    trusted = {"SSL_CERT_FILE": str(platform.bundle)} if platform.bundle else {}
    return Command(
        [sys.executable, str(_HERE.parent / "entrypoint.py")], {**_LIKE_THE_IMAGE, **given, **trusted}
    )


def inputs(platform: ServedPlatform, app: str, folder: str, connections: int) -> dict[str, str]:
    """Nothing but what this action needs, in its environment."""
    return {
        "ZEROKIE_API_URL": platform.url,
        "ZEROKIE_API_KEY": API_KEY,
        "ZEROKIE_APP": app,
        "ZEROKIE_DIRECTORY": folder,
        "ZEROKIE_CONCURRENCY": str(connections),
    }


def sha256sum(folder: Path, paths: Iterable[str], list_file: Path) -> Command:
    """The hashes of these files, as coreutils computes them."""
    list_file.write_bytes(b"".join(f"{folder / path}\0".encode() for path in paths))
    return Command(["xargs", "--null", "--arg-file", str(list_file), "sha256sum"])


def bare_imports() -> Command:
    """The libraries that no client of this kind can do without; prints the time when they are there."""
    return Command([sys.executable, "-c", IMPORTS], _LIKE_THE_IMAGE)
