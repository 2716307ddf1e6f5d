"""The record of a run's lock: after the run was killed, the cleanup reads which session to release.

A run writes the record before it requests the lock: to GitHub's own state, and to the `state-file`. The
record has no secret and no URL: the cleanup sends the API key only to the `api-url` of its own inputs.

The file has a line of JSON for each lock that was requested, and another line after its release. One run, or
one cleanup, uses the file at a time, and holds a `flock` on it until its end. Then it empties a file that
records no lock: if it removed the file, two runs could lock two files of the same name.
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
"""How many bytes are read, at the end of a state file. Our lines come last, whatever else is in the file."""
_BEGINNING = b'\n{"app": '
"""How a file begins in which a run wrote first."""
# O_NOFOLLOW: somebody else may have put a link there. O_NONBLOCK: no waiting for a FIFO's other end.
_FLAGS = os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


class StateFileInUse(ConfigurationError):  # noqa: N818 - named as the errors of `errors`
    """Another run uses the state file: its locks are not to be released."""


class LockRecord(NamedTuple):
    """A lock that a run requested."""

    app: str
    session: str


def expiry() -> str:
    """For messages: the latest time at which an abandoned lock expires, if it was confirmed just now."""
    return f"at {datetime.fromtimestamp(time.time() + LOCK_EXPIRY, UTC):%Y-%m-%d %H:%M:%S} UTC at the latest"


class LockRecords:
    """Reads and writes the lock records of a run, or of a cleanup, which uses the state file until `close`.

    Args:
        save: keeps keys and values in the CI system's own state.
        file: the state file; None for no file.

    Raises:
        StateFileInUse: when another run, or a cleanup, uses the file.
        ConfigurationError: when the file can't be opened.
    """

    def __init__(self, save: Callable[[Mapping[str, str]], None], file: Path | None) -> None:
        self._save = save
        self._file = file
        with self._explained():
            self._descriptor = _open(file) if file else os.open(os.devnull, os.O_RDWR)

    def held(self) -> list[LockRecord]:
        """The locks that the state file records as held, the newest first. Other lines are skipped."""
        held: dict[str, LockRecord] = {}
        size = os.fstat(self._descriptor).st_size
        for line in os.pread(self._descriptor, _READ, max(0, size - _READ)).splitlines():
            with suppress(ValueError, RecursionError):
                match json.loads(line):
                    case {"app": str(app), "session": str(session)}:
                        held[session] = LockRecord(check_app(app), session)
                    case {"released": str(session)}:
                        held.pop(session, None)
        return [*reversed(held.values())]

    def add(self, app: str, session: str) -> None:
        """Record that the session may hold the lock from now on.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        lock = LockRecord(app, session)._asdict()
        self._save(lock)
        with self._explained():
            self._append(lock)

    def mark_released(self, sessions: Iterable[str]) -> None:
        """Record that the sessions hold no lock.

        A line that can't be written does no harm, because the cleanup asks the platform first.
        """
        for session in sessions:
            self._save({"released": session})
            with suppress(OSError):
                self._append({"released": session})

    def close(self) -> None:
        """End the use of the file, and empty it if it records no lock as held.

        A file that began with other content is not emptied: its path may be a slip.
        """
        with suppress(OSError):
            if not self.held() and os.pread(self._descriptor, len(_BEGINNING), 0) == _BEGINNING:
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _append(self, line: Mapping[str, str]) -> None:
        # A killed run, or somebody else, may have left a line without its end.
        text = f"\n{json.dumps(line)}\n".encode()
        if os.write(self._descriptor, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError as error:
            raise StateFileInUse(
                f"`state-file`: a run that uses {str(self._file)!r} has not ended",
                hint="Wait for its end, or give each run a `state-file` of its own.",
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"`state-file`: {str(self._file)!r} can't be used ({error.strerror})",
                hint="Set `state-file` to a path that the job may write; the cleanup needs the file. "
                "A GitLab job that sets none keeps the file in the project's directory.",
            ) from error


def saved_locks(state: Mapping[str, str]) -> list[LockRecord]:
    """Return the lock that an earlier step may still hold, from the state that it saved in the CI system."""
    app, session = state.get("app"), state.get("session")
    return [LockRecord(app, session)] if app and session and session != state.get("released") else []


def _open(file: Path) -> int:
    """Open a regular file, and lock it if its file system has such locks."""
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file")
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_RDWR | _FLAGS, 0o644)
    except OSError:  # to release the locks, reading is enough
        descriptor = os.open(file, os.O_RDONLY | _FLAGS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass
    return descriptor
