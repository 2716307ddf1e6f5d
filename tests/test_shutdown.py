"""What a signal cancels, and what may still finish within its grace period."""

from __future__ import annotations

import signal
from contextlib import closing

import anyio
import pytest

from zerokie_action.shutdown import Allowance, Shutdown, cancel_on_signal
from zerokie_action.signals import Signals


async def seconds_of(shutdown: Shutdown, seconds: float, grace: float = 4) -> float:
    """How long a block in a shielded scope lasts that would never end by itself."""
    began = anyio.current_time()
    with shutdown.shielded_scope(Allowance(seconds, grace)) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    return anyio.current_time() - began


async def test_a_cancellation_does_not_reach_into_a_scope() -> None:
    """It takes effect after it."""
    began = anyio.current_time()
    with anyio.move_on_after(1) as around, Shutdown().shielded_scope(Allowance(50, 4)):
        await anyio.sleep(10)
    assert anyio.current_time() - began == pytest.approx(10)
    assert not around.cancelled_caught


@pytest.mark.parametrize(("seconds", "lasts"), [(50, 14), (12, 12)])
async def test_a_shutdown_shortens_an_open_scope(seconds: float, lasts: float) -> None:
    """By its grace period, and never beyond its own deadline. A second shutdown changes nothing."""
    shutdown = Shutdown()
    async with anyio.create_task_group() as tasks:

        async def begin_twice() -> None:
            await anyio.sleep(10)
            shutdown.begin()
            await anyio.sleep(1)
            shutdown.begin()

        tasks.start_soon(begin_twice)
        assert await seconds_of(shutdown, seconds) == pytest.approx(lasts)


@pytest.mark.usefixtures("handlers")
async def test_a_signal_cancels_the_block() -> None:
    """What is shielded has its grace period, from the signal."""
    lasted = 0.0
    with closing(Signals()) as signals:
        signals.install()
        async with cancel_on_signal(signals) as shutdown:
            try:
                signal.raise_signal(signal.SIGTERM)
                await anyio.sleep_forever()
            finally:
                lasted = await seconds_of(shutdown, 50)
        assert signals.first == signal.SIGTERM
    assert lasted == pytest.approx(4)
