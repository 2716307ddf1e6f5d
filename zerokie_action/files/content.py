"""A scanned file as the body of an upload: read when it is sent, hashed on the way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from zerokie_action.files.reading import read_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zerokie_action.files.records import LocalFile


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
