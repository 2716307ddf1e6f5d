"""The platform's time, as its answers tell it. Its clock is not ours."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlatformClock:
    """A lower bound of the platform's time, from the `Date` of its answers so far.

    An answer with `Date: 17:00:05` says that it is at least 17:00:05 there; from then on both clocks run.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._ahead = -math.inf

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer."""
        if (second := date_of(headers)) is not None:
            self._ahead = max(self._ahead, second - anyio.current_time())

    @property
    def known(self) -> bool:
        """Whether any answer had a date."""
        return self._ahead > -math.inf

    def when(self, second: float) -> float:
        """By our event loop's clock, when it is surely that second there; infinity when that is not known."""
        return second - self._ahead

    def now(self) -> float:
        """Seconds since the epoch that it is there at least; minus infinity when not known."""
        return anyio.current_time() + self._ahead


def date_of(headers: Mapping[str, str]) -> int | None:
    """The second that an answer was made in, since the epoch, from its `Date`."""
    text = headers.get("date")
    return _parse(text) if text else None


@lru_cache(maxsize=64)
def _parse(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
        # HTTP's dates are all GMT (RFC 9110, 5.6.7); the forms that don't say so would be read as local time.
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
