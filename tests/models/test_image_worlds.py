"""The rules for images hold on every platform that the reference allows, and each is needed."""

from collections.abc import Iterator

import anyio
import pytest

from tests.models.image_worlds import WORLDS, sample, tried
from tests.support.timewarp import TimeWarpLoop, warped
from zerokie_action.operations.image import rollout
from zerokie_action.operations.image.rollout import Rollout
from zerokie_action.platform.models import App

LIMITS = {
    "digests, and a new tag for one": {"a warned green of what failed", "a late red"},
    "tags, and the platform goes back": {"a late red"},
    "the status of what serves": {"an early green", "a warned green of what failed", "a late red"},
    "a tag and then its digest": {"a late red"},
    "the new image crashes again and again": {"a late red"},
    "the old image crashes again and again": {"a wrong green", "a warned green of what failed"},
    "other words": {"a wrong red: timed out", "a late red"},
    "a new app": {"a late red"},
    "short time limits": {"a late red"},
}
"""What no answer to a GET can tell: see `docs/image.md`. A late red is exit code 9 in place of 8."""


@pytest.fixture(name="loop")
def _loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeWarpLoop]:
    with warped(monkeypatch) as loop:
        yield loop


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", WORLDS)
def test_no_world_gets_a_wrong_green_or_overwrites_a_colleague(
    loop: TimeWarpLoop, name: str, count: int
) -> None:
    """No wrong green, no rollback over an image that runs, no colleague's deploy overwritten."""
    counts, first = tried(sample([*WORLDS[name]()], count), loop)
    assert not counts.keys() - LIMITS.get(name, set()), first


def require_flaw(loop: TimeWarpLoop, name: str, flaw: str) -> None:
    counts, _ = tried(sample([*WORLDS[name]()], 60), loop)
    assert counts[flaw] > 0, counts


def test_without_the_steady_time_a_crash_loop_is_green(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that crashes at once would be green."""
    monkeypatch.setattr(rollout, "STEADY_TIME", 0)
    require_flaw(loop, "the new image crashes again and again", "a wrong green")


def test_with_times_of_answers_an_old_image_is_green(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of a platform that is slow, and behind, would be taken for new ones."""
    note = Rollout.note_answer

    def note_now(self: Rollout, app: App, _sent_at: float) -> bool:
        return note(self, app, anyio.current_time())

    monkeypatch.setattr(Rollout, "note_answer", note_now)
    require_flaw(loop, "slow answers", "a wrong green")


def test_a_second_request_beside_another_image_overwrites_a_colleague(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost answer would overwrite somebody else's deploy."""
    begun: property = vars(Rollout)["has_begun"]

    def has_begun_as_ours(self: Rollout) -> bool:
        return bool(begun.__get__(self)) and not self.shows_third

    monkeypatch.setattr(Rollout, "has_begun", property(has_begun_as_ours))
    require_flaw(loop, "a lost answer beside a colleague", "overwrites a colleague's deploy")


def test_a_rollback_whatever_the_app_shows_overwrites_a_colleague(
    loop: TimeWarpLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would overwrite somebody else's deploy."""
    monkeypatch.setattr(Rollout, "why_no_rollback", lambda _self, _failure: "")
    require_flaw(loop, "a colleague just before the rollback", "overwrites a colleague's deploy")
