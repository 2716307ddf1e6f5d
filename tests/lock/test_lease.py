"""The lease: the time that is left to write, on a clock that also runs while the machine is suspended."""

from __future__ import annotations

import time

import pytest

from zerokie_action.errors import LockLost
from zerokie_action.lock.lease import Lease, boot_time


def test_the_clock_runs_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has such a clock."""
    assert boot_time() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=10)
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert boot_time() == pytest.approx(time.monotonic(), abs=10)


def test_a_lock_that_nobody_asked_for_is_not_ours() -> None:
    """The fence is closed until the platform has confirmed the lock."""
    with pytest.raises(LockLost):
        Lease().check()
