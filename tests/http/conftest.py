"""Fixtures that connect to a server in each way."""

import ssl
from functools import partial
from pathlib import Path

import pytest

from tests.http.transports import Reach, reached


@pytest.fixture(params=["plain", "tls", "tunnel"])
def reach(request: pytest.FixtureRequest, tls: ssl.SSLContext, bundle: Path) -> Reach:
    """Connect to a server directly, with TLS and through a tunnel."""
    return partial(reached, request.param, tls, bundle)
