"""Each fault at each request of each reference deploy."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pytest

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.promises.faults.conftest import AtEachRequest
from tests.promises.faults.invariants import broken, broken_next
from tests.promises.faults.scenarios import SAMPLE, Scenario
from tests.support.world import World


class Case(NamedTuple):
    """A fault with its possible exit codes, for a single hit and for hits without an end."""

    fault: Fault
    once: Collection[int]
    for_ever: Collection[int]


UNAVAILABLE = (0, 5, 9)
DELETION = ("DELETE", "/v1/apps/site$")
UNCLEAR = 2
"""The action can't read the manifest or the file list, or doesn't know the app's type."""
FAULTS = {
    "400": Case(Fault(Kind.STATUS, status=400), (0, 4), (0, 4)),
    "401": Case(Fault(Kind.STATUS, status=401), (0, 3), (0, 3)),
    "404": Case(Fault(Kind.STATUS, status=404), (0, 4, 5, 7), (0, 4, 5, 7)),
    "409": Case(Fault(Kind.STATUS, status=409), (0, 4, 6, 7), (0, 4, 6, 7)),
    "429": Case(Fault(Kind.STATUS, status=429, headers={"Retry-After": "7"}), (0,), UNAVAILABLE),
    "500 after the effect": Case(Fault(Kind.STATUS, status=500, after=True), (0,), UNAVAILABLE),
    "HTML": Case(Fault(Kind.HTML), (0,), UNAVAILABLE),
    "empty after the effect": Case(Fault(Kind.EMPTY, after=True), (0,), UNAVAILABLE),
    "reset after the effect": Case(Fault(Kind.RESET, after=True), (0,), UNAVAILABLE),
    "hang": Case(Fault(Kind.HANG), (0,), UNAVAILABLE),
    "drip after the effect": Case(Fault(Kind.DRIP, after=True), (0,), UNAVAILABLE),
    "102 for ever": Case(Fault(Kind.PROCESSING), (0,), UNAVAILABLE),
}
"""One fault for each way that the code handles a response."""


@pytest.mark.parametrize("scenario", SAMPLE, ids=str)
def test_a_deploy_survives_a_fault_at_any_request(scenario: Scenario, at_each_request: AtEachRequest) -> None:
    """The invariants hold. After a failure, the next deploy succeeds."""

    def attempt(name: str, world: World, record: Record) -> Iterator[str]:
        fault, codes = FAULTS[name].fault, {*FAULTS[name].once}
        world.platform.faults.add(replace(fault, index=record.index))
        if (record.method, endpoint(record.path)) == DELETION and not fault.after:
            codes = {*codes, *UNAVAILABLE}  # A new app may have this name, so the action doesn't repeat it.
        yield from deploys(scenario, name, world, record, codes)

    at_each_request(scenario, {name: partial(attempt, name) for name in FAULTS})


@pytest.mark.parametrize("scenario", SAMPLE, ids=str)
def test_a_deploy_survives_a_permanent_fault_at_any_endpoint(
    scenario: Scenario, at_each_request: AtEachRequest
) -> None:
    """All further requests of this kind meet the fault, and the invariants hold."""

    def kind(record: Record) -> tuple[str, str]:
        return record.method, endpoint(record.path)

    def attempt(name: str, world: World, record: Record) -> Iterator[str]:
        method, path = kind(record)
        fault = FAULTS[name].fault
        world.platform.faults.add(replace(fault, index=record.index, times=None, method=method, path=path))
        codes = {*FAULTS[name].for_ever, *scenario.more}
        yield from deploys(scenario, name, world, record, codes)

    at_each_request(scenario, {name: partial(attempt, name) for name in FAULTS}, kind)


def deploys(
    scenario: Scenario, name: str, world: World, record: Record, codes: Collection[int]
) -> Iterator[str]:
    """Run the scenario, and repeat it after a failure."""
    if is_taken_at_its_word(scenario, name, record):
        scenario = replace(scenario, is_right=lambda _world: True)
    if "/_apps/site/_zerokie/" in record.path or (name in {"400", "404"} and record.path.endswith("/files")):
        codes = {*codes, UNCLEAR}
    outcome = scenario.run(world)
    found = list(broken(scenario, world, outcome, codes={code or scenario.usual for code in codes}))
    yield from found
    if not found and outcome.exit_code != scenario.usual:
        yield from broken_next(scenario, world)


def is_taken_at_its_word(scenario: Scenario, name: str, record: Record) -> bool:
    """Accept the platform's statement that something is gone or attached, because it is the only source."""
    if name == "404":
        return record.method == "DELETE" or scenario.name == "destroy"
    return name == "409" and "/domains" in record.path


def endpoint(path: str) -> str:
    """Return a pattern for all paths of the same kind."""
    return "/files/" if "/files/" in path else f"{path}$"
