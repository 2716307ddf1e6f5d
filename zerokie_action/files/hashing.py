"""SHA-256 of files, in constant memory, noticing files that change meanwhile."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from zerokie_action.files.reading import read_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zerokie_action.files.records import LocalFile


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
