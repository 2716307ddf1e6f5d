"""Something happens to a reference deploy, at each of its requests."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path

import pytest

from tests.promises.faults.processes import Runner, platform_and_runner
from tests.promises.faults.scenarios import Scenario
from tests.support.timewarp import warped
from tests.support.world import World
from zerokie_action.sandbox.platform import Platform
from zerokie_action.sandbox.records import Record

Attempt = Callable[[World, Record], Iterator[str]]
"""Lets something happen at this request of a run, and yields what is wrong afterwards."""
AtEachRequest = Callable[..., None]


@pytest.fixture(
    params=[
        pytest.param(False, id="a sample"),
        pytest.param(True, id="everything", marks=pytest.mark.exhaustive),
    ]
)
def at_each_request(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> AtEachRequest:
    """Makes all attempts at every request of a scenario.

    The sample are its own requests, each with one attempt, always the same; in a dialect one at one.
    """

    def try_all(scenario: Scenario, attempts: Mapping[str, Attempt]) -> None:
        problems: list[str] = []
        with warped(monkeypatch) as loop:
            for record, name in chosen(scenario, scenario.rehearse(loop, tmp_path_factory), list(attempts)):
                with scenario.world(loop, tmp_path) as world:
                    found = list(attempts[name](world, record))
                    if found:
                        problems += [f"{name} at {record}:", *found, *end_of(world)]
        assert not problems, "\n".join(problems)

    def chosen(scenario: Scenario, records: list[Record], names: list[str]) -> Iterable[tuple[Record, str]]:
        if request.param:
            return product(records, names)
        dice = random.Random(f"{scenario} {names}")  # noqa: S311
        own = [record for record in records if scenario.is_own(record)]
        if scenario.dialect:
            own = dice.sample(own, min(1, len(own)))
        return [(record, dice.choice(names)) for record in own]

    return try_all


@pytest.fixture
def anyio_backend() -> str:
    """Async tests are about processes of their own, which see the real time."""
    return "asyncio"


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[tuple[Platform, Runner]]:
    """A platform with the app `site`, and what starts deploys to it."""
    async with platform_and_runner(tmp_path) as both:
        yield both


def end_of(world: World) -> list[str]:
    """What helps to find out why."""
    if world.outcome is None:
        return []
    return [world.outcome.log, *map(str, world.outcome.requests[-12:])]
