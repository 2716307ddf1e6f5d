"""A client of the API, over the real transport or a made-up one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.platform.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEY = "sandbox-key"
API = "https://api.test"


@asynccontextmanager
async def client_of(
    url: str, *, retries: int = 0, log: Callable[[str], None] = print, **env: str
) -> AsyncIterator[Client]:
    """The client as a run has it."""
    async with Transport(env) as transport:
        yield Client(url, KEY, RetryingClient(transport, retries=retries, log=log))


class Constant(httpx.AsyncBaseTransport):
    """Gives every request the same response."""

    def __init__(self, status: int, content: bytes = b"", **headers: str) -> None:
        self._status, self._content, self._headers = status, content, headers
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self._status, content=self._content, headers=self._headers)


def client_over(transport: Constant, *, retries: int = 0, key: str = KEY) -> Client:
    """A client over a transport that gives these responses."""
    return Client(API, key, RetryingClient(transport, retries=retries, log=print))
