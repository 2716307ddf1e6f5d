"""The rules of the deploy lock, and of finalize, the only call that releases it."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from zerokie_action.sandbox.problems import ApiError
from zerokie_action.sandbox.store import Deployment, Lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.sandbox.dialects import Dialect
    from zerokie_action.sandbox.store import Store

EXPIRY = 30 * 60.0
"""Seconds after which a lock that was not confirmed is free ("Locks expire after 30 minutes")."""


class Locks:
    """The deploy locks of one platform, one an app at most."""

    def __init__(self, store: Store, clock: Callable[[], float], dialect: Dialect) -> None:
        """Keep the locks in `store`; they expire by the clock."""
        self._store = store
        self._clock = clock
        self._dialect = dialect

    def holder(self, app: str) -> str | None:
        """Return the session that holds the app's lock now."""
        lock = self._store.lock(app)
        return lock.session if lock and self._left(lock) > 0 else None

    def seconds_left(self, app: str) -> float:
        """Return how long the app's lock is held if nobody confirms it; 0 when it is free."""
        lock = self._store.lock(app)
        return max(0.0, self._left(lock)) if lock else 0.0

    def _left(self, lock: Lock) -> float:
        return lock.confirmed_at + EXPIRY - self._clock()

    def acquire(self, app: str, session: str) -> None:
        """Take the lock; 409 when it is held, be it by the same session."""
        if self.holder(app) is not None:
            raise ApiError(409, "another deploy is already in progress")
        self.take(app, session)

    def heartbeat(self, app: str, session: str) -> None:
        """Prolong the lock; 404 when nobody holds it, 409 when somebody else does."""
        holder = self.holder(app)
        if holder is None:
            raise self._lost(404, "no deploy lock")
        if holder != session:
            raise self._lost(409, "the deploy lock is held by another session")
        self.take(app, session)

    def finalize(
        self, app: str, session: str, *, uploaded: int, deleted: int, total_bytes: int
    ) -> Deployment:
        """Release the lock and record the deployment; 409 when the session does not hold it."""
        if self.holder(app) != session:
            raise self._lost(409, "the session does not hold the deploy lock")
        now = self._clock()
        deployment = Deployment(self._deploy_id(now), session, now, uploaded, deleted, total_bytes)
        self._store.add_deployment(app, deployment)
        self._store.delete_lock(app)
        return deployment

    def _lost(self, status: int, message: str) -> ApiError:
        answer = self._dialect["lock-lost"]
        return ApiError(status if answer == "mixed" else int(answer), message)

    def _deploy_id(self, now: float) -> str:
        base = time.strftime("d-%Y%m%d-%H%M%S", time.gmtime(now))
        candidates = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
        return next(name for name in candidates if not self._store.has_deployment(name))

    def take(self, app: str, session: str, seconds: float = EXPIRY) -> None:
        """Give the lock to the session, whoever holds it, for so long."""
        self._store.save_lock(app, Lock(session, self._clock() - EXPIRY + seconds))

    def expire(self, app: str) -> None:
        """Drop the lock, as if its 30 minutes had passed."""
        self._store.delete_lock(app)
