"""The benchmark works: what it measures is another matter, and no test's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from bench import document
from bench.bucket import Bucket
from bench.cases import BOTH, CASES, IMPORTS
from bench.contestants import Tool, Trial
from bench.goals import Goal, goals
from bench.lab import ACTION, CURL, HTTPX, QUICK, RCLONE_CHECKSUM, Lab, Table
from bench.measure import Command, Usage, compare, measure
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


def test_every_case_is_tested() -> None:
    """Here, or with a container engine."""
    assert {*GOALS, "container"} == {*CASES}


def test_without_a_container_engine() -> None:
    """There is no table, and that is said."""
    command = [sys.executable, "-m", "bench", "--quick", "--only", "container"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env={"PATH": ""})
    assert done.stderr == "container:\nno container engine is on this machine: no table for it\n"
    assert "### " not in done.stdout


def test_figures_of_a_part_are_not_written() -> None:
    """The document shows whole runs only."""
    command = [sys.executable, "-m", "bench", "--quick", "--write"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.endswith("error: --write is for the figures of a whole run\n")


# --- what is measured


def test_a_process_is_measured_whole() -> None:
    """Time, processor time and memory are the process's own; what it wrote is kept."""
    script = "import time; data = b'x' * 50_000_000; print('done', flush=True); time.sleep(0.05)"
    run = measure(Command([sys.executable, "-c", script]))
    assert run.output == "done\n"
    assert run.usage.wall >= 0.05
    assert 0 < (run.usage.cpu or 0) < run.usage.wall
    assert 50_000_000 < (run.usage.rss or 0) < 100_000_000


def test_a_process_that_fails_is_an_error() -> None:
    """Nobody takes the time of a failure for a good time."""
    with pytest.raises(RuntimeError, match=r"ended with 3:\nno\n$"):
        measure(Command([sys.executable, "-c", "import sys; print('no', file=sys.stderr); sys.exit(3)"]))


def test_runs_take_turns_and_medians_count() -> None:
    """A B A B A B: what disturbs one disturbs the other."""
    order: list[str] = []
    told: list[str] = []

    def run(name: str, *walls: float) -> Usage:
        order.append(name)
        return Usage(wall=walls[order.count(name) - 1], cpu=None if name == "b" else 1.0)

    found = compare(3, {"a": lambda _: run("a", 3, 1, 2), "b": lambda _: run("b", 5, 5, 9)}, told.append)
    assert order == ["a", "b"] * 3
    assert found == {"a": Usage(wall=2, cpu=1.0), "b": Usage(wall=5)}
    assert told[-1] == "run 3 of 3, b: 9.00 s"


def test_a_tool_that_is_not_there_has_no_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is said, and the other rows are measured."""
    told: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    lab = Lab(QUICK, tmp_path, told.append)
    assert lab.compare({CURL: lambda _: Usage(1), ACTION: lambda _: Usage(2)}) == {ACTION: Usage(2)}
    assert told[0] == "curl is not on this machine: no row for it"


def test_sites_are_the_same_everywhere(tmp_path: Path) -> None:
    """The same files with the same bytes each time; changes keep the lengths and are known."""
    one, other = (Site(tmp_path / name).fill(250, PAGE) for name in ("one", "other"))
    assert content(one) == content(other)
    before = content(one)
    assert {path: len(data) for path, data in before.items()} == one.sizes
    assert one.change(3) == one.changed
    after = content(one)
    assert {path for path in after if after[path] != before[path]} == one.changed.keys()
    assert {path: len(data) for path, data in after.items()} == one.sizes


def content(site: Site) -> dict[str, bytes]:
    files = (file for file in site.folder.rglob("*") if file.is_file())
    return {file.relative_to(site.folder).as_posix(): file.read_bytes() for file in files}


def test_a_large_file_has_its_size_to_the_byte(tmp_path: Path) -> None:
    """Also when that is no multiple of anything."""
    site = Site(tmp_path / "site").add_large("film.mp4", 2_500_001)
    assert (tmp_path / "site" / "film.mp4").stat().st_size == 2_500_001
    assert site.sizes == {"film.mp4": 2_500_001}


# --- against what


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


def test_a_run_that_can_not_be_resumed_is_an_error(platform: ServedPlatform, tmp_path: Path) -> None:
    """A tool that begins again from the beginning has no time worth comparing."""
    site = Site(tmp_path / "site").fill(20, PAGE)
    trial = Trial(platform, site.folder, 4, tmp_path / "list")
    with pytest.raises(RuntimeError, match="for 'app' stored 20 files, not these 10"):
        trial.resume(Trial.httpx_loop, "app", site.sizes)


def test_a_bucket_is_listed_page_by_page() -> None:
    """As S3 does it: a thousand keys in order, and a token for the next ones."""
    bucket = Bucket()
    for number in reversed(range(2000)):
        bucket.put(f"a & b/{number:04}", number, f"{number:032x}")
    found: list[tuple[str, str]] = []
    query = "list-type=2"
    while query:
        page = ET.fromstring(bucket.page(query))  # noqa: S314 - our own
        of = {"": "http://s3.amazonaws.com/doc/2006-03-01/"}
        entries = page.findall("Contents", of)
        assert len(entries) == 1000
        found += [(entry.findtext("Key", "", of), entry.findtext("Size", "", of)) for entry in entries]
        token = page.findtext("NextContinuationToken", "", of)
        assert page.findtext("IsTruncated", "", of) == ("true" if token else "false")
        query = token and f"list-type=2&continuation-token={quote(token)}"
    assert found == [(f"a & b/{number:04}", str(number)) for number in range(2000)]


def test_the_platform_keeps_no_bodies(platform: ServedPlatform, tmp_path: Path) -> None:
    """Its memory does not grow with the bytes, and a length over 64 MB is counted right."""
    site = Site(tmp_path / "site").add_large("film.mp4", 70_000_000)
    memory = [int(status(platform, "VmHWM"))]
    Trial(platform, site.folder, 1, tmp_path / "list").httpx_loop("app", site.sizes)
    memory.append(int(status(platform, "VmHWM")))
    assert platform.sizes("app") == {"film.mp4": 70_000_000}
    assert memory[1] - memory[0] < 20_000


def status(platform: ServedPlatform, name: str) -> str:
    found = re.search(
        rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{platform.pid}/status").read_text(), re.MULTILINE
    )
    assert found
    return found[1]


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


def test_what_is_missing_is_not_measured() -> None:
    """Without curl, its goal is neither met nor missed."""
    table = Table("", {ACTION: Usage(2, cpu=4), HTTPX: Usage(3)}, CURL)
    verdicts = [goal.verdict for goal in goals(QUICK, {"first": [table] * 3})]
    assert verdicts == ["not measured", "not measured", "not measured", "met", "missed"]


def test_tables_are_written_as_markdown() -> None:
    """Seconds, ratios and megabytes; what was not measured is left empty."""
    rows = {"a": Usage(2, cpu=0.5, rss=51e6, platform_cpu=0.1), IMPORTS: Usage(1)}
    figures = document.render(
        "bench", QUICK, [Table("Title", rows, IMPORTS)], [Goal("a / b", 1, 1.5, most=2)]
    )
    assert "\nMedians of 1 runs, of 1 for start-ups.\nLatency 1 ms, 8 connections.\n" in figures
    assert figures.endswith(f"""

### Title

| | time | ratio | CPU | peak memory | platform's CPU |
| --- | ---: | ---: | ---: | ---: | ---: |
| a | 2.00 s | 2.00 | 0.50 s | 51 MB | 0.10 s |
| {IMPORTS} | 1.00 s | 1.00 |  |  |  |

### Goals

| | goal | measured | |
| --- | ---: | ---: | --- |
| a / b | ≤ 1, at most 2 | 1.50 | within the most |
""")


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


def test_a_document_without_place_is_an_error(tmp_path: Path) -> None:
    """Figures that nobody would find are not thrown away silently."""
    (tmp_path / "performance.md").write_text("# Performance\n", "utf-8")
    with pytest.raises(ValueError, match=r"^performance\.md has no <!-- begin figures"):
        document.write("new\n", tmp_path / "performance.md")
