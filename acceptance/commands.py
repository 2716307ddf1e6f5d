"""Installed commands as processes without settings from the shell.

The script tests the commands in the same form that users install.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acceptance.names import require_own
from acceptance.platform import BrokenError, CouldNotRunError, Platform

COMMAND_TIMEOUT = 300.0
"""Seconds after which the script kills a command."""
STOP_TIMEOUT = 15.0
"""Seconds that the script waits after SIGTERM, so that the command can release its lock."""
_PASSED_VARIABLES = re.compile(
    r"PATH|TMPDIR|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy"
)
_MARKUP = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|section_(start|end):\S*|\r")


class Command:
    """A command during or after its run."""

    def __init__(self, program: Path, env: dict[str, str], folder: Path, log: Path) -> None:
        """Start `program` in `folder`, and write its output to `log`."""
        self._log, self._outcome = log, folder / "result.json"
        self._outcome.unlink(missing_ok=True)
        with self._log.open("wb") as stream:
            # In a new session, Ctrl-C reaches only this script. The script then stops the command.
            self._process = subprocess.Popen(
                [program], cwd=folder, env=env, stdout=stream, stderr=stream, start_new_session=True
            )

    @property
    def ended(self) -> bool:
        """Whether the command's process ended."""
        return self._process.poll() is not None

    @property
    def log(self) -> str:
        """The command's output so far, without colors and GitLab's section markers."""
        return _MARKUP.sub("", self._log.read_text("utf-8", "replace"))

    @property
    def outcome(self) -> dict[str, Any]:
        """The command's JSON result, or an empty object."""
        return json.loads(self._outcome.read_bytes()) if self._outcome.exists() else {}

    def signal(self, number: int) -> None:
        """Send a signal to the command."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until the command ends, and return its exit code.

        Raises:
            BrokenError: the command didn't end within `COMMAND_TIMEOUT`, so the script killed it.
        """
        code = self._wait_or_kill(COMMAND_TIMEOUT)
        if code is None:
            raise BrokenError(f"the command did not end within {COMMAND_TIMEOUT:.0f}s")
        return code

    def stop(self) -> None:
        """Send SIGTERM if the command still runs, and kill the command after `STOP_TIMEOUT`."""
        if not self.ended:
            self.signal(signal.SIGTERM)
            self._wait_or_kill(STOP_TIMEOUT)

    def _wait_or_kill(self, seconds: float) -> int | None:
        """Return the exit code, or None after killing the command."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


class Commands:
    """Starts commands against a platform, in a folder outside any checkout.

    Attributes:
        platform: where the commands deploy to.
        folder: a temporary folder.
        started: the commands of the current step.
    """

    def __init__(self, platform: Platform, folder: Path) -> None:
        """Find the installed commands.

        Raises:
            CouldNotRunError: the commands are not installed, or `folder` is inside a checkout.
        """
        self._bin = Path(sys.executable).parent
        if not (self._bin / "zerokie-deploy").exists():
            raise CouldNotRunError(f"zerokie-deploy is not installed in {self._bin}. Run `make setup`.")
        if any((parent / ".git").exists() for parent in folder.parents):
            raise CouldNotRunError("the temporary folder is inside a checkout. Set TMPDIR to another folder.")
        self.platform, self.folder = platform, folder
        self.started: list[Command] = []

    def version(self) -> str:
        """Return the output of `zerokie-deploy --version`."""
        command = [str(self._bin / "zerokie-deploy"), "--version"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(
        self, app: str, inputs: Mapping[str, str], *, program: str = "zerokie-deploy", repository: str = "1"
    ) -> Command:
        """Start a command for an acceptance app, in the environment of a GitLab job of `repository`."""
        given = {"api_url": self.platform.url, "api_key": self.platform.key, "app": require_own(app)}
        given |= {"report_dir": ".", "state_file": "state.json", "timeout": "4m", **inputs}
        env = {name: value for name, value in os.environ.items() if _PASSED_VARIABLES.fullmatch(name)}
        env |= {f"ZEROKIE_{name.upper()}": value for name, value in given.items()}
        env |= {"GITLAB_CI": "true", "CI_PROJECT_ID": repository}
        env |= {"CI_PROJECT_URL": f"https://gitlab.example/acceptance/{repository}"}
        folder = self.folder / f"repository-{repository}"
        folder.mkdir(exist_ok=True)
        log = folder / f"{time.monotonic_ns()}.log"
        self.started.append(Command(self._bin / program, env, folder, log))
        return self.started[-1]

    def stop(self) -> None:
        """Stop all commands that still run."""
        for command in self.started:
            command.stop()
