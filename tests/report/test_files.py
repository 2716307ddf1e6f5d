"""Report files: whole or not at all, wherever the user wants them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zerokie_action.report import files
from zerokie_action.report.files import write_report_file

WRITE = (
    "import sys; from zerokie_action.report.files import write_report_file as w; w(sys.argv[1], 'report\\n')"
)


def write_from_a_process(path: str, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", WRITE, path], check=True, **options)


def test_a_new_file(tmp_path):
    """Missing folders are made; the file is UTF-8 and readable for everybody, whatever the umask."""
    before = os.umask(0o077)
    try:
        write_report_file(tmp_path / "a" / "b.md", "é ✅\n")
    finally:
        os.umask(before)
    path = tmp_path / "a" / "b.md"
    assert path.read_bytes() == "é ✅\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list((tmp_path / "a").iterdir()) == [path]


def test_an_old_file_is_replaced(tmp_path):
    """A reader that has the old file open keeps it; a new one gets the new file."""
    path = tmp_path / "result.json"
    path.write_text("old")
    with path.open() as reader:
        write_report_file(str(path), "new")
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
    """What cannot be replaced is overwritten: a mounted file, a folder without write permission."""
    monkeypatch.setattr(files, "_replace", cannot_replace)
    path = tmp_path / "result.json"
    path.write_text("a long old report")
    write_report_file(path, "new")
    assert path.read_text() == "new"


def test_a_link_in_a_folder_that_is_read_only(tmp_path, monkeypatch):
    """Overwriting does not follow links either."""
    monkeypatch.setattr(files, "_replace", cannot_replace)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "result.json").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        write_report_file(tmp_path / "result.json", "report")
    assert (tmp_path / "precious").read_text() == "precious"


def test_nowhere_to_write(tmp_path):
    """A folder, or a path below a file, is an error of the operating system; nothing is left behind."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(IsADirectoryError):
        write_report_file(tmp_path / "folder", "report")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        write_report_file(tmp_path / "file" / "below", "report")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_standard_output_as_a_pipe():
    """`/dev/stdout` is a good place for a report."""
    assert write_from_a_process("/dev/stdout", stdout=subprocess.PIPE).stdout == b"report\n"


def test_standard_output_as_a_file(tmp_path):
    """A log that goes to a file is appended to, neither truncated nor replaced."""
    log = tmp_path / "log"
    with log.open("wb") as stream:
        stream.write(b"first\n")
        stream.flush()
        write_from_a_process("/dev/stdout", stdout=stream)
    assert log.read_bytes() == b"first\nreport\n"
    assert Path("/dev/stdout").is_symlink()


def test_a_pipe_with_a_reader(tmp_path):
    """A named pipe gets the report, however long it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)

    def read() -> None:
        with os.fdopen(descriptor, "rb") as file:
            received.append(file.read())

    thread = threading.Thread(target=read, daemon=True)
    writer = os.open(pipe, os.O_WRONLY)
    thread.start()
    try:
        write_report_file(pipe, "x" * 1_000_000)
    finally:
        os.close(writer)
    thread.join()
    assert received == [b"x" * 1_000_000]


def test_a_pipe_without_a_reader(tmp_path):
    """Nobody waits for ever for somebody to read a pipe."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        write_report_file(tmp_path / "pipe", "report")


def test_text_that_is_no_unicode(tmp_path):
    """A stray surrogate is shown as an escape and does not cost the report."""
    write_report_file(tmp_path / "a", "a\udc80b")
    assert (tmp_path / "a").read_bytes() == b"a\\udc80b"
