"""The generated parts of the documents, and `action.yml`, are what the code says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.scripts import documents
from tests.support.settings import load

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIRED = {"api-key": "key", "app": "site", "directory": "dist"}


def action() -> dict[str, Any]:
    """What GitHub reads."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    return document


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_generated_parts_are_current(name: str) -> None:
    """`make docs` would change nothing."""
    text = (ROOT / name).read_text("utf-8")
    assert text == documents.updated(name, text)


def test_the_shown_defaults_are_the_real_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Giving every input the default that its description names changes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    required = {f"INPUT_{name.upper()}": text for name, text in REQUIRED.items()}
    named = {
        f"INPUT_{name.upper()}": found[1]
        for name, row in action()["inputs"].items()
        if (found := re.search(r" Default: `(.+)`\.$", row["description"]))
    }
    assert len(named) > 15
    assert load(named | required) == load(required)


def test_only_the_code_has_defaults() -> None:
    """The action passes nothing on that nobody has set, so a `ZEROKIE_` variable counts instead."""
    assert [name for name, row in action()["inputs"].items() if "default" in row] == []
