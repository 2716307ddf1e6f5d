"""SIGKILL during real processes, then the cleanup and another deploy."""

import re
from itertools import product

import pytest

from sandbox.platform import Platform
from sandbox.records import Record
from tests.promises.faults.processes import Runner, finished
from tests.promises.faults.scenarios import FIRST, SECOND
from tests.support.platform import contents, fill
from tests.support.world import stored

EVERYWHERE = product([False, True], range(20), ["on_request", "on_response"])


@pytest.mark.parametrize(
    ("update", "where", "moment"),
    [
        pytest.param(True, "POST .*/deploy/lock$", "on_response", id="a sample"),
        *(
            pytest.param(update, f"^{number} ", moment, marks=pytest.mark.exhaustive)
            for update, number, moment in EVERYWHERE
        ),
    ],
)
async def test_the_cleanup_releases_the_lock_after_a_kill_at_any_request(
    real: tuple[Platform, Runner], where: str, moment: str, *, update: bool
) -> None:
    """A first deploy uses GitHub's state, and an update a state file. The rerun succeeds."""
    platform, runner = real
    state = {"ZEROKIE_STATE_FILE": str(runner.state_file)}
    fill(runner.site, FIRST)
    if update:
        assert (await runner.deploy())[0] == 0
        fill(runner.site, SECOND)
    else:
        state = {"GITHUB_ACTIONS": "true", "GITHUB_STATE": str(runner.state)}
    first = len(platform.requests)
    process = await runner.start(**state)

    async def kill(record: Record) -> None:
        if re.search(where, f"{record.index - first} {record.method} {record.path}"):
            process.kill()
            await process.wait()

    setattr(platform, moment, kill)
    code, log = await finished(process)
    setattr(platform, moment, None)
    if code == 0 and int(where.strip("^ ")) >= len(platform.requests) - first:
        return  # it has fewer requests
    assert code == -9, log
    code, said = await runner.clean_up(**(state if update else state | runner.github_state()))
    assert (code, bool(said.strip())) == (0, True)
    # Before this, requests of the killed process may still take effect.
    assert platform.lock("site") is None, said
    code, log = await runner.deploy(ZEROKIE_LOCK_TIMEOUT="0")
    assert code == 0, log
    assert stored(platform) == contents(runner.site)
