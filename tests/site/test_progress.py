"""Progress: silent when short, calm when long."""

import io
import math

import anyio

from sandbox.faults import Kind
from tests.support.world import World
from zerokie_action.ci import detect
from zerokie_action.site.progress import Progress

MB = 10**6


async def upload(
    sizes: list[int],
    seconds: float,
    total: tuple[int, int],
    *,
    outage_at: float = -math.inf,
) -> list[str]:
    """Upload files of these sizes one after the other, each in so many seconds, and return the log.

    `outage_at` is the time of a line about an outage.
    """
    log = io.StringIO()
    ci = detect({}, log)
    start = anyio.current_time()
    progress = Progress(*total, ci.log, lambda: start + outage_at)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.show)
        await anyio.lowlevel.checkpoint()
        for number, size in enumerate(sizes):
            began = anyio.current_time()

            def moved(size: int = size, began: float = began) -> int:
                return round(size * min(1, (anyio.current_time() - began) / seconds))

            progress.begin(str(number), size, moved)
            await anyio.sleep(seconds)
            progress.end(str(number))
        tasks.cancel_scope.cancel()
    return log.getvalue().splitlines()


async def test_progress_is_a_line_every_ten_seconds() -> None:
    """Percentage, files, bytes, rate, and the time left at that rate."""
    assert await upload([3 * MB] * 30, 0.75, (30, 90 * MB)) == [
        "Uploading: 44% (13 of 30 files, 40.0 of 90.0 MB, 4.0 MB/s, 12s left)",
        "Uploading: 88% (26 of 30 files, 80.0 of 90.0 MB, 4.0 MB/s, 2s left)",
    ]


async def test_short_uploads_show_no_progress() -> None:
    """Uploads of less than ten seconds don't need it. It includes the sent bytes of an unfinished file."""
    assert await upload([MB], 9, (1, MB)) == []
    assert await upload([900 * MB], 15, (1, 900 * MB)) == [
        "Uploading: 66% (0 of 1 file, 600 of 900 MB, 60.0 MB/s, 5s left)"
    ]


async def test_sizes_have_two_units_if_they_differ() -> None:
    lines = await upload([2 * MB], 2000, (1, 2 * MB))
    assert lines[0] == "Uploading: 0% (0 of 1 file, 10.0 kB of 2.0 MB, 1.0 kB/s, 33m 10s left)"


async def test_a_stall_is_logged() -> None:
    """A stall doesn't have a rate. Empty files count as files."""
    assert await upload([0], 35, (1, 0)) == [
        "Uploading: 0%, no progress for 10s",
        "Uploading: 0%, no progress for 20s",
        "Uploading: 0%, no progress for 30s",
    ]
    assert await upload([0, 0], 6, (2, 0)) == ["Uploading: 50% (1 of 2 files, 0 of 0 B, 0 B/s)"]


async def test_a_log_line_about_an_outage_replaces_the_progress() -> None:
    """The next progress line follows at least ten seconds later."""
    assert await upload([0], 35, (1, 0), outage_at=5) == [
        "Uploading: 0%, no progress for 20s",
        "Uploading: 0%, no progress for 30s",
    ]


def test_a_long_finalize_is_logged(world: World) -> None:
    """The log has a line every ten seconds."""
    world.platform.dialect.speak("finalize-time=30s")
    log = world.run().log.splitlines()
    assert [line for line in log if line.startswith("Finalizing")] == [
        "Finalizing (10s so far)",
        "Finalizing (20s so far)",
        "Finalizing (30s so far)",
    ]


def test_long_deletions_are_logged(world: World) -> None:
    """Four files that take 6s each, one at a time."""
    for number in range(4):
        world.platform.put_file("site", f"old/{number}", b"")
    world.fault(Kind.DELAY, "DELETE", "/files/old", seconds=6, times=None)
    log = world.at_once(1).run(take_over=True, max_deletes=4).log.splitlines()
    assert [line for line in log if line.startswith("Deleting")] == [
        "Deleting: 1 of 4 stale files (10s so far)",
        "Deleting: 3 of 4 stale files (20s so far)",
    ]
