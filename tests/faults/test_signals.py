"""SIGINT, SIGTERM and SIGQUIT at every request of every reference deploy: in time, released, and said."""

from __future__ import annotations

import os
import signal
from itertools import product
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

    from tests.support.world import Outcome, World
    from zerokie_action.sandbox.records import Record

PROMISED = 5.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGQUIT: 131}

MOMENTS = tuple(product(CODES, ("before", "after")))

PLATFORMS = {
    "answers": None,
    "hangs": {"kind": Kind.HANG},
    "hangs after the effect": {"kind": Kind.HANG, "after": True},
    "resets after the effect": {"kind": Kind.RESET, "after": True},
    "is down": {"kind": Kind.STATUS, "status": 503},
    "stores slowly": {"kind": Kind.DELAY, "seconds": 0.8, "path": "/files/"},
}
"""What the platform does from the request on at which the signal comes."""


pytestmark = pytest.mark.usefixtures("handlers")


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_at_every_request(
    scenario: Scenario,
    platform: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """At most 5 seconds to the end; the lock is free, or its expiry named when the platform is gone."""
    problems: list[str] = []
    seconds: list[float] = []
    cases = 0
    with warped(monkeypatch) as loop:
        for record in scenario.rehearse(loop, new_folder(tmp_path)):
            for number, moment in MOMENTS if platform == "answers" else MOMENTS[:1]:
                cases += 1
                with scenario.world(loop, new_folder(tmp_path)) as world:
                    if arguments := PLATFORMS[platform]:
                        world.platform.faults.add(Fault(index=record.index, times=None, **arguments))
                    found = list(_case(scenario, world, record.index, number, moment, seconds))
                problems += [f"{number.name} {moment} the effect of {record}: {problem}" for problem in found]
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems)
    record_property("request x signal cases", cases)
    record_property("slowest end after a signal, in seconds", max(seconds, default=0.0))
    assert cases >= 2


def _case(
    scenario: Scenario,
    world: World,
    index: int,
    number: signal.Signals,
    moment: str,
    seconds: list[float],
) -> Iterator[str]:
    told_at: list[float] = []

    def tell(record: Record) -> None:
        if record.index == index:
            told_at.append(world.loop.now)
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # once more: repeated signals change nothing

    world.signals.install()
    if moment == "before":
        world.platform.on_request = tell
    else:
        world.platform.on_response = tell
    outcome = scenario.run(world)
    if not told_at:
        return  # the fault came first: there was no such moment
    seconds.append(outcome.ended - told_at[0])
    yield from _judged(scenario, world, outcome, number, seconds[-1])
    yield from _next_deploy(scenario, world)


def _judged(
    scenario: Scenario, world: World, outcome: Outcome, number: signal.Signals, seconds: float
) -> Iterator[str]:
    found = list(broken(scenario, world, outcome, codes={CODES[number]}))
    if seconds > PROMISED:
        found.append(f"{seconds:.1f} s from the signal to the end")
    if outcome.outputs["status"] != "cancelled":
        found.append(f"status {outcome.outputs['status']}")
    if found:
        yield from found
        yield outcome.log + "\n".join(map(str, outcome.requests[-8:]))


def _next_deploy(scenario: Scenario, world: World) -> Iterator[str]:
    world.platform.faults.clear()
    world.platform.on_request = world.platform.on_response = None
    world.reset_signals()
    world.loop.jump(30 * 60 + 1)
    again = scenario.run(world)
    yield from (
        f"the next deploy: {problem}" for problem in broken(scenario, world, again, codes={scenario.usual})
    )


def test_before_the_first_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal during start-up, before there is an event loop, asks the platform for nothing."""
    scenario = SCENARIOS[0]
    with warped(monkeypatch) as loop, scenario.world(loop, new_folder(tmp_path)) as world:
        world.signals.install()
        os.kill(os.getpid(), signal.SIGTERM)
        outcome = scenario.run(world)
    assert outcome.exit_code == 143
    assert outcome.requests == []
    assert outcome.outputs["status"] == "cancelled"


def test_while_waiting_for_somebody_elses_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends at once, and the other deploy keeps its lock."""
    scenario = SCENARIOS[0]
    with warped(monkeypatch) as loop, scenario.world(loop, new_folder(tmp_path)) as world:
        world.platform.take_lock("site", "somebody else")
        world.signals.install()
        told_at = loop.now + 100
        loop.call_at(told_at, os.kill, os.getpid(), signal.SIGINT)
        outcome = scenario.run(world)
        assert world.platform.lock("site") == "somebody else"
        assert outcome.ended - told_at < 1
    assert outcome.exit_code == 130
    assert not [record for record in outcome.requests if "finalize" in record.path]
