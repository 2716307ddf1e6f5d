"""Both transports, made and used in the same way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from zerokie_action.http.connection import Connection
from zerokie_action.http.http import HttpTransport
from zerokie_action.http.network import Network
from zerokie_action.http.transport import Answer, NoAnswer, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from zerokie_action.http.transport import Content, Transport

KINDS = ("http", "connection")
HEADERS = {"Authorization": "Bearer key", "User-Agent": "tests"}
TARGET = "/v1/apps/site/files/a.txt"


@asynccontextmanager
async def transport(
    kind: str, base: str, env: Mapping[str, str] | None = None, network: Network | None = None
) -> AsyncIterator[Transport]:
    """One of the two, closed at the end."""
    network = network or Network(env or {})
    if kind == "http":
        http = HttpTransport(base, HEADERS, network)
        try:
            yield http
        finally:
            await http.aclose()
    else:
        connection = Connection(base, HEADERS, network)
        try:
            yield connection
        finally:
            connection.close()


def put(content: bytes | Content = b"hello", target: str = TARGET, **more: object) -> Request:
    """An upload."""
    return Request("uploading", "PUT", target, content, "text/plain", **more)  # type: ignore[arg-type]


Outcome = tuple[int, bytes] | tuple[str, bool, bool]


def none(*, sent: bool, permanent: bool = False) -> Outcome:
    """What `outcome` gives when there was no answer."""
    return ("no answer", sent, permanent)


async def outcome(carrier: Transport, request: Request | None = None) -> Outcome:
    """Status and body, or that there was no answer and what is known of it."""
    try:
        answer: Answer = await carrier.send(request or put())
    except NoAnswer as trouble:
        return none(sent=trouble.sent, permanent=trouble.permanent)
    return answer.status, answer.body


async def reason(carrier: Transport, request: Request | None = None) -> str:
    """Why there was no answer."""
    with pytest.raises(NoAnswer) as caught:
        await carrier.send(request or put())
    return str(caught.value)
