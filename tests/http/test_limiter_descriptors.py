"""How many uploads at once the limit on open files allows, in processes that have one."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from zerokie_action.http.limiter import RESERVE

PROGRAM = """
import json, os, resource
from zerokie_action.http.limiter import affordable
allowed = affordable(64)
print(json.dumps([allowed, len(os.listdir("/dev/fd")), *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def affordable(soft: int, hard: int) -> tuple[int, int, int, int]:
    """Of 64 uploads, in a process with these limits; then what is open, and the limits after it."""
    seen = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    return tuple(json.loads(seen.stdout))


@pytest.mark.parametrize("limit", [64, 100])
def test_a_low_limit(limit: int) -> None:
    """Each upload has room for a connection and a file, beside what is open and as much again."""
    allowed, taken, *_ = affordable(limit, limit)
    assert 1 < allowed < 64
    assert 2 * taken <= RESERVE
    assert RESERVE + 2 * allowed <= limit


def test_a_limit_that_can_be_raised() -> None:
    """The soft limit is raised as far as all uploads need it; the hard one stays."""
    allowed, _, soft, hard = affordable(64, 1000)
    assert allowed == 64
    assert RESERVE + 2 * 64 <= soft < 1000
    assert hard == 1000


def test_a_limit_that_is_enough() -> None:
    """It is left as it is."""
    assert affordable(500, 1000)[2:] == (500, 1000)


def test_hardly_any_descriptor() -> None:
    """One upload at a time is always tried."""
    assert affordable(20, 20)[0] == 1
