"""Unexpected responses: reports must not turn a complete deploy into a failure."""

import json
import random
from pathlib import Path

import pytest

from tests.ci.grammar import HAZARDS, file_command, workflow_commands
from tests.http.servers import Peer, serve
from tests.platform.endpoints import APP, DOMAIN, FILES, FINALIZED
from tests.report.test_hostile import check_summary
from tests.support import timewarp
from tests.support.schema import check_result
from tests.support.world import Outcome, World
from zerokie_action.errors import exit_codes
from zerokie_action.report import files


def test_a_failed_report_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other reports are written, and the deploy's status stays the same."""

    def fail(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setitem(files.REPORTS, "summary.md", fail)
    outcome = world.run()
    assert outcome.exit_code == 0
    assert outcome.outputs["status"] == "deployed"
    assert "Warning: Can't create a report (fail: ZeroDivisionError()). Please report this bug" in outcome.log


SEEN = {"type": "static", "cpu": 256, "memory": 512, "locked": True, "error": "", "message": ""}
USUAL: dict[str, object] = {**APP, **FILES[0], **FINALIZED, **DOMAIN, **SEEN}
ODD: list[object] = [
    *(None, True, 0, -1, 10**400, 1e308, float("inf"), [], {}),
    *("", "container", "failed", "a\n::error::b"),
]


def odd_answer(chance: random.Random) -> bytes:
    """Return a response in which every fourth value differs from the reference."""

    def value(usual: object) -> object:
        odd = [*ODD, "".join(chance.choices(HAZARDS, k=4))]
        return usual if chance.random() < 0.75 else chance.choice(odd)

    def record() -> object:
        return value({key: value(usual) for key, usual in USUAL.items() if chance.random() < 0.9})

    return json.dumps([record() for _ in range(3)] if chance.random() < 0.2 else record()).encode()


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(2, 100))]
)
def test_unexpected_responses_never_cause_a_bug(world: World, seed: int) -> None:
    """The run ends with a documented exit code, and all of its reports are valid."""
    chance = random.Random(seed)  # noqa: S311 nothing secret

    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            body = odd_answer(chance)
            status = chance.choice([*[200] * 12, 201, 204, 400, 404, 409, 500])
            await peer.send(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

    async def deploy(**inputs: object) -> Outcome:
        async with serve(answer) as server:
            return await world.arun(api_url=server.url, create=True, timeout="5m", **inputs)

    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(Path("output").resolve())}
    for inputs in ({}, {"domains": "www.a.example"}, {"image": "nginx:2"}, {"operation": "destroy"}):
        outcome = timewarp.run(world.loop, deploy(**inputs))
        assert str(outcome.exit_code) in {code for code, *_ in exit_codes()} - {"1"}, outcome.log
        assert "can't be made" not in outcome.log
        commands = {command.name for command in workflow_commands(outcome.log)}
        assert commands <= {"add-mask", "warning", "error", "group", "endgroup"}
        check_result(outcome.outputs)
        check_summary(outcome.summary)
        written = file_command(Path("output").read_text("utf-8"))
        assert written["status"] == outcome.outputs["status"]
        assert outcome.reports["result.env"].startswith("ZEROKIE_RESULT_")
        json.loads(outcome.reports["annotations.json"])


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_bug_is_one_line_in_all_reports(world: World, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """The run formats the traceback, which takes memory, only for `log-level: debug`."""

    async def fail(*_args: object) -> None:
        raise MemoryError

    def format_exception(error: BaseException) -> list[str]:
        made.append(error)
        return ["Traceback\n"]

    made: list[BaseException] = []
    monkeypatch.setattr("zerokie_action.run.deploy_directory", fail)
    monkeypatch.setattr("traceback.format_exception", format_exception)
    outcome = world.run(log_level=level)
    assert (outcome.exit_code, outcome.outputs["error"]) == (1, "Unexpected error: MemoryError()")
    assert "Error: Unexpected error: MemoryError()\n" in outcome.log
    assert ("Traceback\n" in outcome.log, len(made)) == (level == "debug", level == "debug")
