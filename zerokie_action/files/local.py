"""A file of the folder: what the scan knows of it, and its content, read, hashed and sent.

Whoever reads a file that was scanned notices when it is not that file any more.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import DeployFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

CHUNK_SIZE = 1024 * 1024


# A FIFO that took the file's place would block the open; a regular file takes no notice of the flag.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class LocalFile(NamedTuple):
    """A file to deploy, as it was when the folder was scanned.

    Attributes:
        path: where it goes on the platform: relative, `/` between the segments, not encoded.
        folder: the one that was scanned.
        size: in bytes.
        mtime_ns: time of the last modification, in nanoseconds since the epoch.
    """

    path: str
    folder: str
    size: int
    mtime_ns: int

    @property
    def source(self) -> bytes:
        """The path to open; it may lead through links inside the folder."""
        # Not as text: the locale's encoding need not be that of the file's name, which is UTF-8.
        return b"%b/%b" % (os.fsencode(self.folder), self.path.encode())


def read_chunks(file: LocalFile) -> Generator[bytes, None, None]:
    """Yield the content in pieces of at most `CHUNK_SIZE` bytes, `file.size` bytes in all.

    The last piece is handed out only after the file was found to be still the one that was scanned,
    so that a body with a Content-Length is never completed from a file that changed.

    Raises:
        DeployFailed: the file changed or vanished since the scan, or cannot be read.
    """
    try:
        descriptor = os.open(file.source, _FLAGS)
        try:
            yield from _verified_chunks(file, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _changed(file, f" ({error.strerror})") from error


def hash_file(file: LocalFile, *, check_cancelled: Callable[[], None] = lambda: None) -> str:
    """Return the SHA-256 of the file, in hex.

    `check_cancelled` is called before every megabyte; what it raises ends the hashing.

    Raises:
        DeployFailed: the file changed or vanished since the scan, or cannot be read.
    """
    check_cancelled()
    digest = hashlib.sha256()
    for chunk in read_chunks(file):
        digest.update(chunk)
        check_cancelled()
    return digest.hexdigest()


def hash_files(
    files: Iterable[LocalFile], *, check_cancelled: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Return the SHA-256 of each file by its path; one call for many files spares the way between threads.

    Raises:
        DeployFailed: as `hash_file`.
    """
    return {file.path: hash_file(file, check_cancelled=check_cancelled) for file in files}


class FileContent:
    """The bytes of one file.

    Attributes:
        sha256: hex digest of what was read by the last complete pass; empty before.
    """

    __slots__ = ("_file", "sha256")

    def __init__(self, file: LocalFile) -> None:
        self.sha256 = ""
        self._file = file

    @property
    def size(self) -> int:
        """Bytes, as scanned."""
        return self._file.size

    def chunks(self) -> Iterator[bytes]:
        """The content from the beginning.

        Raises:
            DeployFailed: when the file is not what it was at the scan.
        """
        digest = hashlib.sha256()
        for chunk in read_chunks(self._file):
            digest.update(chunk)
            yield chunk
        self.sha256 = digest.hexdigest()


def check_unchanged(files: Iterable[LocalFile]) -> None:
    """Make sure that the files are still those that were scanned, by their sizes and times.

    Raises:
        DeployFailed: one changed or vanished since the scan.
    """
    for file in files:
        try:
            _check(file, os.stat(file.source))  # noqa: PTH116 - of a hundred thousand files
        except OSError as error:
            raise _changed(file, f" ({error.strerror})") from error


def _check(file: LocalFile, status: os.stat_result) -> None:
    if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
        raise _changed(file)


def _verified_chunks(file: LocalFile, descriptor: int) -> Generator[bytes, None, None]:
    left = file.size
    while True:
        chunk = os.read(descriptor, min(left, CHUNK_SIZE))
        left -= len(chunk)
        if left and chunk:
            yield chunk
            continue
        if left:
            raise _changed(file)
        _check(file, os.fstat(descriptor))
        if chunk:
            yield chunk
        return


def _changed(file: LocalFile, why: str = "") -> DeployFailed:
    return DeployFailed(
        f"{file.path!r} changed while it was deployed{why}",
        hint="Let the build finish before the deploy starts, then run the deploy again.",
    )
