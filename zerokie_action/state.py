"""What the cleanup must know when a run was killed: which session may hold the lock on which app.

It is recorded before the lock is asked for, in the CI system's own state (GitHub) and in the
`state-file`, and marked as released afterwards. There is no secret in it, and no URL: the
cleanup sends the API key only where its own inputs say.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEASE = timedelta(minutes=30)


class HeldLock(NamedTuple):
    """A lock that a run asked for. `asked_at` is an ISO 8601 time; empty when not known."""

    app: str
    session: str
    released: bool = False
    asked_at: str = ""

    @property
    def expiry(self) -> str:
        """When it expires by itself at the latest, for a message; a heartbeat may have come later."""
        try:
            at = datetime.fromisoformat(self.asked_at) + _LEASE
        except (ValueError, OverflowError):
            return "30 minutes after its last heartbeat"
        return f"30 minutes after its last heartbeat ({at:%Y-%m-%d %H:%M:%S} UTC if there was none)"


class StateRecord:
    """Implements `zerokie_action.api.lock.LockState`."""

    def __init__(self, save: Callable[[Mapping[str, str]], None], file: Path | None) -> None:
        """Record in two places.

        Args:
            save: keeps keys and values in the CI system's own state.
            file: the state file; it is removed once the lock is free.
        """
        self._save = save
        self._file = file

    def asking(self, app: str, session: str) -> None:
        """Record that the lock may be held from now on; on disk when this returns.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        record = {"app": app, "session": session, "asked_at": datetime.now(UTC).isoformat(timespec="seconds")}
        self._save(record)
        if self._file:
            try:
                _write_through(self._file, json.dumps(record))
            except OSError as error:
                raise ConfigurationError(
                    f"`state-file`: {str(self._file)!r} can't be written ({error.strerror})",
                    hint="Choose a path that the job may write; the cleanup needs the file.",
                ) from error

    def released(self, session: str) -> None:
        """Record that this session holds no lock.

        A state file that can't be removed does no harm: the cleanup asks the platform first.
        """
        self._save({"released": session})
        if self._file:
            with suppress(OSError):
                self._file.unlink()


def held_locks(env: Mapping[str, str], file: Path | None) -> list[HeldLock]:
    """What earlier steps recorded, from `STATE_*` and from the file; unreadable counts as nothing."""
    found = []
    if session := env.get("STATE_session"):
        released = env.get("STATE_released") == session
        found.append(HeldLock(env.get("STATE_app", ""), session, released, env.get("STATE_asked_at", "")))
    try:
        record = json.loads(file.read_text("utf-8")) if file else {}
        if not found or found[0].session != record["session"]:
            found.append(
                HeldLock(str(record["app"]), str(record["session"]), asked_at=str(record["asked_at"]))
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return [lock for lock in found if lock.app and lock.session]


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


def _write_through(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        with suppress(OSError):  # not every file system can
            os.fsync(descriptor)
