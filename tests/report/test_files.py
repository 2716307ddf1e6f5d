"""The four files in `report-dir`: after each end of a run, and with something else in their places."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.test_hostile import check_summary
from tests.support.cleanup import leave
from tests.support.schema import check_result
from tests.support.world import REPORTS, SITE, World


@pytest.mark.parametrize(
    ("inputs", "code", "status", "headline"),
    [
        ({}, 0, "deployed", "✅ `site` is deployed"),
        ({"health_check": "/missing"}, 10, "failed", "❌ `site`: deploy failed"),
        ({"timeout": "soon", "image": "nginx"}, 2, "failed", "❌ `site`: deploy failed"),
        ({"operation": "destroy"}, 0, "destroyed", "✅ `site` is deleted"),
        ({"log_level": "error"}, 143, "cancelled", "🚫 `site`: deploy cancelled"),
    ],
    ids=["success", "failure", "wrong inputs", "destroy", "cancel"],
)
def test_each_run_writes_four_reports(
    world: World, inputs: dict[str, object], code: int, status: str, headline: str
) -> None:
    """The run creates the folder with its parents."""
    if status == "cancelled":
        world.signals.install()
        world.once("PUT", "/files/index.html$", lambda: os.kill(os.getpid(), signal.SIGTERM))
    outcome = world.run(report_dir="out/reports", **inputs)
    assert outcome.exit_code == code, outcome.log
    assert {path.name for path in Path("out/reports").iterdir()} == {*REPORTS}
    check_result(outcome.outputs)
    assert (outcome.outputs["status"], outcome.outputs["exit_code"]) == (status, code)
    lines = outcome.reports["result.env"].splitlines()
    assert {f"ZEROKIE_RESULT_STATUS={status}", f"ZEROKIE_RESULT_EXIT_CODE={code}"} < {*lines}
    url = outcome.outputs["url"]
    links = json.loads(outcome.reports["annotations.json"])["Zerokie"]
    assert [link["external_link"]["url"] for link in links] == ([url] if url else [])
    check_summary(outcome.summary)
    assert outcome.summary.startswith(f"## {headline}\n")


def test_a_run_replaces_only_its_reports(world: World) -> None:
    """It empties them before its first request, so a killed run leaves no old report. Other files stay."""
    world.reports.mkdir()
    for name in (*REPORTS, "other"):
        (world.reports / name).write_text("old" * 5_000)
    seen: list[list[int]] = []
    world.platform.on_request = lambda _: seen.append(
        [(world.reports / name).stat().st_size for name in (*REPORTS, "other")]
    )
    outcome = world.run()
    assert (outcome.exit_code, seen[0]) == (0, [0, 0, 0, 0, 15_000])
    assert [name for name in REPORTS if not outcome.reports[name] or "old" in outcome.reports[name]] == []
    assert (world.reports / "other").stat().st_size == 15_000


@pytest.mark.parametrize(
    ("folder", "deployed"),
    [
        ("reports", set()),
        ("folder/reports", {"reports/x/result.json"}),
        ("folder", {"x/result.json"}),
        ("link", {"x/result.json"}),
    ],
)
def test_reports_and_state_file_are_not_deployed(world: World, folder: str, deployed: set[str]) -> None:
    """Other files in `report-dir` are deployed if it is in `directory`."""
    Path("link").symlink_to("folder")
    (Path(folder) / "x").mkdir(parents=True)
    (Path(folder) / "x" / "result.json").touch()
    for _ in range(2):
        outcome = world.run(report_dir=folder, state_file=f"{folder}/state.json")
        assert outcome.exit_code == 0, outcome.log
        assert world.stored().keys() == SITE.keys() | deployed
        assert outcome.reports.keys() == {*REPORTS}


# --- something else is in the way

PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "Is a directory"),
    "a symlink": (lambda place: place.symlink_to("target"), "Too many levels of symbolic links"),
    "a pipe": (os.mkfifo, "No such device or address"),  # nothing reads it
}
CHANGE = "Remove it, or choose another folder"


@pytest.mark.parametrize("thing", PLACES)
@pytest.mark.parametrize("name", REPORTS)
def test_something_else_in_the_place_of_a_report_is_exit_2(world: World, thing: str, name: str) -> None:
    """The run ends before the first request, and writes the other reports. It doesn't follow the symlink."""
    put, reason = PLACES[thing]
    world.reports.mkdir()
    (world.reports / "target").write_text("mine")
    put(world.reports / name)
    outcome = world.run(report_dir="reports")
    assert (outcome.exit_code, outcome.requests) == (2, [])
    problem = f"`report-dir` (ZEROKIE_REPORT_DIR): Can't write 'reports/{name}': {reason}. {CHANGE}"
    assert outcome.log.count(problem) == outcome.log.count("Can't write") == 1
    assert {written for written in REPORTS if outcome.reports.get(written)} == {*REPORTS} - {name}
    assert (world.reports / "target").read_text() == "mine"


@pytest.mark.parametrize(
    ("folder", "place", "reason"),
    [
        ("file", "file", "File exists"),
        ("symlink", "symlink", "File exists"),
        ("file/a/b", "file/a/b", "Not a directory"),
        ("/proc/reports", "/proc/reports", "No such file or directory"),
        ("x" * 300, "x" * 300, "File name too long"),
    ],
)
def test_an_unusable_folder_is_exit_2(world: World, folder: str, place: str, reason: str) -> None:
    """The run ends before the first request, with one error."""
    Path("file").write_text("mine")
    Path("symlink").symlink_to("target")
    outcome = world.run(report_dir=folder)
    assert (outcome.exit_code, outcome.requests) == (2, [])
    problem = f"`report-dir` (ZEROKIE_REPORT_DIR): Can't write {place!r}: {reason}. {CHANGE}"
    assert outcome.log.count(problem) == outcome.log.count("Can't write") == 1
    assert (Path("file").read_text(), Path("target").exists()) == ("mine", False)


@pytest.mark.parametrize("thing", PLACES)
def test_a_failed_write_at_the_end_is_a_warning(world: World, thing: str) -> None:
    """Another process may replace a report during the deploy. The deploy's result and other reports stay."""
    put, reason = PLACES[thing]
    place = world.reports / "summary.md"

    def replace() -> None:
        place.unlink()
        (world.reports / "target").write_text("mine")
        put(place)

    world.once("POST", "/lock$", replace)
    outcome = world.run(report_dir="reports")
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "deployed")
    warning = f"Warning: `report-dir`: Can't write 'reports/summary.md': {reason}\n"
    assert outcome.log.count(warning) == outcome.log.count("Warning: ") == 1
    assert all(outcome.reports[name] for name in REPORTS if name != place.name)
    assert (world.reports / "target").read_text() == "mine"


@pytest.mark.parametrize("path", ["reports/summary.md", "./link/summary.md", "other"])
@pytest.mark.parametrize("session", ["killed", ""])
def test_a_state_file_with_the_path_of_a_report_is_exit_2(world: World, path: str, session: str) -> None:
    """The run ends before the first request, and writes the other reports. A saved lock stays in the file."""
    file = world.reports / "summary.md"
    world.reports.mkdir()
    Path("link").symlink_to("reports")
    Path("other").symlink_to(file)
    if session:
        leave(file, "site", session)
    before = file.read_bytes() if session else b""
    outcome = world.run(report_dir="reports", state_file=path)
    assert (outcome.exit_code, outcome.requests, file.read_bytes()) == (2, [], before)
    problem = "'reports/summary.md' and `state-file` are the same file. Set another `state-file`"
    assert outcome.log.count(f"`report-dir` (ZEROKIE_REPORT_DIR): {problem}") == 1
    assert all(outcome.reports[name] for name in REPORTS if name != file.name)
