"""One request: what is remembered of it, its way through the platform, and how it is refused."""

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
    """One request, filled in as it goes on.

    Attributes:
        index: its place in `Platform.requests`.
        method: `GET`, `PUT`, …
        path: as it was sent, percent-encoded and not normalised.
        query: the query string as it was sent, without `?`.
        app: the app's name in the path; empty when there is none.
        headers: by lower-case name.
        body_size: bytes of the body that were read.
        session: the `deploy_session_id` of the body.
        lock_holder: the session that held the app's lock at the moment of the effect.
        status: what was answered; `None` while, or because, there was no answer.
            499: the client went away in the middle of an upload.
        fault: the fault that was injected, in short.
        received: when it came, in seconds since the epoch.
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
        """All fields as JSON, the API key left out."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"headers": {k: v for k, v in self.headers.items() if k != "authorization"}}


_KEY = "zerokie.exchange"


@dataclass(slots=True)
class Exchange:
    """A request's platform and record, and the watch on its body and its answer."""

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
        """Record the status that is really answered, and date the answer if the platform does so."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.record.status = message["status"]
                if self.platform.dialect["date"] == "sent":
                    date = formatdate(self.platform.clock(), usegmt=True).encode()
                    message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        return answer

    def announcing(self, send: Send) -> Send:
        """Call `on_response` when the effect is done, be it answered or not."""

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
