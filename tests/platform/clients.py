"""A client of the API, over the real transport or a made-up one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from zerokie_action.http.client import Http
from zerokie_action.http.network import Network
from zerokie_action.http.retry import RetryBudget, RetryingClient
from zerokie_action.platform.client import Client, Platform
from zerokie_action.platform.requests import Requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEY = "sandbox-key"
API = "https://api.test"


@asynccontextmanager
async def client_of(
    url: str, *, retries: int = 0, log: Callable[[str], None] = print
) -> AsyncIterator[Client]:
    """The client as a run has it."""
    async with Http(Network({})) as http:
        yield Platform(url, KEY, http, RetryBudget(retries, log=log)).client


def client_over(
    respond: Callable[[httpx.Request], httpx.Response], *, retries: int = 0, key: str = KEY
) -> Client:
    """A client over a transport that gives these responses."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    return Client(Requests(API, key), RetryingClient(http.send, RetryBudget(retries, log=print)))


class Constant:
    """Gives every request the same response."""

    def __init__(self, status: int, content: bytes = b"", **headers: str) -> None:
        self._status, self._content, self._headers = status, content, headers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self._status, content=self._content, headers=self._headers)


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    """Around an attempt: no shield, no worker."""
    yield
