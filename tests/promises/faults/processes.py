"""Deploys in their own processes, in real time."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.ci.grammar import file_command
from tests.support.world import API_KEY

ROOT = Path(__file__).resolve().parents[3]
ENTRYPOINT = (str(ROOT / "entrypoint.py"),)


class Runner:
    """Starts the action in its own process, like users."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.state = folder / "github-state"
        self.state_file = folder / "state.json"
        self._env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ZEROKIE_API_KEY": API_KEY,
            "ZEROKIE_API_URL": url,
            "ZEROKIE_APP": "site",
            "ZEROKIE_DIRECTORY": str(self.site),
        }

    async def start(
        self,
        command: Sequence[str] = ENTRYPOINT,
        stdout: int = asyncio.subprocess.PIPE,
        /,
        **env: str,
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=self.folder,
            env=self._env | env,
            stdout=stdout,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def deploy(self, **env: str) -> tuple[int, str]:
        return await finished(await self.start(**env))

    async def clean_up(self, **env: str) -> tuple[int, str]:
        command = "from zerokie_action.cli import cleanup; cleanup()"
        return await finished(await self.start(("-c", command), **env))

    def github_state(self) -> dict[str, str]:
        """Return the state that the runner passes to the post step."""
        text = self.state.read_text() if self.state.exists() else "\n"
        return {f"STATE_{name}": value for name, value in file_command(text).items()}


async def finished(process: asyncio.subprocess.Process) -> tuple[int, str]:
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
