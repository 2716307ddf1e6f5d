"""Progress: silent when short, calm when long."""

import io

import anyio

from zerokie_action.ci import detect
from zerokie_action.site.messages import Progress

MB = 10**6


async def upload(sizes: list[int], seconds: float, total: tuple[int, int]) -> str:
    """Upload files of these sizes one after the other, each in so many seconds; returns the log."""
    log = io.StringIO()
    ci = detect({}, log)
    progress = Progress(*total, ci.log)
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
    return log.getvalue()


async def test_progress_is_a_line_every_ten_seconds() -> None:
    """Files, bytes, rate, and the time left at that rate."""
    assert await upload([3 * MB] * 30, 0.75, (30, 90 * MB)) == (
        "Uploading 13 of 30 files, 40.0 MB of 90.0 MB, 4.0 MB/s, 12 s left\n"
        "Uploading 26 of 30 files, 80.0 MB of 90.0 MB, 4.0 MB/s, 2 s left\n"
    )


async def test_short_uploads_show_no_progress() -> None:
    """What takes less than ten seconds needs no progress. What has gone out of a large file counts."""
    assert await upload([MB], 9, (1, MB)) == ""
    assert await upload([900 * MB], 15, (1, 900 * MB)) == (
        "Uploading 0 of 1 file, 600 MB of 900 MB, 60.0 MB/s, 5 s left\n"
    )


async def test_no_time_is_told_while_nothing_moves() -> None:
    """Then there is nothing to say, and nobody knows how long it will take. Empty files are files, too."""
    assert await upload([0], 55, (1, 0)) == ""
    assert await upload([0, 0], 6, (2, 0)) == "Uploading 1 of 2 files, 0 B of 0 B, 0 B/s\n"
