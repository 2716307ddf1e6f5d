"""The transport of the whole API: as many connections as requests are under way at once.

Start-up and uploads both live from it. Importing httpx and httpcore and opening a client takes
longer than the rest of a run in which nothing changed, and a pool of theirs looks at all its
connections at every request (`docs/performance.md`). Here a connection is taken from a list and put
back. What people may point anywhere (health checks, comments) goes through httpx (`http`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.http.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.http.network import Network
    from zerokie_action.http.transport import Answer, Request


class Pool:
    """Carries requests to one origin. Implements `zerokie_action.http.transport.Transport`."""

    def __init__(self, base: str, headers: Mapping[str, str], network: Network) -> None:
        """Connect to nothing yet; the arguments are those of `Connection`."""
        self._base = base
        self._headers = headers
        self._network = network
        self._idle: list[Connection] = []

    async def send(self, request: Request) -> Answer:
        """See `Transport.send`."""
        if request.fresh:
            self.close()
        # The one that worked last: it is the least likely to have been closed meanwhile.
        connection = self._idle.pop() if self._idle else self._new()
        try:
            return await connection.send(request)
        finally:
            self._idle.append(connection)  # after a failure it is closed, and connects anew

    def close(self) -> None:
        """Drop all connections that are not in use."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _new(self) -> Connection:
        return Connection(self._base, self._headers, self._network)
