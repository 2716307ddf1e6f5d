"""What is known of one file: of the one here, and of the one in the app's storage zone."""

from __future__ import annotations

import os
from typing import NamedTuple, Protocol


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


class RemoteFile(Protocol):
    """A file in the app's storage zone, as the platform lists it (`GET /v1/apps/:name/files`)."""

    @property
    def path(self) -> str:
        """Relative, `/` between the segments, not encoded."""

    @property
    def length(self) -> int:
        """In bytes."""

    @property
    def last_modified(self) -> str:
        """The listing's own text, for instance `2026-03-07T17:00:00Z`."""
