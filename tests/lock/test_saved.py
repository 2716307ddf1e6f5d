"""Locks that a killed run leaves for the lock cleanup."""

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
    """Open the saved locks of a run, in a CI system without its own state."""
    return closing(SavedLocks(lambda _state: None, file))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a state file that doesn't exist yet."""
    return tmp_path / "state.json"


def test_a_killed_run_leaves_app_and_session(file: Path) -> None:
    """Both the CI system and the file have them, and nothing else: no secret and no URL."""
    kept: dict[str, str] = {}
    with closing(SavedLocks(kept.update, file)) as record:
        record.add("site", "s-1")
    first, *lines = filter(None, file.read_text("utf-8").splitlines())
    assert json.loads(first) == {"created_by": "zerokie-action"}
    assert [kept] == [json.loads(line) for line in lines] == [{"app": "site", "session": "s-1"}]
    assert [tuple(lock) for lock in locks_in(kept)] == recorded(file) == [("site", "s-1")]
    assert locks_in({}) == []


def test_a_released_lock_is_saved_as_released(file: Path) -> None:
    """The CI system has a line for the release. The file is gone."""
    kept: dict[str, str] = {}
    with closing(SavedLocks(kept.update, file)) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert not file.exists()
    assert locks_in(kept) == []
    with closing(SavedLocks(kept.update, file)) as record:
        record.add("site", "s-2")
    (lock,) = locks_in(kept)
    assert lock.session == "s-2", "the first release doesn't release the second lock"


def test_a_run_keeps_the_lock_of_a_killed_run(file: Path) -> None:
    """For example, the run waits for that lock until `lock-timeout`."""
    leave(file, "site", "killed")
    with records(file) as record:
        record.add("other", "s-1")
        record.mark_released(["s-1"])
    assert recorded(file) == [("site", "killed")]
    leave(file, "site", "s-2")
    assert recorded(file) == [("site", "s-2"), ("site", "killed")], "the newest first"


def test_a_file_that_is_never_needed_is_removed(file: Path) -> None:
    """For example, a `destroy` finds no app."""
    with records(file):
        assert file.exists()
    assert not file.exists()


def test_a_file_that_cannot_be_removed_is_emptied(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, a container mounts it."""

    def refuse(path: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))

    with monkeypatch.context() as patch, records(file) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
        patch.setattr(Path, "unlink", refuse)
        record.close()
        patch.setattr(SavedLocks, "close", lambda _records: None)
    assert file.read_bytes() == b""


def test_an_empty_file_stays_empty(file: Path) -> None:
    """The user created it, perhaps to mount it into a container."""
    file.touch()
    with records(file) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert file.read_bytes() == b""


def test_a_file_that_replaced_the_runs_own_stays(file: Path, tmp_path: Path) -> None:
    """The path may be another run's file by then."""
    with records(file):
        file.rename(tmp_path / "moved.json")
        other = records(file)
    assert file.exists()
    other.__exit__(None, None, None)
    assert not file.exists()


def test_a_file_that_is_removed_while_it_is_opened_is_opened_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the run would save its lock in a file without a path."""
    flock = fcntl.flock
    waiting = [records(file)]

    def end_other_run(descriptor: int, operation: int) -> None:
        while waiting:
            waiting.pop().__exit__(None, None, None)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", end_other_run)
    with records(file) as record:
        record.add("site", "s-1")
    assert recorded(file) == [("site", "s-1")]


def test_a_default_file_that_cannot_be_used_is_only_a_log_line(file: Path) -> None:
    """The reason is another run, or the file system, also later."""
    log: list[str] = []
    with records(file), closing(SavedLocks(lambda _state: None, file, log=log.append)) as record:
        record.add("site", "s-1")
        assert record.held() == []
    missing = file / "missing" / "state.json"
    with closing(SavedLocks(lambda _state: None, missing, log=log.append)) as record:
        record.add("site", "s-1")
    assert log == [
        f"Continuing without the state file {str(file)!r}: another run is using it",
        f"Continuing without the state file {str(missing)!r}: No such file or directory",
    ]


def test_a_second_run_cannot_use_the_file(file: Path) -> None:
    """A run or a lock cleanup gets an error with advice while a run uses the file."""
    with records(file):
        with pytest.raises(ConfigurationError) as caught:
            records(file)
        assert str(caught.value) == f"`state-file`: can't use {str(file)!r}: another run is using it"
        assert caught.value.hint == "Wait for that run to end, or set a separate `state-file` for each run."
    assert recorded(file) == []


def test_a_file_system_without_flock_cannot_have_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs couldn't detect each other."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ConfigurationError, match="No locks available"):
        records(file)


def test_a_read_only_file_is_enough_for_the_lock_cleanup(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run must write, so it stops at its start. A fake `open` refuses, because root can write any file."""
    leave(file, "site", "s-1")
    opened = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        records(file)
    with closing(SavedLocks(lambda _state: None, file, is_cleanup=True)) as record:
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
def test_foreign_lines_are_skipped(file: Path, damage: bytes) -> None:
    """A lock saved after them is found, regardless of their content and size."""
    file.write_bytes(damage)
    leave(file, "site", "s-1")
    assert recorded(file)[0] == ("site", "s-1")


def test_a_line_with_an_invalid_app_is_skipped(file: Path) -> None:
    """Someone else's change may contain the line. The lock cleanup would fail on it and release nothing."""
    file.write_bytes(b'{"app": "..", "session": "s-1"}\n')
    assert recorded(file) == []


def test_a_users_own_file_keeps_its_content(tmp_path: Path) -> None:
    """The path may be a mistake."""
    file = tmp_path / "package.json"
    file.write_text("{}\n")
    with records(file) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert file.read_text().startswith("{}\n")
    assert recorded(file) == []


def test_a_full_disk_is_an_error_before_the_lock_request(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock cleanup couldn't read an incomplete line."""
    write = os.write
    with records(file) as record:
        monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:9]))
        with pytest.raises(ConfigurationError, match=r"can't use .*: No space left on device"):
            record.add("site", "s-1")
        log: list[str] = []
        SavedLocks(lambda _state: None, file.with_name("b"), log=log.append).close()
        assert log == [
            f"Continuing without the state file {str(file.with_name('b'))!r}: No space left on device"
        ]
    assert not file.exists()


def test_a_path_that_cannot_be_written_is_an_error_before_the_lock_request(tmp_path: Path) -> None:
    """Without the file, the lock cleanup couldn't release the lock after a kill."""
    file = tmp_path / "missing" / "state.json"
    with pytest.raises(ConfigurationError) as caught:
        records(file)
    assert str(caught.value) == f"`state-file`: can't use {str(file)!r}: No such file or directory"
    assert "`state-file`" in caught.value.hint


def test_a_symlink_as_state_file_is_an_error(file: Path, tmp_path: Path) -> None:
    """A symlink in the checkout must not make the run write to another file."""
    file.symlink_to("precious")
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(ConfigurationError, match="symbolic links"):
        records(file)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_pipe_as_state_file_is_an_error(file: Path) -> None:
    """A pipe would block the run and keeps nothing."""
    os.mkfifo(file)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        records(file)
