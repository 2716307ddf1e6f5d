"""A local platform in its own process, with helpers for tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
API_KEY = "e2e-key-50aa1fc9"
_PATIENCE = 120.0
"""Seconds, enough for a slow machine."""


@dataclass(frozen=True)
class Platform:
    """A platform. `url` is the API's URL, and `data` is the folder with its state."""

    url: str
    process: subprocess.Popen[str]
    client: httpx.Client
    data: Path

    @classmethod
    def start(cls, data: Path, *dialect: str, deploy_seconds: float = 0.2) -> Platform:
        """Start a platform on a free port. Container apps run immediately, or after these seconds."""
        options = ["--port=0", f"--data={data}", f"--api-key={API_KEY}", f"--deploy-seconds={deploy_seconds}"]
        options += [f"--dialect={answer}" for answer in dialect]
        command = [sys.executable, "-m", "sandbox", *options]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        headers = {"authorization": f"Bearer {API_KEY}"}
        return cls(url, process, httpx.Client(base_url=url, headers=headers, trust_env=False), data)

    def stop(self) -> None:
        """End the process."""
        self.client.close()
        self.process.terminate()
        self.process.communicate(timeout=_PATIENCE)

    def inputs(self, spelling: str = "ZEROKIE_", **inputs: str) -> dict[str, str]:
        """Return the environment with these inputs, the API's URL and the key."""
        given = {"api_url": self.url, "api_key": API_KEY, **inputs}
        return {f"{spelling}{name.upper()}": value for name, value in given.items()}

    def fault(self, kind: str, **fields: Any) -> None:
        """Add a fault; see the sandbox's `Fault`."""
        self.client.post("/_sandbox/faults", json={"kind": kind, **fields}).raise_for_status()

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.client.delete("/_sandbox/faults").raise_for_status()

    def speak(self, **answers: str) -> None:
        """Switch to another API variant: `speak(**{"image": "full"})`."""
        self.client.patch("/_sandbox/dialect", json=answers).raise_for_status()

    def create(self, app: str) -> None:
        """Create a static app."""
        self.client.post("/v1/apps", json={"name": app, "type": "static"}).raise_for_status()

    def state(self) -> dict[str, Any]:
        """Return the apps and the requests so far."""
        state: dict[str, Any] = self.client.get("/_sandbox/state").raise_for_status().json()
        return state

    def app(self, name: str) -> dict[str, Any]:
        """Return an app with its status, lock, files and deployments."""
        app: dict[str, Any] = self.state()["apps"][name]
        return app

    def requests(self, method: str, path: str) -> list[dict[str, Any]]:
        """Return the requests with this method and this text in the path."""
        return [
            seen for seen in self.state()["requests"] if seen["method"] == method and path in seen["path"]
        ]

    def wait_until(self, holds: Callable[[], Any]) -> None:
        """Poll until the condition is true."""
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < deadline, self.state()["requests"]
            time.sleep(0.02)

    def stored(self, app: str) -> dict[str, bytes]:
        """Return a static app's stored files as bytes by path."""
        blobs = self.data / "blobs"
        return {path: (blobs / str(blob)).read_bytes() for path, blob in self._files(app).items()}

    def site(self, app: str) -> dict[str, bytes]:
        """Return a static app's public files as bytes by path."""
        url = self.app(app)["url"].rstrip("/")
        return {path: self.client.get(f"{url}/{quote(path)}").content for path in self._files(app)}

    def _files(self, app: str) -> dict[str, str]:
        """Return the app's files without the manifests, as blobs by path."""
        files = {file["path"]: file["blob"] for file in self.app(app)["files"]}
        return {path: blob for path, blob in files.items() if not path.startswith("_zerokie/")}


def fill(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace the folder's content with these files."""
    for old in sorted(folder.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() and not old.is_symlink() else old.unlink()
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    """Return a folder's files as bytes by path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
