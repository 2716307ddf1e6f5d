"""A container engine, through the command line that people use."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from uuid import uuid4

DEADLINE = 600.0
_QUIET = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit code, and all that it printed."""

    code: int
    log: str


def call(*command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None) -> Outcome:
    """Run a program to its end, without a terminal."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **_QUIET, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE,
        check=False,
        text=True,
    )
    return Outcome(done.returncode, done.stdout)


def succeed(*command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program that must exit with 0. Returns what it printed."""
    done = call(*command, folder=folder, env=env)
    assert done.code == 0, done.log
    return done.log


def start(*command: str, folder: Path | None = None, env: Mapping[str, str] | None = None) -> Popen[str]:
    """Start a program without a terminal, which prints into one pipe."""
    return Popen(
        command,
        cwd=folder,
        env={**os.environ, **_QUIET, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Container:
    """A container whose client runs in the foreground, as a CI runner starts it."""

    def __init__(self, options: list[str], image: str, command: tuple[str, ...]) -> None:
        self.name = f"zerokie-e2e-{uuid4().hex[:12]}"
        self._client = start("docker", "run", "--rm", "--name", self.name, *options, image, *command)

    def signal(self, signum: signal.Signals) -> None:
        """Signal the client, which passes it on to the container's first process."""
        self._client.send_signal(signum)

    def kill(self) -> None:
        """SIGKILL for everything in the container."""
        call("docker", "kill", "--signal", "KILL", self.name)

    def execute(self, *command: str) -> Outcome:
        """Run another command in the container."""
        return call("docker", "exec", self.name, *command)

    def wait(self) -> Outcome:
        """Wait for the end."""
        log, _ = self._client.communicate(timeout=DEADLINE)
        return Outcome(self._client.returncode, log)

    def close(self) -> None:
        """Leave nothing behind."""
        if self._client.poll() is None:
            self.kill()
            self.wait()


class Image:
    """The action's image, run with a folder of the host as its workspace."""

    def __init__(self, tag: str) -> None:
        self.tag = tag

    def run(
        self, *command: str, env: Mapping[str, str], workspace: Path, options: tuple[str, ...] = ()
    ) -> Outcome:
        """Run a container to its end."""
        container = self.start(*command, env=env, workspace=workspace, options=options)
        try:
            return container.wait()
        finally:
            container.close()

    def start(
        self, *command: str, env: Mapping[str, str], workspace: Path, options: tuple[str, ...] = ()
    ) -> Container:
        """Start a container in the host's network, where the platform listens on loopback."""
        variables = [option for name, value in env.items() for option in ("--env", f"{name}={value}")]
        folder = [f"--volume={workspace}:/workspace", "--workdir=/workspace"]
        return Container(["--network=host", *folder, *variables, *options], self.tag, command)
