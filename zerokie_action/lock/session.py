"""A deploy session: the ID by which the platform knows the holder of a deploy lock.

It sends the three requests about a lock: acquire, heartbeat, finalize. Their answers renew its lease.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import AuthenticationError, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.lock.lease import NOT_OURS, Lease, boot_time
from zerokie_action.platform.client import CONFLICT, NOT_FOUND

if TYPE_CHECKING:
    from zerokie_action.errors import DeployError
    from zerokie_action.http.retry import Guard
    from zerokie_action.platform.client import Client
    from zerokie_action.platform.models import Counts, Finalized

_FINALIZE_ATTEMPTS = 6


class Session:
    """One deploy session of one app, whether it holds the lock or not.

    Attributes:
        app: the app's name.
        id: the deploy session ID that owns the lock.
        client: sends its requests.
        lease: what is known of the lock.
    """

    def __init__(self, client: Client, app: str, session_id: str) -> None:
        self.app = app
        self.id = session_id
        self.client = client
        self.lease = Lease()

    async def acquire(self, guard: Guard) -> None:
        """Ask for the lock, once (see `Client.acquire_lock`)."""
        asked_at = boot_time()
        await self.client.guarded(guard).acquire_lock(self.app, self.id)
        self.lease.renew(asked_at)

    async def confirm(self, client: Client | None = None) -> bool:
        """Ask whether the lock is ours, which also keeps it so.

        Args:
            client: how the request is retried; by default as any other.

        Raises:
            DeployError: when that could not be found out.
        """
        asked_at = boot_time()
        confirmed = await (client or self.client).heartbeat(self.app, self.id)
        if confirmed:
            self.lease.renew(asked_at)
        return confirmed

    async def finalize(self, client: Client, counts: Counts, *, ambiguous: bool = False) -> Finalized | None:
        """Finalize: purge the CDN's cache, release the lock, record the deploy.

        Args:
            client: how the requests are retried.
            counts: what was changed.
            ambiguous: whether an attempt before this may have released the lock.

        Returns:
            What the platform recorded; None when an attempt whose answer was lost has released the lock.

        Raises:
            LockLost: when the lock was not ours any more.
            DeployError: when the lock may not be released.
        """
        # A refusal, or an answer without an ID, may come from something between us and the platform. Then the
        # lock is still held. The heartbeat tells; if it is, finalize is sent again.
        refusal: DeployError | None = None
        finalized: Finalized | None = None
        for attempt in range(_FINALIZE_ATTEMPTS):
            if attempt:
                await anyio.sleep(0.5 * attempt)
            try:
                finalized = await client.finalize(self.app, self.id, counts)
            except (RequestRejected, AuthenticationError) as error:
                if finalized is not None and _means_no_lock(error):
                    return finalized  # the one before had an effect, whatever the heartbeat says
                if refusal is not None:
                    raise
                refusal = error
                ambiguous = ambiguous or error.ambiguous
            else:
                if finalized.deploy_id:
                    return finalized
            if not await self._is_still_ours(client):
                if finalized is not None or ambiguous:
                    return finalized
                raise LockLost(
                    f"The deploy lock was lost before finalize: {NOT_OURS}",
                    hint="Run the deploy again: another deploy may have taken over in between.",
                ) from refusal
        unavailable = PlatformUnavailable(
            "Finalizing the deploy had no effect: the answer has no deploy ID, and the lock is still ours",
            hint="Check `api-url`: something in between may answer in the platform's place.",
        )
        unavailable.ambiguous = True
        raise unavailable

    async def _is_still_ours(self, client: Client) -> bool:
        try:
            return await self.confirm(client)
        except RequestRejected:
            return True  # neither 404 nor 409: this is not about the lock


def _means_no_lock(error: DeployError) -> bool:
    return isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
