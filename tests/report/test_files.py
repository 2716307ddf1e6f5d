"""Report files in all places that a user may choose."""

import os
import select
from pathlib import Path
from threading import Thread

import pytest

from zerokie_action.report.files import write_report


def test_a_report_replaces_an_old_one_in_utf_8(tmp_path: Path) -> None:
    """The old text is replaced completely. A lone surrogate becomes an escape."""
    path = tmp_path / "b.md"
    path.write_text("a long old report")
    write_report(path, "é ✅ \udc80\n")
    assert path.read_bytes() == "é ✅ \\udc80\n".encode()


def test_a_pipe_gets_a_report_that_is_longer_than_its_buffer(tmp_path: Path) -> None:
    """The reader may be slow. This one starts when the pipe is full."""
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
    """Return whether a writer would block."""
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [writer], [], 0)[1]
    finally:
        os.close(writer)


@pytest.mark.parametrize(("path", "descriptor"), [("/dev/stdout", 1), ("/dev/stderr", 2)])
def test_a_standard_stream_is_appended_to(
    capfd: pytest.CaptureFixture[str], path: str, descriptor: int
) -> None:
    """If the stream is a file, it is neither truncated nor replaced."""
    os.write(descriptor, b"log\n")
    write_report(Path(path), "report\n")
    assert capfd.readouterr()[descriptor - 1] == "log\nreport\n"
