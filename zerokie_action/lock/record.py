"""What the cleanup reads after a run was killed: which session may hold the lock on which app.

It is written before the lock is asked for, to the CI system's own state (GitHub) and to the `state-file`.
There is no secret in it, and no URL: the cleanup sends the API key only where its own inputs say.

The file has a line of JSON for each lock: a run leaves alone what a killed one before it has recorded.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.report.files import write_report_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXPIRY = 30 * 60.0
"""Seconds without a heartbeat after which the platform lets a lock expire ("PUT …/deploy/lock")."""
_LARGEST_FILE = 64 * 1024


class LockRecord(NamedTuple):
    """A lock that a run asked for."""

    app: str
    session: str

    @property
    def state(self) -> dict[str, str]:
        """As it is written down."""
        return {"app": self.app, "session": self.session}


def expiry() -> str:
    """When a lock expires that is not confirmed any more, at the latest: a lost answer may have been one."""
    return f"at {datetime.fromtimestamp(time.time() + EXPIRY, UTC):%Y-%m-%d %H:%M:%S} UTC at the latest"


class LockRecords:
    """Where locks are recorded: the CI system's own state, and a file."""

    def __init__(self, save: Callable[[Mapping[str, str]], None], file: Path | None) -> None:
        """Record nothing yet.

        Args:
            save: keeps keys and values in the CI system's own state.
            file: the state file; it is removed once no lock in it is held.
        """
        self._save = save
        self._file = file

    def add(self, app: str, session: str) -> None:
        """Record that the session may hold the lock from now on; the file is on disk when this returns.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        lock = LockRecord(app, session)
        self._save(lock.state)
        if self._file is None:
            return
        try:
            _write(self._file, [*_read(self._file), lock])
        except OSError as error:
            raise ConfigurationError(
                f"`state-file`: {str(self._file)!r} can't be written ({error.strerror})",
                hint="Choose a path that the job may write; the cleanup needs the file.",
            ) from error

    def release(self, session: str) -> None:
        """Record that the session holds no lock.

        A state file that can't be removed does no harm: the cleanup asks the platform first. What is no file
        (`/dev/null`) stays.
        """
        self._save({"released": session})
        if self._file is None:
            return
        with suppress(OSError):
            if others := [lock for lock in _read(self._file) if lock.session != session]:
                _write(self._file, others)
            elif self._file.is_file():
                self._file.unlink()


def recorded_locks(env: Mapping[str, str], file: Path | None) -> list[LockRecord]:
    """The locks that earlier steps may still hold, by GitHub's `STATE_*` and the file.

    What can't be read counts as nothing.
    """
    app, session = env.get("STATE_app"), env.get("STATE_session")
    found = [LockRecord(app, session)] if app and session and session != env.get("STATE_released") else []
    return found + [lock for lock in (_read(file) if file else []) if lock.session != session]


def default_file(env: Mapping[str, str]) -> Path | None:
    """Where the state goes without `state-file`: only GitLab needs a file, and keeps those below the project.

    The job's ID is in the name: jobs may share a project directory.
    """
    if env.get("GITLAB_CI") and (project := env.get("CI_PROJECT_DIR")):
        return Path(project) / f".zerokie-state-{env.get('CI_JOB_ID', 'job')}.json"
    return None


def _write(file: Path, locks: list[LockRecord]) -> None:
    write_report_file(file, "".join(json.dumps(lock.state) + "\n" for lock in locks))
    with suppress(OSError):  # not every file system can do that
        if file.is_file():
            with file.open("rb") as written:
                os.fsync(written.fileno())


def _read(file: Path) -> list[LockRecord]:
    """The locks in a file; whatever else is in it, or is not a file, counts as nothing."""
    found = []
    with suppress(OSError):
        if not file.is_file():
            return []
        with file.open("rb") as content:
            lines = content.read(_LARGEST_FILE).splitlines()
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                state = json.loads(line)
                found.append(LockRecord(str(state["app"]), str(state["session"])))
    return [lock for lock in found if lock.app and lock.session]
