"""The benchmark of the image works; what it measures is no test's matter."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from tests.e2e.conftest import ROOT
from tests.e2e.engine import call

if TYPE_CHECKING:
    from tests.e2e.engine import Image


def test_start_up_in_a_container(image: Image) -> None:  # noqa: ARG001 - it is built once
    """The image is built, started, and seen to send a request."""
    done = call(sys.executable, "-m", "bench", "--quick", "--only", "container", folder=ROOT)
    assert done.code == 0, done.log
    rows = re.findall(r"^\| (.+?) \| \d+\.\d\d s \| \d+\.\d\d \|", done.log, re.MULTILINE)
    assert rows == [
        "this action, to its first request, http",
        "Python importing httpx, pydantic-settings, anyio, pathspec",
        "Python and nothing else",
    ]
