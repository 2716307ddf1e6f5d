"""Report files, wherever the user wants them."""

import os
import select
from pathlib import Path
from threading import Thread

import pytest

from zerokie_action.report.files import check_report_file, write_report


def test_a_report_replaces_an_old_one_in_utf_8(tmp_path: Path) -> None:
    """It is UTF-8, and nothing of an old text is left; a stray surrogate is an escape."""
    path = tmp_path / "b.md"
    path.write_text("a long old report")
    write_report(path, "é ✅ \udc80\n")
    assert path.read_bytes() == "é ✅ \\udc80\n".encode()


def test_a_pipe_that_nobody_reads_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        write_report(tmp_path / "pipe", "report")


def test_a_pipe_gets_a_report_that_is_longer_than_its_buffer(tmp_path: Path) -> None:
    """Its reader may be slow; this one begins when nothing more fits in."""
    pipe, text = tmp_path / "pipe", "x" * 2**20
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = Thread(target=write_report, args=[pipe, text])
    writing.start()
    while not is_full(pipe) and writing.is_alive():
        pass
    os.set_blocking(reader, True)
    with os.fdopen(reader) as file:
        assert file.read() == text
    writing.join()


def is_full(pipe: Path) -> bool:
    """Whether a writer would have to wait."""
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [writer], [], 0)[1]
    finally:
        os.close(writer)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody may have put it there while the deploy went on."""
    link = tmp_path / "report"
    link.symlink_to("elsewhere")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        write_report(link, "report")


@pytest.mark.parametrize("path", ["/dev/stdout", "/proc/self/fd/1", "/dev/../dev/stdout"])
def test_standard_output_is_appended_to(capfd: pytest.CaptureFixture[str], path: str) -> None:
    """A good place for a report: a log that goes to a file is appended to, neither truncated nor replaced."""
    os.write(1, b"log\n")
    write_report(Path(path), "report\n")
    assert capfd.readouterr().out == "log\nreport\n"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("folder", "is a folder or a symbolic link; give the path of a file"),
        ("link", "is a folder or a symbolic link; give the path of a file"),
        ("x" * 5000 + "/s.md", "does not exist; create it first or choose another path"),
    ],
)
def test_a_path_that_can_t_be_written_is_told_before_the_deploy(
    tmp_path: Path, path: str, problem: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(ValueError, match=problem):
        check_report_file(f"{tmp_path}/{path}")


def test_the_system_is_asked_whether_a_path_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is too long is told when it is written. Root may write everywhere, so it is told here."""
    for path in ("x" * 300, "/dev/stdout"):
        assert check_report_file(path) == path
    monkeypatch.setattr(os, "access", lambda *_args, **_options: False)
    with pytest.raises(ValueError, match=r"can't be written \(Permission denied\); choose another path"):
        check_report_file("report.md")
