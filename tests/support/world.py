"""The `world` of a test: a platform, a folder and runs on one loop with virtual time.

A test gives the same result each time. The platform uses the loop's clock. Events during a run start at a
request (`once`, `die`, `on_request`) or at a virtual time (`loop.call_later`). After a run, the platform has
`_LIVES_ON` seconds of virtual time for its remaining work. `timewarp` describes the remaining randomness.
"""

import io
import json
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio
import pytest

from sandbox.faults import Fault, Kind
from sandbox.platform import Platform
from sandbox.records import Record
from sandbox.server import Server, serve
from tests.support import timewarp
from tests.support.platform import contents, fill
from zerokie_action.http import group
from zerokie_action.run import run
from zerokie_action.signals import Signals

API_KEY = "sandbox-key"
REPORTS = ("result.env", "result.json", "annotations.json", "summary.md")
_LIVES_ON = 1.5
"""Seconds for which the platform continues its work after a run."""

SITE = {
    "index.html": b"<h1>hello</h1>",
    "assets/style.css": b"body{}",
    "about/index.html": b"<p>us</p>",
    "empty": b"",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    Attributes:
        seconds: the duration in virtual time.
        ended: the loop's time at its end.
        requests: the platform's records of this run.
        reports: the texts in `report-dir` by name.
        outputs: the JSON result.
        summary: the Markdown summary.
    """

    exit_code: int
    log: str
    reports: dict[str, str]
    outputs: dict[str, Any]
    summary: str
    requests: list[Record]
    seconds: float
    ended: float

    def sent(self, method: str, path: str) -> list[Record]:
        """Return the requests with this method whose path matches, as in a `Fault`."""
        return [
            record for record in self.requests if record.method == method and re.search(path, record.path)
        ]

    @property
    def uploads(self) -> list[str]:
        """Return the uploaded paths without manifests, even if the uploads failed."""
        return [record.path.partition("/files/")[2] for record in self.sent("PUT", "/files/(?!_zerokie/)")]

    @property
    def sessions(self) -> set[str]:
        """Return the run's deploy sessions."""
        return {record.session for record in self.requests if record.session}

    @property
    def writes(self) -> list[Record]:
        """Return the requests that change something, without those for the lock."""
        return [
            record for record in self.requests if record.method != "GET" and "/deploy/lock" not in record.path
        ]


@dataclass
class World:
    """The platform, the folder and the environment of a test.

    Attributes:
        env: environment variables for every run, in addition to its inputs.
        server: the platform's server during a run.
        outcome: the result of the last run.
    """

    folder: Path
    platform: Platform
    loop: timewarp.TimeWarpLoop
    signals: Signals = field(default_factory=Signals)
    env: dict[str, str] = field(default_factory=dict)
    server: Server | None = None
    outcome: Outcome | None = None
    _patches: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    @property
    def reports(self) -> Path:
        """The default of `report-dir`."""
        return self.folder.parent / "reports"

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace the folder's content with these files."""
        fill(self.folder, files)

    def read(self) -> dict[str, bytes]:
        """Return the folder's content."""
        return contents(self.folder)

    def stored(self, app: str = "site") -> dict[str, bytes]:
        """Return the app's stored files without the manifest."""
        return stored(self.platform, app)

    def at_once(self, most: int) -> Self:
        """Let later runs send at most this many requests of a kind in parallel."""
        self._patches.setattr(group, "MOST", most)
        return self

    def reset_signals(self) -> None:
        """Forget earlier signals, like a new process."""
        self.signals.first = None
        with suppress(BlockingIOError):
            while True:
                self.signals.socket.recv(64)

    def once(self, method: str, path: str, act: Callable[[], object]) -> None:
        """Call a function at the first matching request, before the request takes effect."""

        def look(record: Record) -> None:
            if record.method == method and re.search(path, record.path):
                self.platform.on_request = None
                act()

        self.platform.on_request = look

    def fault(self, kind: Kind, method: str | None = None, path: str = "", **more: Any) -> None:
        """Add a fault; see the sandbox's `Fault`."""
        self.platform.faults.add(Fault(kind, method, path, **more))

    def go_away(self, seconds: float) -> None:
        """Reset all connections of the current run, and refuse new ones for these seconds."""
        assert self.server is not None
        self.server.go_away(seconds)

    def die(self, when: Callable[[Record], bool]) -> None:
        """Kill the next run at a request. Until `revive`, later requests have no effect."""

        def look(record: Record) -> None:
            if when(record):
                self.platform.faults.add(Fault(Kind.RESET, index=record.index + 1, times=None))
                os.kill(os.getpid(), signal.SIGTERM)

        self.signals.install()
        self.platform.on_request = look

    def revive(self) -> None:
        """Continue with another process, after the lock cleanup released the lock."""
        self.platform.on_request = None
        self.platform.faults.clear()
        self.reset_signals()
        self.platform.expire_lock("site")

    def run(self, **inputs: object) -> Outcome:
        """Run the action with these inputs (names with `_`). The app and the folder have defaults."""
        return timewarp.run(self.loop, self.arun(**inputs))  # type: ignore[no-any-return]

    async def arun(self, **inputs: object) -> Outcome:
        """Do the same as `run` on the running loop."""
        log = io.StringIO()
        first, began = len(self.platform.requests), self.loop.now
        async with serve(self.platform) as server:
            self.server = server
            # The GitLab component sets the folder in `INPUT_REPORT_DIR`.
            reports = self.env.get("INPUT_REPORT_DIR", self.reports)
            env = self.environment(server.url, **{"report_dir": reports} | inputs)
            code = await run(env, self.signals, log)
            ended = self.loop.now
            await anyio.sleep(_LIVES_ON)
        texts = read_reports(Path(env["ZEROKIE_REPORT_DIR"]))
        self.outcome = Outcome(
            exit_code=code,
            log=log.getvalue(),
            reports=texts,
            outputs=json.loads(texts.get("result.json") or "{}"),
            summary=texts.get("summary.md", ""),
            requests=self.platform.requests[first:],
            seconds=ended - began,
            ended=ended,
        )
        return self.outcome

    def environment(self, url: str, **inputs: object) -> dict[str, str]:
        """Return the environment for a run with these inputs. None removes a default."""
        wanted: dict[str, object] = {"api_key": API_KEY, "api_url": url, "app": "site"}
        if not {"image", "operation", "directory"} & inputs.keys():
            wanted["directory"] = self.folder
        wanted |= inputs
        given = {
            f"ZEROKIE_{name.upper()}": _text(value) for name, value in wanted.items() if value is not None
        }
        return self.env | given


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "\n".join(value) if isinstance(value, list | tuple) else str(value)


def read_reports(folder: Path) -> dict[str, str]:
    """Return the texts of the reports in a folder by name, without those behind a symlink."""
    paths = [folder / name for name in REPORTS]
    # pathlib raises for a name that is too long.
    found = [path for path in paths if os.path.isfile(path) and not path.is_symlink()]  # noqa: PTH113
    return {path.name: path.read_text("utf-8") for path in found}


def stored(platform: Platform, app: str = "site") -> dict[str, bytes]:
    """Return the app's stored files without the manifest."""
    files = platform.files(app)
    return {path: content for path, content in files.items() if not path.startswith("_zerokie/")}


@contextmanager
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Yield a world with the empty static app `site` and the folder `SITE`.

    Runs don't have a repository, because the working directory `tmp_path` is outside any checkout.
    """
    monkeypatch.chdir(tmp_path)
    with timewarp.warped(monkeypatch) as loop, open_world(tmp_path, loop) as new:
        new.platform.apps.create_static("site")
        new.write(SITE)
        yield new


def close_signals(signals: Signals) -> None:
    """Close a run's sockets, because several runs share a process."""
    signals.socket.close()
    signals._wake.close()


@contextmanager
def open_world(
    tmp_path: Path,
    loop: timewarp.TimeWarpLoop,
    clock: Callable[[], float] | None = None,
    dialect: Iterable[str] = (),
) -> Iterator[World]:
    """Yield the world in `tmp_path` on this loop. A new one lacks apps and files."""
    clock = clock or partial(timewarp.wall_clock, loop)
    platform = Platform(tmp_path / "platform", clock=clock, api_keys={API_KEY}, dialect=dialect)
    (tmp_path / "folder").mkdir(exist_ok=True)
    new = World(tmp_path / "folder", platform, loop)
    try:
        yield new
    finally:
        close_signals(new.signals)
        new._patches.undo()
        platform.store.close()
