"""Report files: whole or not at all, wherever the user wants them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from zerokie_action.report import files
from zerokie_action.report.files import write_report_file

WRITE = (
    "import pathlib, sys; from zerokie_action.report.files import write_report_file as w; "
    "w(pathlib.Path(sys.argv[1]), 'report\\n')"
)


def test_a_new_file(tmp_path):
    """It is UTF-8 and readable for everybody, whatever the umask; a stray surrogate is an escape."""
    path = tmp_path / "b.md"
    before = os.umask(0o077)
    try:
        write_report_file(path, "é ✅ \udc80\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "é ✅ \\udc80\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_is_replaced(tmp_path):
    """A reader that has it open keeps the old one. A link can't make us write somewhere else."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to("precious")
    with (tmp_path / "precious").open() as reader:
        write_report_file(tmp_path / "link", "report")
        write_report_file(tmp_path / "precious", "new")
        assert reader.read() == "precious"
    assert [(tmp_path / name).read_text() for name in ("link", "precious")] == ["report", "new"]


def cannot_replace(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_file_in_a_folder_that_is_read_only(tmp_path, monkeypatch):
    """What cannot be replaced, such as a mounted file, is overwritten; no link is followed there either."""
    monkeypatch.setattr(files, "_replace", cannot_replace)
    path = tmp_path / "result.json"
    path.write_text("a long old report")
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        write_report_file(tmp_path / "link", "report")
    write_report_file(path, "new")
    assert path.read_text() == "new"


def test_nowhere_to_write(tmp_path):
    """A folder, or a pipe that nobody reads: an error of the system's, at once; nothing is left behind."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_report_file(tmp_path / "folder", "report")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        write_report_file(tmp_path / "pipe", "report")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


@pytest.mark.parametrize("path", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "/dev/../dev/stdout"])
def test_standard_output(tmp_path, path):
    """A good place for a report: a log that goes to a file is appended to, neither truncated nor replaced."""
    with (tmp_path / "log").open("wb") as stream:
        for _ in range(2):
            subprocess.run([sys.executable, "-c", WRITE, path], check=True, stdout=stream)
    assert (tmp_path / "log").read_bytes() == b"report\nreport\n"
