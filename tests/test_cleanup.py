"""The second chance: what `zerokie-cleanup` does about a lock that a killed deploy left."""

import errno
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import cleanup
from tests.support.containers import tell
from tests.support.world import API_KEY, World
from zerokie_action.lock.record import LockRecords
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.records import Record

SESSION = "0b5c"
FINALIZE = ("POST", "/finalize$")
PAGE = b"<html><title>Not Found</title>"


def clean_up(world: World, **inputs: Any) -> str:
    """Run the cleanup of a deploy that asked for the lock on `site`; returns its log."""
    state = {"STATE_app": "site", "STATE_session": inputs.pop("STATE_session", SESSION)}
    return cleanup.clean_up(world, state, **inputs)


@pytest.fixture
def file(world: World) -> Path:
    """The state file."""
    path = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(path)
    return path


def leave(file: Path, app: str = "site", session: str = SESSION) -> None:
    """A run records its lock, and is killed."""
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add(app, session)


@pytest.fixture(autouse=True)
def held(world: World) -> None:
    world.platform.take_lock("site", SESSION)


def test_a_killed_runs_lock_is_released(world: World) -> None:
    """It is released, and the user is told to deploy again."""
    said = clean_up(world)
    assert world.platform.lock("site") is None
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert "released now. The platform recorded the deploy with counts of zero" in said


def test_the_key_is_read_from_a_file(world: World, tmp_path: Path) -> None:
    """The cleanup reads it as the deploy did, without what editors leave there."""
    (tmp_path / "key").write_text(f"\ufeff  {API_KEY}\r\n\n", "utf-8")
    world.env |= {"INPUT_API-KEY-FILE": str(tmp_path / "key")}
    assert "released now" in clean_up(world, api_key=None)
    assert world.platform.lock("site") is None


def test_unknown_inputs_stop_no_cleanup(world: World) -> None:
    """What would stop a deploy must not cost a lock."""
    world.env |= {"ZEROKIE_DRYRUN": "true", "INPUT_DRY-RUN": "false", "ZEROKIE_DRY_RUN": "true"}
    assert "released now" in clean_up(world)


def test_a_refusal_after_a_lost_answer_is_a_release(world: World) -> None:
    """The second attempt is refused, because the first one worked."""
    world.platform.faults.add(Fault(Kind.RESET, *FINALIZE, after=True))
    said = clean_up(world)
    assert world.platform.lock("site") is None
    assert len(world.platform.deployments("site")) == 1
    assert "released now" in said


def test_an_answer_that_quotes_the_key_is_redacted(world: World) -> None:
    """The log shows why the lock was not released, without the key."""
    body = b'{"error": "no deploys for %s"}' % API_KEY.encode()
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=403, body=body))
    said = clean_up(world)
    assert "no deploys for ***" in said
    assert API_KEY not in said


@pytest.mark.parametrize("path", ["/deploy/lock$", "/finalize$"])
@pytest.mark.parametrize(
    "arguments",
    [{"kind": Kind.HANG}, {"kind": Kind.STATUS}, {"kind": Kind.STATUS, "status": 404, "body": PAGE}],
    ids=["hangs", "is down", "pages"],
)
@pytest.mark.parametrize("lasts", [60, None], ids=["for a minute", "for ever"])
def test_an_outage_is_asked_through_for_two_minutes(
    world: World,
    path: str,
    arguments: dict[str, Any],
    lasts: float | None,
) -> None:
    """It is asked for two minutes in all. A page of somebody else's is no word about the lock.

    One attempt to finalize has all the time: the purge of a cache may take it.
    """
    world.platform.faults.add(Fault(path=path, times=None, lasts=lasts, **arguments))
    began = world.loop.now
    said = clean_up(world)
    assert world.loop.now - began <= 121
    if lasts and (path, arguments["kind"]) != ("/finalize$", Kind.HANG):
        assert "released now" in said
        assert world.platform.lock("site") is None
    else:
        assert "Warning: Cleanup: the lock on 'site' could not be released: " in said
        assert "It expires at " in said
        assert world.platform.lock("site") == SESSION


def test_a_signal_ends_the_cleanup_in_time(world: World) -> None:
    """It ends in time, and says what may be left."""
    world.platform.faults.add(Fault(Kind.HANG, times=None))
    began = world.loop.now
    tell(world, after=10)
    said = clean_up(world)
    assert world.loop.now - began <= 15
    assert "Cleanup: the lock on 'site' could not be released" in said


def test_a_refused_release_is_a_warning(world: World) -> None:
    """The lock is ours, so it is not called released; the warning says when it expires."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=403, times=None))
    said = clean_up(world)
    assert "Cleanup: the lock on 'site' could not be released: Finalizing the deploy was refused" in said
    assert "It expires at " in said
    assert world.platform.lock("site") == SESSION


@pytest.mark.parametrize("request_path", ["/deploy/lock", "/finalize"])
def test_somebody_elses_lock_is_left_alone(world: World, request_path: str) -> None:
    """From the start, or since the heartbeat: there is nothing to release, and nothing to warn of."""

    def take(record: Record) -> None:
        if record.path.endswith(request_path):
            world.platform.take_lock("site", "other")

    world.platform.on_request = take
    assert clean_up(world) == ("Cleanup: that deploy holds no lock on 'site' any more; nothing to do\n")
    assert world.platform.lock("site") == "other"


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"api_url": "ftp://example.com"}, "`api-url` (ZEROKIE_API_URL): the value is not the URL of an API"),
        ({"api_key": None}, "`api-key` is not set. "),
    ],
)
def test_a_missing_input_is_named(world: World, inputs: dict[str, Any], why: str) -> None:
    """The warning names the input, and says when the lock expires."""
    said = clean_up(world, **inputs)
    assert f"Warning: Cleanup: {why}" in said
    assert "A deploy lock that is still held expires at " in said


def test_the_post_step_is_not_told_to_set_state_file(world: World) -> None:
    """GitHub keeps the record, so nobody is told to set `state-file`."""
    world.env["GITHUB_ACTIONS"] = "true"
    said = clean_up(world, STATE_session="")
    assert said.endswith("Cleanup: no deploy lock is recorded as held: nothing to release\n")


def test_the_locks_of_several_killed_runs_are_released(world: World, file: Path) -> None:
    """Those that are still held are released, and no record stays."""
    world.platform.apps.create_static("other")
    world.platform.take_lock("other", "s-2")
    for number in range(20):
        leave(file, session=f"dead-{number}")
    leave(file)
    leave(file, "other", "s-2")
    said = clean_up(world, STATE_session="")
    assert (world.platform.lock("site"), world.platform.lock("other")) == (None, None)
    assert said.count("released now") == 2
    assert said.count("that deploy holds no lock on 'site' any more") == 20
    assert file.read_bytes() == b""


def test_the_lock_of_a_live_run_is_not_released(world: World, file: Path) -> None:
    """Its lock is not released: nothing is sent until it has ended."""
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add("site", SESSION)
        said = clean_up(world)
        assert said.startswith(
            f"Warning: Cleanup: `state-file`: a run that uses {str(file)!r} has not ended. Wait for its end, "
            "or give each run a `state-file` of its own. A deploy lock that is still held expires at "
        )
        assert world.platform.requests == []
    assert "released now" in clean_up(world)
    assert file.read_bytes() == b""


def test_a_read_only_state_file_is_cleaned_up(
    world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading is enough to release the lock. (These tests may run as root, who may write any file.)"""
    leave(file)
    opened = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if path == file and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    assert "released now" in clean_up(world, STATE_session="")


@pytest.mark.parametrize("answer", ["404", "409"])
def test_a_lock_that_the_platform_denies_drops_its_record(world: World, file: Path, answer: str) -> None:
    """The lock is not held; the record goes."""
    world.platform.dialect.speak(f"lock-lost={answer}")
    world.platform.expire_lock("site")
    leave(file)
    assert "that deploy holds no lock on 'site' any more" in clean_up(world)
    assert file.read_bytes() == b""


@pytest.mark.parametrize("line", [b'{"app": 5, "session": "s"}', b'{"app": "..", "session": "s"}', b"{"])
def test_lines_of_nonsense_are_skipped(world: World, file: Path, line: bytes) -> None:
    """A merged change put them there: they are skipped, and the last message is true."""
    file.write_bytes(line)
    said = clean_up(world, STATE_session="")
    assert said == f"Cleanup: no deploy lock is recorded as held in {str(file)!r}: nothing to release\n"
    leave(file)
    assert "released now" in clean_up(world, STATE_session="")
    assert world.platform.lock("site") is None


@pytest.mark.parametrize(
    ("what", "why"), [("a link", "Too many levels of symbolic links"), ("a pipe", "it is not a regular file")]
)
def test_an_unreadable_state_file_does_not_hide_the_cis_state(
    world: World, file: Path, what: str, why: str
) -> None:
    """The warning says why; nobody waits."""
    file.symlink_to("/etc/passwd") if what == "a link" else os.mkfifo(file)
    warning = f"Warning: Cleanup: `state-file`: {str(file)!r} can't be used ({why}). Set `state-file`"
    unnamed = clean_up(world, STATE_session="")
    assert warning in unnamed
    assert "A deploy lock that is still held expires at " in unnamed
    assert world.platform.lock("site") == SESSION
    named = clean_up(world)
    assert warning in named
    assert "released now" in named
    assert world.platform.lock("site") is None


def test_a_crash_fails_no_pipeline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails no pipeline: a warning has the reason, and no traceback."""
    monkeypatch.setattr("zerokie_action.cleanup.Transport", None)
    said = clean_up(world)
    assert "Warning: Cleanup: 'NoneType' object is not callable. A deploy lock that is still held" in said
    assert "Traceback" not in said
