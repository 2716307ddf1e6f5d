"""The benchmark works: what it measures is another matter, and no test's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab import ACTION

pytestmark = pytest.mark.exhaustive
ROOT = Path(__file__).resolve().parent.parent
GOALS = {"start-up": 2, "first": 5, "later": 4, "resume": 0, "large": 2, "many": 3}


@pytest.mark.parametrize("case", GOALS)
def test_every_case_runs(case: str) -> None:
    """The command measures a small version of it, prints its tables, and judges its goals."""
    command = [sys.executable, "-m", "bench", "--quick", "--only", case]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tables, _, judged = shown.partition("### Goals\n")
    assert shown.startswith(f"`python -m bench --quick --only {case}` with zerokie-action ")
    assert re.search(rf"^\| {ACTION}.* \| \d+\.\d\d s \| \d+\.\d\d \| ", tables, re.MULTILINE)
    verdict = r"\| (met|within the most|\*\*missed\*\*|not measured) \|$"
    verdicts = re.findall(verdict, judged, re.MULTILINE)
    assert len(verdicts) == GOALS[case]
