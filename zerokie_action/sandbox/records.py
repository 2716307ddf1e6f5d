"""A request: its record, its handling, and the error that refuses it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import Message, Receive, Scope, Send

    from zerokie_action.sandbox.platform import Hook, Platform


class ApiError(Exception):
    """A request that the platform refuses.

    Attributes:
        status: the HTTP status code, one of the reference's table.
        message: the `error` of the answer's body.
    """

    def __init__(self, status: int, message: str) -> None:
        """Refuse with this status and message."""
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Record:
    """The record of one request, completed while the request is handled.

    Attributes:
        index: the position in `Platform.requests`.
        method: `GET`, `PUT`, …
        path: the raw path, percent-encoded and not normalised.
        query: the raw query string, without `?`.
        app: the app's name in the path; empty when there is none.
        headers: by lower-case name.
        body_size: bytes of the body that were read.
        session: the `deploy_session_id` of the body.
        lock_holder: the session that held the app's lock when the request took effect.
        status: the answer's status; `None` without an answer; 499 if the client went away during an upload.
        fault: a short description of the injected fault.
        received: the time of arrival, in seconds since the epoch.
    """

    index: int
    method: str
    path: str
    query: str = ""
    app: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body_size: int = 0
    session: str | None = None
    lock_holder: str | None = None
    status: int | None = None
    fault: str | None = None
    received: float = 0.0

    def __str__(self) -> str:
        """`7 PUT /v1/apps/site/files/a.css -> 200`."""
        return f"{self.index} {self.method} {self.path} -> {self.status or self.fault or 'no answer'}"

    def public(self) -> dict[str, Any]:
        """All fields for JSON, without the API key."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"headers": {k: v for k, v in self.headers.items() if k != "authorization"}}


_KEY = "zerokie.exchange"


@dataclass(slots=True)
class Exchange:
    """A request with its platform and record. It observes the request's body and answer."""

    platform: Platform
    record: Record
    scope: Scope

    @staticmethod
    def of(request: Request) -> Exchange:
        """Return the exchange of this request."""
        exchange: Exchange = request.scope[_KEY]
        return exchange

    def __post_init__(self) -> None:
        """Let `of` find this exchange."""
        self.scope[_KEY] = self

    def note_lock_holder(self) -> None:
        """Record who holds the lock of the request's app now."""
        if self.record.app:
            self.record.lock_holder = self.platform.lock(self.record.app)

    def counting(self, receive: Receive) -> Receive:
        """Count the bytes of the body into the record."""

        async def count() -> Message:
            message = await receive()
            self.record.body_size += len(message.get("body", b""))
            return message

        return count

    def answering(self, send: Send) -> Send:
        """Record the answer's status, and add a `Date` if the dialect has one."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.record.status = message["status"]
                if self.platform.dialect["date"] == "sent":
                    date = formatdate(self.platform.clock(), usegmt=True).encode()
                    message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        return answer

    def announcing(self, send: Send) -> Send:
        """Call `on_response` after the effect, even if no answer is sent."""

        async def announce(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self.call(self.platform.on_response)
            await send(message)

        return announce

    async def call(self, hook: Hook | None) -> None:
        """Call one of the platform's hooks."""
        if hook is not None:
            waiting: Any = hook(self.record)
            if inspect.isawaitable(waiting):
                await waiting
