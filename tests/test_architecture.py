"""Rules that the import contracts in pyproject.toml cannot express."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import zerokie_action

PACKAGE = Path(zerokie_action.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "sandbox")

# Whose business it is, by the first part of the module's path.
READS_ENVIRONMENT = {"__main__.py", "main.py", "cleanup.py"}
WRITES_TO_STREAMS = {"ci", "report"} | READS_ENVIRONMENT


def uses(path: Path, names: set[str]) -> list[str]:
    """Where a module mentions one of these names, bare (`print`) or dotted (`os.environ`)."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    expressions = (node for node in nodes if isinstance(node, ast.Name | ast.Attribute))
    return [
        f"{path.name}:{node.lineno} {ast.unparse(node)}" for node in expressions if ast.unparse(node) in names
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_only_the_edges_touch_the_world(path: Path) -> None:
    """The environment is read in main and cleanup only; only ci and report write to the streams."""
    owner = path.relative_to(PACKAGE).parts[0]
    if owner not in READS_ENVIRONMENT:
        assert uses(path, {"os.environ", "os.getenv", "os.environb", "environ", "getenv"}) == []
    if owner not in WRITES_TO_STREAMS:
        assert uses(path, {"print", "sys.stdout", "sys.stderr", "stdout", "stderr"}) == []
