"""One deploy session's lock: the three requests for it, and what the platform has answered.

The platform has no "unlock": finalize is the only call that releases the lock ("POST
/v1/apps/:name/deploy/finalize").

The platform lets a lock expire 30 minutes after the last heartbeat. Here, the 30 minutes count from the
moment the heartbeat was sent, and writing ends a minute early, so that the last write arrives before the lock
expires.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from zerokie_action import limits
from zerokie_action.errors import LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Sent
from zerokie_action.platform.answers import CONFLICT, NOT_FOUND, is_conflict
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts, Finalized

_NOT_HELD = {NOT_FOUND, CONFLICT}
"""The answers to heartbeat and finalize for a session that does not hold the lock."""
_NOT_OURS = "the platform says that this deploy does not hold it: it has expired, or the app was deleted"
_UNCONFIRMED = "the platform has not confirmed it for almost 30 minutes (was this machine suspended?)"


class Pending(NamedTuple):
    """The lock has not been granted so far."""


class Held(NamedTuple):
    """The platform has confirmed that the session holds the lock.

    Attributes:
        since: when the request was sent that was confirmed last, by `_clocks`.
    """

    since: tuple[float, float]

    @property
    def age(self) -> float:
        """The seconds since the confirmation, by the clock that shows more."""
        return max(now - since for now, since in zip(_clocks(), self.since, strict=True))


class Lost(NamedTuple):
    """The platform says that the session, which held the lock, no longer does."""

    why: str


class Ended(NamedTuple):
    """The lock was released, or was deleted with its app."""


class Released(NamedTuple):
    """What is known after the release of the lock.

    Attributes:
        answer: the platform's answer to finalize; None if it was lost, or was no JSON object.
        lost: why an answer to finalize, which would have had the deploy ID, was lost; empty if none was lost.
        problem: why the lock may still be held after a failed run, and when it expires; empty if it is not.
    """

    answer: Finalized | None = None
    lost: str = ""
    problem: str = ""


@dataclass(eq=False)
class DeploySession:
    """A deploy session of one app. Every request is sent with a client that the caller has chosen.

    Attributes:
        app: the app's name.
        id: the deploy session ID.
        asking: what became of the request for the lock; unknown for the session of an ended run. If its
            answer was lost, the platform may carry it out at any later time, even after the release.
        state: what the platform has said. No heartbeat makes a lock that is lost or ended held again.
    """

    app: str
    id: str
    asking: Sent = field(default_factory=Sent)
    state: Pending | Held | Lost | Ended = field(default_factory=Pending)

    @property
    def may_be_held(self) -> bool:
        """Whether the session may hold the lock now, or may get it later."""
        return isinstance(self.state, Held) or self.asking.may_come_late

    @property
    def may_write(self) -> bool:
        """Whether a write may begin: a lock that may expire before the write arrives counts as lost."""
        return isinstance(self.state, Held) and self.state.age < limits.LAST_WRITE

    def check(self) -> None:
        """Allow a write only while the lock is held. Threads that read files call this as well.

        Raises:
            LockLost: when the lock is lost, or may expire before a write arrives.
        """
        if not self.may_write:
            raise self._loss()

    def end(self) -> None:
        """Note that the lock was released, or deleted with its app."""
        self.state = Ended()

    async def acquire(self, client: Client) -> None:
        """Request the lock once ("POST …/deploy/lock").

        Raises:
            RequestRejected: with status 409 when another session holds the lock.
        """
        asked_at = _clocks()
        try:
            await client.acquire_lock(self.app, self.id, sent=self.asking)
            self._confirmed(asked_at)
        except RequestRejected as error:
            # A request whose answer was lost may have got the lock: then a heartbeat succeeds.
            if not (is_conflict(error) and self.asking.lost and await self.confirm(client)):
                raise

    async def confirm(self, client: Client) -> bool:
        """Send a heartbeat ("PUT …/deploy/lock"); return whether the session holds the lock."""
        asked_at = _clocks()
        try:
            await client.heartbeat(self.app, self.id)
        except RequestRejected as error:
            if error.status not in _NOT_HELD:
                raise
            self._lose(error)
        else:
            self._confirmed(asked_at)
        return isinstance(self.state, Held)

    async def finalize(self, client: Client, counts: Counts) -> Released:
        """Release the lock, purge the CDN's cache, record the deploy ("POST …/deploy/finalize").

        Raises:
            LockLost: when the session no longer holds the lock.
            PlatformUnavailable: when the lock is still held.
        """
        answer, sent = None, Sent()

        def guard() -> AbstractContextManager[None]:
            self.check()  # since the attempt before, the lock may have become another deploy's
            return nullcontext()

        finalizing = client.guarded(guard)
        for _ in range(2):
            try:
                answer = await finalizing.finalize(self.app, self.id, counts, sent=sent)
            except RequestRejected as error:
                if error.status not in _NOT_HELD:
                    raise
                if sent.lost:  # an earlier attempt has released the lock
                    break
                self._lose(error)
                raise self._loss() from error
            if answer and answer.deploy_id:
                break
            # Such an answer may be a gateway's: only a heartbeat tells.
            sent.lost = sent.lost or "there is none in the answer"
            if not await self.confirm(client):
                break
        else:
            raise PlatformUnavailable(
                "Finalizing the deploy had no effect: the answer has no deploy ID, and the lock is still "
                "held",
                hint="Check `api-url`: a gateway or proxy may answer in the platform's place.",
            )
        self.end()
        return Released(answer, sent.lost)

    def _confirmed(self, asked_at: tuple[float, float]) -> None:
        if isinstance(self.state, Pending | Held):
            self.state = Held(asked_at)

    def _lose(self, refusal: RequestRejected) -> None:
        if isinstance(self.state, Held):
            self.state = Lost(f"{_NOT_OURS} ({refusal.answer})")

    def _loss(self) -> LockLost:
        why = self.state.why if isinstance(self.state, Lost) else _UNCONFIRMED
        return LockLost(
            f"The deploy lock was lost during the deploy: {why}",
            hint="No write was started after the loss was noticed. Run the deploy again: another deploy may "
            "hold the lock.",
        )


def _clocks() -> tuple[float, float]:
    """Two clocks, in seconds: one that never goes back, and runs while the machine is suspended; wall time.

    While a virtual machine is paused, only wall time may go on.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)), time.time()
