"""One platform, one folder, and deploys between them, on one loop with virtual time.

A test does the same each time: the platform's clock is the loop's; what happens in the middle of a run hangs
on a request (`once`, `die`, `on_request`) or on virtual time (`loop.call_later`); what the platform still has
to do after a run gets `_LIVES_ON` seconds of virtual time. `timewarp` says what is left to chance.
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
from typing import Any

import anyio
import pytest

from sandbox.faults import Fault, Kind
from sandbox.platform import Platform
from sandbox.records import Record
from sandbox.server import Server, serve
from tests.support import timewarp
from tests.support.platform import contents, fill
from zerokie_action.run import run_async
from zerokie_action.signals import Signals

API_KEY = "sandbox-key"
_LIVES_ON = 1.5
"""Seconds for which the platform goes on after a run, and does what it was told before."""

SITE = {
    "index.html": b"<h1>hello</h1>",
    "assets/style.css": b"body{}",
    "about/index.html": b"<p>us</p>",
    "empty": b"",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind.

    Attributes:
        seconds: virtual time that it took.
        ended: when it ended, by the loop's time.
        requests: the platform's records of this run.
        outputs: the JSON result.
        summary: the Markdown summary.
    """

    exit_code: int
    log: str
    outputs: dict[str, Any]
    summary: str
    requests: list[Record]
    seconds: float
    ended: float

    def sent(self, method: str, path: str) -> list[Record]:
        """The requests with this method in whose path this regular expression is found, as in a `Fault`."""
        return [
            record for record in self.requests if record.method == method and re.search(path, record.path)
        ]

    @property
    def uploads(self) -> list[str]:
        """The paths that were sent, the manifests aside, in whatever state they arrived."""
        return [record.path.partition("/files/")[2] for record in self.sent("PUT", "/files/(?!_zerokie/)")]

    @property
    def sessions(self) -> set[str]:
        """The deploy sessions of the run."""
        return {record.session for record in self.requests if record.session}

    @property
    def writes(self) -> list[Record]:
        """Requests that change something, the lock's own aside."""
        return [
            record for record in self.requests if record.method != "GET" and "/deploy/lock" not in record.path
        ]


@dataclass
class World:
    """Everything that a test needs.

    Attributes:
        env: what every run gets besides its own inputs.
        server: what serves the platform to the run that goes on.
        outcome: of the last run.
    """

    folder: Path
    platform: Platform
    loop: timewarp.TimeWarpLoop
    signals: Signals = field(default_factory=Signals)
    env: dict[str, str] = field(default_factory=dict)
    server: Server | None = None
    outcome: Outcome | None = None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Make the folder hold exactly these files."""
        fill(self.folder, files)

    def read(self) -> dict[str, bytes]:
        """What the folder holds."""
        return contents(self.folder)

    def stored(self, app: str = "site") -> dict[str, bytes]:
        """What the app's storage zone holds, our own manifest aside."""
        return stored(self.platform, app)

    def reset_signals(self) -> None:
        """Forget the signals that came, as a new process would not know them."""
        self.signals.first = None
        with suppress(BlockingIOError):
            while True:
                self.signals.socket.recv(64)

    def once(self, method: str, path: str, act: Callable[[], object]) -> None:
        """Do something when the first such request comes, before it takes effect."""

        def look(record: Record) -> None:
            if record.method == method and re.search(path, record.path):
                self.platform.on_request = None
                act()

        self.platform.on_request = look

    def fault(self, kind: Kind, method: str | None = None, path: str = "", **more: Any) -> None:
        """Let something go wrong from now on; see the sandbox's `Fault`."""
        self.platform.faults.add(Fault(kind, method, path, **more))

    def go_away(self, seconds: float) -> None:
        """Reset all connections of the run that goes on, and refuse new ones for so long."""
        assert self.server is not None
        self.server.go_away(seconds)

    def die(self, when: Callable[[Record], bool]) -> None:
        """Kill the next run at a request: nothing that comes after it has an effect, until `revive`."""

        def look(record: Record) -> None:
            if when(record):
                self.platform.faults.add(Fault(Kind.RESET, index=record.index + 1, times=None))
                os.kill(os.getpid(), signal.SIGTERM)

        self.signals.install()
        self.platform.on_request = look

    def revive(self) -> None:
        """The next run is another process, and the cleanup has freed the lock."""
        self.platform.on_request = None
        self.platform.faults.clear()
        self.reset_signals()
        self.platform.expire_lock("site")

    def run(self, **inputs: object) -> Outcome:
        """Run the action with these inputs (names with `_`); the app and the folder have defaults."""
        return timewarp.run(self.loop, self.arun(**inputs))  # type: ignore[no-any-return]

    async def arun(self, **inputs: object) -> Outcome:
        """`run`, on the loop that runs already."""
        output, summary = self.folder.parent / "output.json", self.folder.parent / "summary.md"
        for report in (output, summary):
            report.unlink(missing_ok=True)
        log = io.StringIO()
        first, began = len(self.platform.requests), self.loop.now
        async with serve(self.platform) as server:
            self.server = server
            env = self.environment(server.url, **{"output_file": output, "summary_file": summary} | inputs)
            code = await run_async(env, self.signals, log)
            ended = self.loop.now
            await anyio.sleep(_LIVES_ON)
        self.outcome = Outcome(
            exit_code=code,
            log=log.getvalue(),
            outputs=json.loads(output.read_text() or "{}") if output.exists() else {},
            summary=summary.read_text("utf-8") if summary.exists() else "",
            requests=self.platform.requests[first:],
            seconds=ended - began,
            ended=ended,
        )
        return self.outcome

    def environment(self, url: str, **inputs: object) -> dict[str, str]:
        """The environment for a run with these inputs; None takes a default away."""
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


def stored(platform: Platform, app: str = "site") -> dict[str, bytes]:
    """What the app's storage zone holds, our own manifest aside."""
    files = platform.files(app)
    return {path: content for path, content in files.items() if not path.startswith("_zerokie/")}


@contextmanager
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with a static app `site`, which is empty, and the folder `SITE`.

    Runs belong to no repository: the working directory is `tmp_path`, which is in no checkout.
    """
    monkeypatch.chdir(tmp_path)
    with timewarp.warped(monkeypatch) as loop, open_world(tmp_path, loop) as new:
        new.platform.apps.create_static("site")
        new.write(SITE)
        yield new


def close_signals(signals: Signals) -> None:
    """Close the sockets of a run that shares its process with others."""
    signals.socket.close()
    signals._wake.close()


@contextmanager
def open_world(
    tmp_path: Path,
    loop: timewarp.TimeWarpLoop,
    clock: Callable[[], float] | None = None,
    dialect: Iterable[str] = (),
) -> Iterator[World]:
    """The world that is kept below `tmp_path`, on this loop; a new one has no app and no files."""
    clock = clock or partial(timewarp.wall_clock, loop)
    platform = Platform(tmp_path / "platform", clock=clock, api_keys={API_KEY}, dialect=dialect)
    (tmp_path / "folder").mkdir(exist_ok=True)
    new = World(tmp_path / "folder", platform, loop)
    try:
        yield new
    finally:
        close_signals(new.signals)
        platform.store.close()
