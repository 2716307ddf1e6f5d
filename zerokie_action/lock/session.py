"""A deploy session: what the platform knows the holder of a deploy lock by.

The three requests about a lock are made in its name, and its lease learns from their answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio

from zerokie_action.errors import AuthenticationError, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.retry import backoff
from zerokie_action.lock.lease import NOT_OURS, Lease, boot_time
from zerokie_action.platform.refusals import CONFLICT, NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.errors import DeployError
    from zerokie_action.http.retry import Around
    from zerokie_action.platform.client import Asked, Client
    from zerokie_action.platform.models import Counts, Finalized
    from zerokie_action.platform.platform import Platform

RELEASE_TIME = 50.0
"""Seconds. With those in which answers to writes are waited for (`upload.ANSWER_TIME`), a minute."""

RELEASE_GRACE = 4.0
"""Seconds from a signal to the end of the release: CI systems kill after 10 s, we promise 5."""


_FINALIZE_ATTEMPTS = 6


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
        self, platform: Platform, app: str, session_id: str, *, clock: Callable[[], float] = boot_time
    ) -> None:
        self.app = app
        self.id = session_id
        self.lease = Lease(clock)
        self._platform = platform

    async def ask(self, around: Around, *, in_doubt: bool) -> Asked:
        """Ask for the lock, once (see `Client.acquire_lock`)."""
        began = self.lease.clock()
        asked = await self._platform.client.acquire_lock(self.app, self.id, around=around, in_doubt=in_doubt)
        if asked.ours:
            self.lease.confirmed(began)
        return asked

    async def confirm(self) -> bool:
        """Ask whether the lock is ours, which also keeps it so.

        Raises:
            DeployError: when that could not be found out.
        """
        return await self._confirm(self._platform.client)

    async def confirm_until_answered(self) -> bool:
        """A heartbeat, again and again until the scope around is cancelled: it knows no gate."""
        return await self._confirm(self._platform.heartbeats)

    async def confirm_now(self) -> bool:
        """`confirm` in the time that is left: past any gate, until the scope around is cancelled."""
        return await self._confirm(self._platform.urgent)

    async def _confirm(self, client: Client) -> bool:
        began = self.lease.clock()
        confirmed = await client.heartbeat(self.app, self.id)
        if confirmed:
            self.lease.confirmed(began)
        return confirmed

    async def finalize(self, counts: Counts) -> Finalized | None:
        """Finalize, as any request is sent.

        Returns:
            What the platform recorded; None when an attempt whose answer was lost has released the lock.

        Raises:
            LockLost: when the lock was not ours any more.
            DeployError: when the lock may not be released.
        """
        return await self._finalize(self._platform.client, counts, ambiguous=False)

    async def finalize_now(self, counts: Counts, *, ambiguous: bool = False) -> Finalized | None:
        """`finalize` in the time that is left: past any gate, until the scope around is cancelled.

        Args:
            counts: what was changed.
            ambiguous: whether an attempt before this may have released the lock.
        """
        return await self._finalize(self._platform.urgent, counts, ambiguous=ambiguous)

    async def _finalize(self, client: Client, counts: Counts, *, ambiguous: bool) -> Finalized | None:
        # A refusal leaves the lock behind, and may come from something in between; so may an answer without
        # an ID. The heartbeat tells, and then it is tried again.
        refusal: DeployError | None = None
        finalized: Finalized | None = None
        for attempt in range(_FINALIZE_ATTEMPTS):
            if attempt:
                await anyio.sleep(backoff(attempt))
            try:
                finalized = await client.finalize(self.app, self.id, counts)
            except (RequestRejected, AuthenticationError) as error:
                if finalized is not None and _says_that_there_is_no_lock(error):
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
        raise PlatformUnavailable(
            "Finalizing the deploy had no effect: the answer has no deploy ID, and the lock is still ours",
            hint="Check `api-url`: something in between may answer in the platform's place.",
        )

    async def _is_still_ours(self, client: Client) -> bool:
        try:
            return await self._confirm(client)
        except RequestRejected:
            return True  # neither 404 nor 409: this is not about the lock


def _says_that_there_is_no_lock(error: DeployError) -> bool:
    return isinstance(error, RequestRejected) and error.status in {NOT_FOUND, CONFLICT}
