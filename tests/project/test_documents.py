"""Generated parts of the documents and `action.yml`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.scripts import documents
from tests.support.settings import load, problems
from zerokie_action.inputs.settings import DEFAULT_API_URL

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIRED = {"api-key": "key", "app": "site", "directory": "dist"}


def action() -> dict[str, Any]:
    """The file that GitHub reads."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    return document


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_generated_parts_are_current(name: str) -> None:
    """`make docs` wouldn't change the file."""
    text = (ROOT / name).read_text("utf-8")
    assert text == documents.updated(name, text)


def test_the_documented_defaults_are_correct(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Setting every input to its documented default has no effect."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    required = {f"INPUT_{name.upper()}": text for name, text in REQUIRED.items()}
    named = {
        f"INPUT_{name.upper()}": found[1]
        for name, row in action()["inputs"].items()
        if (found := re.search(r" Default: `(.+)`\.$", row["description"]))
    }
    assert len(named) > 12
    assert load(named | required) == load(required)


def test_action_yml_has_only_two_defaults() -> None:
    """The action passes on only given inputs, so that a `ZEROKIE_` variable can replace a missing one."""
    defaults = {name: row["default"] for name, row in action()["inputs"].items() if "default" in row}
    assert defaults == {"api-url": DEFAULT_API_URL, "github-token": "${{ github.token }}"}


def test_on_github_a_variable_of_an_earlier_step_does_not_get_the_key() -> None:
    """A step can write it to `$GITHUB_ENV`. It may only repeat the URL that GitHub passes."""
    env = {f"INPUT_{name.upper()}": text for name, text in REQUIRED.items()}
    env["INPUT_API-URL"] = action()["inputs"]["api-url"]["default"]
    assert problems(env | {"ZEROKIE_API_URL": "https://evil.example.com"}) == (
        "`api-url` has different values in INPUT_API-URL and ZEROKIE_API_URL. Remove all but the right one",
    )
    assert load(env | {"ZEROKIE_API_URL": f" {DEFAULT_API_URL}"}).api_url == DEFAULT_API_URL
