"""Report files, wherever the user wants them."""

import os
import subprocess
import sys

import pytest

from zerokie_action.report.files import write_report

WRITE = (
    "import pathlib, sys; from zerokie_action.report.files import write_report; "
    "write_report(pathlib.Path(sys.argv[1]), 'report\\n')"
)


def test_a_report_replaces_an_old_one_in_utf_8(tmp_path):
    """It is UTF-8, and nothing of an old text is left; a stray surrogate is an escape."""
    path = tmp_path / "b.md"
    path.write_text("a long old report")
    write_report(path, "é ✅ \udc80\n")
    assert path.read_bytes() == "é ✅ \\udc80\n".encode()


def test_a_pipe_that_nobody_reads_is_an_error_at_once(tmp_path):
    """Of a pipe that nobody reads: an error of the system's, at once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        write_report(tmp_path / "pipe", "report")


@pytest.mark.parametrize("path", ["/dev/stdout", "/proc/self/fd/1", "/dev/../dev/stdout"])
def test_standard_output_is_appended_to(tmp_path, path):
    """A good place for a report: a log that goes to a file is appended to, neither truncated nor replaced."""
    with (tmp_path / "log").open("wb") as stream:
        for _ in range(2):
            subprocess.run([sys.executable, "-c", WRITE, path], check=True, stdout=stream)
    assert (tmp_path / "log").read_bytes() == b"report\nreport\n"
