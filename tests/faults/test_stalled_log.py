"""Nobody reads the log any more: a paused terminal, or a collector that hangs."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import signal
import termios
import time
from typing import TYPE_CHECKING

from tests.faults.test_kill import Runner, platform_and_runner
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from pathlib import Path

PIPE = 4096
LINE = 200
PATIENCE = 60.0
LONGEST_RELEASE = 5.0
MARGIN = 10.0
"""Seconds that a busy machine may take for the rest."""


def unread(pipe: int) -> int:
    """Bytes that wait in a pipe."""
    size = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return size[0]


async def write_until_nobody_reads(runner: Runner) -> tuple[asyncio.subprocess.Process, int, int]:
    """A deploy that has filled the pipe of its log, and waits for somebody to read it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    process = await runner.start(
        ("entrypoint.py",), writer, ZEROKIE_LOG_LEVEL="debug"
    )  # a line for each attempt
    os.close(writer)
    deadline = time.monotonic() + PATIENCE
    while unread(reader) < PIPE - LINE:
        assert time.monotonic() < deadline, os.read(reader, PIPE)
        await asyncio.sleep(0.01)
    return process, reader, unread(reader)


def test_a_signal_while_the_log_is_stalled(tmp_path: Path) -> None:
    """The lock is released with true counts, in time; what does not fit into the log is lost."""

    async def scenario() -> None:
        async with platform_and_runner(tmp_path) as (platform, runner):
            runner.write({f"{number:0100}.css": "a {}" for number in range(100)})
            platform.faults.add(Fault(Kind.STATUS, method="PUT", path="/files/", status=503, times=None))
            process, reader, logged = await write_until_nobody_reads(runner)
            began = time.monotonic()
            process.terminate()
            assert await process.wait() == 128 + signal.SIGTERM
            assert time.monotonic() - began < LONGEST_RELEASE + MARGIN
            assert len(os.read(reader, PIPE)) == logged
            os.close(reader)
            assert platform.lock("site") is None
            assert [deployment.files_uploaded for deployment in platform.deployments("site")] == [0]

    asyncio.run(scenario())
