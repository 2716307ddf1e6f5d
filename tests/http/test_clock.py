"""The platform's time, as its answers tell it."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.timewarp import TimeWarpLoop
from zerokie_action.http.clock import PlatformClock, date_of

NOW = 1_772_902_800


async def test_nothing_is_known_at_first() -> None:
    """A clock that heard nothing is behind everything."""
    clock = PlatformClock()
    assert not clock.known
    assert clock.now() < 0
    clock.note({})
    clock.note({"date": "soon"})
    assert not clock.known


async def test_it_runs_on() -> None:
    """From a date on, both clocks run."""
    clock = PlatformClock()
    clock.note({"date": formatdate(NOW, usegmt=True)})
    assert clock.known
    assert clock.now() == pytest.approx(NOW)
    await anyio.sleep(90)
    assert clock.now() == pytest.approx(NOW + 90)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.integers(-50, 50)), min_size=1))
def test_a_lower_bound(answers: list[tuple[float, int]]) -> None:
    """It says at least what any answer said, whatever order they come in, and never goes back."""

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TimeWarpLoop)
        clock = PlatformClock()
        before = clock.now()
        for pause, ahead in answers:
            loop.jump(pause)
            clock.note({"date": formatdate(NOW + ahead, usegmt=True)})
            assert clock.now() >= NOW + ahead - 1e-3
            assert clock.now() >= before
            before = clock.now()

    anyio.run(listen, backend_options={"loop_factory": TimeWarpLoop})


@pytest.mark.parametrize(
    "text",
    ["Sat, 07 Mar 2026 17:00:00 GMT", "Saturday, 07-Mar-26 17:00:00 GMT", "Sat Mar  7 17:00:00 2026"],
)
def test_all_forms_of_a_date(text: str) -> None:
    """RFC 9110 has three, and all of them mean GMT."""
    assert date_of({"date": text}) == NOW


@settings(deadline=None)
@given(st.text())
def test_any_date(text: str) -> None:
    """What is no date is none."""
    assert date_of({"date": text}) is None or isinstance(date_of({"date": text}), int)
