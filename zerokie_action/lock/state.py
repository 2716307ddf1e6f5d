"""What the cleanup must know when a run was killed: which session may hold the lock on which app.

It is recorded before the lock is asked for, in the CI system's own state (GitHub) and in the
`state-file`, and marked as released afterwards. There is no secret in it, and no URL: the
cleanup sends the API key only where its own inputs say.

The file has a line of JSON for each lock: a run leaves alone what a killed one before it has recorded.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.lock.lease import LEASE
from zerokie_action.report.files import write_report_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST_FILE = 64 * 1024
_MOST_LOCKS = 50
"""In a file; those that were asked for last."""


class HeldLock(NamedTuple):
    """A lock that a run asked for. `asked_at` is an ISO 8601 time; empty when not known."""

    app: str
    session: str
    released: bool = False
    asked_at: str = ""

    @property
    def record(self) -> dict[str, str]:
        """As it is written down."""
        return {"app": self.app, "session": self.session, "asked_at": self.asked_at}

    @property
    def expiry(self) -> str:
        """When it expires by itself at the latest, for a message; a heartbeat may have come later."""
        try:
            at = datetime.fromisoformat(self.asked_at) + timedelta(seconds=LEASE)
        except (ValueError, OverflowError):
            return "30 minutes after its last heartbeat"
        return f"30 minutes after its last heartbeat ({at:%Y-%m-%d %H:%M:%S} UTC if there was none)"


class StateRecord:
    """Records, for the cleanup, that a session may hold a lock."""

    def __init__(self, save: Callable[[Mapping[str, str]], None], file: Path | None) -> None:
        """Record in two places.

        Args:
            save: keeps keys and values in the CI system's own state.
            file: the state file; it is removed once all locks in it are free.
        """
        self._save = save
        self._file = file

    def acquiring(self, app: str, session: str) -> None:
        """Record that the session may hold the lock from now on; the file is on disk when this returns.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        lock = HeldLock(app, session, asked_at=datetime.now(UTC).isoformat(timespec="seconds"))
        self._save(lock.record)
        if self._file:
            try:
                _write(self._file, [*_read(self._file), lock])
            except OSError as error:
                raise ConfigurationError(
                    f"`state-file`: {str(self._file)!r} can't be written ({error.strerror})",
                    hint="Choose a path that the job may write; the cleanup needs the file.",
                ) from error
            with suppress(OSError):  # not every file system can do that
                if _is_file(self._file):
                    with self._file.open("rb") as written:
                        os.fsync(written.fileno())

    def released(self, session: str) -> None:
        """Record that this session holds no lock.

        A state file that can't be removed does no harm: the cleanup asks the platform first. What is no
        file (`/dev/null`) stays.
        """
        self._save({"released": session})
        if self._file:
            with suppress(OSError):
                if others := [lock for lock in _read(self._file) if lock.session != session]:
                    _write(self._file, others)
                elif _is_file(self._file):
                    self._file.unlink()


def held_locks(env: Mapping[str, str], file: Path | None) -> list[HeldLock]:
    """What earlier steps recorded, from `STATE_*` and from the file; unreadable counts as nothing.

    Whatever is in the file, what `STATE_*` says is returned, and comes first.
    """
    found = []
    if session := env.get("STATE_session"):
        released = env.get("STATE_released") == session
        found.append(HeldLock(env.get("STATE_app", ""), session, released, env.get("STATE_asked_at", "")))
    found += [lock for lock in (_read(file) if file else []) if lock.session != session]
    return [lock for lock in found if lock.app]


def default_file(env: Mapping[str, str]) -> Path | None:
    """Where the state goes without `state-file`: only GitLab needs a file, and keeps those below the project.

    The job's ID is in the name: jobs may share a project directory.
    """
    if env.get("GITLAB_CI") and (project := env.get("CI_PROJECT_DIR")):
        return Path(project) / f".zerokie-state-{env.get('CI_JOB_ID', 'job')}.json"
    return None


def state_files_beside(file: Path | None) -> list[Path]:
    """State files of other jobs next to ours: left over by a killed job, never to be deployed."""
    return sorted(file.parent.glob(".zerokie-state-*.json")) if file else []


def _write(file: Path, locks: list[HeldLock]) -> None:
    write_report_file(file, "".join(json.dumps(lock.record) + "\n" for lock in locks[-_MOST_LOCKS:]))


def _read(file: Path) -> list[HeldLock]:
    """The locks in a file; whatever else is in it, or is not a file, counts as nothing."""
    found: list[HeldLock] = []
    with suppress(OSError):
        if not _is_file(file):
            return found
        with file.open("rb") as content:
            lines = content.read(_LONGEST_FILE).splitlines()
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                record = json.loads(line)
                app, session, asked_at = (str(record[name]) for name in ("app", "session", "asked_at"))
                found.append(HeldLock(app, session, asked_at=asked_at))
    return [lock for lock in found if lock.app and lock.session]


def _is_file(file: Path) -> bool:
    """Whether it is a file: no pipe, whose other end one would wait for, and no link, as we leave none."""
    return stat.S_ISREG(file.lstat().st_mode)
