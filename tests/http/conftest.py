"""The ways to a server."""

import ssl
from functools import partial
from pathlib import Path

import pytest

from tests.http.transports import Reach, reached


@pytest.fixture(params=["plain", "tls", "tunnel"])
def reach(request: pytest.FixtureRequest, tls: ssl.SSLContext, bundle: Path) -> Reach:
    """Reaches a server in each way."""
    return partial(reached, request.param, tls, bundle)
