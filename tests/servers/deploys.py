"""Deploys like those of CI jobs: `entrypoint.py` in its own process."""

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
    """The end of a deploy, with its JSON result and its duration in real seconds."""

    code: int
    log: str
    result: dict[str, Any]
    seconds: float


class Deploy:
    """A started deploy. The caller must call `wait` or `close`.

    Args:
        workspace: the working directory, which also receives the result.
        env: environment variables, in addition to the usual ones.
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
                    "ZEROKIE_REPORT_DIR": ".",
                    **env,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        """The log so far."""
        return (self._workspace / "deploy.log").read_text("utf-8")

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until the condition is true.

        Raises:
            RuntimeError: when the deploy ends first.
        """
        wait_until(lambda: holds() or self._process.poll() is not None, "what the test waits for")
        if not holds():
            raise RuntimeError(f"the deploy ended early: {self.log()[-2000:]}")

    def wait(self, patience: float = 120.0) -> Outcome:
        """Wait for the end, or kill the deploy after a time limit.

        Raises:
            TimeoutError: when the deploy doesn't end in time.
        """
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"no end after {patience:g}s: {self.log()[-2000:]}") from None
        finally:
            self.close()
        seconds = time.monotonic() - self._began
        result = json.loads((self._workspace / "result.json").read_text("utf-8"))
        return Outcome(code, self.log(), result, seconds)

    def close(self) -> None:
        """Kill the deploy if it still runs."""
        self._process.kill()
        self._process.wait()


@contextmanager
def starting(folder: Path) -> Iterator[Callable[..., Deploy]]:
    """Yield a function that starts deploys, each in its own workspace, and stop them at the end."""
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
    """Return the environment for a deploy of a folder to the app `site` at this URL."""
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
    """Check a successful deploy: exit code, bytes, lock, outputs, and a log without the key."""
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
    """Check a failed deploy: exit code, lock, outputs, and an error with these texts."""
    assert outcome.code == code, outcome.log
    require_free_lock(platform)
    assert (outcome.result["status"], outcome.result["exit_code"]) == ("failed", code)
    told = f"{outcome.result['error']} {outcome.result['hint']}"
    assert [part for part in says if part not in told] == [], told
    assert API_KEY not in outcome.log


def require_free_lock(platform: Platform) -> None:
    """Check that the app's deploy lock is free."""
    assert platform.app(APP)["lock"] is None
