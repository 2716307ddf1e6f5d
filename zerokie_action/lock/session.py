"""One deploy session's lock: its three requests and its state.

Only finalize releases the lock ("POST /v1/apps/:name/deploy/finalize").

A lock expires 30 minutes after the last heartbeat. This module measures the 30 minutes from the time when the
heartbeat was sent. Writes stop a minute earlier, so that the last one arrives before the lock expires.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from zerokie_action import limits
from zerokie_action.errors import LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Delivery
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts, Finalized
from zerokie_action.platform.responses import CONFLICT, NOT_FOUND, is_conflict

_NOT_HELD = {NOT_FOUND, CONFLICT}
"""The statuses of heartbeat and finalize if the session doesn't hold the lock."""
_NOT_OURS = "it expired, or the app was deleted"
_UNCONFIRMED = "the platform didn't confirm it for almost 30 minutes, or the machine was suspended"


class Pending(NamedTuple):
    """The platform hasn't granted the lock yet."""


class Held(NamedTuple):
    """The platform confirmed that the session holds the lock.

    Attributes:
        since: the time when the last confirmed request was sent, by `_clocks`.
    """

    since: tuple[float, float]

    @property
    def age(self) -> float:
        """The seconds since `since`, by the clock that shows more."""
        return max(now - since for now, since in zip(_clocks(), self.since, strict=True))


class Lost(NamedTuple):
    """The session held the lock and lost it."""

    why: str


class Ended(NamedTuple):
    """The lock was released, or the platform deleted it with its app."""


class Released(NamedTuple):
    """The result of the lock's release.

    Attributes:
        response: the response to finalize; None if it was lost or wasn't a JSON object.
        lost: why a response to finalize with the deploy ID was lost; empty if none was lost.
        problem: why the lock may still be held after a failed run, and its expiry; empty if it was released.
    """

    response: Finalized | None = None
    lost: str = ""
    problem: str = ""


@dataclass(eq=False)
class DeploySession:
    """A deploy session of one app. The caller chooses the client for each request.

    Attributes:
        app: the app's name.
        id: the session ID.
        lock_request: the lock request. Its outcome is unknown for the session of an earlier run. If the
            response was lost, the platform may still grant the lock later, even after the release.
        state: the state of the lock. After `Lost` or `Ended`, a heartbeat doesn't change the state.
    """

    app: str
    id: str
    lock_request: Delivery = field(default_factory=Delivery)
    state: Pending | Held | Lost | Ended = field(default_factory=Pending)

    @property
    def may_be_held(self) -> bool:
        """Whether the session may hold the lock now or get it later."""
        return isinstance(self.state, Held) or self.lock_request.may_come_late

    @property
    def may_write(self) -> bool:
        """Whether a write may begin. A lock that may expire before the write arrives is treated as lost."""
        return isinstance(self.state, Held) and self.state.age < limits.LAST_WRITE

    def require_held(self) -> None:
        """Require that a write may begin. Threads that read files call this as well.

        Raises:
            LockLost: when the lock is lost or may expire before the write arrives.
        """
        if not self.may_write:
            raise self._loss()

    def requiring_lock(self, client: Client) -> Client:
        """Return a copy of the client that calls `require_held` before each attempt."""

        def guard() -> AbstractContextManager[None]:
            self.require_held()
            return nullcontext()

        return client.guarded(guard)

    def end(self) -> None:
        """Note that the lock was released, or that the platform deleted it with its app."""
        self.state = Ended()

    async def acquire(self, client: Client) -> None:
        """Request the lock once ("POST …/deploy/lock").

        Raises:
            RequestRejected: with status 409 when another session holds the lock.
        """
        sent_at = _clocks()
        try:
            await client.tracked(self.lock_request).acquire_lock(self.app, self.id)
            self._confirmed(sent_at)
        except RequestRejected as error:
            # If an earlier response was lost, this session may hold the lock. A heartbeat finds out.
            if not (is_conflict(error) and self.lock_request.lost and await self.confirm(client)):
                raise

    async def confirm(self, client: Client) -> bool:
        """Send a heartbeat ("PUT …/deploy/lock") and return whether the session holds the lock."""
        sent_at = _clocks()
        try:
            await client.heartbeat(self.app, self.id)
        except RequestRejected as error:
            if error.status not in _NOT_HELD:
                raise
            self._lose(error)
        else:
            self._confirmed(sent_at)
        return isinstance(self.state, Held)

    async def finalize(self, client: Client, counts: Counts) -> Released:
        """Release the lock, purge the CDN's cache and record the deploy ("POST …/deploy/finalize").

        Each attempt requires the lock, because another deploy may hold it since the last attempt.

        Raises:
            LockLost: when the session doesn't hold the lock anymore.
            PlatformUnavailable: when the lock is still held.
        """
        response, delivery = None, Delivery()
        finalizing = self.requiring_lock(client).tracked(delivery)
        for _ in range(2):
            try:
                response = await finalizing.finalize(self.app, self.id, counts)
            except RequestRejected as error:
                if error.status not in _NOT_HELD:
                    raise
                if delivery.lost:  # an earlier attempt released the lock
                    break
                self._lose(error)
                raise self._loss() from error
            if response and response.deploy_id:
                break
            # Without an ID, the response may be a gateway's. A heartbeat finds out.
            delivery.lost = delivery.lost or "the response contains none"
            if not await self.confirm(client):
                break
        else:
            raise PlatformUnavailable(
                "Finalizing the deploy had no effect: the response contains no deploy ID, and the lock is "
                "still held",
                hint="Check `api-url`. A gateway or proxy may respond instead of the platform.",
            )
        self.end()
        return Released(response, delivery.lost)

    def _confirmed(self, sent_at: tuple[float, float]) -> None:
        if isinstance(self.state, Pending | Held):
            self.state = Held(sent_at)

    def _lose(self, refusal: RequestRejected) -> None:
        if isinstance(self.state, Held):
            self.state = Lost(f"{_NOT_OURS} ({refusal.response})")

    def _loss(self) -> LockLost:
        why = self.state.why if isinstance(self.state, Lost) else _UNCONFIRMED
        return LockLost(
            f"The run lost the deploy lock: {why}",
            hint="Run the job again. This run wrote nothing after it noticed the loss.",
        )


def _clocks() -> tuple[float, float]:
    """Return the seconds of two clocks: one that also runs while the machine is suspended, and wall time.

    The first clock never goes back. While a virtual machine is paused, only wall time may continue.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)), time.time()
