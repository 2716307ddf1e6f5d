"""Read a file that was scanned, and notice when it is not that file any more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zerokie_action.errors import DeployFailed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from zerokie_action.files.records import LocalFile

CHUNK_SIZE = 1024 * 1024

# A FIFO that took the file's place would block the open; a regular file takes no notice of the flag.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


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
