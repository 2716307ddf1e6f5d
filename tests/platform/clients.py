"""API clients over the real transport or a scripted one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.http.transports import Script
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.platform.client import Client

KEY = "sandbox-key"
API = "https://api.test"


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    """Yield a client like that of a run."""
    async with Transport({}) as transport:
        yield Client(url, KEY, RetryingClient(transport, policy=RetryPolicy(0), log=print))


def client_over(transport: Script, *, retry_timeout: float = 0) -> Client:
    """Return a client over a scripted transport."""
    return Client(API, KEY, RetryingClient(transport, policy=RetryPolicy(retry_timeout), log=print))
