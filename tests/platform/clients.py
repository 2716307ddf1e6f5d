"""A client of the API, over the real transport or a made-up one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.http.transports import Script
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.platform.client import Client

KEY = "sandbox-key"
API = "https://api.test"


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    """The client as a run has it."""
    async with Transport({}) as transport:
        yield Client(url, KEY, RetryingClient(transport, retry_timeout=0, log=print))


def client_over(transport: Script, *, retry_timeout: float = 0) -> Client:
    """A client over a transport that gives these responses."""
    return Client(API, KEY, RetryingClient(transport, retry_timeout=retry_timeout, log=print))
