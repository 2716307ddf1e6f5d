"""A client of the API, over the real transport or a made-up one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from zerokie_action.http.clock import PlatformClock
from zerokie_action.http.network import Network
from zerokie_action.http.retry import Retries, Sender
from zerokie_action.platform.client import Client
from zerokie_action.platform.platform import Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zerokie_action.http.transport import Answer, Request, Transport

KEY = "sandbox-key"


@asynccontextmanager
async def client_of(
    url: str, *, retries: int = 0, notice: Callable[[str], None] = print
) -> AsyncIterator[Client]:
    """The client as a run has it."""
    budget = Retries(retries, jitter=lambda: 0.0)
    async with Platform(url, KEY, Network({}), budget, notice=notice, clean=str) as platform:
        yield platform.client


def client_over(transport: Transport) -> Client:
    """A client over any transport, without repetitions."""
    return Client(Sender(transport, Retries(0), clock=PlatformClock()))


class Constant:
    """A transport that always gives the same answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self._answer
