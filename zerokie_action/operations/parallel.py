"""Writes many items at once, with the same errors and retries as any other request."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from zerokie_action.errors import unwrap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from zerokie_action.shutdown import Shutdown

T = TypeVar("T")


async def write_in_parallel(
    items: Iterable[T], write: Callable[[T], Awaitable[None]], *, concurrency: int, shutdown: Shutdown
) -> None:
    """Write all items.

    A write may take effect even if its connection breaks. So when the work ends early, no new write begins,
    and the writes in flight get time for their answers.

    Args:
        items: the items, in the order in which their writes begin.
        write: writes one item; it has to shield each attempt with `shutdown` itself.
        concurrency: how many writes begin at once; the client decides how many requests are sent at once.
        shutdown: limits the time for answers when the work ends early.
    """
    items = list(items)
    waiting = iter(items)
    working = min(concurrency, len(items))
    all_ended = anyio.Event()

    async def work() -> None:
        nonlocal working
        try:
            for item in waiting:
                await write(item)
        finally:
            working -= 1
            if not working:
                all_ended.set()

    if not items:
        return
    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(working):
                tasks.start_soon(work)
            try:
                # The task group itself would notice a cancellation only after its shielded writes.
                await all_ended.wait()
            except anyio.get_cancelled_exc_class():
                shutdown.end_work()
                raise
    except ExceptionGroup as group:
        raise unwrap(group) from group  # the caller sees one error, as from a single request
