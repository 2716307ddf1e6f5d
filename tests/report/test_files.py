"""Report files: whole or not at all, wherever the user wants them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zerokie_action.report import files
from zerokie_action.report.files import is_stream, write_report_file

WRITE = (
    "import pathlib, sys; from zerokie_action.report.files import write_report_file as w; "
    "w(pathlib.Path(sys.argv[1]), 'report\\n')"
)


def write_from_a_process(path: str, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", WRITE, path], check=True, **options)


def test_a_new_file(tmp_path):
    """It is UTF-8 and readable for everybody, whatever the umask."""
    path = tmp_path / "b.md"
    before = os.umask(0o077)
    try:
        write_report_file(path, "é ✅\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "é ✅\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_is_replaced(tmp_path):
    """A reader that has the old file open keeps it; a new one gets the new file."""
    path = tmp_path / "result.json"
    path.write_text("old")
    with path.open() as reader:
        write_report_file(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_a_link_is_replaced_and_not_followed(tmp_path):
    """A link in the workspace cannot make us write somewhere else."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "result.json").symlink_to("precious")
    write_report_file(tmp_path / "result.json", "report")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "result.json").is_symlink()


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
    """A folder, a path below a file or in no folder: an error of the system's; nothing is left behind."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(IsADirectoryError):
        write_report_file(tmp_path / "folder", "report")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        write_report_file(tmp_path / "file" / "below", "report")
    with pytest.raises(FileNotFoundError):
        write_report_file(tmp_path / "missing" / "below", "report")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("path", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "/dev/../dev/stdout"])
def test_standard_output(tmp_path, path):
    """A good place for a report: a log that goes to a file is appended to, neither truncated nor replaced."""
    assert write_from_a_process(path, stdout=subprocess.PIPE).stdout == b"report\n"
    with (tmp_path / "log").open("wb") as stream:
        write_from_a_process(path, stdout=stream)
        write_from_a_process(path, stdout=stream)
    assert (tmp_path / "log").read_bytes() == b"report\nreport\n"


def test_streams(tmp_path):
    """Devices, pipes and open files are streams; files, folders, links to them and nothing at all are not."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "file").touch()
    (tmp_path / "alias").symlink_to("file")
    streams = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/fd/9", "/proc/1/task/1/fd/2"]
    assert all(map(is_stream, [*map(Path, streams), tmp_path / "pipe", tmp_path / "link"]))
    files = ["/dev", "/dev/none", "/dev/stdout/x", "/proc/version", "fd/1", "x" * 5000]
    assert not any(
        map(
            is_stream, [*map(Path, files), tmp_path, *(tmp_path / name for name in ("file", "alias", "none"))]
        )
    )


def test_a_pipe_without_a_reader(tmp_path):
    """Nobody waits for ever for somebody to read a pipe."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        write_report_file(tmp_path / "pipe", "report")


def test_text_that_is_no_unicode(tmp_path):
    """A stray surrogate is shown as an escape and does not cost the report."""
    write_report_file(tmp_path / "a", "a\udc80b")
    assert (tmp_path / "a").read_bytes() == b"a\\udc80b"
