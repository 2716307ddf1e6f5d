"""One request on its way through the platform."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import Message, Receive, Scope, Send

    from zerokie_action.sandbox.platform import Hook, Platform
    from zerokie_action.sandbox.records import Record

_KEY = "zerokie.exchange"


@dataclass(slots=True)
class Exchange:
    """A request's platform and record, and the watch on its body and its answer."""

    platform: Platform
    record: Record

    @staticmethod
    def of(request: Request) -> Exchange:
        """Return the exchange that `enter` put into the request's scope."""
        exchange: Exchange = request.scope[_KEY]
        return exchange

    def enter(self, scope: Scope) -> None:
        """Let `of` find this exchange."""
        scope[_KEY] = self

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
