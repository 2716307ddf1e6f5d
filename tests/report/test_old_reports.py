"""Report files that were there before the run: a killed run must not leave them as its own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from zerokie_action.cleanup import cleanup
from zerokie_action.report.files import remove_old_reports

if TYPE_CHECKING:
    import pytest

    from tests.support.world import World

FILES = {
    "dotenv_file": "zerokie.env",
    "annotations_file": "a.json",
    "summary_file": "s.md",
    "output_file": "o.json",
}
HOSTILE = "LD_PRELOAD=/builds/evil.so\n"


def left_by_a_killed_run(world: World, **inputs: object) -> dict[str, str]:
    """What the report files hold at the first request, when a SIGKILL would leave them."""
    seen: dict[str, str] = {}

    def look() -> None:
        paths = {name: Path(str(path)) for name, path in (FILES | inputs).items() if name in FILES}
        seen.update({name: path.read_text("utf-8") for name, path in paths.items() if path.exists()})

    world.once("GET", "", look)
    assert world.run(**FILES | inputs).exit_code == 0
    return seen


def test_files_and_links(world: World) -> None:
    """All four are gone before the first request; what a link leads to stays, and reports are files."""
    Path("precious").write_text("precious")
    Path("zerokie.env").write_text(HOSTILE)
    Path("s.md").write_text("old")
    for name, target in {"a.json": "precious", "o.json": "nowhere"}.items():
        Path(name).symlink_to(target)
    assert left_by_a_killed_run(world) == {}
    assert Path("precious").read_text() == "precious"
    assert not any(Path(name).is_symlink() for name in FILES.values())
    assert Path("zerokie.env").read_text().startswith("ZEROKIE_RESULT_")


def test_a_file_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mounted into a container, for example, is emptied."""

    monkeypatch.chdir(tmp_path)

    def refuse(path: Path) -> None:
        raise OSError(16, "Device or resource busy", str(path))

    Path("zerokie.env").write_text(HOSTILE)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        remove_old_reports(["zerokie.env"], {})
    assert Path("zerokie.env").read_text() == ""


def test_what_is_not_the_checkouts(world: World) -> None:
    """A stream and GitHub's own files stay, and the cleanup removes nothing."""
    Path("step.md").write_text("another step's\n")
    world.env |= {"GITHUB_STEP_SUMMARY": str(Path("step.md").resolve())}
    seen = left_by_a_killed_run(world, summary_file=Path("step.md").resolve(), dotenv_file="/dev/null")
    assert seen["summary_file"] == "another step's\n"

    Path("zerokie.env").write_text("ZEROKIE_RESULT_URL=x\n")
    cleanup(world.environment("http://127.0.0.1:9", **FILES), world.signals, io.StringIO())
    assert Path("zerokie.env").read_text() == "ZEROKIE_RESULT_URL=x\n"
