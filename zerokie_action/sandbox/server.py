"""Serves a platform on the current event loop, without threads, timers or signal handlers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uvicorn.config import Config
from uvicorn.server import ServerState

from zerokie_action.sandbox.app import Sandbox
from zerokie_action.sandbox.connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zerokie_action.sandbox.platform import Platform


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens.

    Attributes:
        url: `http://127.0.0.1:40123`, without a slash at the end.
        platform: what it serves.
    """

    url: str
    platform: Platform


@asynccontextmanager
async def serve(platform: Platform, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Listen until the block ends; port 0 means any free one.

    This is uvicorn's protocol without uvicorn's server, whose main loop ticks ten times a second: client and
    platform can share an event loop with a virtual clock. At the end all connections are cut.
    """
    config = Config(
        Sandbox(platform),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(config, state), host, port, backlog=config.backlog)
    number = listener.sockets[0].getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}"
    platform.base_url = url
    try:
        yield Server(url, platform)
    finally:
        listener.close()
        await _cut(state)


async def _cut(state: ServerState) -> None:
    tasks, connections = list(state.tasks), list(state.connections)
    for connection in connections:
        connection.transport.abort()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for connection in connections:
        assert isinstance(connection, Connection)  # noqa: S101  no other kind is created
        await connection.lost.wait()
