from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from sandbox.platform import Platform
from sandbox.server import Server, serve
from tests.sandbox.wire import Wire

Dial = Callable[[], Awaitable[Wire]]

NOW = 1772902800.0  # 2026-03-07T17:00:00Z
KEY = {"authorization": "Bearer sandbox-key"}


class Clock:
    """A clock that stops until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def platform(tmp_path: Path, clock: Clock) -> Platform:
    """A platform with the static app `site` and the running container app `api`."""
    platform = Platform(tmp_path / "data", clock=clock)
    platform.apps.create_static("site")
    platform.apps.create_container("api", "nginx:1")
    clock.now = NOW + 60
    return platform


@pytest.fixture
async def server(platform: Platform) -> AsyncIterator[Server]:
    async with serve(platform) as server:
        yield server


@pytest.fixture
async def dial(server: Server) -> AsyncIterator[Dial]:
    """A function that opens connections and closes them after the test."""
    wires: list[Wire] = []

    async def dial() -> Wire:
        wires.append(await Wire.open(server))
        return wires[-1]

    yield dial
    for wire in wires:
        await wire.close()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, headers=KEY, trust_env=False) as client:
        yield client
