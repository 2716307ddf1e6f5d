"""The second chance: what `zerokie-cleanup` does about a lock that a killed deploy left."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support import timewarp
from tests.support.world import API_KEY
from zerokie_action.cleanup import cleanup
from zerokie_action.lock.state import StateRecord
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.server import serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import World
    from zerokie_action.sandbox.records import Record

SESSION = "0b5c"
FINALIZE = ("POST", "/finalize$")
HEARTBEAT = ("PUT", "/deploy/lock$")


def clean_up(world: World, monkeypatch: pytest.MonkeyPatch, **inputs: object) -> str:
    """Run the cleanup of a deploy that asked for the lock on `site`, in virtual time; returns its log."""
    monkeypatch.setattr(anyio, "run", lambda work, *args: timewarp.run(world.loop, work(*args)))
    log = io.StringIO()
    platform: Any = serve(world.platform)
    server = timewarp.run(world.loop, platform.__aenter__())
    env = world.environment(server.url, **inputs) | {"STATE_app": "site", "STATE_session": SESSION}
    assert cleanup(env, world.signals, log) == 0
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
    assert f"released now. The platform recorded it as {deployment.deploy_id} with counts of zero" in said


def test_locks_of_two_killed_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They shared a state file."""
    world.platform.apps.create_static("other")
    world.platform.take_lock("other", "s-2")
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    for app, session in (("site", SESSION), ("other", "s-2")):
        StateRecord(lambda _state: None, file).acquiring(app, session)
    clean_up(world, monkeypatch)
    assert (world.platform.lock("site"), world.platform.lock("other")) == (None, None)
    assert not file.exists()


def test_a_key_from_a_file(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cleanup reads it as the deploy did."""
    (tmp_path / "key").write_text(f"{API_KEY}\n", "utf-8")
    world.env |= {"INPUT_API-KEY-FILE": str(tmp_path / "key")}
    assert "released now" in clean_up(world, monkeypatch, api_key=None)
    assert world.platform.lock("site") is None


def test_a_key_file_that_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning says why there is no key; no pipeline fails."""
    world.env["ZEROKIE_API_KEY_FILE"] = "gone.txt"
    said = clean_up(world, monkeypatch, api_key=None)
    assert (
        "there is no `api-key` to release it with (`api-key-file` (ZEROKIE_API_KEY_FILE): 'gone.txt' can't"
        in said
    )


def test_names_stop_no_cleanup(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would stop a deploy must not cost a lock."""
    world.env |= {"ZEROKIE_DRYRUN": "true", "INPUT_DRY-RUN": "false", "ZEROKIE_DRY_RUN": "true"}
    assert "released now" in clean_up(world, monkeypatch)


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.HANG])
def test_an_answer_that_was_lost(world: World, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """The second attempt is refused, because the first one worked."""
    world.platform.faults.add(Fault(kind, *FINALIZE, after=True))
    said = clean_up(world, monkeypatch)
    assert world.platform.lock("site") is None
    assert len(world.platform.deployments("site")) == 1
    assert "released now. The platform recorded it as a deploy of unknown ID" in said


@pytest.mark.parametrize("status", [404, 409])
def test_a_lock_of_somebody_else(world: World, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """There is nothing to release, and nothing to warn of."""
    world.platform.faults.add(Fault(Kind.STATUS, *HEARTBEAT, status=status))
    assert clean_up(world, monkeypatch) == (
        "Cleanup: that deploy holds no lock on 'site' any more; nothing to do\n"
    )
    assert world.platform.lock("site") == SESSION


def test_a_wrong_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 404 of somebody else's is no word about the lock."""
    page = b"<html><title>Not Found</title>"
    world.platform.faults.add(Fault(Kind.STATUS, *HEARTBEAT, status=404, body=page, times=None))
    said = clean_up(world, monkeypatch)
    assert "the lock on 'site' could not be released" in said
    assert 'answered 404 (an HTML page, "Not Found"), but not as the API does' in said
    assert world.platform.lock("site") == SESSION


@pytest.mark.parametrize("before", [[], [Fault(Kind.RESET, *FINALIZE)]], ids=["clear", "ambiguous"])
def test_a_release_that_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, before: list[Fault]
) -> None:
    """The lock is ours, so it is not called released; the warning says when it expires."""
    world.platform.faults.add(*before, Fault(Kind.STATUS, *FINALIZE, status=409, times=None))
    said = clean_up(world, monkeypatch)
    assert "Cleanup: the lock on 'site' could not be released: Finalizing the deploy was refused" in said
    assert "It expires 30 minutes after its last heartbeat" in said
    assert world.platform.lock("site") == SESSION


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.STATUS, *FINALIZE, status=409),
        Fault(Kind.STATUS, *FINALIZE, status=200, body=b'{"ok": true}'),
    ],
    ids=["refusal", "empty"],
)
def test_an_answer_from_something_in_between(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """The heartbeat says that the lock is still held, so finalize is sent again."""
    world.platform.faults.add(fault)
    said = clean_up(world, monkeypatch)
    assert world.platform.lock("site") is None
    (deployment,) = world.platform.deployments("site")
    assert f"released now. The platform recorded it as {deployment.deploy_id}" in said


def test_a_lock_that_is_lost_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the heartbeat and finalize somebody else got it: there is nothing to release."""

    def take(record: Record) -> None:
        if record.path.endswith("/finalize"):
            world.platform.take_lock("site", "other")

    world.platform.on_request = take
    assert clean_up(world, monkeypatch) == (
        "Cleanup: that deploy holds no lock on 'site' any more; nothing to do\n"
    )
    assert world.platform.lock("site") == "other"


def test_the_debug_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows the requests, as that of a deploy."""
    world.env["ZEROKIE_LOG_LEVEL"] = "debug"
    said = clean_up(world, monkeypatch)
    assert "PUT /v1/apps/site/deploy/lock: 200 in 0 s" in said
    assert "POST /v1/apps/site/deploy/finalize: 200 in " in said
