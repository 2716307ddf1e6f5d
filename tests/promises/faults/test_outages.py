"""The platform is away for a time, from any request of any reference deploy on."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import product

import pytest

from tests.promises.faults.conftest import AtEachRequest
from tests.promises.faults.invariants import broken
from tests.promises.faults.outages import KINDS, Outage
from tests.promises.faults.scenarios import FIRST, FIRST_DEPLOY, SCENARIOS, UPDATE, Scenario
from tests.support.world import Outcome, World
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.records import Record

SECONDS = (1, 3, 10, 30, 60, 100, 160)
TOO_LONG = 160
"""Two minutes, the longest pause between two attempts (30 s, after a 429), and some more."""
WAITED_FOR = {"silent", "429 with Retry-After"}
"""What is waited for even longer."""

each_static_deploy = pytest.mark.parametrize("scenario", [UPDATE, FIRST_DEPLOY], ids=str)
pytestmark = pytest.mark.usefixtures("handlers")


def untidy(outcome: Outcome) -> Iterator[str]:
    """What makes a log hard to read."""
    lines = Counter(line for line in outcome.log.splitlines() if line.strip() and "Waiting for" not in line)
    yield from (f"said {count} times: {line}" for line, count in lines.items() if count > 1)
    if len(lines) > 60:
        yield f"{len(lines)} lines"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_an_outage_from_each_request_on_is_waited_for(
    scenario: Scenario, at_each_request: AtEachRequest
) -> None:
    """Up to 100 s cost time and nothing else: the deploy is right, the lock free, nothing said twice.

    More than two minutes end in exit 5, with the lock free, or with the time at which it will be.
    """

    def attempt(kind: str, seconds: int, world: World, record: Record) -> Iterator[str]:
        Outage(kind, seconds, record.index).arm(world)
        outcome = scenario.run(world)
        is_too_long = seconds == TOO_LONG
        codes = {5} | scenario.more if is_too_long else {scenario.usual}
        # Before its first answer, something that answers in the platform's place may be a wrong `api-url`.
        if kind == "a page" and record.index == 0:
            codes |= {5}
        if is_too_long and (kind in WAITED_FOR or waits_longer(scenario, record)):
            codes |= {scenario.usual}
        yield from broken(scenario, world, outcome, codes=codes)
        yield from untidy(outcome)

    cases = {f"{kind} for {seconds} s": (kind, seconds) for kind, seconds in product(KINDS, SECONDS)}
    at_each_request(scenario, {name: partial(attempt, *case) for name, case in cases.items()})


def waits_longer(scenario: Scenario, record: Record) -> bool:
    """Whether a run can do without this request, or asks again until `wait-timeout`."""
    is_poll = "image" in scenario.inputs or "operation" in scenario.inputs
    return is_poll or "/_zerokie/" in record.path or record.path.startswith("/_apps/")


def hangs(outcome: Outcome) -> bool:
    """Whether a finalize was never answered: it has all the time that is left, as a purge may take long."""
    return any(record.status is None for record in outcome.sent("POST", "/finalize$"))


@each_static_deploy
def test_a_failed_deploy_releases_its_lock_after_an_outage(
    scenario: Scenario, at_each_request: AtEachRequest
) -> None:
    """A failed deploy has a minute to release its lock, and uses it: after 30 s of outage it is free."""

    def attempt(kind: str, world: World, record: Record) -> Iterator[str]:
        world.fault(Kind.STATUS, index=record.index, status=400)
        Outage(kind, 30, record.index + 1).arm(world)
        outcome = scenario.run(world)
        yield from broken(scenario, world, outcome, codes={0, 4})
        if world.platform.lock("site") and not (record.path.endswith("/finalize") or hangs(outcome)):
            yield "the lock is held"

    at_each_request(scenario, {kind: partial(attempt, kind) for kind in KINDS})


@each_static_deploy
def test_a_cancelled_deploy_releases_its_lock_after_an_outage(
    scenario: Scenario, at_each_request: AtEachRequest
) -> None:
    """A cancelled deploy has 5 s: after an outage of two the lock is free."""

    def attempt(kind: str, world: World, record: Record) -> Iterator[str]:
        world.signals.install()
        outage = Outage(kind, 2, record.index, at=lambda: os.kill(os.getpid(), signal.SIGTERM))
        outage.arm(world)
        outcome = scenario.run(world)
        yield from broken(scenario, world, outcome, codes={143})
        assert outage.began is not None
        if (late := outcome.ended - outage.began) > 5:
            yield f"{late:.1f} s from the signal to the end"
        if world.platform.lock("site") and not hangs(outcome):
            yield "the lock is held"

    at_each_request(scenario, {kind: partial(attempt, kind) for kind in KINDS})


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/files/"), ("DELETE", "/files/"), ("POST", "/finalize$")],
    ids=["uploads", "deletions", "finalize"],
)
def test_an_outage_of_one_endpoint_is_waited_for(method: str, path: str, world: World) -> None:
    """The reference's own 502 is a CDN that fails behind an API that answers."""
    world.run()
    world.write({"index.html": b"new", "about/index.html": b"new", "new.html": b"new"})
    outage = Outage("503", 60, len(world.platform.requests), {"method": method, "path": path, "status": 502})
    outage.arm(world)
    outcome = world.run()
    assert outage.began is not None
    assert outcome.exit_code == 0, outcome.log
    assert 60 < outcome.seconds < 70


def test_one_poisoned_file_is_given_up_after_two_minutes(world: World) -> None:
    """It has its two minutes, and the error says that the others worked."""
    others = 100
    world.write(FIRST | {"poison.bin": b"!"} | {f"z{number}.bin": b"z" for number in range(others)})
    world.fault(Kind.STATUS, path="/files/poison.bin$", status=500, times=None)
    world.fault(Kind.DELAY, method="PUT", path="/files/", seconds=0.1, times=None)
    outcome = world.run(concurrency=4)
    assert world.platform.lock("site") is None
    assert outcome.exit_code == 5
    assert "poison.bin" in outcome.outputs["error"]
    assert f"while {others + 2:,} others worked" in outcome.outputs["error"]
    assert 120 < outcome.seconds < 135
    assert len(outcome.sent("PUT", "poison")) < 45
