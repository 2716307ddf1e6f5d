"""Who may read what."""

import ast
from collections.abc import Iterator
from pathlib import Path

from zerokie_action.report.report import Report

PACKAGE = Path(__file__).parents[2] / "zerokie_action"
READERS = {"run.py", "previews/notify.py", "previews/sweep.py"}
"""The end of a run, and the code that puts the reports of several apps together."""


def reads(file: Path) -> Iterator[str]:
    """Yield each expression that reads a fact of `report`."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Attribute(ast.Name("report") | ast.Attribute(attr="report"), attr, ast.Load()):
                if not callable(getattr(Report, attr, None)):
                    yield f"{file.name}:{node.lineno}: {ast.unparse(node)}"


def test_no_operation_reads_the_report() -> None:
    """A fact that decides something has another owner, such as the app or the record of writes."""
    files = {str(file.relative_to(PACKAGE)): file for file in PACKAGE.rglob("*.py")}
    operations = [file for name, file in files.items() if name not in READERS and name[:7] != "report/"]
    assert [line for file in operations for line in reads(file)] == []
    assert all([*reads(files[name])] for name in READERS), "the search finds reads"
