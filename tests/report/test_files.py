"""Report files, wherever the user wants them."""

import os
from pathlib import Path

import pytest

from zerokie_action.report.files import write_report


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
