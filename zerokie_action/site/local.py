"""A file of the directory: its metadata from the scan, its content and its hash.

Reading a file fails if the file has changed since the scan.
"""

import errno
import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BufferedReader, FileIO
from typing import NamedTuple

import anyio.to_thread
from anyio.from_thread import check_cancelled

from zerokie_action.errors import ConfigurationError, DeployFailed

CHUNK_SIZE = 256 * 1024
LONGEST_PATH = 1_024
"""Bytes of UTF-8: the longest key of S3."""

_RESOLVED_SEGMENTS = frozenset(("", ".", ".."))
_KEY_STORES = (".p8", ".p12", ".pfx", ".jks", ".keystore")
_KEY_ENDINGS = (".pem", ".key")
_KEY_AS_TEXT = re.compile(rb"-----BEGIN ([^\n-]+ )?PRIVATE KEY")
_KEY_AS_DER = re.compile(rb"\x30(?:[\0-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02\x01[\0\x01]", re.DOTALL)
"""A sequence that begins with a version, 0 or 1: PKCS #8, PKCS #1, SEC 1; no certificate begins so."""
_LARGEST_KEY_FILE = 1024 * 1024


class LocalFile(NamedTuple):
    """A file to deploy, as it was when the directory was scanned.

    Attributes:
        path: the path on the platform: relative, `/` between the segments, not encoded.
        directory: the scanned directory.
        size: the size in bytes.
        modified: the time of the last write, in nanoseconds (`st_mtime_ns`).
    """

    path: str
    directory: str
    size: int
    modified: int

    @property
    def source(self) -> bytes:
        """The path to open."""
        # As bytes: the file's name is UTF-8, and the locale's encoding may be another.
        return b"%b/%b" % (os.fsencode(self.directory), self.path.encode())


def is_addressable(path: str) -> bool:
    """Whether `…/files/{path}`, percent-encoded segment by segment, names exactly this file.

    URL libraries, proxies and servers resolve an empty, `.` or `..` segment to another path, even when it is
    encoded. A lone surrogate, from JSON text or from a name that is not UTF-8, has no encoding. A path of
    more than `LONGEST_PATH` bytes is refused as well: some functions do work for each directory of a path.
    """
    try:
        is_short = len(path.encode()) <= LONGEST_PATH
    except UnicodeEncodeError:
        return False
    return is_short and _RESOLVED_SEGMENTS.isdisjoint(path.split("/"))


def is_private_key(file: LocalFile) -> bool:
    """Whether the file is a key store by its name, or is named like a private key and holds one.

    Raises:
        OSError: when the file can't be read.
    """
    name = file.path.rpartition("/")[2].lower()
    if name.endswith(_KEY_STORES):
        return True
    if not (name.startswith("id_") or name.endswith(_KEY_ENDINGS)):
        return False
    content = read_start(file, _LARGEST_KEY_FILE)
    text = content.replace(b"\0", b"")  # PowerShell writes UTF-16
    return bool(_KEY_AS_DER.match(content) or _KEY_AS_TEXT.search(text))


def _open(file: LocalFile) -> FileIO:
    """The file, opened to be read, if it is no link; a link may lead out of the directory."""
    # O_NONBLOCK: a FIFO in the file's place would block the open. The flag has no effect on regular files.
    safely = os.O_NOFOLLOW | os.O_NONBLOCK
    return FileIO(file.source, opener=lambda path, flags: os.open(path, flags | safely))


def read_start(file: LocalFile, limit: int) -> bytes:
    """The file's first bytes, at most `limit`.

    Raises:
        OSError: when the file can't be read.
    """
    with BufferedReader(_open(file)) as content:
        return content.read(limit)


def directory_changed(what: object) -> DeployFailed:
    """The error for a directory that changed between the scan and the end of the deploy."""
    return DeployFailed(
        f"The directory changed during the deploy: {what}",
        hint="Let the build finish before the deploy starts, then run the deploy again.",
    )


class FileContent:
    """The bytes of one file, for an upload.

    Args:
        file: the file.
        check: called before each piece, perhaps in a thread; its error ends the upload.

    Attributes:
        size: the size in bytes, from the scan.
        sha256: the hex digest of the content, after a complete read; empty before.
        taken: the bytes consumed so far in the current read.
    """

    def __init__(self, file: LocalFile, check: Callable[[], None] = lambda: None) -> None:
        self.size = file.size
        self.sha256 = ""
        self.taken = 0
        self._file = file
        self._check = check

    def chunks(self) -> Iterator[bytes]:
        """The content from the beginning, in pieces of at most `CHUNK_SIZE` bytes.

        Raises:
            DeployFailed: when the file has changed since the scan, or can't be read.
            ConfigurationError: when the process has too many open files.
        """
        file, digest, taken = self._file, hashlib.sha256(), 0
        try:
            with _open(file) as content:
                status = os.fstat(content.fileno())
                if (status.st_size, status.st_mtime_ns) != (file.size, file.modified):
                    raise directory_changed(repr(file.path))
                while taken < file.size:
                    chunk = content.read(min(file.size - taken, CHUNK_SIZE))
                    if not chunk:
                        raise directory_changed(repr(file.path))
                    digest.update(chunk)
                    self.taken = taken
                    self._check()
                    yield chunk
                    taken += len(chunk)
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise ConfigurationError(
                    f"Can't open {file.path!r}: {error.strerror}",
                    hint="Raise the limit of open files (`ulimit -n 1024`) or set `concurrency: 8`.",
                ) from error
            raise directory_changed(f"{file.path!r} ({error.strerror})") from error
        self.sha256 = digest.hexdigest()


async def hash_files(files: Iterable[LocalFile]) -> dict[str, str]:
    """The SHA-256 of each file by its path, in hex, but for files that have changed or can't be read.

    One thread hashes all files: with a warm cache, a second thread is no faster.
    """
    hashes: dict[str, str] = {}

    def hash_all() -> None:
        for file in files:
            content = FileContent(file, check_cancelled)
            with suppress(DeployFailed):
                deque(content.chunks(), maxlen=0)
                hashes[file.path] = content.sha256

    await anyio.to_thread.run_sync(hash_all, abandon_on_cancel=True)
    return hashes
