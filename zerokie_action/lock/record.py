"""The record of a run's lock: after the run was killed, the cleanup reads which session to release.

A run writes the record before it requests the lock: to GitHub's own state, and to the `state-file`. The
record has no secret and no URL: the cleanup sends the API key only to the `api-url` of its own inputs.

The file has one line of JSON for each lock. A run keeps the lines that earlier, killed runs have left.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.limits import LOCK_EXPIRY
from zerokie_action.report.files import write_report_file

_LARGEST_FILE = 64 * 1024


class LockRecord(NamedTuple):
    """A lock that a run requested."""

    app: str
    session: str


def expiry() -> str:
    """For messages: the latest time at which an abandoned lock expires, if it was confirmed just now."""
    return f"at {datetime.fromtimestamp(time.time() + LOCK_EXPIRY, UTC):%Y-%m-%d %H:%M:%S} UTC at the latest"


class LockRecords(NamedTuple):
    """Writes lock records to the CI system's own state and to a file.

    Attributes:
        save: keeps keys and values in the CI system's own state.
        file: the state file, removed when its last lock is released; None for no file.
    """

    save: Callable[[Mapping[str, str]], None]
    file: Path | None

    def add(self, app: str, session: str) -> None:
        """Record that the session may hold the lock from now on.

        Raises:
            ConfigurationError: when the state file can't be written.
        """
        lock = LockRecord(app, session)
        self.save(lock._asdict())
        if self.file is None:
            return
        try:
            _write(self.file, [*_read(self.file), lock])
        except OSError as error:
            raise ConfigurationError(
                f"`state-file`: {str(self.file)!r} can't be written ({error.strerror})",
                hint="Set `state-file` to a path that the job may write; the cleanup needs the file. "
                "A GitLab job that sets none keeps the file in the project's directory.",
            ) from error

    def release(self, session: str) -> None:
        """Record that the session holds no lock.

        A state file that can't be removed does no harm, because the cleanup asks the platform first. A device
        such as `/dev/null` is not removed.
        """
        self.save({"released": session})
        with suppress(OSError):
            if self.file is None or not self.file.is_file():
                return
            if others := [lock for lock in _read(self.file) if lock.session != session]:
                _write(self.file, others)
            else:
                self.file.unlink()


def recorded_locks(env: Mapping[str, str], file: Path | None) -> list[LockRecord]:
    """The locks that earlier steps may still hold, from GitHub's `STATE_*` variables and the file."""
    app, session = env.get("STATE_app"), env.get("STATE_session")
    found = [LockRecord(app, session)] if app and session and session != env.get("STATE_released") else []
    return found + [lock for lock in (_read(file) if file else []) if lock.session != session]


def default_state_file(env: Mapping[str, str]) -> Path | None:
    """The state file when `state-file` is not set: on GitLab a file in the project directory, elsewhere none.

    The file's name has the job's ID, because jobs may share a project directory.
    """
    if env.get("GITLAB_CI") and (project := env.get("CI_PROJECT_DIR")):
        return Path(project) / f".zerokie-state-{env.get('CI_JOB_ID', 'job')}.json"
    return None


def _write(file: Path, locks: list[LockRecord]) -> None:
    write_report_file(file, "".join(json.dumps(lock._asdict()) + "\n" for lock in locks))


def _read(file: Path) -> Iterator[LockRecord]:
    """The locks in a file, up to a damaged line. Anything but a regular file has no locks."""
    with suppress(OSError, ValueError, TypeError, RecursionError):
        if file.is_file():
            with file.open("rb") as content:
                for line in content.read(_LARGEST_FILE).splitlines():
                    yield LockRecord(**json.loads(line))
