"""The rules for images on every platform that the API reference allows. Each rule is needed."""

from collections.abc import Iterator

import pytest

from tests.models.image_worlds import OLD, WORLDS, Colleague, World, draw, tried
from tests.support.timewarp import TimeWarpLoop, warped
from zerokie_action.image import deploy, rollout
from zerokie_action.image.attempt import Attempt
from zerokie_action.image.rollout import Rollout
from zerokie_action.platform.models import App

TAKEN = {
    "a green of a colleague's deploy",
    "overwrites a colleague's deploy",
    "rolls back a running image",
}
LIMITS = {
    "the rules": {"a late red"},
    "the rules for a digest": {"a late red"},
    "slow responses": {"a late red"},
    "late replicas in turn": {"a late red"},
    "a name that means another digest now": {"a late red"},
    "another repository or registry": {
        "a warned green of a failure",
        "a wrong warning",
        "a late red",
        "left broken",
    },
    "digests, and a new tag for one": {"a warned green of a failure", "a late red"},
    "tags, and the platform rolls back": {"a late red"},
    "the status of the running instance": {"an early green", "a warned green of a failure", "a late red"},
    "a tag and then its digest": {"a late red"},
    "the new image crashes again and again": {"a late red"},
    "an unknown status": {"a late red"},
    "a new app": {"a late red"},
    "short time limits": {"a late red"},
    # A tag may mean the digest of a colleague, and one mirror may have two repositories with the same end.
    "a tag, and a colleague's digest next to others": TAKEN,
    "two repositories at one mirror": TAKEN | {"a late red", "a warned green of a failure", "left broken"},
    "a tag, and a colleague's digest": {"a green of a colleague's deploy"},
    "a mirror next to another mirror": {"a late red", "a warned green of a failure", "left broken"},
    # An outage every few seconds leaves no seven seconds in a row.
    "missing and failed responses": {"a late red", "a wrong red: DeployTimedOut"},
    "a slow response now and then": {"a late red"},
    "slow responses in the rhythm of the crashes": {"a late red", "a wrong red: DeployTimedOut"},
}
"""Flaws that no response to a GET can prevent (`docs/how-it-works.md`). A late red is exit 9 instead of 8."""


@pytest.fixture(name="loop")
def _loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeWarpLoop]:
    with warped(monkeypatch) as loop:
        yield loop


@pytest.mark.parametrize("count", [6, pytest.param(400, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", WORLDS)
def test_no_world_gets_a_wrong_green_or_overwrites_a_colleague(
    loop: TimeWarpLoop, name: str, count: int
) -> None:
    """A rollback doesn't replace a new image that runs."""
    found = tried(draw(name, count), loop)
    assert not found.keys() - LIMITS.get(name, set()), found


def test_without_the_steady_time_a_crash_loop_would_be_green(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ends="crash loop 5 5")
    assert "a wrong green" not in tried([world], loop)
    monkeypatch.setattr(rollout, "STEADY_TIME", 0)
    monkeypatch.setattr(rollout, "STEADY_RESPONSES", 1)
    assert "a wrong green" in tried([world], loop)


def test_if_the_times_of_responses_counted_an_old_image_would_be_green(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of a GET counts, because a slow platform may respond with an old state."""
    world = World(wanted=OLD, during="old", lag=14.0, slow=3.0, takes=30.0, ends="failed")
    assert not tried([world], loop)
    note = Rollout.note_response

    def note_now(self: Rollout, app: App, _sent_at: float, now: float) -> None:
        note(self, app, now, now)

    monkeypatch.setattr(Rollout, "note_response", note_now)
    assert "a wrong green" in tried([world], loop)


def test_without_reasons_against_it_a_rollback_would_overwrite_a_colleague(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ends="failed", colleague=Colleague(20.0, "failed", 30.0))
    assert not tried([world], loop)

    async def no_reason(failed: Attempt, _failure: object) -> App:
        return failed.rollout.app

    monkeypatch.setattr(deploy, "_look_before_rollback", no_reason)
    assert "overwrites a colleague's deploy" in tried([world], loop)
