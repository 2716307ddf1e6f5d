"""The image, as a CI system starts it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contestants import IMPORTS, inputs
from bench.measure import Command

if TYPE_CHECKING:
    from bench.served import ServedPlatform

_ROOT = Path(__file__).resolve().parent.parent
_PYTHON = "/opt/zerokie/bin/python"
_FOLDER = "/site"


class Container:
    """What is started in containers of the image that this checkout describes.

    Raises:
        RuntimeError: when the image can't be built.
    """

    def __init__(self, engine: str) -> None:
        """Build the image with an engine's command line tool."""
        built = subprocess.run(  # noqa: S603 - one of two names
            [engine, "build", "--quiet", str(_ROOT)], capture_output=True, check=False, text=True
        )
        if built.returncode:
            raise RuntimeError(f"{engine} can't build the image:\n{built.stderr[-2000:]}")
        self._image = built.stdout.split()[-1]
        self._engine = engine

    def action(self, platform: ServedPlatform, app: str, folder: Path) -> Command:
        """This action deploys a folder of this machine."""
        settings = [f"--env={name}={value}" for name, value in inputs(platform, app, _FOLDER, 1).items()]
        return self._run(f"--volume={folder}:{_FOLDER}:ro", *settings)

    def imports(self) -> Command:
        """As `bare_imports`, with the image's own Python and libraries."""
        return self._run(f"--entrypoint={_PYTHON}", command=["-c", IMPORTS])

    def nothing(self) -> Command:
        """Python starts, and prints the time."""
        return self._run(f"--entrypoint={_PYTHON}", command=["-c", "import time; print(time.monotonic())"])

    def _run(self, *options: str, command: list[str] | None = None) -> Command:
        fixed = [self._engine, "run", "--rm", "--network=host"]
        # A warning of podman's would be the last line of the output.
        quiet = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
        return Command([*fixed, *options, self._image, *(command or [])], quiet)


def engine() -> str | None:
    """The command line tool of a container engine that is on this machine."""
    return next(filter(shutil.which, ("podman", "docker")), None)
