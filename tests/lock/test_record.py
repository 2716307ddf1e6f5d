"""What a killed run leaves behind for the cleanup."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from zerokie_action.errors import ConfigurationError
from zerokie_action.lock.record import LockRecords, default_state_file, saved_locks


def as_environment(state: Mapping[str, str]) -> dict[str, str]:
    """A CI system's state, as GitHub gives it back to the post step."""
    return {f"STATE_{key}": value for key, value in state.items()}


@contextmanager
def records(file: Path) -> Iterator[LockRecords]:
    """Of a run that is alive in the block, in a CI system that keeps no state."""
    with closing(LockRecords(lambda _state: None, file)) as opened:
        yield opened


def ask(file: Path, session: str) -> None:
    """A run asks for the lock, and is killed."""
    with records(file) as record:
        record.add("site", session)


def held(file: Path) -> list[str]:
    """The sessions that a cleanup finds."""
    with records(file) as record:
        return [lock.session for lock in record.held()]


def test_a_killed_run_leaves_what_the_cleanup_needs(tmp_path: Path) -> None:
    """App and session, in both places, and not a thing more: no secret, no URL."""
    kept: dict[str, str] = {}
    file = tmp_path / "state.json"
    with closing(LockRecords(kept.update, file)) as record:
        record.add("site", "s-1")
    assert set(kept) == {"app", "session"}
    assert json.loads(file.read_text("utf-8")) == kept
    (lock,) = saved_locks(as_environment(kept))
    assert (lock.app, lock.session) == ("site", "s-1")
    assert held(file) == ["s-1"]
    assert saved_locks({}) == []


def test_a_released_lock_is_recorded_as_released(tmp_path: Path) -> None:
    """The CI system remembers it; the file is empty."""
    kept: dict[str, str] = {}
    file = tmp_path / "state.json"
    with closing(LockRecords(kept.update, file)) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert file.read_bytes() == b""
    assert saved_locks(as_environment(kept)) == []
    with closing(LockRecords(kept.update, file)) as record:
        record.add("site", "s-2")
    (lock,) = saved_locks(as_environment(kept))
    assert lock.session == "s-2", "what is said of the first says nothing of the next"


def test_a_run_keeps_what_a_killed_one_recorded(tmp_path: Path) -> None:
    """Be it that it waits for that one's lock in vain."""
    file = tmp_path / "state.json"
    ask(file, "killed")
    for session in ("s-1", "s-2"):
        with records(file) as record:
            record.add("other", session)
            record.mark_released([session])
        assert held(file) == ["killed"]
    ask(file, "s-3")
    assert held(file) == ["s-3", "killed"], "the newest first"


def test_a_file_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run, or a cleanup, is refused while a run uses the file, and says what to do."""
    file = tmp_path / "state.json"
    with records(file):
        with pytest.raises(ConfigurationError) as caught, records(file):
            pass
        assert str(caught.value) == f"`state-file`: a run that uses {str(file)!r} has not ended"
        assert caught.value.hint == "Wait for its end, or give each run a `state-file` of its own."
    assert held(file) == []


def test_a_file_system_without_flock_works_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then runs can't see each other, and none loses what another one has recorded."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    file = tmp_path / "state.json"
    with records(file) as first:
        first.add("site", "s-1")
        with records(file) as second:
            second.add("site", "s-2")
            second.mark_released(["s-2"])
        assert held(file) == ["s-1"]


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"\xff\xfe", b"[" * 20_000, b"null", b'["app", "session"]', b'{"app": "site"}', b'{"app": 5}'),
        *(b'{"app": "..", "session": "s"}', b'{"app": "site", "session": 5}', b'{"released": "s-1"}'),
        *(b'{"released": 1}', b'{"app": "site", "session": "x"}\n' * 9_000),
    ],
)
def test_lines_of_somebody_else_are_skipped(tmp_path: Path, damage: bytes) -> None:
    """Whatever is there, and however much, what a run appends counts, and no error ends the cleanup."""
    file = tmp_path / "state.json"
    file.write_bytes(damage)
    ask(file, "s-1")
    assert held(file)[0] == "s-1"


def test_a_wrong_path_is_exit_2(tmp_path: Path) -> None:
    """A file of the user's keeps its content."""
    file = tmp_path / "package.json"
    file.write_text("{}\n")
    with records(file) as record:
        record.add("site", "s-1")
        record.mark_released(["s-1"])
    assert file.read_text().startswith("{}\n")
    assert held(file) == []


def test_a_full_disk_ends_the_run_before_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a record is none: the run ends before it asks for the lock."""
    write = os.write
    with records(tmp_path / "state.json") as record:
        monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:9]))
        with pytest.raises(ConfigurationError, match="can't be used \\(No space left on device\\)"):
            record.add("site", "s-1")
    assert held(tmp_path / "state.json") == []


def test_an_unwritable_file_ends_the_run_before_the_lock(tmp_path: Path) -> None:
    """Then there would be no second chance, so the run does not begin."""
    file = tmp_path / "missing" / "state.json"
    with pytest.raises(ConfigurationError) as caught, records(file):
        pass
    assert str(caught.value) == f"`state-file`: {str(file)!r} can't be used (No such file or directory)"
    assert "`state-file`" in caught.value.hint


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("a link", "symbolic links"),
        ("a directory", "it is not a regular file"),
        ("a pipe", "it is not a regular file"),
    ],
)
def test_a_link_as_state_file_is_refused(tmp_path: Path, what: str, why: str) -> None:
    """A link in the workspace makes us write nowhere else; a pipe makes nobody wait, and keeps nothing."""
    precious, file = tmp_path / "precious", tmp_path / "state.json"
    precious.write_text("precious")
    if what == "a link":
        file.symlink_to("precious")
    elif what == "a pipe":
        os.mkfifo(file)
    else:
        file.mkdir()
    with pytest.raises(ConfigurationError, match=why), records(file):
        pass
    assert precious.read_text() == "precious"
    assert file.exists()


def test_gitlab_has_a_state_file_below_the_project() -> None:
    """There the state has a file without being asked; jobs that share a folder don't share it."""
    env = {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/site", "CI_JOB_ID": "42"}
    assert default_state_file(env) == Path("/builds/site/.zerokie-state-42.json")
    assert default_state_file({"GITLAB_CI": "true", "CI_PROJECT_DIR": "/b"}) == Path(
        "/b/.zerokie-state-job.json"
    )
    assert default_state_file({"CI_PROJECT_DIR": "/builds/site", "CI_JOB_ID": "42"}) is None
    assert default_state_file({"GITLAB_CI": "true"}) is None
