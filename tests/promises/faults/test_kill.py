"""SIGKILL in the middle of real processes, followed by the cleanup and another deploy."""

import re
from itertools import product
from pathlib import Path

import pytest

from tests.promises.faults.processes import finished, platform_and_runner
from tests.promises.faults.scenarios import FIRST, SECOND
from tests.support.platform import contents, fill
from tests.support.world import stored
from zerokie_action.sandbox.records import Record


async def _kill_at(
    tmp_path: Path, where: str, moment: str, *, update: bool, github: bool
) -> list[str] | None:
    """Kill a deploy at its first request with this in number, method and path; None where there is none."""
    async with platform_and_runner(tmp_path) as (platform, runner):
        fill(runner.site, FIRST)
        if update:
            assert (await runner.deploy())[0] == 0
            fill(runner.site, SECOND)
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
        if stored(platform) != contents(runner.site):
            problems.append("the next deploy did not converge")
        return problems


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
async def test_after_a_kill_at_each_request_the_cleanup_frees_the_lock(
    tmp_path: Path, *, update: bool, github: bool, where: list[str]
) -> None:
    """The cleanup frees the lock of a killed deploy, and the next deploy is right."""
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
    assert problems == []
