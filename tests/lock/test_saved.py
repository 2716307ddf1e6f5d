"""What a killed run leaves behind for the cleanup."""

import errno
import fcntl
import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cleanup import leave, recorded
from zerokie_action.errors import ConfigurationError
from zerokie_action.lock.saved import SavedLocks, locks_in


def records(file: Path) -> closing[SavedLocks]:
    """Of a run that is alive in the block, in a CI system that keeps no state."""
    return closing(SavedLocks(lambda _state: None, file))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The state file; it is not there yet."""
    return tmp_path / "state.json"


def test_a_killed_run_leaves_what_the_cleanup_needs(file: Path) -> None:
    """App and session, in both places, and not a thing more: no secret, no URL."""
    kept: dict[str, str] = {}
    with closing(SavedLocks(kept.update, file)) as record:
        record.add("site", "s-1")
    assert kept == json.loads(file.read_text("utf-8")) == {"app": "site", "session": "s-1"}
    assert [tuple(lock) for lock in locks_in(kept)] == recorded(file) == [("site", "s-1")]
    assert locks_in({}) == []


def test_a_released_lock_is_recorded_as_released(file: Path) -> None:
    """The CI system remembers it; the file is empty."""
    kept: dict[str, str] = {}
    with closing(SavedLocks(kept.update, file)) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert file.read_bytes() == b""
    assert locks_in(kept) == []
    with closing(SavedLocks(kept.update, file)) as record:
        record.add("site", "s-2")
    (lock,) = locks_in(kept)
    assert lock.session == "s-2", "what is said of the first says nothing of the next"


def test_a_run_keeps_what_a_killed_one_recorded(file: Path) -> None:
    """Be it that it waits for that one's lock in vain."""
    leave(file, "site", "killed")
    with records(file) as record:
        record.add("other", "s-1")
        record.mark_released(["s-1"])
    assert recorded(file) == [("site", "killed")]
    leave(file, "site", "s-2")
    assert recorded(file) == [("site", "s-2"), ("site", "killed")], "the newest first"


def test_a_file_belongs_to_one_run_at_a_time(file: Path) -> None:
    """A second run, or a cleanup, is refused while a run uses the file, and says what to do."""
    with records(file):
        with pytest.raises(ConfigurationError) as caught:
            records(file)
        assert str(caught.value) == f"`state-file`: another run is using {str(file)!r}"
        assert caught.value.hint == "Wait for that run to end, or set a separate `state-file` for each run."
    assert recorded(file) == []


def test_a_file_system_without_flock_works_as_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then runs can't see each other, and none loses what another one has recorded."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with records(file) as first:
        first.add("site", "s-1")
        with records(file) as second:
            second.add("site", "s-2")
            second.mark_released(["s-2"])
        assert recorded(file) == [("site", "s-1")]


def test_a_read_only_file_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is enough to release the lock. (These tests may run as root, who may write any file.)"""
    leave(file, "site", "s-1")
    opened = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with records(file) as record:
        assert [lock.session for lock in record.held()] == ["s-1"]
        record.mark_released(["s-1"])


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"\xff\xfe", b"[" * 20_000, b"null", b'["app", "session"]', b'{"app": "site"}', b'{"app": 5}'),
        *(b'{"app": "..", "session": "s"}', b'{"app": "site", "session": 5}', b'{"released": "s-1"}'),
        *(b'{"released": 1}', b'{"app": "site", "session": "x"}\n' * 9_000),
    ],
)
def test_lines_of_somebody_else_are_skipped(file: Path, damage: bytes) -> None:
    """Whatever is there, and however much, what a run appends counts, and no error ends the cleanup."""
    file.write_bytes(damage)
    leave(file, "site", "s-1")
    assert recorded(file)[0] == ("site", "s-1")


def test_what_can_be_no_app_is_no_record(file: Path) -> None:
    """A merged change put it there. A cleanup that asked about it would fail, and release nothing."""
    file.write_bytes(b'{"app": "..", "session": "s-1"}\n')
    assert recorded(file) == []


def test_a_file_of_the_users_keeps_its_content(tmp_path: Path) -> None:
    """The path may be a slip."""
    file = tmp_path / "package.json"
    file.write_text("{}\n")
    with records(file) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert file.read_text().startswith("{}\n")
    assert recorded(file) == []


def test_a_full_disk_ends_the_run_before_the_lock(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a record is none: the run ends before it asks for the lock."""
    write = os.write
    with records(file) as record:
        monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:9]))
        with pytest.raises(ConfigurationError, match=r"can't use .*: No space left on device"):
            record.add("site", "s-1")
    assert recorded(file) == []


def test_an_unwritable_file_ends_the_run_before_the_lock(tmp_path: Path) -> None:
    """Then there would be no second chance, so the run does not begin."""
    file = tmp_path / "missing" / "state.json"
    with pytest.raises(ConfigurationError) as caught:
        records(file)
    assert str(caught.value) == f"`state-file`: can't use {str(file)!r}: No such file or directory"
    assert "`state-file`" in caught.value.hint


def test_a_link_as_state_file_is_refused(file: Path, tmp_path: Path) -> None:
    """A link in the workspace makes us write nowhere else."""
    file.symlink_to("precious")
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(ConfigurationError, match="symbolic links"):
        records(file)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_pipe_as_state_file_is_refused(file: Path) -> None:
    """It would make somebody wait, and keeps nothing."""
    os.mkfifo(file)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        records(file)
