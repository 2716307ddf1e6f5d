"""Polling: for the lock, until an app runs, until it is healthy."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import anyio

from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_LINE_EVERY = 30.0
_MOMENT = 0.001
"""Seconds that are too short to be a pause."""


class NotYet(NamedTuple):
    """An answer after which to ask again.

    Attributes:
        line: what is waited for and why, for the log; how much time is left is added.
        retry_after: seconds for which the other side asked not to be asked again.
    """

    line: str
    retry_after: float = 0.0


async def poll(
    ask: Callable[[], Awaitable[T | NotYet]], *, seconds: float, log: Callable[[str], None]
) -> T | NotYet:
    """What `ask` returns; it is called until that is no `NotYet`, the last time when the time is over.

    The pauses grow. A line is logged at once, and then every half a minute: a long wait does not look like a
    hang. `NotYet` is returned at the end, or when the other side is not to be asked again before that.
    """
    ends_at = anyio.current_time() + seconds
    pause = _FIRST_PAUSE
    next_line = 0.0
    while isinstance(answer := await ask(), NotYet):
        now = anyio.current_time()
        left = ends_at - now
        if left < _MOMENT or answer.retry_after > left:
            break
        if now >= next_line:
            shown = human_seconds(min(left, anyio.current_effective_deadline() - now))
            log(f"{answer.line}; {shown} left")
            next_line = now + _LINE_EVERY
        jittered = pause * random.uniform(0.5, 1)  # noqa: S311 - no secret; two that begin together come apart
        await anyio.sleep(min(left, max(jittered, answer.retry_after)))
        pause = min(_LONGEST_PAUSE, pause * _GROWTH)
    return answer
