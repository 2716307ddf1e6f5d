"""SIGINT, SIGTERM and SIGQUIT at any request of any reference deploy."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.promises.faults.conftest import AtEachRequest
from tests.promises.faults.invariants import broken, broken_next
from tests.promises.faults.scenarios import SAMPLE, Scenario
from tests.support.world import World

PROMISED = 5.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGQUIT: 131}
PLATFORMS = {
    "hangs": Fault(Kind.HANG, times=None),
    "hangs after the effect": Fault(Kind.HANG, times=None, after=True),
    "resets after the effect": Fault(Kind.RESET, times=None, after=True),
    "is down": Fault(Kind.STATUS, times=None, status=503),
    "stores slowly": Fault(Kind.DELAY, times=None, seconds=0.8, path="/files/"),
}
"""The platform's behavior after the signal."""

pytestmark = pytest.mark.usefixtures("handlers")


@pytest.mark.parametrize("scenario", SAMPLE, ids=str)
def test_a_signal_at_any_request_ends_the_run_in_time(
    scenario: Scenario, at_each_request: AtEachRequest
) -> None:
    """The run ends within 5s. The lock is free, or the log states its expiry after an outage."""

    def attempt(
        number: signal.Signals, fault: Fault | None, moment: str, world: World, record: Record
    ) -> Iterator[str]:
        if fault:
            world.platform.faults.add(replace(fault, index=record.index))
        told_at: list[float] = []

        def tell(seen: Record) -> None:
            if seen.index == record.index:
                told_at.append(world.loop.now)
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), number)  # A repeated signal has no effect.

        world.signals.install()
        setattr(world.platform, moment, tell)
        outcome = scenario.run(world)
        yield from broken(scenario, world, outcome, codes={CODES[number]})
        if outcome.ended - told_at[0] > PROMISED:
            yield f"{outcome.ended - told_at[0]:.1f}s from the signal to the end"
        if outcome.outputs["status"] != "cancelled":
            yield f"status {outcome.outputs['status']}"
        yield from broken_next(scenario, world)

    attempts = {
        f"{number.name} {moment}": partial(attempt, number, None, moment)
        for number in CODES
        for moment in ("on_request", "on_response")
    }
    attempts |= {
        f"SIGTERM when the platform {name}": partial(attempt, signal.SIGTERM, fault, "on_request")
        for name, fault in PLATFORMS.items()
    }
    at_each_request(scenario, attempts)


def test_a_signal_ends_the_wait_for_a_lock(world: World) -> None:
    """The wait ends immediately, and the other deploy keeps its lock."""
    world.platform.take_lock("site", "somebody else")
    world.signals.install()
    told_at = world.loop.now + 100
    world.loop.call_at(told_at, os.kill, os.getpid(), signal.SIGINT)
    outcome = world.run()
    assert outcome.exit_code == 130
    assert world.platform.lock("site") == "somebody else"
    assert outcome.ended - told_at < 1
    assert outcome.sent("POST", "/finalize$") == []
