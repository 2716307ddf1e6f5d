"""A file of the directory: what the scan knows of it; its content, read and hashed.

Whoever reads a file that was scanned notices when it is not that file any more.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import anyio.from_thread
import anyio.to_thread

from zerokie_action.errors import ConfigurationError, DeployFailed, too_many_open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

CHUNK_SIZE = 256 * 1024

_RESOLVED_SEGMENTS = frozenset(("", ".", ".."))

_LARGEST_PRIVATE_KEY = 32 * 1024
_PRIVATE_KEY = re.compile(
    rb"""(?:\xef\xbb\xbf)?
    (?:
        \s
        | (?:Bag|Key)\ Attributes [^\n]*\n (?:[\ \t]+[^\n]*\n)*+
        | -----BEGIN\ EC\ PARAMETERS----- [\sA-Za-z0-9+/=]*+ -----END\ EC\ PARAMETERS-----
    )*+
    -----BEGIN\ (?:[^\n-]+\ )?PRIVATE\ KEY(?:\ BLOCK)?-----""",
    re.VERBOSE,
)
"""How PEM, and PGP's armor, begin; with what may come before, and what OpenSSL writes before a key."""

# A FIFO that took the file's place would block the open; a regular file takes no notice of the flag.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class LocalFile(NamedTuple):
    """A file to deploy, as it was when the directory was scanned.

    Attributes:
        path: where it goes on the platform: relative, `/` between the segments, not encoded.
        directory: the one that was scanned.
        size: in bytes.
        stamp: another one says that the file may have changed (see `stamp`).
    """

    path: str
    directory: str
    size: int
    stamp: int

    @property
    def source(self) -> bytes:
        """The path to open; it may lead through links inside the directory."""
        # Not as text: the locale's encoding need not be that of the file's name, which is UTF-8.
        return b"%b/%b" % (os.fsencode(self.directory), self.path.encode())


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


def stamp(status: os.stat_result) -> int:
    """Return one number (a hundred thousand of them are in memory) for mtime, ctime and inode."""
    return hash((status.st_mtime_ns, status.st_ctime_ns, status.st_ino))


def is_private_key(file: LocalFile) -> bool:
    """Whether the file begins as a private key; one that is too large for a key is not looked at.

    Raises:
        OSError: it cannot be read.
    """
    if file.size > _LARGEST_PRIVATE_KEY:
        return False
    descriptor = os.open(file.source, _FLAGS)
    try:
        return _PRIVATE_KEY.match(os.read(descriptor, _LARGEST_PRIVATE_KEY)) is not None
    finally:
        os.close(descriptor)


def read_chunks(file: LocalFile) -> Generator[bytes, None, None]:
    """Yield the content in pieces of at most `CHUNK_SIZE` bytes, `file.size` bytes in all.

    The last piece is handed out only after the file was found to have still the size that was scanned, so
    that a body with a Content-Length is never completed from a longer one. What keeps its size is judged at
    the end of the deploy, by its hash (`find_changes`): a time alone says nothing.

    Raises:
        DeployFailed: the file has another size than at the scan, vanished, or cannot be read.
        OSError: no file can be opened now, as this process or the machine has too many open (EMFILE, ENFILE).
    """
    try:
        with open(file.source, "rb", buffering=0, opener=lambda path, _: os.open(path, _FLAGS)) as content:
            left = file.size
            while chunk := content.read(min(left, CHUNK_SIZE)):
                left -= len(chunk)
                if not left:
                    break
                yield chunk
            if left or os.fstat(content.fileno()).st_size != file.size:
                raise _changed(file)
            if chunk:
                yield chunk
    except OSError as error:
        if too_many_open_files(error):
            raise
        raise _changed(file, f" ({error.strerror})") from error


def hash_file(file: LocalFile, *, check_cancelled: Callable[[], None] = lambda: None) -> str:
    """Return the SHA-256 of the file, in hex.

    `check_cancelled` is called before every chunk; what it raises ends the hashing.

    Raises:
        DeployFailed: the file changed or vanished since the scan, or cannot be read.
        ConfigurationError: no file can be opened now, as too many are.
    """
    check_cancelled()
    digest = hashlib.sha256()
    try:
        for chunk in read_chunks(file):
            digest.update(chunk)
            check_cancelled()
    except OSError as error:
        if not too_many_open_files(error):
            raise
        raise ConfigurationError(
            f"{file.path!r} cannot be read: too many open files",
            hint="Raise the limit on open files (`ulimit -n`).",
        ) from error
    return digest.hexdigest()


async def hash_files(files: Iterable[LocalFile]) -> dict[str, str]:
    """Return the SHA-256 of each file by its path, in hex. One that can't be read as it was scanned has none.

    They are hashed in one thread: from a warm cache a second one is no faster.
    """
    hashes: dict[str, str] = {}

    def hash_all() -> None:
        for file in files:
            with suppress(DeployFailed, ConfigurationError):
                hashes[file.path] = hash_file(file, check_cancelled=anyio.from_thread.check_cancelled)

    try:
        await anyio.to_thread.run_sync(hash_all)
    except BaseException:
        hashes.clear()  # the error refers to them for as long as somebody keeps it
        raise
    return hashes


class FileContent:
    """The bytes of one file.

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
        """The content from the beginning.

        Raises:
            DeployFailed: when the file is not what it was at the scan.
            OSError: as `read_chunks`.
        """
        digest = hashlib.sha256()
        taken = 0
        for chunk in read_chunks(self._file):
            self.taken = taken
            digest.update(chunk)
            yield chunk
            taken += len(chunk)
        self.sha256 = digest.hexdigest()


def find_changes(
    before: Iterable[LocalFile],
    after: Iterable[LocalFile],
    hashes: Callable[[str], set[str]],
    *,
    check_cancelled: Callable[[], None] = lambda: None,
) -> list[str]:
    """Compare two scans of a directory: by names and sizes; where only stamps differ, by content.

    Args:
        before: the first scan.
        after: the second.
        hashes: gives all that a path of the first scan has to be equal to: SHA-256 in hex.
        check_cancelled: as for `hash_file`.

    Returns:
        What changed, sorted by path: `'index.html' was edited`.

    Raises:
        DeployFailed: a file changed or vanished since the second scan, or cannot be read.
        ConfigurationError: as `hash_file`.
    """
    left = {file.path: file for file in before}
    changes: list[tuple[str, str]] = []
    same_size: list[LocalFile] = []
    for file in after:
        old = left.pop(file.path, None)
        if old is None:
            changes.append((file.path, "added"))
        elif old.size != file.size:
            changes.append((file.path, "edited"))
        elif old != file:
            same_size.append(file)
    changes += [(path, "removed") for path in left]
    if not changes:
        changes = [
            (file.path, "edited")
            for file in same_size
            if hashes(file.path) != {hash_file(file, check_cancelled=check_cancelled)}
        ]
    return [f"{path!r} was {what}" for path, what in sorted(changes)]


def _changed(file: LocalFile, why: str = "") -> DeployFailed:
    return DeployFailed(
        f"{file.path!r} changed while it was deployed{why}",
        hint="Let the build finish before the deploy starts, then run the deploy again.",
    )
