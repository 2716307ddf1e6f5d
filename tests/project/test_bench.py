"""The benchmark runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cases import CASES
from bench.lab import ACTION

pytestmark = pytest.mark.exhaustive
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("case", CASES)
def test_every_case_of_the_benchmark_runs(case: str) -> None:
    """The command measures a small version of the case, and prints its tables."""
    command = [sys.executable, "-m", "bench", "--quick", "--only", case]
    tables = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert tables.startswith(f"`python -m bench --quick --only {case}` with zerokie-action ")
    assert re.search(rf"^\| {ACTION}.* \| \d+\.\d\ds \| \d+\.\d\d \| ", tables, re.MULTILINE)
