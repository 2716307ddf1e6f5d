"""The benchmark works: what it measures is another matter, and no test's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.contestants import Tool, Trial
from bench.lab import ACTION
from bench.served import ServedPlatform
from bench.sites import PAGE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.exhaustive
ROOT = Path(__file__).resolve().parent.parent
GOALS = {"start-up": 2, "first": 5, "later": 4, "resume": 0, "large": 2, "many": 3}


@pytest.fixture
def platform() -> Iterator[ServedPlatform]:
    with ServedPlatform(0) as served:
        yield served


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


def test_a_run_that_stored_something_else_is_an_error(platform: ServedPlatform, tmp_path: Path) -> None:
    """Too much, too little or the wrong length: a tool that does not do the work is not compared."""
    site = Site(tmp_path / "site").fill(3, PAGE)
    trial = Trial(platform, site.folder, 2, tmp_path / "list")
    trial.httpx_loop("right", site.sizes)
    few = dict(list(site.sizes.items())[:2])
    with pytest.raises(RuntimeError, match="for 'more' stored 3 files, not these 2"):
        trial.httpx_loop("more", few)
    with pytest.raises(RuntimeError, match="for 'other' stored 3 files, not these 3"):
        trial.httpx_loop("other", {path: size + 1 for path, size in site.sizes.items()})


@pytest.mark.parametrize(
    ("tool", "program"), [(Trial.action, "python"), (Trial.rclone, "rclone"), (Trial.aws, "aws")]
)
def test_half_a_deploy_is_resumed(platform: ServedPlatform, tmp_path: Path, tool: Tool, program: str) -> None:
    """The first run ends with half of the files; all are there after the second one, which sends the rest."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    site = Site(tmp_path / "site").fill(20, PAGE)
    trial = Trial(platform, site.folder, 4, tmp_path / "list")
    trial.resume(tool, "app", site.sizes)
    assert platform.sizes("app") == site.sizes
