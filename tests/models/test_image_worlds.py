"""The rules for images hold on every platform that the reference allows, and each is needed."""

from collections.abc import Iterator

import anyio
import pytest

from tests.models.image_worlds import OLD, WORLDS, Colleague, World, draw, tried
from tests.support.timewarp import TimeWarpLoop, warped
from zerokie_action.image import rollout
from zerokie_action.image.rollout import Rollout
from zerokie_action.platform.models import App

LIMITS = {
    "digests, and a new tag for one": {"a warned green of what failed", "a late red"},
    "tags, and the platform goes back": {"a late red"},
    "the status of what serves": {"an early green", "a warned green of what failed", "a late red"},
    "a tag and then its digest": {"a late red"},
    "the new image crashes again and again": {"a late red"},
    "a word that is neither": {"a late red"},
    "a new app": {"a late red"},
    "short time limits": {"a late red"},
}
"""What no answer to a GET can tell: see `docs/how-it-works.md`. A late red is exit code 9 in place of 8."""


@pytest.fixture(name="loop")
def _loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeWarpLoop]:
    with warped(monkeypatch) as loop:
        yield loop


@pytest.mark.parametrize("count", [6, pytest.param(400, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", WORLDS)
def test_no_world_gets_a_wrong_green_or_overwrites_a_colleague(
    loop: TimeWarpLoop, name: str, count: int
) -> None:
    """No wrong green, no rollback over an image that runs, no colleague's deploy overwritten."""
    found = tried(draw(name, count), loop)
    assert not found.keys() - LIMITS.get(name, set()), found


def test_without_the_steady_time_a_crash_loop_is_green(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ends="crash loop")
    assert "a wrong green" not in tried([world], loop)
    monkeypatch.setattr(rollout, "STEADY_TIME", 0)
    assert "a wrong green" in tried([world], loop)


def test_with_times_of_answers_an_old_image_is_green(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of a platform that is slow, and behind, would be taken for new ones."""
    world = World(wanted=OLD, lag=10.0, slow=8.0, ends="failed")
    assert not tried([world], loop)
    note = Rollout.note_answer

    def note_now(self: Rollout, app: App, _sent_at: float) -> bool:
        return note(self, app, anyio.current_time())

    monkeypatch.setattr(Rollout, "note_answer", note_now)
    assert "a wrong green" in tried([world], loop)


def test_a_rollback_whatever_the_app_shows_overwrites_a_colleague(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ends="failed", colleague=Colleague(20.0, "failed", 30.0))
    assert not tried([world], loop)
    monkeypatch.setattr(Rollout, "why_no_rollback", lambda _self, _failure: "")
    assert "overwrites a colleague's deploy" in tried([world], loop)
