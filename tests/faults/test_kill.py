"""SIGKILL in the middle of real processes, followed by the cleanup and another deploy."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
        return await _finish(await self.start(**env))

    async def clean_up(self, **env: str) -> tuple[int, str]:
        return await _finish(await self.start(("-m", "zerokie_action.cleanup"), **env))

    def github_state(self) -> dict[str, str]:
        """What the runner hands to the post step."""
        lines = self.state.read_text().splitlines() if self.state.exists() else []
        return {f"STATE_{name}": value for name, _, value in (line.partition("=") for line in lines)}


async def _finish(process: asyncio.subprocess.Process) -> tuple[int, str]:
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@asynccontextmanager
async def _platform(tmp_path: Path) -> AsyncIterator[tuple[Platform, Runner]]:
    platform = Platform(tmp_path / "platform", api_keys={API_KEY})
    platform.apps.create_static("site")
    (tmp_path / "site").mkdir()
    try:
        async with serve(platform) as server:
            yield platform, Runner(tmp_path, server.url)
    finally:
        platform.store.close()


async def _count_requests(tmp_path: Path, *, update: bool) -> int:
    async with _platform(tmp_path) as (platform, runner):
        await _prepare(runner, update=update)
        first = len(platform.requests)
        assert (await runner.deploy())[0] == 0
        return len(platform.requests) - first


async def _prepare(runner: Runner, *, update: bool) -> None:
    runner.write(SITE)
    if update:
        assert (await runner.deploy())[0] == 0
        runner.write(EDITED)


async def _kill_at(tmp_path: Path, index: int, moment: str, *, update: bool, github: bool) -> list[str]:
    async with _platform(tmp_path) as (platform, runner):
        await _prepare(runner, update=update)
        first = len(platform.requests)
        keeps = {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(runner.state)} if github else {}
        state_file = {} if github else {"ZEROKIE_STATE_FILE": str(runner.state_file)}
        process = await runner.start(**keeps, **state_file)

        async def kill(record: Record) -> None:
            if record.index == first + index:
                process.kill()
                await process.wait()

        if moment == "before":
            platform.on_request = kill
        else:
            platform.on_response = kill
        killed, log = await _finish(process)
        platform.on_request = platform.on_response = None
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
        if _stored(platform) != _files_of(runner):
            problems.append("the next deploy did not converge")
        return problems


def _stored(platform: Platform) -> dict[str, bytes]:
    return {path: data for path, data in platform.files("site").items() if not path.startswith(".zerokie/")}


def _files_of(runner: Runner) -> dict[str, bytes]:
    return {
        str(path.relative_to(runner.site)): path.read_bytes()
        for path in runner.site.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("update", "github", "important"),
    [
        pytest.param(False, True, [1], id="first deploy, GitHub's state, asking for the lock"),
        pytest.param(True, False, [3, -1], id="update, state file, the first upload and finalize"),
        pytest.param(False, True, None, id="first deploy, GitHub's state", marks=pytest.mark.exhaustive),
        pytest.param(True, False, None, id="update, state file", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_at_a_request(
    tmp_path: Path, *, update: bool, github: bool, important: list[int] | None
) -> None:
    """The cleanup frees the lock of a killed deploy, and the next deploy is right."""

    async def run() -> list[str]:
        (tmp_path / "count").mkdir()
        requests = range(await _count_requests(tmp_path / "count", update=update))
        problems = []
        for index in [requests[index] for index in important] if important else requests:
            for moment in ("after",) if important else ("before", "after"):
                folder = tmp_path / f"{index}-{moment}"
                folder.mkdir()
                found = await _kill_at(folder, index, moment, update=update, github=github)
                problems += [f"killed {moment} request {index}: {problem}" for problem in found]
        return problems

    assert asyncio.run(run()) == []
