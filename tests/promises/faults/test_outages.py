"""Outages from any request of any reference deploy."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import pytest

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.promises.faults.conftest import AtEachRequest
from tests.promises.faults.invariants import broken
from tests.promises.faults.scenarios import SAMPLE, UPDATE, Scenario
from tests.support.world import Outcome, World

KINDS: dict[str, dict[str, object]] = {
    "refused": {"kind": Kind.RESET},
    "reset": {"kind": Kind.RESET},
    "silent": {"kind": Kind.HANG},
    "503": {"kind": Kind.STATUS, "status": 503},
    "a page": {"kind": Kind.STATUS, "status": 404, "body": b"<html><title>Not Found</title></html>"},
    "429": {"kind": Kind.STATUS, "status": 429},
    "429 with Retry-After": {"kind": Kind.STATUS, "status": 429, "headers": {"Retry-After": "7"}},
}
"""The kinds of outages."""
SECONDS = (1, 3, 10, 30, 60, 100, 160)
TOO_LONG = 160
"""Seconds of two minutes, a silent attempt of 30s, and some more."""
WAITED_FOR = {"silent", "429 with Retry-After"}
"""Requests that a run retries for longer."""

pytestmark = pytest.mark.usefixtures("handlers")


def go_away(
    world: World, index: int, kind: str, seconds: float, act: Callable[[], None] = lambda: None
) -> None:
    """Start `act`, and let all requests fail from this request on, for this many seconds."""

    def look(record: Record) -> None:
        if record.index == index:
            fault = Fault(times=None, lasts=seconds, **KINDS[kind])  # type: ignore[arg-type]
            world.platform.faults.add(fault, first=True)
            if kind == "refused":
                world.go_away(seconds)
            act()

    world.platform.on_request = look


def untidy(outcome: Outcome) -> Iterator[str]:
    """Return the problems that make a log hard to read."""
    lines = Counter(line for line in outcome.log.splitlines() if line.strip() and "Waiting for" not in line)
    yield from (f"said {count} times: {line}" for line, count in lines.items() if count > 1)
    if len(lines) > 60:
        yield f"{len(lines)} lines"


@pytest.mark.parametrize("scenario", SAMPLE, ids=str)
def test_a_deploy_survives_an_outage_from_any_request(
    scenario: Scenario, at_each_request: AtEachRequest
) -> None:
    """An outage of up to 100s costs only time. The deploy is right, the lock is free, and the log is short.

    An outage of more than two minutes ends in exit code 5. The lock is free, or the log states its expiry.
    """

    def attempt(kind: str, seconds: int, world: World, record: Record) -> Iterator[str]:
        go_away(world, record.index, kind, seconds)
        outcome = scenario.run(world)
        is_too_long = seconds == TOO_LONG
        codes = {5} | scenario.more if is_too_long else {scenario.usual}
        if scenario.name == "destroy":  # The action doesn't repeat an app's DELETE.
            codes |= {5}
        # Before its first answer, something that answers in the platform's place may be a wrong `api-url`.
        if kind == "a page" and record.index == 0:
            codes |= {5}
        if is_too_long and (kind in WAITED_FOR or waits_longer(scenario, record)):
            codes |= {scenario.usual}
        yield from broken(scenario, world, outcome, codes=codes)
        yield from untidy(outcome)

    cases = {f"{kind} for {seconds}s": (kind, seconds) for kind, seconds in product(KINDS, SECONDS)}
    at_each_request(scenario, {name: partial(attempt, *case) for name, case in cases.items()})


def waits_longer(scenario: Scenario, record: Record) -> bool:
    """Whether a run can omit this request, or repeats it until `wait`."""
    is_poll = "image" in scenario.inputs or "operation" in scenario.inputs
    return is_poll or "/_zerokie/" in record.path or record.path.startswith("/_apps/")


def hangs(outcome: Outcome) -> bool:
    """Whether a finalize got no response. A run waits until its time limit, because purges are slow."""
    return any(record.status is None for record in outcome.sent("POST", "/finalize$"))


def test_a_failed_deploy_releases_its_lock_after_an_outage(at_each_request: AtEachRequest) -> None:
    """After an outage of 30s, a failed deploy's lock is free, because the run has a minute to release it.

    A cancelled deploy has 5s, so it can release its lock after an outage of 2s.
    """

    def fail(kind: str, world: World, record: Record) -> Iterator[str]:
        world.fault(Kind.STATUS, index=record.index, status=400)
        go_away(world, record.index + 1, kind, 30)
        outcome = UPDATE.run(world)
        yield from broken(UPDATE, world, outcome, codes={0, 4})
        if world.platform.lock("site") and not (record.path.endswith("/finalize") or hangs(outcome)):
            yield "the lock is held"

    def cancel(kind: str, world: World, record: Record) -> Iterator[str]:
        world.signals.install()
        told_at = list[float]()

        def tell() -> None:
            told_at.append(world.loop.now)
            os.kill(os.getpid(), signal.SIGTERM)

        go_away(world, record.index, kind, 2, tell)
        outcome = UPDATE.run(world)
        yield from broken(UPDATE, world, outcome, codes={143})
        if outcome.ended - told_at[0] > 5:
            yield "more than 5s from the signal to the end"
        if world.platform.lock("site") and not hangs(outcome):
            yield "the lock is held"

    failed = {f"failed, {kind}": partial(fail, kind) for kind in KINDS}
    at_each_request(UPDATE, failed | {f"cancelled, {kind}": partial(cancel, kind) for kind in KINDS})
