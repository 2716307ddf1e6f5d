"""Container engine through its command line."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Self
from uuid import uuid4

DEADLINE = 600.0
_QUIET = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


@dataclass(frozen=True)
class Outcome:
    """The exit code and the whole output of a program."""

    code: int
    log: str


def start(
    *command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> Popen[str]:
    """Start a program without a terminal, with its output in one pipe."""
    return Popen(
        command,
        cwd=folder,
        env={**os.environ, **_QUIET, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait(program: Popen[str]) -> Outcome:
    """Wait until the program ends."""
    log, _ = program.communicate(timeout=DEADLINE)
    return Outcome(program.returncode, log)


def call(*command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None) -> Outcome:
    """Run a program until it ends."""
    with start(*command, folder=folder, env=env) as program:
        return wait(program)


def succeed(*command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program, check that it exits with 0, and return its output."""
    done = call(*command, folder=folder, env=env)
    assert done.code == 0, done.log
    return done.log


class Container:
    """A container with its client in the foreground, as CI runners start it. The `with` block ends it.

    The container uses the host's network, because the platform listens on loopback.

    Args:
        image: the image's name.
        command: what follows it on the command line.
        workspace: a folder of the host, in which it runs.
        env: variables of its environment.
        options: of `docker run`.
    """

    def __init__(
        self,
        image: str,
        *command: str,
        workspace: Path,
        env: Mapping[str, str],
        options: tuple[str, ...] = (),
    ) -> None:
        self._name = f"zerokie-e2e-{uuid4().hex[:12]}"
        variables = [f"--env={name}={value}" for name, value in env.items()]
        folder = [f"--volume={workspace}:/workspace", "--workdir=/workspace"]
        given = ["--rm", "--network=host", f"--name={self._name}", *folder, *variables, *options]
        self._client = start("docker", "run", *given, image, *command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._client.poll() is None:
            self.kill()
            self.wait()

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the client, which forwards it to the container's first process."""
        self._client.send_signal(signum)

    def kill(self) -> None:
        """Kill everything in the container with SIGKILL."""
        call("docker", "kill", "--signal", "KILL", self._name)

    def execute(self, *command: str) -> Outcome:
        """Run another command in the container."""
        return call("docker", "exec", self._name, *command)

    def wait(self) -> Outcome:
        """Wait until the container ends."""
        return wait(self._client)


def run(
    image: str, *command: str, workspace: Path, env: Mapping[str, str], options: tuple[str, ...] = ()
) -> Outcome:
    """Run a container until it ends."""
    with Container(image, *command, workspace=workspace, env=env, options=options) as container:
        return container.wait()
