"""Fixtures that many tests share."""

import os
import random
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, settings

from tests.http.servers import context_for
from tests.support.timewarp import TimeWarpLoop, count_threads
from tests.support.world import World, world
from zerokie_action.signals import WATCHED

# A busy machine must not fail a test.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Prepare the tests' processes with the usual signals and file modes, and without a proxy.

    A process inherits ignored signals, for example under `nohup`, but not handlers. Each ignored signal gets
    a handler.
    """
    os.umask(0o022)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    for number in WATCHED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True)
def _jitter() -> None:
    """Seed the jitter of delays, so that a failure can be reproduced."""
    random.seed(1)


@pytest.fixture(name="world")
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handlers: None) -> Iterator[World]:  # noqa: ARG001
    with world(tmp_path, monkeypatch) as new:
        yield new


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restore pytest's signal handlers after the test."""
    before = {number: signal.getsignal(number) for number in WATCHED}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def anyio_backend(monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """An event loop with virtual time, so that tests neither sleep nor hang."""
    count_threads(monkeypatch)
    return "asyncio", {"loop_factory": TimeWarpLoop}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private CA."""
    return trustme.CA()


@pytest.fixture(scope="session")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the CA's certificate, for `SSL_CERT_FILE`."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate for loopback and `platform.test`."""
    return context_for(authority, "127.0.0.1", "localhost", "platform.test")
