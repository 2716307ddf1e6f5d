"""What a killed run leaves behind for the cleanup."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.world import World
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


def claimed(file: Path) -> list[str]:
    """The sessions that a cleanup finds."""
    with records(file) as record:
        return [lock.session for lock in record.claim()]


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
    assert claimed(file) == ["s-1"]
    assert saved_locks({}) == []


def test_a_released_lock_is_recorded_as_released(tmp_path: Path) -> None:
    """The CI system remembers it; the file is gone."""
    kept: dict[str, str] = {}
    file = tmp_path / "state.json"
    with closing(LockRecords(kept.update, file)) as record:
        record.add("site", "s-1")
        record.mark_released("s-1")
    assert not file.exists()
    assert saved_locks(as_environment(kept)) == []
    with closing(LockRecords(kept.update, file)) as record:
        record.add("site", "s-2")
    (lock,) = saved_locks(as_environment(kept))
    assert lock.session == "s-2", "what is said of the first says nothing of the next"


def test_a_run_leaves_alone_what_a_killed_one_recorded(tmp_path: Path) -> None:
    """Be it that it waits for that one's lock in vain."""
    file = tmp_path / "state.json"
    ask(file, "killed")
    for session in ("s-1", "s-2"):
        with records(file) as record:
            record.add("other", session)
            record.mark_released(session)
        assert claimed(file) == ["killed"]
    ask(file, "s-3")
    assert claimed(file) == ["s-3", "killed"], "the newest first"


def test_runs_that_use_one_file_at_the_same_time(tmp_path: Path) -> None:
    """None loses what another one has recorded, the last one removes the file, no cleanup comes between."""
    file = tmp_path / "state.json"
    with records(file) as first, records(file) as second:
        first.add("site", "s-1")
        second.add("site", "s-2")
        first.mark_released("s-1")
        first.close()
        with records(file) as cleanup, pytest.raises(BlockingIOError):
            cleanup.claim()
        assert file.exists()
    assert claimed(file) == ["s-2"]
    with records(file) as third:
        third.add("site", "s-3")
        third.mark_released("s-3")
        third.mark_released("s-2")
    assert not file.exists()


def test_a_run_that_begins_beside_a_cleanup(tmp_path: Path) -> None:
    """Its record stays, whatever the cleanup releases."""
    file = tmp_path / "state.json"
    ask(file, "killed")
    with records(file) as cleanup, records(file) as run:
        cleanup.claim()
        run.add("site", "s-1")
        cleanup.mark_released("killed")
        cleanup.close()
        run.close()
    assert claimed(file) == ["s-1"]


def test_a_file_that_is_removed_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run opens it again: what is written to a file without a name is lost."""
    file = tmp_path / "state.json"
    flock = fcntl.flock

    def remove_first(descriptor: int, operation: int) -> None:
        monkeypatch.undo()
        file.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    ask(file, "s-1")
    assert claimed(file) == ["s-1"]


def test_a_file_that_is_replaced_while_a_cleanup_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is in use: the lock that it records is not released."""
    file = tmp_path / "state.json"
    ask(file, "killed")
    flock = fcntl.flock
    with records(file) as run, records(file) as cleanup:

        def replace_first(descriptor: int, operation: int) -> None:
            monkeypatch.undo()
            file.unlink()
            run.add("site", "alive")
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", replace_first)
        assert [lock.session for lock in cleanup.claim()] == ["killed"]
    assert claimed(file) == ["alive"]


def test_a_lock_that_may_still_be_held(world: World) -> None:
    """Its record is kept for the half hour that a lock lasts."""
    file = world.folder.parent / "state.json"
    ask(file, "s-1")
    with records(file) as cleanup:
        cleanup.claim()
        cleanup.mark_expiring("s-1")
    world.loop.jump(29 * 60)
    assert claimed(file) == ["s-1"]
    world.loop.jump(61)
    assert claimed(file) == []
    assert not file.exists()


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"\xff\xfe", b"[" * 20_000, b"null", b'["app", "session"]', b'{"app": "site"}', b'{"app": 5}'),
        *(b'{"app": "..", "session": "s"}', b'{"app": "site", "session": 5}', b'{"released": "s-1"}'),
        *(b'{"released": "s-1", "at": "x"}', b'{"app": "site", "session": "x"}\n' * 9_000),
    ],
)
def test_lines_of_somebody_else(tmp_path: Path, damage: bytes) -> None:
    """Whatever is there, and however much, what a run appends counts, and no error ends the cleanup."""
    file = tmp_path / "state.json"
    file.write_bytes(damage)
    ask(file, "s-1")
    assert claimed(file)[0] == "s-1"
    if len(damage) < 30_000:
        file.write_bytes(file.read_bytes() + damage)
        assert "s-1" in claimed(file)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Then there would be no second chance, so the run ends before it asks for the lock."""
    file = tmp_path / "missing" / "state.json"
    with records(file) as record, pytest.raises(ConfigurationError) as caught:
        record.add("site", "s-1")
    assert str(caught.value) == f"`state-file`: {str(file)!r} can't be written (No such file or directory)"
    assert "`state-file`" in caught.value.hint


@pytest.mark.parametrize("what", ["a link", "a directory"])
def test_no_ordinary_file(tmp_path: Path, what: str) -> None:
    """A link in the workspace makes us write nowhere else."""
    precious, file = tmp_path / "precious", tmp_path / "state.json"
    precious.write_text("precious")
    if what == "a link":
        file.symlink_to("precious")
    else:
        file.mkdir()
    with records(file) as record:
        with pytest.raises(ConfigurationError, match="can't be written"):
            record.add("site", "s-1")
        record.mark_released("s-1")
    with records(file) as cleanup, pytest.raises(OSError, match=r"symbolic|directory"):
        cleanup.claim()
    assert precious.read_text() == "precious"
    assert file.exists()


def test_a_device(tmp_path: Path) -> None:
    """`/dev/null` keeps no record; nothing but a regular file is removed. A pipe makes nobody wait."""
    device = tmp_path / "device"
    os.mkfifo(device)
    with records(device) as record:
        record.add("site", "s-1")
        record.mark_released("s-1")
    with records(device) as cleanup, pytest.raises(OSError, match="seek"):
        cleanup.claim()
    assert device.exists()
    assert claimed(Path(os.devnull)) == []


def test_gitlab_keeps_files_below_the_project_only() -> None:
    """There the state has a file without being asked; jobs that share a folder don't share it."""
    env = {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/site", "CI_JOB_ID": "42"}
    assert default_state_file(env) == Path("/builds/site/.zerokie-state-42.json")
    assert default_state_file({"GITLAB_CI": "true", "CI_PROJECT_DIR": "/b"}) == Path(
        "/b/.zerokie-state-job.json"
    )
    assert default_state_file({"CI_PROJECT_DIR": "/builds/site", "CI_JOB_ID": "42"}) is None
    assert default_state_file({"GITLAB_CI": "true"}) is None
