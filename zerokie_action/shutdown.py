"""Shielded scopes: work that a cancellation must not interrupt, within a deadline.

Acquiring and releasing the lock are shielded from cancellation. Each shielded scope has a deadline.
Once a signal has begun the shutdown, the grace period of each scope applies instead, to open scopes and to
later ones.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shutdown:
    """Opens shielded scopes, and shortens their deadlines when the process must end."""

    def __init__(self) -> None:
        self._began_at = math.inf
        self._open: dict[anyio.CancelScope, float] = {}

    @contextmanager
    def shielded_scope(self, seconds: float, *, grace: float) -> Iterator[anyio.CancelScope]:
        """A scope that is shielded from cancellation.

        Args:
            seconds: how long the block may take.
            grace: how many seconds after the beginning of a shutdown it is cancelled at the latest.

        The scope's `cancelled_caught` says afterwards that it ran out of time.
        """
        deadline = min(anyio.current_time() + seconds, self._began_at + grace)
        with anyio.CancelScope(shield=True, deadline=deadline) as scope:
            self._open[scope] = grace
            try:
                yield scope
            finally:
                del self._open[scope]

    def begin(self) -> None:
        """The process must end: grace periods begin now. Later calls change nothing."""
        self._began_at = min(self._began_at, anyio.current_time())
        for scope, grace in self._open.items():
            scope.deadline = min(scope.deadline, self._began_at + grace)
