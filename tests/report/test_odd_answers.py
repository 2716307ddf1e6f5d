"""Answers that a platform should not give: the deploy is done, and the reports must not undo that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zerokie_action.report import files
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import World


@pytest.mark.parametrize("length", ["9" * 400, "-" + "9" * 400, "1e400", "-7", '"' + "9" * 400 + '"', "NaN"])
def test_a_length_of_any_size(world: World, length: str) -> None:
    """A file that is deleted, and has hundreds of digits of bytes."""
    world.platform.put_file("site", "old.html", b"old")
    listed = json.dumps([{"path": "old.html", "length": "L", "lastModified": "x"}]).replace('"L"', length)
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "/files$", status=200, body=listed.encode()))
    outcome = world.run(take_over=True, dotenv_file="zerokie.env")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["deleted"] == ["old.html"]
    assert "| `-` deleted | `old.html` |" in outcome.summary


def test_a_report_that_cannot_be_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason: the others are written, and the deploy is what it was."""

    def fail(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(files, "render_summary", fail)
    outcome = world.run()
    assert outcome.exit_code == 0
    assert outcome.outputs["status"] == "deployed"
    assert "Warning: The report for `summary-file` can't be made (ZeroDivisionError())" in outcome.log
