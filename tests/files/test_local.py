from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import pytest

from zerokie_action.errors import DeployFailed
from zerokie_action.files.local import (
    CHUNK_SIZE,
    FileContent,
    LocalFile,
    find_changes,
    hash_file,
    hash_files,
    identity,
    is_addressable,
    read_chunks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def local(tmp_path: Path):
    """Write a file and return it as the scan would."""

    def write(content: bytes, name: str = "a.bin") -> LocalFile:
        path = tmp_path / name
        path.write_bytes(content)
        status = path.stat()
        return LocalFile(name, str(tmp_path), status.st_size, status.st_mtime_ns, identity(status))

    return write


def source(file: LocalFile) -> Path:
    return Path(os.fsdecode(file.source))


SIZES = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 7]


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_content_comes_in_pieces(local, size):
    """All of it, in pieces of at most a chunk; nothing for an empty file."""
    chunks = list(read_chunks(local(pattern(size))))
    assert b"".join(chunks) == pattern(size)
    assert [len(chunk) for chunk in chunks] == [CHUNK_SIZE] * (size // CHUNK_SIZE) + [
        size % CHUNK_SIZE
    ] * bool(size % CHUNK_SIZE)


@pytest.mark.parametrize("size", SIZES)
def test_hashes(local, size):
    """SHA-256 in hex, whatever the size."""
    file = local(pattern(size))
    assert hash_file(file) == hashlib.sha256(pattern(size)).hexdigest()


async def test_many_hashes(local):
    """By path; a file that vanished has none."""
    files = [local(name.encode(), name) for name in ("a", "b", "gone")]
    source(files[-1]).unlink()
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b")}
    assert await hash_files(files) == hashes


async def test_hashing_that_is_cancelled(local):
    """Once it is cancelled, no other file is read."""
    read: list[str] = []
    with anyio.CancelScope() as scope:

        def files() -> Iterator[LocalFile]:
            for name in "abc":
                read.append(name)
                if name == "b":
                    anyio.from_thread.run_sync(scope.cancel)
                yield local(name.encode(), name)

        await hash_files(files())
    assert scope.cancelled_caught
    assert read == ["a", "b"]


def test_hashing_can_be_cancelled(local):
    """It is asked before each file and each piece; what it raises comes out."""
    calls: list[None] = []

    def check_cancelled() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise LookupError

    with pytest.raises(LookupError):
        hash_file(local(pattern(5 * CHUNK_SIZE)), check_cancelled=check_cancelled)
    assert len(calls) == 3


def test_content_of_an_upload_can_be_sent_again(local):
    """Each pass reads the file from its beginning; the hash is known after a complete one."""
    content = FileContent(local(pattern(CHUNK_SIZE + 1)))
    assert (content.size, content.sha256) == (CHUNK_SIZE + 1, "")
    for _ in range(2):
        assert b"".join(content.chunks()) == pattern(CHUNK_SIZE + 1)
        assert content.sha256 == hashlib.sha256(pattern(CHUNK_SIZE + 1)).hexdigest()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def shrink(path: Path) -> None:
    os.truncate(path, 1)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("size", [3, 3 * CHUNK_SIZE])
@pytest.mark.parametrize("change", [grow, shrink, Path.unlink, replace_by_a_folder, replace_by_a_fifo])
def test_a_file_that_is_not_the_one_that_was_scanned(local, change, size):
    """It is noticed, whatever happened to it, and named."""
    file = local(pattern(size))
    change(source(file))
    with pytest.raises(DeployFailed, match=r"^'a\.bin' changed during the deploy") as caught:
        hash_file(file)
    assert caught.value.hint == "Let the build finish before the deploy starts, then run the deploy again."


def test_a_file_that_vanished(local):
    """The message says why it could not be read."""
    file = local(b"a")
    source(file).unlink()
    with pytest.raises(DeployFailed) as caught:
        hash_file(file)
    assert str(caught.value) == "'a.bin' changed during the deploy (No such file or directory)"


def test_a_file_that_gets_shorter_while_it_is_read(local):
    """A body is never completed from something else."""
    file = local(pattern(3 * CHUNK_SIZE))
    sent = 0
    with pytest.raises(DeployFailed):  # noqa: PT012 - the pieces before the change are fine
        for chunk in read_chunks(file):
            sent += len(chunk)
            shrink(source(file))
    assert 0 < sent < file.size


def test_another_file_of_the_same_size_and_time(local, tmp_path):
    """A folder that was swapped for a link to outside must not publish what lies there."""
    file = local(b"1", "a")
    (tmp_path / "outside").mkdir()
    other = local(b"2", "outside/a")
    os.utime(source(other), ns=(file.modified, file.modified))
    with pytest.raises(DeployFailed, match="'a' changed during the deploy"):
        hash_file(file._replace(directory=str(tmp_path / "outside")))


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(local):
    """Neither by a reader that stops early, nor by a file that changed."""
    file = local(pattern(3 * CHUNK_SIZE))
    before = open_descriptors()
    reader = read_chunks(file)
    next(reader)
    reader.close()
    grow(source(file))
    with pytest.raises(DeployFailed):
        hash_file(file)
    assert open_descriptors() == before


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files(local, monkeypatch, number):
    """That is no change of the file: an upload learns what it is."""
    file = local(b"a")

    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="open files") as caught:
        list(read_chunks(file))
    assert caught.value.errno == number


def test_the_directory_is_looked_at_again(local):
    """What was added, removed, or has another size or time, by path; the inode says nothing."""
    a, b, c = (local(b"1", name) for name in "abc")
    assert find_changes([a, b, c], [c, b._replace(identity=0), a]) == []
    after = [a._replace(path="0"), b._replace(size=2), c._replace(modified=0)]
    assert find_changes([a, b, c], after) == [
        "'0' was added",
        "'a' was removed",
        "'b' was edited",
        "'c' was edited",
    ]


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/../b", "a/.", "\ud800", "a/\udfff"],
)
def test_paths_that_no_url_can_name(path):
    """They would lead somewhere else."""
    assert not is_addressable(path)


@pytest.mark.parametrize("path", ["...", ".a", "a/...", "%2e%2e", "a\\..\\b", " ", "a\n", "é", "🎈"])
def test_paths_that_only_look_like_it(path):
    """Percent-encoded, they are names like any other."""
    assert is_addressable(path)
