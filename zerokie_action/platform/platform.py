"""The platform as one run sees it: one key, one budget of retries, one way out to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.http.retry import InsistingClient, RetryingClient
from zerokie_action.platform.client import Client
from zerokie_action.platform.requests import UPLOADS, Requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.http.client import Http
    from zerokie_action.http.limiter import AdaptiveLimiter
    from zerokie_action.http.retry import Around, RetryBudget
    from zerokie_action.platform.upload import Writers
    from zerokie_action.shutdown import Shutdown

_HEARTBEAT_PAUSES = (15.0, 15.0)


class Platform:
    """Gives everything that talks to the platform what it needs for that.

    Attributes:
        http: for what is public.
        client: the REST API.
        urgent: the same, for what must be done in the time that is left.
        heartbeats: the same, at a calm rhythm.
    """

    def __init__(self, base: str, api_key: str, http: Http, budget: RetryBudget) -> None:
        """Connect to nothing yet.

        Args:
            base: the API's URL, without a trailing slash.
            api_key: goes with every request to the API.
            http: carries all requests.
            budget: the run's retries.
        """
        self.http = http
        self._budget = budget
        self._requests = Requests(base, api_key)
        fetch = http.client.send
        self.client = Client(self._requests, RetryingClient(fetch, budget))
        self.urgent = Client(self._requests, InsistingClient(fetch, budget))
        self.heartbeats = Client(self._requests, InsistingClient(fetch, budget, _HEARTBEAT_PAUSES))

    @property
    def trouble(self) -> str:
        """What keeps requests waiting now (see `RetryBudget.trouble`)."""
        return self._budget.trouble

    def tell_counts(self) -> None:
        """Say what failed, was counted and not told yet."""
        self._budget.tell_counts()

    def writers(
        self,
        app: str,
        *,
        kind: str = UPLOADS,
        fence: Callable[[], None],
        shutdown: Shutdown,
        concurrency: int,
    ) -> Writers:
        """What writes to the storage zone of a static app (see `Writers`)."""
        from zerokie_action.platform import upload  # noqa: PLC0415 - only for what has to be written

        def client(limiter: AdaptiveLimiter, around: Around) -> Client:
            # Straight to the transport: thousands of these go out.
            fetch = self.http.transport.handle_async_request
            return Client(self._requests, RetryingClient(fetch, self._budget, limiter=limiter, around=around))

        return upload.Writers(
            app,
            kind,
            client,
            notice=self._budget.tell,
            fence=fence,
            progressed=self._budget.breaker(kind).progressed,
            shutdown=shutdown,
            concurrency=concurrency,
        )
