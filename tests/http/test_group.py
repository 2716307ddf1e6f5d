"""Groups of requests: slots and log lines about failures."""

import anyio

from zerokie_action.http.group import Group


async def test_failures_in_flight_together_halve_the_slots_once() -> None:
    """A success adds 4/n to n slots. There is always one slot, and never more than at the start."""
    group, began = Group("Uploads", 8, print), anyio.current_time()
    slots = list[float]()
    await anyio.sleep(1)
    for at in (began, began, began + 1, began + 1, began + 1):
        group.failed(at)
        slots.append(group.slots.total_tokens)
    for _ in range(12):
        group.succeeded("a")
        slots.append(group.slots.total_tokens)
    assert slots == [4, 4, 2, 1, 1, 2, 3, 4, 5, 5, 6, 7, 7, 8, 8, 8, 8]


async def test_an_outage_is_logged_every_15_seconds() -> None:
    """The first line appears immediately. The next ones state how long the outage has lasted."""
    lines: list[str] = []
    group = Group("Uploads", 8, lines.append)
    for _ in range(20):
        group.will_retry("a", "refused")
        await anyio.sleep(1)
    group.succeeded("a")
    await anyio.sleep(11)
    group.will_retry("a", "silent")
    assert lines == [
        "Uploads: refused; retrying",
        "Uploads: refused for 15s; retrying",
        "Uploads: silent; retrying",
    ]
