"""The examples use what exists: inputs, outputs, files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from zerokie_action.report.result import Result, render_json
from zerokie_action.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").glob("*/*")
    if path.is_file() and path.parent.name != "site" and path.suffix in {".yml", ".sh", ""}
)
INPUTS = {name.replace("_", "-") for name in Settings.model_fields}
OUTPUTS = {name.replace("_", "-") for name in json.loads(render_json(Result("deploy")))}
COMPONENT = ROOT / "templates" / "deploy.yml"


def component_inputs() -> dict[str, Any]:
    """The inputs that the GitLab component declares."""
    header: dict[str, Any] = next(yaml.safe_load_all(COMPONENT.read_text("utf-8")))
    inputs: dict[str, Any] = header["spec"]["inputs"]
    return inputs


def mappings(node: Any) -> list[dict[str, Any]]:
    """Every mapping in a YAML document."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node] if isinstance(node, dict) else []
    return own + [found for child in children for found in mappings(child)]


def names_used(path: Path) -> set[str]:
    """The inputs that an example gives to the action, however they are spelled there."""
    text = path.read_text("utf-8")
    names = set(re.findall(r"\b(?:ZEROKIE|INPUT)_([A-Z_]+)\b", text))
    for mapping in [found for document in yaml_documents(path, text) for found in mappings(document)]:
        if str(mapping.get("uses", "")).startswith("zerokie/"):
            names |= set(mapping.get("with", {}))
        if "zerokie-action" in str(mapping.get("image", "")):
            names |= set(mapping.get("settings", {}))
    return {name.lower().replace("_", "-") for name in names}


def yaml_documents(path: Path, text: str) -> list[Any]:
    return list(yaml.safe_load_all(text)) if path.suffix == ".yml" else []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_use_inputs_that_exist(path: Path) -> None:
    """Every input that an example sets is one of the contract's, and none sets nothing."""
    used = names_used(path)
    if path.parent.name == "gitlab" and "component:" in path.read_text("utf-8"):
        document = yaml.safe_load(path.read_text("utf-8"))
        used -= {"api-key", "gitlab-token"}
        assert set(document["include"][0]["inputs"]) <= set(component_inputs())
        assert used == set()
    else:
        assert used
        assert used - INPUTS == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_use_outputs_that_exist(path: Path) -> None:
    """Every output that an example reads is one of the contract's."""
    read = set(re.findall(r"steps\.zerokie\.outputs\.([a-z-]+)", path.read_text("utf-8")))
    assert read - OUTPUTS == set()


def test_component_passes_on_inputs_that_exist() -> None:
    """What the component sets are inputs of the action, and what it declares it uses."""
    text = COMPONENT.read_text("utf-8")
    passed = re.findall(r"^    INPUT_([A-Z_]+):", text, re.MULTILINE)
    assert {name.lower().replace("_", "-") for name in passed} - INPUTS == set()
    assert set(re.findall(r"\$\[\[ inputs\.([a-z-]+) \]\]", text)) == set(component_inputs())
