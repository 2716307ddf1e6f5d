"""Acceptance command without a whole run."""

import re

import pytest

from acceptance.__main__ import COULD_NOT_RUN
from tests.acceptance.conftest import Acceptance
from tests.acceptance.test_names import old, others

pytestmark = pytest.mark.usefixtures("handlers")


def test_a_plan_sends_nothing(
    acceptance: Acceptance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--plan` describes the run without a key."""
    before = len(acceptance.platform.state()["requests"])
    assert acceptance.main(monkeypatch, "--plan", ZEROKIE_API_KEY="", ACCEPTANCE_DOMAIN="example.org") == 0
    said = capsys.readouterr().out
    assert acceptance.platform.url in said
    assert "zk-<random>.example.org" in said
    assert len(acceptance.platform.state()["requests"]) == before


MISSING = [
    ({"ZEROKIE_API_KEY": ""}, "ZEROKIE_API_KEY is missing"),
    ({"ZEROKIE_API_KEY": "wrong"}, "401"),
    ({"ZEROKIE_API_URL": "http://platform.example"}, "https://"),
    ({"ZEROKIE_API_URL": "https://user@platform.example"}, "https://"),
]


def test_a_run_that_cannot_start_explains_why(
    acceptance: Acceptance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the missing setting, and nothing is created."""
    for env, what in MISSING:
        assert acceptance.main(monkeypatch, **env) == COULD_NOT_RUN
        assert what in capsys.readouterr().out
    assert acceptance.apps() == ["production"]


def test_a_sweep_deletes_only_leftovers(
    acceptance: Acceptance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It deletes only acceptance apps that are more than an hour old."""
    leftover = old()
    names = [
        name for name in others() if re.fullmatch("zk[a-z0-9-]*", name)
    ]  # The platform rejects other names.
    for name in (*names, leftover):
        acceptance.platform.create(name)
    assert acceptance.main(monkeypatch, "--sweep") == 0
    assert f"{leftover}: deleted" in capsys.readouterr().out
    assert acceptance.apps() == sorted([*names, "production"])
