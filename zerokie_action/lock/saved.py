"""Locks saved by a run, for the lock cleanup after a kill.

A run saves its session ID before it requests the lock, in GitHub's own state and in the `state-file`. It
saves no secret and no URL. The lock cleanup sends the API key only to the `api-url` of its own inputs.

The file has one line of JSON for each requested lock, and another line after its release. One run or lock
cleanup uses the file at a time, with a `flock` on it. At its end, it empties the file if no saved lock may
still be held. If it removed the file, two runs could use two files of the same name.
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
_BEGINNING = b'\n{"app": '
"""The first bytes of a file that a run created."""
# O_NOFOLLOW: the path may be a symlink in someone else's change. O_NONBLOCK: opening a FIFO must not block.
_FLAGS = os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


class StateFileInUse(ConfigurationError):  # noqa: N818 - named as the errors of `errors`
    """Another run is using the state file. Its locks must not be released."""


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
        is_cleanup: whether reading the file is enough.

    Raises:
        StateFileInUse: when another run or lock cleanup is using the file.
        ConfigurationError: when the file can't be opened.
    """

    def __init__(
        self, save: Callable[[Mapping[str, str]], None], file: Path | None, *, is_cleanup: bool = False
    ) -> None:
        self._save = save
        self._file = file
        with self._explained():
            self._descriptor = _open(file, is_cleanup=is_cleanup) if file else os.open(os.devnull, os.O_RDWR)

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
        """End the use of the file, and empty it if it contains no lock that may still be held.

        A file that a run didn't create keeps its content, because its path may be a mistake.
        """
        with suppress(OSError):
            if not self.held() and os.pread(self._descriptor, len(_BEGINNING), 0) == _BEGINNING:
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _append(self, line: Mapping[str, str]) -> None:
        # The last line may be incomplete after a kill.
        text = f"\n{json.dumps(line)}\n".encode()
        if os.write(self._descriptor, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError as error:
            raise StateFileInUse(
                f"`state-file`: another run is using {str(self._file)!r}",
                hint="Wait for that run to end, or set a separate `state-file` for each run.",
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"`state-file`: can't use {str(self._file)!r}: {error.strerror}",
                hint="Set `state-file` to a path the job can write to. On GitLab, the default is a file in "
                "the project's directory.",
            ) from error


def locks_in(state: Mapping[str, str]) -> list[SavedLock]:
    """Return the lock that an earlier step may still hold, from its state in the CI system."""
    app, session = state.get("app"), state.get("session")
    return [SavedLock(app, session)] if app and session and session != state.get("released") else []


def _open(file: Path, *, is_cleanup: bool) -> int:
    """Open a regular file, and lock it if the file system supports `flock`.

    A lock cleanup can also use a file that it can't write.
    """
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_RDWR | _FLAGS, 0o644)
    except OSError:
        if not is_cleanup:
            raise
        descriptor = os.open(file, os.O_RDONLY | _FLAGS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass
    return descriptor
