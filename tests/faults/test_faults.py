"""Every fault at every request of every reference deploy, once and for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.faults.folders import new_folder
from tests.faults.invariants import broken
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.support.timewarp import warped
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.world import World

LEASE = 30 * 60 + 1
REJECTED, UNAUTHORIZED = frozenset({0, 4}), frozenset({0, 3})
GONE, TAKEN = frozenset({0, 4, 7}), frozenset({0, 4, 6, 7})
RECOVERS, UNAVAILABLE = frozenset({0}), frozenset({0, 5, 9})

FAULTS: dict[str, tuple[dict[str, object], frozenset[int], frozenset[int]]] = {
    # name: the fault, exit codes when it happens once, exit codes when it happens for ever
    "400": ({"kind": Kind.STATUS, "status": 400}, REJECTED, REJECTED),
    "401": ({"kind": Kind.STATUS, "status": 401}, UNAUTHORIZED, UNAUTHORIZED),
    "404": ({"kind": Kind.STATUS, "status": 404}, GONE, GONE | {5}),
    "409": ({"kind": Kind.STATUS, "status": 409}, TAKEN, TAKEN),
    "429": ({"kind": Kind.STATUS, "status": 429}, RECOVERS, UNAVAILABLE),
    "429 with Retry-After": (
        {"kind": Kind.STATUS, "status": 429, "headers": {"Retry-After": "7"}},
        RECOVERS,
        UNAVAILABLE,
    ),
    "500": ({"kind": Kind.STATUS, "status": 500}, RECOVERS, UNAVAILABLE),
    "500 after the effect": ({"kind": Kind.STATUS, "status": 500, "after": True}, RECOVERS, UNAVAILABLE),
    "502": ({"kind": Kind.STATUS, "status": 502}, RECOVERS, UNAVAILABLE),
    "503": ({"kind": Kind.STATUS, "status": 503}, RECOVERS, UNAVAILABLE),
    "HTML": ({"kind": Kind.HTML}, RECOVERS, UNAVAILABLE),
    "HTML after the effect": ({"kind": Kind.HTML, "after": True}, RECOVERS, UNAVAILABLE),
    "empty": ({"kind": Kind.EMPTY}, RECOVERS, UNAVAILABLE),
    "empty after the effect": ({"kind": Kind.EMPTY, "after": True}, RECOVERS, UNAVAILABLE),
    "truncated": ({"kind": Kind.TRUNCATED, "after": True}, RECOVERS, UNAVAILABLE),
    "reset": ({"kind": Kind.RESET}, RECOVERS, UNAVAILABLE),
    "reset after the effect": ({"kind": Kind.RESET, "after": True}, RECOVERS, UNAVAILABLE),
    "slow": ({"kind": Kind.DELAY, "seconds": 20.0}, RECOVERS, frozenset({0})),
    "hang": ({"kind": Kind.HANG}, RECOVERS, UNAVAILABLE),
    "hang after the effect": ({"kind": Kind.HANG, "after": True}, RECOVERS, UNAVAILABLE),
}

TAKEN_AT_ITS_WORD = {("destroy", "404"), ("domains", "404"), ("domains", "409")}
"""What the platform says is gone, or attached already, is: there is nobody else to ask."""


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_request(
    scenario: Scenario,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """The invariants hold after the fault, and the next deploy is right."""
    arguments, once, for_ever = FAULTS[name]
    if (scenario.name, name) in TAKEN_AT_ITS_WORD:
        scenario = replace(scenario, is_right=lambda _world: True)
    problems: list[str] = []
    cases = 0
    with warped(monkeypatch) as loop:
        for record in scenario.rehearse(loop, new_folder(tmp_path)):
            endpoint = {"method": record.method, "path": _endpoint(record.path)}
            for scope, where, codes in (
                ("once", {}, once),
                ("for ever at this endpoint", {"times": None} | endpoint, for_ever | scenario.more),
                ("for ever", {"times": None}, for_ever | scenario.more),
            ):
                cases += 1
                fault = Fault(index=record.index, **arguments | where)  # type: ignore[arg-type]
                with scenario.world(loop, new_folder(tmp_path)) as world:
                    world.platform.faults.add(fault)
                    found = list(_case(scenario, world, codes))
                problems += [f"{name} {scope} at {record}: {problem}" for problem in found]
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems)
    record_property("request x fault cases", cases)
    assert cases >= 3 * 2


def _case(scenario: Scenario, world: World, codes: frozenset[int]) -> Iterator[str]:
    outcome = scenario.run(world)
    codes = frozenset(code or scenario.usual for code in codes)
    found = list(broken(scenario, world, outcome, codes=codes))
    if found:
        yield from found
        yield "its log:\n" + outcome.log + "\n".join(map(str, outcome.requests[-12:]))
    world.platform.faults.clear()
    world.loop.jump(LEASE)
    again = world.run(**scenario.inputs)
    found = list(broken(scenario, world, again, codes={scenario.usual}))
    if found:
        yield from (f"the next deploy: {problem}" for problem in found)
        yield again.log


def _endpoint(path: str) -> str:
    return "/files/" if "/files/" in path else f"{path.rsplit('/v1/', maxsplit=1)[-1]}$"
