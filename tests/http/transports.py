"""Requests over the client and over its bare transport, made and sent in the same way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from zerokie_action.http import failure
from zerokie_action.http.client import HEADERS, Bytes, ContentStream, Http, extensions
from zerokie_action.http.network import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from zerokie_action.http.client import Content

KINDS = ("client", "transport")
TARGET = "/v1/apps/site/files/a.txt"


@dataclass(frozen=True)
class Call:
    """A request that does not know yet where it goes."""

    method: str
    target: str
    content: bytes | Content
    timeout: float
    max_body: int

    def to(self, base: str) -> httpx.Request:
        url = httpx.URL(base + self.target)
        body = Bytes(self.content) if isinstance(self.content, bytes) else self.content
        headers = {"Host": url.netloc.decode(), **HEADERS, "Authorization": "Bearer key"}
        if self.method == "PUT":
            headers |= {"Content-Type": "text/plain", "Content-Length": str(body.size)}
        more = extensions("Trying", timeout=self.timeout, max_body=self.max_body, resendable=True)
        return httpx.Request(self.method, url, headers=headers, stream=ContentStream(body), extensions=more)


def put(
    content: bytes | Content = b"hello",
    target: str = TARGET,
    *,
    timeout: float = 60,
    max_body: int = 1_000_000,
) -> Call:
    """An upload."""
    return Call("PUT", target, content, timeout, max_body)


def get(target: str) -> Call:
    """A GET."""
    return Call("GET", target, b"", 60, 1_000_000)


class Carrier:
    """Sends to one base URL, by the client or by the transport under it."""

    def __init__(self, kind: str, base: str, http: Http) -> None:
        self._kind = kind
        self._base = base
        self._http = http

    async def send(self, call: Call) -> httpx.Response:
        request = call.to(self._base)
        if self._kind == "client":
            return await self._http.send(request)
        return await self._http.transport.handle_async_request(request)


@asynccontextmanager
async def transport(
    kind: str, base: str, env: Mapping[str, str] | None = None, network: Network | None = None
) -> AsyncIterator[Carrier]:
    """One of the two, closed at the end."""
    async with Http(network or Network(env or {})) as http:
        yield Carrier(kind, base, http)


Outcome = tuple[int, bytes] | tuple[str, bool, bool]


def none(*, sent: bool, final: bool = False) -> Outcome:
    """What `outcome` gives when there was no response."""
    return ("no response", sent, final)


async def outcome(carrier: Carrier, call: Call | None = None) -> Outcome:
    """Status and body, or that there was no response and what is known of it."""
    try:
        response = await carrier.send(call or put())
    except httpx.TransportError as error:
        failed = failure.of_error(error)
        return none(sent=failed.ambiguous, final=failed.meaning is failure.Meaning.FINAL)
    return response.status_code, response.content


async def reason(carrier: Carrier, call: Call | None = None) -> str:
    """Why there was no response."""
    with pytest.raises(httpx.TransportError) as caught:
        await carrier.send(call or put())
    return str(caught.value)
