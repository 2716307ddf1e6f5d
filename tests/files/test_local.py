from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from zerokie_action.errors import DeployFailed
from zerokie_action.files.local import CHUNK_SIZE, FileContent, LocalFile, hash_file, hash_files, read_chunks


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


def test_many_hashes(local):
    """One call for many files, by path."""
    files = [local(name.encode(), name) for name in ("a", "b")]
    assert hash_files(files) == {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b")}


def test_hashing_can_be_cancelled(local):
    """It is asked before each file and each piece; what it raises comes out."""
    calls: list[None] = []

    def check_cancelled() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        hash_file(local(pattern(5 * CHUNK_SIZE)), check_cancelled=check_cancelled)
    assert len(calls) == 3
    calls.clear()
    with pytest.raises(TimeoutError):
        hash_files([local(b"", name) for name in "abcd"], check_cancelled=check_cancelled)


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


def rewrite(path: Path) -> None:
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("size", [3, 3 * CHUNK_SIZE])
@pytest.mark.parametrize(
    "change", [grow, shrink, rewrite, Path.unlink, replace_by_a_folder, replace_by_a_fifo]
)
def test_a_file_that_is_not_the_one_that_was_scanned(local, change, size):
    """It is noticed, whatever happened to it, and named."""
    file = local(pattern(size))
    change(source(file))
    with pytest.raises(DeployFailed, match=r"^'a\.bin' changed while it was deployed") as caught:
        hash_file(file)
    assert caught.value.hint == "Let the build finish before the deploy starts, then run the deploy again."


def test_a_file_that_vanished(local):
    """The message says why it could not be read."""
    file = local(b"a")
    source(file).unlink()
    with pytest.raises(DeployFailed) as caught:
        hash_file(file)
    assert str(caught.value) == "'a.bin' changed while it was deployed (No such file or directory)"


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
@pytest.mark.parametrize("size", [3 * CHUNK_SIZE, 3 * CHUNK_SIZE + 1])
def test_a_body_is_never_completed_from_a_file_that_changed_meanwhile(local, change, size):
    """The last piece is not handed out, so that no upload of such a file can succeed."""
    file = local(pattern(size))
    sent = 0
    with pytest.raises(DeployFailed):  # noqa: PT012 - the pieces before the change are fine
        for chunk in read_chunks(file):
            sent += len(chunk)
            change(source(file))
    assert 0 < sent < size


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
