"""The promises about files, in random histories."""

import math

import pytest

from tests.models.manifest_model import WORLDS, History


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("count", [40, pytest.param(3000, marks=pytest.mark.exhaustive)])
def test_no_history_breaks_a_promise(name: str, count: int) -> None:
    """If uploads are late, a few histories have a file that is wrong forever."""
    world = WORLDS[name]
    histories = [History(seed, world) for seed in range(count)]
    problems = [history.problem() for history in histories]
    assert [(seed, problem) for seed, problem in enumerate(problems) if problem] == []
    wrong_for_ever = sum(history.is_wrong_for_ever for history in histories)
    assert wrong_for_ever <= math.ceil(world.for_ever * count / 3000)
