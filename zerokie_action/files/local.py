"""A file of the directory: what the scan knows of it; its content, read and hashed.

Whoever reads a file that was scanned notices when it is not that file any more.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import anyio.to_thread
from anyio.from_thread import check_cancelled

from zerokie_action.errors import DeployFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CHUNK_SIZE = 256 * 1024

_RESOLVED_SEGMENTS = frozenset(("", ".", ".."))
_KEY_NAME = re.compile(r"(.*/)?id_[^/]*|.*\.(pem|key|p8)", re.IGNORECASE | re.DOTALL)
_PRIVATE_KEY = re.compile(rb"-----BEGIN ([^\n-]+ )?PRIVATE KEY")
_LARGEST_PRIVATE_KEY = 64 * 1024

# A FIFO that took the file's place would block the open; a regular file takes no notice of the flag.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class LocalFile(NamedTuple):
    """A file to deploy, as it was when the directory was scanned.

    Attributes:
        path: where it goes on the platform: relative, `/` between the segments, not encoded.
        directory: the one that was scanned.
        size: in bytes.
        modified: when it was written last, in nanoseconds (`st_mtime_ns`).
        identity: which file of the machine it is (see `identity`).
    """

    path: str
    directory: str
    size: int
    modified: int
    identity: int

    @property
    def source(self) -> bytes:
        """The path to open; it may lead through links inside the directory."""
        # Not as text: the locale's encoding need not be that of the file's name, which is UTF-8.
        return b"%b/%b" % (os.fsencode(self.directory), self.path.encode())


def identity(status: os.stat_result) -> int:
    """Return device and inode as one number: a hundred thousand of them are in memory."""
    return hash((status.st_dev, status.st_ino))


def is_addressable(path: str) -> bool:
    """Whether `…/files/{path}`, percent-encoded segment by segment, names exactly this file.

    An empty, `.` or `..` segment does not survive: URL libraries, proxies and servers resolve it to
    another path, encoded or not. Half of a surrogate pair, which a JSON text can carry and a name that
    is not UTF-8 turns into, has no encoding at all.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return _RESOLVED_SEGMENTS.isdisjoint(path.split("/"))


def holds_private_key(file: LocalFile) -> bool:
    """Whether the file is named like a private key, and there is one at its beginning.

    Raises:
        OSError: it cannot be read.
    """
    if not _KEY_NAME.fullmatch(file.path):
        return False
    with open(file.source, "rb", opener=_open) as content:
        return _PRIVATE_KEY.search(content.read(_LARGEST_PRIVATE_KEY)) is not None


class FileContent:
    """The bytes of one file, as they are sent.

    Attributes:
        sha256: hex digest of what was read by the last complete pass; empty before.
        taken: bytes of the current pass that whoever reads is done with, the last piece not counted.
    """

    __slots__ = ("_file", "sha256", "taken")

    def __init__(self, file: LocalFile) -> None:
        self.sha256 = ""
        self.taken = 0
        self._file = file

    @property
    def size(self) -> int:
        """Bytes, as scanned."""
        return self._file.size

    def chunks(self) -> Iterator[bytes]:
        """The content from the beginning, in pieces of at most `CHUNK_SIZE` bytes.

        Raises:
            DeployFailed: when the file is not the one that was scanned, or can't be read.
        """
        file, digest, taken = self._file, hashlib.sha256(), 0
        try:
            with open(file.source, "rb", buffering=0, opener=_open) as content:
                # A directory on the way may be a link by now, to another file of this name.
                status = os.fstat(content.fileno())
                found = (status.st_size, status.st_mtime_ns, identity(status))
                if found != (file.size, file.modified, file.identity):
                    raise _changed(file)
                while taken < file.size:
                    chunk = content.read(min(file.size - taken, CHUNK_SIZE))
                    if not chunk:
                        raise _changed(file)
                    digest.update(chunk)
                    self.taken = taken
                    yield chunk
                    taken += len(chunk)
        except OSError as error:
            raise _changed(file, f"can't be read any more ({error.strerror})") from error
        self.sha256 = digest.hexdigest()


def hash_file(file: LocalFile) -> str:
    """Return the SHA-256 of the file, in hex. Runs in a worker thread, until that is cancelled.

    Raises:
        DeployFailed: as `FileContent.chunks`.
    """
    content = FileContent(file)
    check_cancelled()
    for _ in content.chunks():
        check_cancelled()
    return content.sha256


async def hash_files(files: Iterable[LocalFile]) -> dict[str, str]:
    """Return the SHA-256 of each file by its path, in hex. One that can't be read as it was scanned has none.

    They are hashed in one thread: from a warm cache a second one is no faster.
    """
    hashes: dict[str, str] = {}

    def hash_all() -> None:
        for file in files:
            with suppress(DeployFailed):
                hashes[file.path] = hash_file(file)

    await anyio.to_thread.run_sync(hash_all, abandon_on_cancel=True)
    return hashes


def find_changes(
    before: Iterable[LocalFile], after: Iterable[LocalFile], deployed: Mapping[str, str]
) -> list[str]:
    """Compare two scans of a directory. Runs in a worker thread, until that is cancelled.

    A file of the same size and time that is another file of the machine (another inode) was replaced, unless
    it has the bytes that were deployed: some file systems number their files anew.

    Args:
        before: what was deployed.
        after: what the directory has now.
        deployed: SHA-256 of what was deployed, in hex by path.

    Returns:
        What changed, sorted by path: `'index.html' was edited`.
    """
    left = {file.path: file for file in before}
    changes = []
    for file in after:
        known = left.pop(file.path, None)
        if known is None:
            changes.append((file.path, "added"))
        elif (known.size, known.modified) != (file.size, file.modified):
            changes.append((file.path, "edited"))
        elif known.identity != file.identity and not _has_bytes(file, deployed.get(file.path)):
            changes.append((file.path, "replaced"))
    changes += [(path, "removed") for path in left]
    return [f"{path!r} was {what}" for path, what in sorted(changes)]


def _has_bytes(file: LocalFile, sha256: str | None) -> bool:
    with suppress(DeployFailed):
        return sha256 is not None and hash_file(file) == sha256
    return False


def _open(path: str | bytes, _flags: int) -> int:
    return os.open(path, _FLAGS)


def _changed(file: LocalFile, what: str = "changed during the deploy") -> DeployFailed:
    return DeployFailed(
        f"{file.path!r} {what}",
        hint="Let the build finish before the deploy starts, then run the deploy again.",
    )
