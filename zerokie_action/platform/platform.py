"""The platform as one run sees it: one key, one budget of retries, one way out to the network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from zerokie_action.errors import ConfigurationError
from zerokie_action.http.clock import PlatformClock
from zerokie_action.http.connection import Connection
from zerokie_action.http.pool import Pool
from zerokie_action.http.retry import Retries, Sender
from zerokie_action.http.transport import USER_AGENT, NoAnswer, Request
from zerokie_action.platform.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from zerokie_action.http.network import Network
    from zerokie_action.http.transport import Transport
    from zerokie_action.platform.upload import Writers
    from zerokie_action.shield import Shield

_AS_ANYBODY = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Cache-Control": "no-cache"}


class Platform:
    """Gives everything that talks to the platform what it needs for that.

    Attributes:
        client: the REST API.
        clock: what is known of the platform's time.
        retries: the run's retries.
        network: proxies and certificate authorities.
    """

    def __init__(
        self,
        base: str,
        api_key: str,
        network: Network,
        retries: Retries,
        *,
        notice: Callable[[str], None],
        clean: Callable[[str], str],
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base: the API's URL, without a trailing slash.
            api_key: goes with every request.
            network: the way out.
            retries: the run's.
            notice: as for a `Sender`.
            clean: as for a `Sender`.
            trace: told of every attempt of every request, one line.
        """
        self.network = network
        self.retries = retries
        self.clock = PlatformClock()
        headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
        }
        self._notice = notice
        self._pool = Pool(base, headers, network)
        transport: Transport = self._pool
        if trace is not None:  # thousands of uploads go this way: who does not trace does not pay for it
            from zerokie_action.http.trace import Traced  # noqa: PLC0415

            transport = Traced(self._pool, trace)
        self._sender = partial(Sender, transport, retries, clock=self.clock, notice=notice, clean=clean)
        self.client = Client(self._sender())

    async def __aenter__(self) -> Self:
        """Open nothing yet; connections are made by requests."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._pool.close()

    def writers(self, app: str, *, fence: Callable[[], None], shield: Shield, concurrency: int) -> Writers:
        """What writes to the storage zone of a static app (see `Writers`)."""
        from zerokie_action.platform import upload  # noqa: PLC0415 - only for what has to be written

        return upload.Writers(
            app, self._sender, notice=self._notice, fence=fence, shield=shield, concurrency=concurrency
        )

    async def read_public(self, url: str, *, max_answer: int, seconds: float) -> bytes | None:
        """What an app serves under its public URL, without the API key; None for anything but a plain 200.

        One attempt: whoever asks can do without.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return None
        target = f"{parts.path or '/'}?{parts.query}"
        base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        connection = Connection(base, _AS_ANYBODY, self.network)
        try:
            answer = await connection.send(
                Request("Reading", "GET", target, max_answer=max_answer, timeout=seconds)
            )
        except (NoAnswer, ConfigurationError, ValueError):  # ValueError: no URL that can be asked for
            return None
        finally:
            connection.close()
        return answer.body if answer.status == 200 else None  # noqa: PLR2004 - HTTP's own number
