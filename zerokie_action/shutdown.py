"""Work that a cancellation must not tear apart, but that may not hold up the process for ever.

Asking for the lock and giving it back are shielded from cancellation. Each shielded piece has a
deadline; once a signal has told the process to end, all of them get a much closer one, whether
they run already or start later.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shield:
    """Hands out shielded scopes and brings their deadlines forward when the process must end."""

    def __init__(self) -> None:
        self._told_at = math.inf
        self._open: dict[anyio.CancelScope, float] = {}

    @contextmanager
    def protect(self, seconds: float, *, when_told: float) -> Iterator[anyio.CancelScope]:
        """A shielded scope.

        Args:
            seconds: how long the work may take.
            when_told: by how many seconds after the signal it must have ended all the same.

        The scope's `cancelled_caught` says afterwards that the time did not suffice.
        """
        deadline = min(anyio.current_time() + seconds, self._told_at + when_told)
        with anyio.CancelScope(shield=True, deadline=deadline) as scope:
            self._open[scope] = when_told
            try:
                yield scope
            finally:
                del self._open[scope]

    def hurry(self) -> None:
        """The process was told to end, now. Later calls change nothing."""
        self._told_at = min(self._told_at, anyio.current_time())
        for scope, when_told in self._open.items():
            scope.deadline = min(scope.deadline, self._told_at + when_told)
