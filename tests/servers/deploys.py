"""Deploys as CI jobs run them: `entrypoint.py` in a process of its own, with nothing of ours around it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.processes import wait_until
from tests.support.platform import API_KEY, Platform, contents

ROOT = Path(__file__).resolve().parents[2]
APP = "site"


@dataclass(frozen=True)
class Outcome:
    """How a deploy ended, with its JSON result, and its seconds by the wall clock."""

    code: int
    log: str
    result: dict[str, Any]
    seconds: float


class Deploy:
    """A deploy that has been started. `wait` has to be called, or `close`.

    Args:
        workspace: where it runs and writes its result.
        env: its environment, beside what every process has.
    """

    def __init__(self, workspace: Path, env: Mapping[str, str]) -> None:
        self._workspace = workspace
        with (workspace / "deploy.log").open("wb") as log:
            self._began = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", str(ROOT / "entrypoint.py")],
                cwd=workspace,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(workspace),
                    "ZEROKIE_OUTPUT_FILE": "result.json",
                    **env,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        """What it has said so far."""
        return (self._workspace / "deploy.log").read_text("utf-8")

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds.

        Raises:
            RuntimeError: the deploy ended before that.
        """
        wait_until(lambda: holds() or self._process.poll() is not None, "what the test waits for")
        if not holds():
            raise RuntimeError(f"the deploy ended early: {self.log()[-2000:]}")

    def wait(self, patience: float = 120.0) -> Outcome:
        """Wait for the end, and kill it when that does not come.

        Raises:
            TimeoutError: it did not end in time.
        """
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"no end after {patience:g} s: {self.log()[-2000:]}") from None
        finally:
            self.close()
        seconds = time.monotonic() - self._began
        result = json.loads((self._workspace / "result.json").read_text("utf-8"))
        return Outcome(code, self.log(), result, seconds)

    def close(self) -> None:
        """Kill it, if it still runs."""
        self._process.kill()
        self._process.wait()


@contextmanager
def starting(folder: Path) -> Iterator[Callable[..., Deploy]]:
    """Starts deploys, each in a workspace of its own below the folder, and leaves none behind."""
    deploys: list[Deploy] = []

    def start(env: Mapping[str, str]) -> Deploy:
        workspace = folder / f"workspace-{len(deploys)}"
        workspace.mkdir()
        deploys.append(Deploy(workspace, env))
        return deploys[-1]

    yield start
    for deploy in deploys:
        deploy.close()


def inputs(url: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment for a deploy of a folder to the app `site` behind this URL."""
    given = {"api_url": url, "api_key": API_KEY, "app": APP, "directory": str(folder), **more}
    return {f"ZEROKIE_{name.upper()}": value for name, value in given.items()}


def make_folder(folder: Path, sizes: Sequence[int]) -> Path:
    """Make a folder with files of these sizes, and an index."""
    folder.mkdir()
    (folder / "index.html").write_text("<h1>site</h1>", "utf-8")
    for number, size in enumerate(sizes):
        path = folder / f"assets-{number % 20:02}" / f"{number:04}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(size))
    return folder


def require_deployed(outcome: Outcome, platform: Platform, folder: Path) -> None:
    """The promise of a deploy that succeeded: exit code, bytes, lock, outputs, and no key in the log."""
    assert outcome.code == 0, outcome.log
    files, stored, app = contents(folder), platform.stored(APP), platform.app(APP)
    assert stored.keys() == files.keys()
    assert [path for path in files if stored[path] != files[path]] == []
    require_free_lock(platform)
    deployment = app["deployments"][-1]
    expected = {
        "status": "deployed",
        "exit_code": 0,
        "error": "",
        "files_uploaded": len(files),
        "files_deleted": 0,
        "bytes_uploaded": sum(map(len, files.values())),
        "deploy_id": deployment["deploy_id"],
        "url": app["url"],
    }
    assert {name: outcome.result[name] for name in expected} == expected
    assert deployment["files_uploaded"] == len(files)
    assert API_KEY not in outcome.log


def require_failed(outcome: Outcome, platform: Platform, code: int, *says: str) -> None:
    """The promise of a deploy that failed: exit code, lock, outputs, and an error that says all of this."""
    assert outcome.code == code, outcome.log
    require_free_lock(platform)
    assert (outcome.result["status"], outcome.result["exit_code"]) == ("failed", code)
    told = f"{outcome.result['error']} {outcome.result['hint']}"
    assert [part for part in says if part not in told] == [], told
    assert API_KEY not in outcome.log


def require_free_lock(platform: Platform) -> None:
    """Nobody holds the app's deploy lock."""
    assert platform.app(APP)["lock"] is None
