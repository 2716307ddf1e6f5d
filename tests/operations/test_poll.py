"""Asking again: how often, for how long, and what the log says of it."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

from zerokie_action.operations.poll import NotYet, poll


class Asked:
    """Says "not yet", and when it was asked."""

    def __init__(self, *, retry_after: float = 0.0, until: float = 1e9) -> None:
        self.began = anyio.current_time()
        self.at: list[float] = []
        self.log: list[tuple[float, str]] = []
        self._retry_after = retry_after
        self._until = until

    @property
    def now(self) -> float:
        return anyio.current_time() - self.began

    async def __call__(self) -> str | NotYet:
        self.at.append(self.now)
        return "done" if self.now >= self._until else NotYet("Waiting", self._retry_after)

    async def poll(self, seconds: float) -> str | NotYet:
        return await poll(self, seconds=seconds, log=lambda line: self.log.append((self.now, line)))


async def test_the_pauses_grow() -> None:
    """From a second to ten, each a little random; the last attempt is at the very end."""
    asked = Asked()
    assert isinstance(await asked.poll(600), NotYet)
    pauses = [later - sooner for sooner, later in pairwise(asked.at)]
    assert 0.5 <= pauses[0] <= 1
    assert all(5 <= pause <= 10.001 for pause in pauses[8:-1])
    assert asked.at[-1] == pytest.approx(600)


async def test_an_answer() -> None:
    """It ends the wait, also the first one; no time at all is time for one attempt."""
    assert await Asked(until=30).poll(60) == "done"
    assert await Asked(until=0).poll(0) == "done"
    late = Asked(until=1)
    assert await late.poll(0) == NotYet("Waiting")
    assert late.at == [0]


async def test_the_other_side_asks_for_time() -> None:
    """`Retry-After` makes a pause longer, never shorter; what would be later than the end ends the wait."""
    asked = Asked(retry_after=40)
    assert await asked.poll(60) == NotYet("Waiting", 40)
    assert asked.at == pytest.approx([0, 40])


async def test_the_log() -> None:
    """At once, then every half a minute, with the time that is left."""
    asked = Asked()
    with anyio.move_on_after(90):
        await asked.poll(100)
    times, lines = zip(*asked.log, strict=True)
    assert lines[0] == "Waiting; 1 m 30 s left"
    assert times[0] == 0
    assert all(30 <= later - sooner <= 45 for sooner, later in pairwise(times))
    assert len(times) == 3
