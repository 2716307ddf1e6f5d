"""The platform as one run sees it: one key, one budget of retries, one way out to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import zerokie_action
from zerokie_action.api.client import Client
from zerokie_action.api.clock import PlatformClock
from zerokie_action.api.http import HttpTransport
from zerokie_action.api.public import read_page
from zerokie_action.api.retry import Retries, Sender
from zerokie_action.api.transport import NoAnswer
from zerokie_action.api.upload import Writers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from zerokie_action.api.network import Network

USER_AGENT = f"zerokie-action/{zerokie_action.__version__}"


class Platform:
    """Gives everything that talks to the platform what it needs for that.

    Attributes:
        client: the REST API.
        clock: what is known of the platform's time.
        retries: the run's retries.
        network: proxies and certificate authorities.
    """

    def __init__(
        self, base: str, api_key: str, network: Network, retries: Retries, *, notice: Callable[[str], None]
    ) -> None:
        self.network = network
        self.retries = retries
        self.clock = PlatformClock()
        self._base = base
        self._notice = notice
        self._headers: Mapping[str, str] = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        self._transport = HttpTransport(base, self._headers, network)
        self.client = Client(Sender(self._transport, retries, clock=self.clock, notice=notice))

    async def __aenter__(self) -> Self:
        """Open nothing yet; connections are made by requests."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def writers(self, app: str, *, fence: Callable[[], None], concurrency: int) -> Writers:
        """What writes to the storage zone of a static app (see `Writers`)."""
        return Writers(
            app,
            base=self._base,
            headers=self._headers,
            network=self.network,
            retries=self.retries,
            clock=self.clock,
            notice=self._notice,
            fence=fence,
            concurrency=concurrency,
        )

    async def read_public(self, url: str, *, max_answer: int, seconds: float) -> bytes | None:
        """What an app serves under its public URL, without the API key; None for anything but a plain 200.

        One attempt: whoever asks can do without.
        """
        try:
            answer = await read_page(url, self.network, max_answer=max_answer, seconds=seconds)
        except NoAnswer:
            return None
        return answer.body if answer.status == 200 else None  # noqa: PLR2004 - HTTP's own number
