import os
import resource
from pathlib import Path

import pytest

from zerokie_action.errors import ConfigurationError, DeployFailed
from zerokie_action.site.local import (
    CHUNK_SIZE,
    FileContent,
    LocalFile,
    is_addressable,
)


@pytest.fixture
def _no_more_files():
    """Lower the process's limit of open files to the current number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def local(tmp_path: Path):
    """A function that writes a file and returns it as the scan would."""

    def write(content: bytes, name: str = "a.bin") -> LocalFile:
        path = tmp_path / name
        path.write_bytes(content)
        status = path.stat()
        return LocalFile(name, str(tmp_path), status.st_size, status.st_mtime_ns)

    return write


def source(file: LocalFile) -> Path:
    return Path(file.directory, file.path)


def replace_by_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_a_symlink(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda path: path.write_bytes(b"more"), "'a.bin'"),
        (lambda path: path.write_bytes(b""), "'a.bin'"),
        (Path.unlink, "'a.bin' (No such file or directory)"),
        (replace_by_a_fifo, "'a.bin'"),
        (replace_by_a_symlink, "'a.bin' (Too many levels of symbolic links)"),
    ],
)
def test_a_file_that_changed_after_the_scan_is_an_error(local, change, what):
    """The error names the file for every kind of change."""
    file = local(b"abc")
    change(source(file))
    with pytest.raises(DeployFailed) as caught:
        [*FileContent(file).chunks()]
    assert str(caught.value) == f"The folder changed during the deploy: {what}"
    assert caught.value.hint == "Run the job again, and let the build finish before the deploy starts."


def test_a_limit_of_open_files_is_a_configuration_error(local, request):
    """The hint has the command that raises the limit."""
    file = local(b"abc")
    request.getfixturevalue("_no_more_files")
    with pytest.raises(ConfigurationError, match=r"Can't open 'a\.bin': Too many open files") as caught:
        [*FileContent(file).chunks()]
    assert "`ulimit -n 1024`" in caught.value.hint


def test_a_file_that_gets_shorter_ends_the_upload(local):
    """The upload never completes the body with other content."""
    file = local(bytes(3 * CHUNK_SIZE))
    sent = 0
    with pytest.raises(DeployFailed):  # noqa: PT012 - the chunks before the change are valid
        for chunk in FileContent(file).chunks():
            sent += len(chunk)
            os.truncate(source(file), 1)
    assert 0 < sent < file.size


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/../b", "a/.", "\ud800", "a/\udfff"),
        *("é" * 512 + "a", "a/" * 60_000 + "b"),
    ],
)
def test_paths_that_no_url_can_name_are_not_addressable(path):
    """Their URLs would name another file or be too long."""
    assert not is_addressable(path)
