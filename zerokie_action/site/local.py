"""A file to deploy: its metadata, content and hash.

Reading a file fails if the file changed after the scan, so a deploy never mixes two builds.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BufferedReader, FileIO
from typing import NamedTuple

from anyio.from_thread import check_cancelled

from zerokie_action.errors import ConfigurationError, DeployFailed

CHUNK_SIZE = 256 * 1024
LONGEST_PATH = 1_024
"""The most bytes in a path. This is also the limit of S3 keys."""

_RESOLVED_SEGMENTS = frozenset(("", ".", ".."))
_KEY_STORES = (".p8", ".p12", ".pfx", ".jks", ".keystore")
_KEY_ENDINGS = (".pem", ".key")
_KEY_AS_TEXT = re.compile(rb"-----BEGIN ([^\n-]+ )?PRIVATE KEY")
_KEY_AS_DER = re.compile(rb"\x30(?:[\0-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02\x01[\0\x01]", re.DOTALL)
"""A sequence that starts with version 0 or 1: PKCS #8, PKCS #1 or SEC 1, but not a certificate."""
_LARGEST_KEY_FILE = 1024 * 1024


class LocalFile(NamedTuple):
    """A file to deploy, as the scan found it.

    Attributes:
        path: the path on the platform, relative, with `/` between its segments, not encoded.
        directory: the scanned folder.
        size: the size in bytes.
        modified: the time of the last write, in nanoseconds (`st_mtime_ns`).
    """

    path: str
    directory: str
    size: int
    modified: int


def is_addressable(path: str) -> bool:
    """Return whether `…/files/{path}`, with encoded segments, names exactly this file.

    URL libraries, proxies and servers resolve an empty, `.` or `..` segment to another path, even if it is
    encoded. A lone surrogate, from JSON or from a name that isn't UTF-8, has no encoding. A path longer than
    `LONGEST_PATH` would be slow, because some functions process each folder of a path.
    """
    try:
        is_short = len(path.encode()) <= LONGEST_PATH
    except UnicodeEncodeError:
        return False
    return is_short and _RESOLVED_SEGMENTS.isdisjoint(path.split("/"))


def is_private_key(file: LocalFile) -> bool:
    """Return whether the file has the name of a key store, or the name and content of a private key.

    Raises:
        OSError: if the file can't be read.
    """
    name = file.path.rpartition("/")[2].lower()
    if name.endswith(_KEY_STORES):
        return True
    if not (name.startswith("id_") or name.endswith(_KEY_ENDINGS)):
        return False
    content = read_start(file, _LARGEST_KEY_FILE)
    # PowerShell writes UTF-16.
    text = content.replace(b"\0", b"")
    return bool(_KEY_AS_DER.match(content) or _KEY_AS_TEXT.search(text))


def _open(file: LocalFile) -> FileIO:
    """Return the file, opened for reading. A symlink fails, because it may leave the folder."""
    # The name is UTF-8, even if the locale's encoding differs.
    name = b"%b/%b" % (os.fsencode(file.directory), file.path.encode())
    # Without O_NONBLOCK, opening a FIFO that replaced the file would block.
    safely = os.O_NOFOLLOW | os.O_NONBLOCK
    return FileIO(name, opener=lambda path, flags: os.open(path, flags | safely))


def read_start(file: LocalFile, limit: int) -> bytes:
    """Return the file's first bytes, at most `limit`.

    Raises:
        OSError: if the file can't be read.
    """
    with BufferedReader(_open(file)) as content:
        return content.read(limit)


def directory_changed(what: object) -> DeployFailed:
    """Return the error for a folder that changed between the scan and the end of the deploy."""
    return DeployFailed(
        f"The folder changed during the deploy: {what}",
        hint="Run the job again, and let the build finish before the deploy starts.",
    )


class FileContent:
    """The bytes of one file, for an upload.

    Attributes:
        size: the size in bytes, from the scan.
        sha256: the hex digest of the content; empty until the first complete read.
        taken: the number of bytes consumed so far in the current read.
    """

    def __init__(self, file: LocalFile) -> None:
        self.size = file.size
        self.sha256 = ""
        self.taken = 0
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        """Yield the content from the start, in chunks of at most `CHUNK_SIZE` bytes.

        Raises:
            DeployFailed: if the file changed after the scan or can't be read.
            ConfigurationError: if the process has too many open files.
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
                    yield chunk
                    taken += len(chunk)
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise ConfigurationError(
                    f"Can't open {file.path!r}: {error.strerror}",
                    hint="Raise the limit of open files in the step that deploys (`ulimit -n 1024`).",
                ) from error
            raise directory_changed(f"{file.path!r} ({error.strerror})") from error
        self.sha256 = digest.hexdigest()


def hash_files(files: Iterable[LocalFile]) -> dict[str, str]:
    """Return the SHA-256 of each file by path, in hex, without files that changed or can't be read.

    Call this in one thread of anyio. A second thread isn't faster with a warm cache.
    """
    hashes: dict[str, str] = {}
    for file in files:
        content = FileContent(file)
        with suppress(DeployFailed):
            for _ in content.chunks():
                check_cancelled()
            hashes[file.path] = content.sha256
    return hashes
