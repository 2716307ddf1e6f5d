"""Invariants that hold after every run."""

from collections.abc import Collection, Iterator

from sandbox.platform import EXPIRY
from sandbox.store import Deployment
from tests.promises.faults.scenarios import Scenario
from tests.support.schema import check_result
from tests.support.world import Outcome, World

DONE = {"deploy": "deployed", "restart": "restarted", "destroy": "destroyed"}
LOCK_MAY_STAY = ("expires", "The run lost the deploy lock: it expired, or the app was deleted")


def broken(scenario: Scenario, world: World, outcome: Outcome, *, codes: Collection[int]) -> Iterator[str]:
    """Return the broken invariants in words.

    Args:
        codes: the exit codes that the contract allows in this case.
    """
    if outcome.exit_code not in codes:
        yield f"exit code {outcome.exit_code}, not one of {sorted(codes)}"
    if outcome.exit_code == 0:
        yield from _success(scenario, world, outcome)
    else:
        yield from _failure(scenario, world, outcome)
    yield from _counts_are_true(world, outcome)
    check_result(outcome.outputs)
    yield from forbidden_writes(outcome)
    if world.platform.lock("site") and not any(words in outcome.log for words in LOCK_MAY_STAY):
        yield "the lock is still held, and nothing says when it expires, or that the platform denies it"
    if "Traceback" in outcome.log:
        yield "a traceback in the log"


def broken_next(scenario: Scenario, world: World) -> Iterator[str]:
    """Return the broken invariants after an undisturbed deploy half an hour later."""
    world.platform.faults.clear()
    world.platform.on_request = world.platform.on_response = None
    world.reset_signals()
    world.loop.jump(EXPIRY + 1)
    again = broken(scenario, world, scenario.run(world), codes={scenario.usual})
    yield from (f"the next deploy: {problem}" for problem in again)


def _success(scenario: Scenario, world: World, outcome: Outcome) -> Iterator[str]:
    if not scenario.is_right(world):
        yield "exit 0, but the platform is not as it should be"
    operation = str(scenario.inputs.get("operation", "deploy"))
    if outcome.outputs["status"] != DONE[operation]:
        yield f"exit 0 with status {outcome.outputs['status']}"
    if outcome.outputs["kind"] == "static" and operation == "deploy":
        has_locked = bool(outcome.sent("POST", "/lock$"))
        if (count := len(_recorded(world, outcome))) != has_locked:
            yield f"exit 0 with {count} deployments recorded"
        if world.platform.lock("site"):
            yield "exit 0, but the lock is held"


def _recorded(world: World, outcome: Outcome) -> list[Deployment]:
    return [one for one in world.platform.deployments("site") if one.session in outcome.sessions]


def _counts_are_true(world: World, outcome: Outcome) -> Iterator[str]:
    names = ("files_uploaded", "files_deleted", "bytes_uploaded")
    said = tuple(outcome.outputs[name] or 0 for name in names)
    for one in _recorded(world, outcome):
        if (counts := (one.files_uploaded, one.files_deleted, one.total_bytes)) != said:
            yield f"recorded counts {counts}, outputs {said}"


def _failure(scenario: Scenario, world: World, outcome: Outcome) -> Iterator[str]:
    if outcome.outputs["status"] == "rolled-back":
        if not scenario.is_right(world):
            yield "rolled back, but the platform is not as it was"
    elif outcome.outputs["status"] not in {"failed", "cancelled"}:
        yield f"exit {outcome.exit_code} with status {outcome.outputs['status']}"
    if not outcome.outputs["error"]:
        yield "a failure without an error"
    if not outcome.outputs["hint"] and outcome.outputs["status"] == "failed":
        yield f"an error that does not say what to do: {outcome.outputs['error']}"


def forbidden_writes(outcome: Outcome) -> Iterator[str]:
    """Return the effective writes that a run made without its lock."""
    for record in outcome.sent("PUT", "/files/") + outcome.sent("DELETE", "/files/"):
        if record.status in {200, 204} and record.lock_holder not in outcome.sessions:
            yield f"a write without our lock: {record}"
    for record in outcome.sent("POST", "/finalize$"):
        if record.status == 200 and record.lock_holder not in {*outcome.sessions, None}:
            yield f"a finalize of somebody else's lock: {record}"
