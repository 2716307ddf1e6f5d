"""What happens to each request, for the debug log: a transport around another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.http.transport import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.http.transport import Answer, Request, Transport


class Traced:
    """Tells a line for every attempt: `PUT /v1/apps/site/files/a.css: 200 in 0.04 s`.

    Implements `zerokie_action.http.transport.Transport`.
    """

    def __init__(self, transport: Transport, tell: Callable[[str], None]) -> None:
        """Carry requests over `transport`; `tell` gets the lines, which may hold secrets."""
        self._transport = transport
        self._tell = tell

    async def send(self, request: Request) -> Answer:
        """See `Transport.send`."""
        began = anyio.current_time()
        outcome = "given up after"  # cancelled, or the content could not be read
        try:
            answer = await self._transport.send(request)
            outcome = f"{answer.status} in"
        except NoAnswer as trouble:
            outcome = f"{trouble}, after"
            raise
        finally:
            target = request.target.partition("?")[0]
            seconds = anyio.current_time() - began
            self._tell(f"{request.method} {target}: {outcome} {seconds:.2f} s")
        return answer
