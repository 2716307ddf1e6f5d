"""The platform is away for a time, from every request of every reference deploy on.

Without ZEROKIE_EXHAUSTIVE=1, each request is the beginning of one outage of each kind; with it, of all.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.folders import new_folder
from tests.faults.invariants import broken
from tests.faults.outages import KINDS, Outage
from tests.faults.scenarios import FIRST, SCENARIOS, Scenario
from tests.support.timewarp import warped
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.world import Outcome
    from zerokie_action.sandbox.records import Record

EXHAUSTIVE = os.environ.get("ZEROKIE_EXHAUSTIVE") == "1"
SECONDS = (1, 3, 10, 30, 60, 100)
TOO_LONG = 130
FIRST_DEPLOY, UPDATE, CREATE = SCENARIOS[:3]
STATIC = (FIRST_DEPLOY, UPDATE, CREATE)

pytestmark = pytest.mark.usefixtures("handlers")


def lengths(index: int, kind: str) -> tuple[int, ...]:
    """How long the outages are that begin at this request."""
    return SECONDS if EXHAUSTIVE else (SECONDS[(index + list(KINDS).index(kind)) % len(SECONDS)],)


def untidy(outcome: Outcome) -> Iterator[str]:
    """What makes a log hard to read."""
    lines = Counter(line for line in outcome.log.splitlines() if line.strip())
    yield from (f"said {count} times: {line}" for line, count in lines.items() if count > 1)
    if len(lines) > 60:
        yield f"{len(lines)} lines"


def told(problems: list[str], where: str, found: list[str], outcome: Outcome) -> None:
    """Collect what is wrong, with what helps to find out why."""
    if found:
        end = "\n".join(map(str, outcome.requests[-12:]))
        problems.append("\n".join([where, *found, "its log:", outcome.log, end]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_at_every_request(
    scenario: Scenario,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Up to 100 s cost time and nothing else: the deploy is right, the lock free, nothing said twice."""
    problems: list[str] = []
    cases = 0
    with warped(monkeypatch) as loop:
        for record in scenario.rehearse(loop, new_folder(tmp_path)):
            for seconds in lengths(record.index, kind):
                cases += 1
                with scenario.world(loop, new_folder(tmp_path)) as world:
                    Outage(kind, seconds, record.index).arm(world)
                    outcome = scenario.run(world)
                    found = list(broken(scenario, world, outcome, codes={scenario.usual}))
                    found += untidy(outcome)
                told(problems, f"{kind} for {seconds} s from {record}", found, outcome)
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems)
    record_property("outages that are waited for", cases)
    assert cases >= 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_too_long(
    scenario: Scenario,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """More than two minutes end in exit 5, with the lock free, or with the time at which it will be."""
    problems: list[str] = []
    cases = 0
    with warped(monkeypatch) as loop:
        for record in scenario.rehearse(loop, new_folder(tmp_path)):
            cases += 1
            with scenario.world(loop, new_folder(tmp_path)) as world:
                Outage(kind, TOO_LONG, record.index).arm(world)
                outcome = scenario.run(world)
                codes = {5} | scenario.more
                if kind in {"silent", "429 with Retry-After"} or waits_longer(scenario, record):
                    codes |= {scenario.usual}
                found = list(broken(scenario, world, outcome, codes=codes)) + list(untidy(outcome))
            told(problems, f"{kind} for {TOO_LONG} s from {record}", found, outcome)
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems)
    record_property("outages that are too long", cases)


def waits_longer(scenario: Scenario, record: Record) -> bool:
    """Whether a run can do without this request, or asks again until `wait-timeout`."""
    is_poll = "image" in scenario.inputs or "operation" in scenario.inputs
    return is_poll or "/.zerokie/" in record.path or record.path.startswith("/_apps/")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", STATIC, ids=str)
def test_with_a_failure_of_our_own(
    scenario: Scenario,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """A failed deploy has 50 s to release its lock, and uses them: after 30 s of outage it is free."""
    problems: list[str] = []
    cases = 0
    with warped(monkeypatch) as loop:
        for record in scenario.rehearse(loop, new_folder(tmp_path)):
            cases += 1
            with scenario.world(loop, new_folder(tmp_path)) as world:
                world.platform.faults.add(Fault(Kind.STATUS, index=record.index, status=400))
                Outage(kind, 30, record.index + 1).arm(world)
                outcome = scenario.run(world)
                found = list(broken(scenario, world, outcome, codes={0, 4}))
                if world.platform.lock("site"):
                    found.append("the lock is held")
            told(problems, f"400 at {record}, then {kind}", found, outcome)
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems)
    record_property("outages after a failure", cases)


@pytest.mark.parametrize("seconds", [2, 30])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", STATIC, ids=str)
def test_with_a_signal(
    scenario: Scenario,
    kind: str,
    seconds: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """A cancelled deploy has 5 s: the lock is free if the outage is shorter, else the user is told."""
    problems: list[str] = []
    cases = 0
    with warped(monkeypatch) as loop:
        for record in scenario.rehearse(loop, new_folder(tmp_path)):
            cases += 1
            with scenario.world(loop, new_folder(tmp_path)) as world:
                world.signals.install()
                outage = Outage(kind, seconds, record.index)
                outage.at = lambda: os.kill(os.getpid(), signal.SIGTERM)
                outage.arm(world)
                outcome = scenario.run(world)
                found = list(broken(scenario, world, outcome, codes={143}))
                assert outage.began is not None
                if (late := outcome.ended - outage.began) > 5:
                    found.append(f"{late:.1f} s from the signal to the end")
                if seconds == 2 and world.platform.lock("site"):
                    found.append("the lock is held")
            told(problems, f"SIGTERM at {record}, and {kind} for {seconds} s", found, outcome)
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems)
    record_property("outages with a signal", cases)


class TestOneKindAlone:
    """The reference's own 502 is a CDN that fails behind an API that answers."""

    @pytest.mark.parametrize("seconds", [1, 10, 60])
    @pytest.mark.parametrize(
        ("method", "path"),
        [("PUT", "/files/"), ("DELETE", "/files/"), ("POST", "/finalize$")],
        ids=["uploads", "deletions", "finalize"],
    )
    def test_502(
        self, method: str, path: str, seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with warped(monkeypatch) as loop, UPDATE.world(loop, new_folder(tmp_path)) as world:
            where = {"method": method, "path": path, "status": 502}
            outage = Outage("503", seconds, len(world.platform.requests), where)
            outage.arm(world)
            outcome = UPDATE.run(world)
            assert outage.began is not None
            assert not list(broken(UPDATE, world, outcome, codes={0}))
        assert outcome.seconds < seconds + 10


class TestOneFileAlone:
    """One that the platform chokes on, whatever is tried."""

    POISON = Fault(Kind.STATUS, path="/files/poison.bin$", status=500, times=None)

    def run(self, loop_folder: Path, monkeypatch: pytest.MonkeyPatch, others: int) -> Outcome:
        with warped(monkeypatch) as loop, FIRST_DEPLOY.world(loop, loop_folder) as world:
            world.write(FIRST | {"poison.bin": b"!"} | {f"z{number}.bin": b"z" for number in range(others)})
            slow = Fault(Kind.DELAY, method="PUT", path="/files/", seconds=1, times=None)
            world.platform.faults.add(self.POISON, slow)
            outcome = FIRST_DEPLOY.run(world, concurrency=4, retries=3)
            assert world.platform.lock("site") is None
        return outcome

    def test_among_others(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It ends the deploy after its retries, in seconds."""
        outcome = self.run(new_folder(tmp_path), monkeypatch, others=100)
        assert outcome.exit_code == 5
        assert outcome.seconds < 20
        assert "poison.bin" in outcome.outputs["error"]
        assert "4 attempts" in outcome.outputs["error"]

    def test_as_the_last_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody is left who shows that the platform works: then it takes two minutes."""
        outcome = self.run(new_folder(tmp_path), monkeypatch, others=0)
        assert outcome.exit_code == 5
        assert 120 < outcome.seconds < 150
        assert "poison.bin" in outcome.outputs["error"]
