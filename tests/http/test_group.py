"""Groups of requests: slots and log lines about failures."""

import anyio

from zerokie_action.http.group import Group


async def test_failures_in_flight_together_halve_the_slots_once() -> None:
    """A success adds 1/n slots to n, or 1/8 above 8. There is always one slot, and never more than 64."""
    group, began = Group("Uploads", print), anyio.current_time()
    slots = list[float]()
    await anyio.sleep(1)
    for at in (began, began, *[began + 1] * 6):
        group.failed(at)
        slots.append(group.slots.total_tokens)
    assert slots == [32, 32, 16, 8, 4, 2, 1, 1]
    for _ in range(500):
        group.succeeded("a")
        slots.append(group.slots.total_tokens)
    assert [slots.index(count, 8) - 7 for count in (2, 4, 8, 9, 64)] == [1, 7, 31, 39, 479]
    assert slots[-1] == 64


async def test_an_outage_is_logged_every_15_seconds() -> None:
    """The first line appears immediately. The next ones state how long the outage has lasted."""
    lines: list[str] = []
    group = Group("Uploads", lines.append)
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
