"""The benchmark works: what it measures is another matter, and no test's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import document
from bench.cases import BOTH
from bench.contestants import Tool, Trial
from bench.goals import Goal, goals
from bench.lab import ACTION, CURL, HTTPX, QUICK, RCLONE_CHECKSUM, Table
from bench.measure import Usage
from bench.served import ServedPlatform
from bench.sites import PAGE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
GOALS = {"start-up": 2, "first": 5, "later": 4, "resume": 0, "large": 2, "many": 3}


@pytest.fixture
def platform() -> Iterator[ServedPlatform]:
    with ServedPlatform(0) as served:
        yield served


@pytest.mark.exhaustive
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


# --- what is measured


# --- against what


@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
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


# --- what is made of it


def test_goals_are_judged() -> None:
    """Met, between what should be and what must be, missed, or not measured."""
    assert Goal("", 1.3, 1.3, most=1.4).verdict == "met"
    assert Goal("", 1.3, 1.4, most=1.4).verdict == "within the most"
    assert Goal("", 1.3, 1.41, most=1.4).verdict == "missed"
    assert Goal("", 1.3, 1.31).verdict == "missed"
    assert Goal("", 1.3, None).verdict == "not measured"


def test_goals_compare_what_they_say() -> None:
    """Ratios of the right rows the right way round; twice the files is measured step by step."""
    plain, secure, far = (
        Table("", {ACTION: Usage(2.4, cpu=cpu), CURL: Usage(2), HTTPX: Usage(3)}, CURL)
        for cpu in (0.01, 0.02, 0.03)
    )
    unchanged = Table("", {ACTION: Usage(3), RCLONE_CHECKSUM: Usage(2)}, BOTH)
    changed = Table("", {ACTION: Usage(5), RCLONE_CHECKSUM: Usage(4)}, BOTH)
    again = "this action once more, nothing changed"
    many = [
        Table("", {ACTION: Usage(wall, rss=rss), again: Usage(1, rss=rss / 2)}, CURL)
        for wall, rss in ((1, 1e6), (2.1, 2e6))
    ]
    later = [unchanged, changed, unchanged, changed]
    found = goals(QUICK, {"first": [plain, secure, far], "later": later, "many": many})
    assert [(goal.value, goal.verdict) for goal in found] == [
        (pytest.approx(1.2), "met"),
        (pytest.approx(1.2), "met"),
        (pytest.approx(1.2), "missed"),
        (pytest.approx(0.8), "met"),
        (pytest.approx(0.5), "met"),
        (pytest.approx(1.5), "missed"),
        (pytest.approx(1.5), "missed"),
        (pytest.approx(1.25), "met"),
        (pytest.approx(1.25), "met"),
        (pytest.approx(2.1), "missed"),
        (2, "met"),
        (1, "met"),
    ]


def test_figures_replace_the_last_ones(tmp_path: Path) -> None:
    """Between the markers of the document, and nowhere else."""
    copy = tmp_path / "performance.md"
    copy.write_text(document.DOCUMENT.read_text("utf-8"), "utf-8")
    for figures in ("old\n", "new\n"):
        document.write(figures, copy)
    before, _, after = copy.read_text("utf-8").partition(
        "\n<!-- begin figures -->\n\nnew\n\n<!-- end figures -->\n"
    )
    assert after == ""
    assert document.DOCUMENT.read_text("utf-8").startswith(f"{before}\n<!-- begin figures -->\n")
