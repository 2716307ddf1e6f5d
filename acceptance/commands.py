"""The installed commands, as whole processes in an environment that has nothing of the shell's settings."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance.names import own
from acceptance.platform import BrokenError, CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acceptance.platform import Platform

AT_MOST = 300.0
"""Seconds after which a command is killed."""
_PASSED_ON = re.compile(
    r"PATH|TMPDIR|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy"
)
_MARKUP = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|section_(start|end):\S*|\r")


class Command:
    """A command that runs, or has run."""

    def __init__(self, program: Path, env: dict[str, str], folder: Path, log: Path) -> None:
        """Start it in `folder`."""
        self._log, self._outcome = log, folder / "outcome.json"
        self._outcome.unlink(missing_ok=True)
        with self._log.open("wb") as stream:
            # In a session of its own: Ctrl-C is for the script, which then ends it.
            self._process = subprocess.Popen(
                [program], cwd=folder, env=env, stdout=stream, stderr=stream, start_new_session=True
            )

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    @property
    def log(self) -> str:
        """What it has printed, without markup."""
        return _MARKUP.sub("", self._log.read_text("utf-8", "replace"))

    @property
    def outcome(self) -> dict[str, Any]:
        """Its JSON result; empty if there is none."""
        return json.loads(self._outcome.read_bytes()) if self._outcome.exists() else {}

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end and return the exit code.

        Raises:
            BrokenError: it did not end, and was killed.
        """
        try:
            return self._process.wait(AT_MOST)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise BrokenError(f"the command did not end within {AT_MOST:.0f} s") from None

    def stop(self) -> None:
        """End it; it has some seconds to release its lock."""
        if not self.ended:
            self.signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Commands:
    """Starts commands against a platform, in a folder outside any checkout.

    Attributes:
        last: those that ran since this was emptied.
    """

    def __init__(self, platform: Platform, folder: Path) -> None:
        """Find the commands.

        Raises:
            CouldNotRunError: they are not installed, or the folder is in a checkout.
        """
        self._bin = Path(sys.executable).parent
        if not (self._bin / "zerokie-deploy").exists():
            raise CouldNotRunError(f"zerokie-deploy is not installed in {self._bin}: run `make setup`")
        if any((parent / ".git").exists() for parent in folder.parents):
            raise CouldNotRunError("the temporary folder is in a checkout: set TMPDIR to another one")
        self._platform, self._folder = platform, folder
        self.last: list[Command] = []

    def version(self) -> str:
        """Say which version it is."""
        command = [str(self._bin / "zerokie-deploy"), "--version"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(
        self, app: str, inputs: Mapping[str, str], *, program: str = "zerokie-deploy", repository: str = "1"
    ) -> Command:
        """Start a command for an app of ours, as a GitLab job of a repository would."""
        given = {"api_url": self._platform.url, "api_key": self._platform.key, "app": own(app)}
        given |= {"output_file": "outcome.json", "state_file": "state.json", "timeout": "4m", **inputs}
        env = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        env |= {f"ZEROKIE_{name.upper()}": value for name, value in given.items()}
        env |= {"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example"}
        env |= {"CI_PROJECT_ID": repository, "CI_PROJECT_PATH": f"acceptance/{repository}"}
        folder = self._folder / f"repository-{repository}"
        folder.mkdir(exist_ok=True)
        log = folder / f"{time.monotonic_ns()}.log"
        self.last.append(Command(self._bin / program, env, folder, log))
        return self.last[-1]

    def stop(self) -> None:
        """End all that still run."""
        for command in self.last:
            command.stop()
