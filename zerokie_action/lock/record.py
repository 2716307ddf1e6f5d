"""The record of a run's lock: after the run was killed, the cleanup reads which session to release.

A run writes the record before it requests the lock: to GitHub's own state, and to the `state-file`. The
record has no secret and no URL: the cleanup sends the API key only to the `api-url` of its own inputs.

The file has a line of JSON for each lock that was requested, and another line after its release. Lines are
only appended, so several runs may use one file. Each run holds a shared `flock` on it while it is alive, and
the cleanup touches nothing meanwhile. The last user removes a file that records no lock.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.formats import check_app
from zerokie_action.limits import LOCK_EXPIRY

_READ = 64 * 1024
"""How many bytes are read, at the end of a state file. Our lines come last, whatever else is in the file."""
# O_NOFOLLOW: somebody else may have put a link there. O_NONBLOCK: no waiting for a FIFO's other end.
_FLAGS = os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


class LockRecord(NamedTuple):
    """A lock that a run requested."""

    app: str
    session: str


def expiry() -> str:
    """For messages: the latest time at which an abandoned lock expires, if it was confirmed just now."""
    return f"at {datetime.fromtimestamp(time.time() + LOCK_EXPIRY, UTC):%Y-%m-%d %H:%M:%S} UTC at the latest"


class LockRecords:
    """Writes lock records to the CI system's own state and to a file, which is in use until `close`.

    Args:
        save: keeps keys and values in the CI system's own state.
        file: the state file; None for no file.
    """

    def __init__(self, save: Callable[[Mapping[str, str]], None], file: Path | None) -> None:
        self._save = save
        self._file = file
        self._descriptor: int | None = None

    def add(self, app: str, session: str) -> None:
        """Record that the session may hold the lock from now on.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        lock = LockRecord(app, session)
        self._save(lock._asdict())
        try:
            if self._file is not None and self._descriptor is None:
                self._descriptor = _open_shared(self._file)
            self._append(lock._asdict())
        except OSError as error:
            raise ConfigurationError(
                f"`state-file`: {str(self._file)!r} can't be written ({error.strerror})",
                hint="Set `state-file` to a path that the job may write; the cleanup needs the file. "
                "A GitLab job that sets none keeps the file in the project's directory.",
            ) from error

    def mark_released(self, session: str) -> None:
        """Record that the session holds no lock.

        A line that can't be written does no harm, because the cleanup asks the platform first.
        """
        self._save({"released": session})
        with suppress(OSError):
            self._append({"released": session, "at": 0})

    def mark_expiring(self, session: str) -> None:
        """Record that a lock that the session may still hold expires within `LOCK_EXPIRY` from now."""
        with suppress(OSError):
            self._append({"released": session, "at": time.time() + LOCK_EXPIRY})

    def claim(self) -> list[LockRecord]:
        """Use the file for a cleanup, and return the locks that it records as held, the newest first.

        Raises:
            BlockingIOError: when a run that uses the file is alive, or another cleanup.
            OSError: when the file can't be read.
        """
        if self._file is None or not self._file.exists():
            return []
        try:
            self._descriptor = os.open(self._file, os.O_RDWR | _FLAGS)
        except OSError:  # reading is enough to release the locks
            self._descriptor = os.open(self._file, os.O_RDONLY | _FLAGS)
        _flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = _held(self._descriptor)
        _flock(self._descriptor, fcntl.LOCK_SH)  # a run that starts now may use the file as well
        return held

    def close(self) -> None:
        """End the use of the file. The last user removes it if it records no lock."""
        if self._file is None or self._descriptor is None:
            return
        with suppress(OSError):
            _flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(self._file, self._descriptor) and not _held(self._descriptor):
                self._file.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    def _append(self, line: Mapping[str, object]) -> None:
        if self._descriptor is not None:
            # A killed run, or somebody else, may have left a line without its end.
            os.write(self._descriptor, f"\n{json.dumps(line)}\n".encode())


def saved_locks(env: Mapping[str, str]) -> list[LockRecord]:
    """The lock that an earlier step may still hold, from GitHub's `STATE_*` variables."""
    app, session = env.get("STATE_app"), env.get("STATE_session")
    return [LockRecord(app, session)] if app and session and session != env.get("STATE_released") else []


def default_state_file(env: Mapping[str, str]) -> Path | None:
    """The state file when `state-file` is not set: on GitLab a file in the project directory, elsewhere none.

    The file's name has the job's ID, because jobs may share a project directory.
    """
    if env.get("GITLAB_CI") and (project := env.get("CI_PROJECT_DIR")):
        return Path(project) / f".zerokie-state-{env.get('CI_JOB_ID', 'job')}.json"
    return None


def _open_shared(file: Path) -> int:
    """Open a state file for appending, and show the cleanup that its user is alive."""
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | _FLAGS, 0o644)
    _flock(descriptor, fcntl.LOCK_SH)  # others hold an exclusive lock for a moment only
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and not _is_still(file, descriptor):
        os.close(descriptor)  # its last user has just removed it
        return _open_shared(file)
    return descriptor


def _is_still(file: Path, descriptor: int) -> bool:
    """Whether the open file is still the regular file of that name."""
    status = os.fstat(descriptor)
    with suppress(FileNotFoundError):
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, file.lstat())
    return False


def _flock(descriptor: int, operation: int) -> None:
    """Lock an open file; does nothing on a file system without such locks."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError:
        pass


def _held(descriptor: int) -> list[LockRecord]:
    """The locks that an open file records as held, the newest first. Other lines are skipped."""
    held: dict[str, LockRecord] = {}
    released: set[str] = set()
    size = os.fstat(descriptor).st_size
    for line in os.pread(descriptor, _READ, max(0, size - _READ)).splitlines():
        with suppress(ValueError, RecursionError):
            match json.loads(line):
                case {"app": str(app), "session": str(session)}:
                    held[session] = LockRecord(check_app(app), session)
                case {"released": str(session), "at": int() | float() as at} if at <= time.time():
                    released.add(session)
    return [lock for session, lock in reversed(held.items()) if session not in released]
