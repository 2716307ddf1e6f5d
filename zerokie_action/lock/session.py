"""A deploy session: what the platform knows the holder of a deploy lock by.

The three requests about a lock are made in its name, and its lease learns from their answers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from zerokie_action.errors import AuthenticationError, LockLost, RequestRejected
from zerokie_action.lock.lease import NOT_OURS, Lease, boot_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from zerokie_action.platform.client import Asked, Client
    from zerokie_action.platform.models import Counts, Finalized

RELEASE_TIME = 50.0
"""Seconds. With those in which answers to writes are waited for (`upload.ANSWER_TIME`), a minute."""

RELEASE_TIME_WHEN_TOLD = 4.0
"""Seconds from a signal to the end of the release: CI systems kill after 10 s, we promise 5."""


class LockState(Protocol):
    """Where it is recorded, for the cleanup, that a session may hold a lock."""

    def asking(self, app: str, session: str) -> None:
        """About to ask for the lock. On disk before this returns."""

    def released(self, session: str) -> None:
        """The platform confirmed that the lock is free, or it never was ours."""


class Session:
    """One deploy session of one app, whether it holds the lock or not.

    Attributes:
        app: the app's name.
        id: the deploy session ID that owns the lock.
        lease: what is known of the lock.
    """

    def __init__(
        self, client: Client, app: str, session_id: str, *, clock: Callable[[], float] = boot_time
    ) -> None:
        self.app = app
        self.id = session_id
        self.lease = Lease(clock)
        self._client = client

    async def ask(self, around: Callable[[], AbstractContextManager[object]], *, in_doubt: bool) -> Asked:
        """Ask for the lock, once (see `Client.acquire_lock`)."""
        began = self.lease.clock()
        asked = await self._client.acquire_lock(self.app, self.id, around=around, in_doubt=in_doubt)
        if asked.ours:
            self.lease.confirmed(began)
        return asked

    async def confirm(self) -> bool:
        """One heartbeat: whether the lock is ours, which also keeps it so.

        Raises:
            DeployError: when that could not be found out.
        """
        began = self.lease.clock()
        confirmed = await self._client.heartbeat(self.app, self.id)
        if confirmed:
            self.lease.confirmed(began)
        return confirmed

    async def finalize(self, counts: Counts) -> Finalized | None:
        """Finalize; if that is refused or names no deploy, and the lock is still ours, once more.

        A refusal leaves the lock behind, and may come from something in between; so may an empty answer.

        Returns:
            What the platform recorded; None when an attempt whose answer was lost has released the lock.

        Raises:
            LockLost: when the lock was not ours any more.
            DeployError: when the lock may not be released.
        """
        try:
            finalized = await self._client.finalize(self.app, self.id, counts)
        except (RequestRejected, AuthenticationError) as refusal:
            if await self.confirm():
                return await self._client.finalize(self.app, self.id, counts)
            if refusal.unclear:
                return None
            raise LockLost(
                f"The deploy lock was lost before finalize: {NOT_OURS}",
                hint="Run the deploy again: another deploy may have taken over in between.",
            ) from refusal
        if not finalized.deploy_id:
            with suppress(RequestRejected):  # then the platform has nothing of this session any more
                if await self.confirm():
                    return await self._client.finalize(self.app, self.id, counts)
        return finalized
