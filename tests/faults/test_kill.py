"""SIGKILL in the middle of real processes, followed by the cleanup and another deploy."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ci.grammar import file_command
from tests.support.world import API_KEY
from zerokie_action.sandbox.platform import Platform
from zerokie_action.sandbox.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from zerokie_action.sandbox.records import Record

ROOT = Path(__file__).parents[2]
SITE = {"index.html": "<h1>one</h1>", "a.css": "body{}", "b/c.js": "c()"}
EDITED = {"index.html": "<h1>second</h1>", "a.css": "body{}", "new.txt": "new"}


class Runner:
    """Starts the action as users do: a process of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.site = folder / "site"
        self.state = folder / "github-state"
        self.state_file = folder / "state.json"
        self._env = {
            "PATH": os.environ["PATH"],
            "ZEROKIE_API_KEY": API_KEY,
            "ZEROKIE_API_URL": url,
            "ZEROKIE_APP": "site",
            "ZEROKIE_DIRECTORY": str(self.site),
        }

    def write(self, files: Mapping[str, str]) -> None:
        for old in [path for path in self.site.rglob("*") if path.is_file()]:
            old.unlink()
        for path, text in files.items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            (self.site / path).write_text(text)

    async def start(
        self,
        command: Sequence[str] = ("entrypoint.py",),
        stdout: int = asyncio.subprocess.PIPE,
        /,
        **env: str,
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=ROOT,
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
        """What the runner hands to the post step."""
        text = self.state.read_text() if self.state.exists() else "\n"
        return {f"STATE_{name}": value for name, value in file_command(text).items()}


async def finished(process: asyncio.subprocess.Process) -> tuple[int, str]:
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@asynccontextmanager
async def platform_and_runner(tmp_path: Path) -> AsyncIterator[tuple[Platform, Runner]]:
    platform = Platform(tmp_path / "platform", api_keys={API_KEY})
    platform.apps.create_static("site")
    (tmp_path / "site").mkdir()
    try:
        async with serve(platform) as server:
            yield platform, Runner(tmp_path, server.url)
    finally:
        platform.store.close()


async def _kill_at(
    tmp_path: Path, where: str, moment: str, *, update: bool, github: bool
) -> list[str] | None:
    """Kill a deploy at its first request with this in number, method and path; None where there is none."""
    async with platform_and_runner(tmp_path) as (platform, runner):
        runner.write(SITE)
        if update:
            assert (await runner.deploy())[0] == 0
            runner.write(EDITED)
        first = len(platform.requests)
        keeps = {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(runner.state)} if github else {}
        state_file = {} if github else {"ZEROKIE_STATE_FILE": str(runner.state_file)}
        process = await runner.start(**keeps, **state_file)

        async def kill(record: Record) -> None:
            if re.search(where, f"{record.index - first} {record.method} {record.path}"):
                process.kill()
                await process.wait()

        setattr(platform, moment, kill)
        killed, log = await finished(process)
        setattr(platform, moment, None)
        if killed == 0:
            return None
        code, said = await runner.clean_up(**(runner.github_state() if github else {}), **state_file)
        # Not before: what the killed process had sent may still take effect.
        held = platform.lock("site")
        again, log_of_next = await runner.deploy(ZEROKIE_LOCK_TIMEOUT="0")
        problems = []
        if killed != -9:
            problems.append(f"the deploy ended with {killed}: {log}")
        if code != 0 or not said.strip():
            problems.append(f"the cleanup ended with {code} and said {said!r}")
        if held:
            problems.append(f"the lock is still held, and the cleanup said {said!r}")
        if again != 0:
            problems.append(f"the next deploy ended with {again}: {log_of_next}")
        if stored(platform) != files_of(runner):
            problems.append("the next deploy did not converge")
        return problems


def stored(platform: Platform) -> dict[str, bytes]:
    return {path: data for path, data in platform.files("site").items() if not path.startswith("_zerokie/")}


def files_of(runner: Runner) -> dict[str, bytes]:
    return {
        str(path.relative_to(runner.site)): path.read_bytes()
        for path in runner.site.rglob("*")
        if path.is_file()
    }


LOCK = "POST .*/deploy/lock$"
EVERY = [f"^{number} " for number in range(20)]


@pytest.mark.parametrize(
    ("update", "github", "where"),
    [
        pytest.param(False, True, [LOCK], id="first deploy, GitHub's state"),
        pytest.param(True, False, [LOCK], id="update, state file"),
        pytest.param(False, True, EVERY, id="first deploy, everywhere", marks=pytest.mark.exhaustive),
        pytest.param(True, False, EVERY, id="update, everywhere", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_at_a_request(tmp_path: Path, *, update: bool, github: bool, where: list[str]) -> None:
    """The cleanup frees the lock of a killed deploy, and the next deploy is right."""

    async def run() -> list[str]:
        problems = []
        moments = ("on_request", "on_response") if where is EVERY else ("on_response",)
        for number, (place, moment) in enumerate(product(where, moments)):
            folder = tmp_path / str(number)
            folder.mkdir()
            found = await _kill_at(folder, place, moment, update=update, github=github)
            if found is None:
                assert where is EVERY
                break
            problems += [f"killed {moment} {place!r}: {problem}" for problem in found]
        return problems

    assert asyncio.run(run()) == []
