"""The second chance: what `zerokie-cleanup` does about a lock that a killed deploy left."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.operations.containers import tell
from tests.support import timewarp
from tests.support.world import API_KEY, World
from zerokie_action.cleanup import cleanup
from zerokie_action.lock.record import LockRecords
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.records import Record
from zerokie_action.sandbox.server import serve

SESSION = "0b5c"
FINALIZE = ("POST", "/finalize$")
PAGE = b"<html><title>Not Found</title>"


def clean_up(world: World, monkeypatch: pytest.MonkeyPatch, **inputs: Any) -> str:
    """Run the cleanup of a deploy that asked for the lock on `site`, in virtual time; returns its log."""
    monkeypatch.setattr(anyio, "run", lambda work, *args: timewarp.run(world.loop, work(*args)))
    log = io.StringIO()
    platform: Any = serve(world.platform)
    server = timewarp.run(world.loop, platform.__aenter__())
    state = {"STATE_app": "site", "STATE_session": inputs.pop("STATE_session", SESSION)}
    env = world.environment(server.url, **inputs) | state
    cleanup(env, world.signals, log)
    timewarp.run(world.loop, platform.__aexit__(None, None, None))
    return log.getvalue()


@pytest.fixture(autouse=True)
def held(world: World) -> None:
    world.platform.take_lock("site", SESSION)


def test_a_lock_that_was_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is released, and the user is told to deploy again."""
    said = clean_up(world, monkeypatch)
    assert world.platform.lock("site") is None
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (0, 0, 0)
    assert "released now. The platform recorded the deploy with counts of zero" in said


def test_locks_of_two_killed_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They shared a state file."""
    world.platform.apps.create_static("other")
    world.platform.take_lock("other", "s-2")
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    for app, session in (("site", SESSION), ("other", "s-2")):
        with closing(LockRecords(lambda _state: None, file)) as records:  # each was killed
            records.add(app, session)
    clean_up(world, monkeypatch)
    assert (world.platform.lock("site"), world.platform.lock("other")) == (None, None)
    assert not file.exists()


def test_a_key_from_a_file(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cleanup reads it as the deploy did, without what editors leave there."""
    (tmp_path / "key").write_text(f"\ufeff  {API_KEY}\r\n\n", "utf-8")
    world.env |= {"INPUT_API-KEY-FILE": str(tmp_path / "key")}
    assert "released now" in clean_up(world, monkeypatch, api_key=None)
    assert world.platform.lock("site") is None


def test_names_stop_no_cleanup(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would stop a deploy must not cost a lock."""
    world.env |= {"ZEROKIE_DRYRUN": "true", "INPUT_DRY-RUN": "false", "ZEROKIE_DRY_RUN": "true"}
    assert "released now" in clean_up(world, monkeypatch)


def test_an_answer_that_was_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second attempt is refused, because the first one worked."""
    world.platform.faults.add(Fault(Kind.RESET, *FINALIZE, after=True))
    said = clean_up(world, monkeypatch)
    assert world.platform.lock("site") is None
    assert len(world.platform.deployments("site")) == 1
    assert "released now" in said


def test_an_answer_that_quotes_the_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log shows why the lock was not released, without the key."""
    body = b'{"error": "no deploys for %s"}' % API_KEY.encode()
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=403, body=body))
    said = clean_up(world, monkeypatch)
    assert "no deploys for ***" in said
    assert API_KEY not in said


@pytest.mark.parametrize("path", ["/deploy/lock$", "/finalize$"])
@pytest.mark.parametrize(
    "arguments",
    [{"kind": Kind.HANG}, {"kind": Kind.STATUS}, {"kind": Kind.STATUS, "status": 404, "body": PAGE}],
    ids=["hangs", "is down", "pages"],
)
@pytest.mark.parametrize("lasts", [60, None], ids=["for a minute", "for ever"])
def test_a_platform_that_is_away(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    arguments: dict[str, Any],
    lasts: float | None,
) -> None:
    """It is asked for two minutes in all. A page of somebody else's is no word about the lock.

    One attempt to finalize has all the time: the purge of a cache may take it.
    """
    world.platform.faults.add(Fault(path=path, times=None, lasts=lasts, **arguments))
    began = world.loop.now
    said = clean_up(world, monkeypatch)
    assert world.loop.now - began <= 121
    if lasts and (path, arguments["kind"]) != ("/finalize$", Kind.HANG):
        assert "released now" in said
        assert world.platform.lock("site") is None
    else:
        assert "Warning: Cleanup: the lock on 'site' could not be released: " in said
        assert "It expires at " in said
        assert world.platform.lock("site") == SESSION


def test_a_signal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in time, and says what may be left."""
    world.platform.faults.add(Fault(Kind.HANG, times=None))
    began = world.loop.now
    tell(world, after=10)
    said = clean_up(world, monkeypatch)
    assert world.loop.now - began <= 15
    assert "Cleanup: the lock on 'site' could not be released" in said


def test_a_release_that_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is ours, so it is not called released; the warning says when it expires."""
    world.platform.faults.add(Fault(Kind.STATUS, *FINALIZE, status=403, times=None))
    said = clean_up(world, monkeypatch)
    assert "Cleanup: the lock on 'site' could not be released: Finalizing the deploy was refused" in said
    assert "It expires at " in said
    assert world.platform.lock("site") == SESSION


@pytest.mark.parametrize("request_path", ["/deploy/lock", "/finalize"])
def test_a_lock_of_somebody_else(world: World, monkeypatch: pytest.MonkeyPatch, request_path: str) -> None:
    """From the start, or since the heartbeat: there is nothing to release, and nothing to warn of."""

    def take(record: Record) -> None:
        if record.path.endswith(request_path):
            world.platform.take_lock("site", "other")

    world.platform.on_request = take
    assert clean_up(world, monkeypatch) == (
        "Cleanup: that deploy holds no lock on 'site' any more; nothing to do\n"
    )
    assert world.platform.lock("site") == "other"


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"api_url": "ftp://example.com"}, "`api-url` (ZEROKIE_API_URL): the value is not the URL of an API"),
        ({"api_key": None}, "`api-key` is not set. "),
    ],
)
def test_what_it_needs(
    world: World, monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Any], why: str
) -> None:
    """The warning names the input, and says when the lock expires."""
    said = clean_up(world, monkeypatch, **inputs)
    assert f"Warning: Cleanup: {why}" in said
    assert "A deploy lock that is still held expires at " in said


def test_a_run_that_is_alive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is not released: nothing is sent until it has ended."""
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add("site", SESSION)
        said = clean_up(world, monkeypatch)
        assert said == (
            f"Warning: Cleanup: a run that uses the state file {str(file)!r} has not ended: nothing is "
            "released. Call the cleanup again after the end of that run\n"
        )
        assert world.platform.requests == []
    assert "released now" in clean_up(world, monkeypatch)
    assert not file.exists()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Kind.STATUS, "Looking up app 'site' failed after "),
        (Kind.HANG, "Looking up app 'site' got no answer. "),
    ],
)
def test_a_look_at_the_app_that_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: Kind, why: str
) -> None:
    """It has what the heartbeat has left of the two minutes."""
    world.platform.expire_lock("site")
    world.platform.faults.add(
        Fault(Kind.STATUS, "PUT", "/lock$", times=None, lasts=70), Fault(kind, "GET", "/site$", times=None)
    )
    began = world.loop.now
    said = clean_up(world, monkeypatch)
    assert f"Warning: Cleanup: the platform finds no lock of that deploy on 'site'. {why}" in said
    assert 110 < world.loop.now - began <= 120


def test_another_accounts_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds neither the lock nor the app; the record stays for a cleanup with the right key."""
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add("site", SESSION)
    body = b'{"error": "no such app"}'
    world.platform.faults.add(Fault(Kind.STATUS, path="/v1/apps/site", status=404, body=body, times=None))
    said = clean_up(world, monkeypatch)
    assert (
        "Warning: Cleanup: the platform finds no lock of that deploy on 'site'. There is no app 'site' (404: "
        '"no such app"). If `api-key` is the deploy\'s, there is nothing to do.'
    ) in said
    assert "`state-file` keeps the record until then" in said
    world.platform.faults.clear()
    assert "released now" in clean_up(world, monkeypatch)
    assert not file.exists()


@pytest.mark.parametrize("answer", ["404", "409"])
def test_the_platforms_no(world: World, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Where the key finds the app, the lock is not held; the record goes."""
    world.platform.dialect.speak(f"lock-lost={answer}")
    world.platform.expire_lock("site")
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add("site", SESSION)
    assert "that deploy holds no lock on 'site' any more" in clean_up(world, monkeypatch)
    assert not file.exists()


def test_the_post_step_after_a_deploy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub keeps the record, so nobody is told to set `state-file`."""
    world.env["GITHUB_ACTIONS"] = "true"
    said = clean_up(world, monkeypatch, STATE_session="")
    assert said.endswith("Cleanup: no deploy lock is recorded as held: nothing to release\n")


@pytest.mark.parametrize("line", [b'{"app": 5, "session": "s"}', b'{"app": "..", "session": "s"}', b"{"])
def test_lines_of_nonsense(world: World, monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    """A merged change put them there: they are skipped, and the last message is true."""
    file = world.folder.parent / "state.json"
    file.write_bytes(line)
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    said = clean_up(world, monkeypatch, STATE_session="")
    assert said == f"Cleanup: no deploy lock is recorded as held in {str(file)!r}: nothing to release\n"
    with closing(LockRecords(lambda _state: None, file)) as records:
        records.add("site", SESSION)
    assert "released now" in clean_up(world, monkeypatch, STATE_session="")
    assert world.platform.lock("site") is None


def test_a_state_file_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock in the CI system's state is released all the same."""
    file = world.folder.parent / "state.json"
    file.symlink_to("/etc/passwd")
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    said = clean_up(world, monkeypatch)
    assert f"Cleanup: the state file {str(file)!r} can't be read (Too many levels of symbolic links)" in said
    assert "released now" in said


def test_a_cleanup_that_crashes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails no pipeline: a warning has the reason, and no traceback."""
    monkeypatch.setattr("zerokie_action.cleanup.Transport", None)
    said = clean_up(world, monkeypatch)
    assert "Warning: Cleanup: 'NoneType' object is not callable. A deploy lock that is still held" in said
    assert "Traceback" not in said
