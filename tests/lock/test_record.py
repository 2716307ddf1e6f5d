"""What a killed run leaves behind for the cleanup."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from zerokie_action.errors import ConfigurationError
from zerokie_action.lock.record import LockRecords, default_state_file, recorded_locks


def as_environment(state: Mapping[str, str]) -> dict[str, str]:
    """A CI system's state, as GitHub gives it back to the post step."""
    return {f"STATE_{key}": value for key, value in state.items()}


def records(file: Path) -> LockRecords:
    """Of a CI system that keeps no state."""
    return LockRecords(lambda _state: None, file)


def test_a_killed_run_leaves_what_the_cleanup_needs(tmp_path: Path) -> None:
    """App and session, in both places, and not a thing more: no secret, no URL."""
    kept: dict[str, str] = {}
    file = tmp_path / "state.json"
    LockRecords(kept.update, file).add("site", "s-1")
    assert set(kept) == {"app", "session"}
    assert json.loads(file.read_text("utf-8")) == kept
    (lock,) = recorded_locks(as_environment(kept), file)
    assert (lock.app, lock.session) == ("site", "s-1")
    assert recorded_locks({}, file) == recorded_locks(as_environment(kept), None) == [lock]


def test_a_released_lock_is_recorded_as_released(tmp_path: Path) -> None:
    """The CI system remembers it; the file is gone."""
    kept: dict[str, str] = {}
    file = tmp_path / "state.json"
    record = LockRecords(kept.update, file)
    record.add("site", "s-1")
    record.release("s-1")
    assert not file.exists()
    assert recorded_locks(as_environment(kept), file) == []
    record.release("s-1")
    record.add("site", "s-2")
    (lock,) = recorded_locks(as_environment(kept), file)
    assert lock.session == "s-2", "what is said of the first says nothing of the next"


def test_a_run_leaves_alone_what_a_killed_one_recorded(tmp_path: Path) -> None:
    """Be it that it waits for that one's lock in vain."""
    file = tmp_path / "state.json"
    records(file).add("site", "killed")
    for session in ("s-1", "s-2"):
        record = records(file)
        record.add("other", session)
        assert [lock.session for lock in recorded_locks({}, file)] == ["killed", session]
        record.release(session)
        assert [lock.session for lock in recorded_locks({}, file)] == ["killed"]
    records(file).release("killed")
    assert not file.exists()


@pytest.mark.parametrize(
    "damage", [b"", b"\xff\xfe", b"[" * 20_000, b"null", b'["app", "session"]', b'{"app": "site"}']
)
def test_a_damaged_line(tmp_path: Path, damage: bytes) -> None:
    """Whatever is left of it, the lines before it count, and the cleanup does not fail."""
    file = tmp_path / "state.json"
    records(file).add("site", "s-1")
    file.write_bytes(file.read_bytes() + damage)
    assert [lock.session for lock in recorded_locks({}, file)] == ["s-1"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Then there would be no second chance, so the run ends before it asks for the lock."""
    file = tmp_path / "missing" / "state.json"
    with pytest.raises(ConfigurationError) as caught:
        records(file).add("site", "s-1")
    assert str(caught.value) == f"`state-file`: {str(file)!r} can't be written (No such file or directory)"
    assert "`state-file`" in caught.value.hint


def test_a_file_that_cannot_be_removed(tmp_path: Path) -> None:
    """A deploy that succeeded does not fail over that: the cleanup asks the platform first."""
    kept: dict[str, str] = {}
    LockRecords(kept.update, tmp_path).release("s-1")
    assert kept == {"released": "s-1"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link in the workspace cannot make us write somewhere else, nor remove what it leads to."""
    precious, file = tmp_path / "precious", tmp_path / "state.json"
    precious.write_text("precious")
    file.symlink_to("precious")
    record = records(file)
    with pytest.raises(ConfigurationError, match=r"can't be written \(Too many levels of symbolic links\)"):
        record.add("site", "s-1")
    record.release("s-1")
    assert precious.read_text() == "precious"


def test_gitlab_keeps_files_below_the_project_only() -> None:
    """There the state has a file without being asked; jobs that share a folder don't share it."""
    env = {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/site", "CI_JOB_ID": "42"}
    assert default_state_file(env) == Path("/builds/site/.zerokie-state-42.json")
    assert default_state_file({"GITLAB_CI": "true", "CI_PROJECT_DIR": "/b"}) == Path(
        "/b/.zerokie-state-job.json"
    )
    assert default_state_file({"CI_PROJECT_DIR": "/builds/site", "CI_JOB_ID": "42"}) is None
    assert default_state_file({"GITLAB_CI": "true"}) is None
