"""Events at each request of a reference deploy."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import cycle, groupby, product
from pathlib import Path

import pytest

from sandbox.platform import Platform
from sandbox.records import Record
from sandbox.server import serve
from tests.promises.faults.processes import Runner
from tests.promises.faults.scenarios import Scenario
from tests.support.timewarp import warped
from tests.support.world import API_KEY, World

Attempt = Callable[[World, Record], Iterator[str]]
"""Triggers an event at this request of a run, and yields the broken invariants."""
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
    """Run all attempts at every request of a scenario, or at a sample of its requests.

    The sample contains the scenario's own requests and the first poll, each with the next attempt in turn.
    With an API variant, it contains one request.
    """

    def try_all(
        scenario: Scenario,
        attempts: Mapping[str, Attempt],
        kind: Callable[[Record], object] = lambda record: record.index,
    ) -> None:
        problems: list[str] = []
        with warped(monkeypatch) as loop:
            first: dict[object, Record] = {}
            for record in scenario.rehearse(loop, tmp_path_factory):
                first.setdefault(kind(record), record)
            for record, name in chosen(scenario, [*first.values()], [*attempts]):
                with scenario.world(loop, tmp_path) as world:
                    found = list(attempts[name](world, record))
                    if found:
                        problems += [f"{name} at {record}:", *found, *end_of(world)]
        assert not problems, "\n".join(problems)

    def chosen(scenario: Scenario, records: list[Record], names: list[str]) -> Iterable[tuple[Record, str]]:
        if request.param:
            return product(records, names)
        dice = random.Random(request.node.name)  # noqa: S311
        dice.shuffle(names)
        polls = groupby(records, lambda record: (record.method, record.path))
        own = [record for record in (next(poll) for _, poll in polls) if scenario.is_own(record)]
        if scenario.dialect:
            own = dice.sample(own, min(1, len(own)))
        return zip(own, cycle(names), strict=False)

    return try_all


@pytest.fixture
def anyio_backend() -> str:
    """Use real time for async tests, because they start processes."""
    return "asyncio"


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[tuple[Platform, Runner]]:
    """A platform with the app `site`, and a starter of deploys to it."""
    platform = Platform(tmp_path / "platform", api_keys={API_KEY})
    platform.apps.create_static("site")
    (tmp_path / "site").mkdir()
    async with serve(platform) as server:
        yield platform, Runner(tmp_path, server.url)
    platform.store.close()


def end_of(world: World) -> list[str]:
    """Data that helps to find the cause of a failure."""
    if world.outcome is None:
        return []
    return [world.outcome.log, *map(str, world.outcome.requests[-12:])]
