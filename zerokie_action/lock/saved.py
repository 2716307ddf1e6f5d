"""Locks saved by a run, for the lock cleanup after a kill.

A run saves its session ID before it requests the lock, in GitHub's own state and in the `state-file`. It
saves no secret and no URL. The lock cleanup sends the API key only to the `api-url` of its own inputs.

The file has one line of JSON for each requested lock, and another line after its release. The first line says
whether a run created the file. One run or lock cleanup uses the file at a time, with a `flock` on it. At its
end, it removes a file that a run created if no saved lock may still be held. Another run may have opened the
file before, so each run compares the inodes of file and path when it has the `flock`.
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs.formats import check_app
from zerokie_action.limits import LOCK_EXPIRY

CLEANUP_COMMANDS = "`zerokie-cleanup` (in a checkout `python entrypoint.py cleanup`)"
_READ = 64 * 1024
"""Bytes to read from the end of a state file. The newest lines come last, after any foreign content."""
_FIRST_LINE = b'{"created_by": "zerokie-action"}\n'
"""The first line of a file that a run created."""
_FIRST_LOCK = b'\n{"app": '
"""The first bytes of a file that was empty, such as one that a container mounts."""
_ATTEMPTS = 100
"""How often to open a file that other runs remove."""
# O_NOFOLLOW: the path may be a symlink in someone else's change. O_NONBLOCK: opening a FIFO must not block.
_FLAGS = os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


class SavedLock(NamedTuple):
    """A lock that a run requested, with its session ID."""

    app: str
    session: str


def expiry() -> str:
    """Return the latest time, in words, when a lock expires that was confirmed until now."""
    return f"{datetime.fromtimestamp(time.time() + LOCK_EXPIRY, UTC):%Y-%m-%d %H:%M:%S} UTC"


class SavedLocks:
    """The saved locks of a run or a lock cleanup, which uses the state file until `close`.

    Args:
        save: saves keys and values in the CI system's own state.
        file: the state file; None for no file.
        is_cleanup: whether reading the file is enough, and a missing one isn't created.
        log: logs why the run continues without a file that can't be used. Without it, that is an error.

    Raises:
        ConfigurationError: when the file can't be opened, or another run or lock cleanup is using it.
    """

    def __init__(
        self,
        save: Callable[[Mapping[str, str]], None],
        file: Path | None,
        *,
        is_cleanup: bool = False,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._save = save
        self._file = file
        self._log = log
        with self._explained():
            if file and (file.exists() or not is_cleanup):
                self._descriptor = _open(file, is_cleanup=is_cleanup)
                return
        self._descriptor = os.open(os.devnull, os.O_RDWR)

    def held(self) -> list[SavedLock]:
        """Return the locks in the state file that may still be held, newest first. Skip foreign lines."""
        held: dict[str, SavedLock] = {}
        size = os.fstat(self._descriptor).st_size
        for line in os.pread(self._descriptor, _READ, max(0, size - _READ)).splitlines():
            with suppress(ValueError, RecursionError):
                match json.loads(line):
                    case {"app": str(app), "session": str(session)}:
                        held[session] = SavedLock(check_app(app), session)
                    case {"released": str(session)}:
                        held.pop(session, None)
        return [*reversed(held.values())]

    def add(self, app: str, session: str) -> None:
        """Save that the session may hold the lock from now on.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        lock = SavedLock(app, session)._asdict()
        self._save(lock)
        with self._explained():
            self._append(lock)

    def mark_released(self, sessions: Iterable[str]) -> None:
        """Save that the sessions don't hold a lock.

        A failed write does no harm, because the lock cleanup sends a heartbeat first.
        """
        for session in sessions:
            self._save({"released": session})
            with suppress(OSError):
                self._append({"released": session})

    def close(self) -> None:
        """End the use of the file, and remove it if it contains no lock that may still be held.

        A file that a run didn't create stays, because its path may be a mistake. A file that can't be removed
        is emptied, such as a mounted one.
        """
        with suppress(OSError):
            if not self.held():
                self._remove()
        os.close(self._descriptor)

    def _remove(self) -> None:
        beginning = os.pread(self._descriptor, len(_FIRST_LINE), 0)
        if self._file and beginning == _FIRST_LINE:
            with suppress(OSError):
                if _is_at(self._file, self._descriptor):
                    self._file.unlink()
                return
        if beginning.startswith((_FIRST_LINE, _FIRST_LOCK)):
            os.ftruncate(self._descriptor, 0)

    def _append(self, line: Mapping[str, str]) -> None:
        # The last line may be incomplete after a kill.
        _write(self._descriptor, f"\n{json.dumps(line)}\n".encode())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            is_used = isinstance(error, BlockingIOError)
            why = "another run is using it" if is_used else error.strerror
            if self._log:
                self._log(f"Continuing without the state file {str(self._file)!r}: {why}")
                return
            wait = "Wait for that run to end, or set a separate `state-file` for each run."
            raise ConfigurationError(
                f"`state-file`: can't use {str(self._file)!r}: {why}",
                hint=wait if is_used else "Set `state-file` to a path the job can write to.",
            ) from error


def locks_in(state: Mapping[str, str]) -> list[SavedLock]:
    """Return the lock that an earlier step may still hold, from its state in the CI system."""
    app, session = state.get("app"), state.get("session")
    return [SavedLock(app, session)] if app and session and session != state.get("released") else []


def _open(file: Path, *, is_cleanup: bool) -> int:
    """Open a regular file, lock it with `flock`, and return its descriptor.

    A lock cleanup can also use a file that it can't write.
    """
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    for _ in range(_ATTEMPTS):
        try:
            descriptor, is_new = _open_or_create(file, is_cleanup=is_cleanup)
        except FileExistsError:  # another run has just created it
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another run may have removed the file after it was opened here.
            if _is_at(file, descriptor):
                if is_new:
                    _write(descriptor, _FIRST_LINE)
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise BlockingIOError


def _open_or_create(file: Path, *, is_cleanup: bool) -> tuple[int, bool]:
    """Return a descriptor of the file, and whether this call created the file."""
    try:
        return os.open(file, os.O_RDWR | _FLAGS), False
    except FileNotFoundError:
        return os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | _FLAGS, 0o644), True
    except OSError:
        if not is_cleanup:
            raise
        return os.open(file, os.O_RDONLY | _FLAGS), False


def _is_at(file: Path, descriptor: int) -> bool:
    """Return whether the path still leads to the opened file."""
    try:
        return os.path.samestat(file.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write(descriptor: int, text: bytes) -> None:
    if os.write(descriptor, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
