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
    """Lower the process's limit of open files to the number of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def local(tmp_path: Path):
    """Write a file and return it as the scan would."""

    def write(content: bytes, name: str = "a.bin") -> LocalFile:
        path = tmp_path / name
        path.write_bytes(content)
        status = path.stat()
        return LocalFile(name, str(tmp_path), status.st_size, status.st_mtime_ns)

    return write


def source(file: LocalFile) -> Path:
    return Path(os.fsdecode(file.source))


def replace_by_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_a_link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda path: path.write_bytes(b"more"), "'a.bin'"),
        (lambda path: path.write_bytes(b""), "'a.bin'"),
        (Path.unlink, "'a.bin' (No such file or directory)"),
        (replace_by_a_fifo, "'a.bin'"),
        (replace_by_a_link, "'a.bin' (Too many levels of symbolic links)"),
    ],
)
def test_a_file_that_changed_since_the_scan_is_named(local, change, what):
    """It is noticed, whatever happened to it, and named."""
    file = local(b"abc")
    change(source(file))
    with pytest.raises(DeployFailed) as caught:
        [*FileContent(file).chunks()]
    assert str(caught.value) == f"The directory changed during the deploy: {what}"
    assert caught.value.hint == "Let the build finish before the deploy starts, then run the deploy again."


def test_a_limit_of_open_files_is_no_change_of_the_folder(local, request):
    """The error names the limit and the input that needs fewer files."""
    file = local(b"abc")
    request.getfixturevalue("_no_more_files")
    with pytest.raises(ConfigurationError, match=r"Can't open 'a\.bin': Too many open files") as caught:
        [*FileContent(file).chunks()]
    assert "`concurrency: 8`" in caught.value.hint


def test_a_file_that_gets_shorter_ends_the_upload(local):
    """A body is never completed from something else."""
    file = local(bytes(3 * CHUNK_SIZE))
    sent = 0
    with pytest.raises(DeployFailed):  # noqa: PT012 - the pieces before the change are fine
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
def test_paths_that_no_url_can_name_are_told(path):
    """They would lead somewhere else, or are too long."""
    assert not is_addressable(path)
