"""How many uploads at once the limit on open files allows."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

PROGRAM = """
import json, os
from zerokie_action.http.limiter import fit_open_files
print(json.dumps([fit_open_files(64), len(os.listdir("/dev/fd"))]))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "allowed"), [(20, 20, 1), (64, 64, 16), (100, 100, 34), (64, 1000, 64)]
)
def test_the_limit_on_open_files(soft: int, hard: int, allowed: int) -> None:
    """Each has room for a connection and a file; the soft limit is raised; one at a time is always tried."""
    seen = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    fits, taken = json.loads(seen.stdout)
    assert fits == allowed
    assert taken < 16, "half of what is reserved"
