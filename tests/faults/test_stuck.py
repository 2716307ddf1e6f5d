"""A signal while the process is stuck: nobody reads the log, no thread can start, a look-up hangs."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import signal
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.test_kill import Runner, _platform
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from pathlib import Path

PIPE = 4096
LINE = 200
PATIENCE = 20.0
LONGEST_RELEASE = 5.0
NO_THREADS = """
import os, sys, threading

start = threading.Thread.start

def limited(thread):
    if os.path.exists(os.environ["NO_THREADS"]):
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = limited
from zerokie_action.cli import deploy
sys.exit(deploy())
"""
"""A deploy that meets a limit on processes as soon as there is the file NO_THREADS."""
SLOW_NAMES = """
import socket, sys, time

def look_up(*_args, **_more):
    print("looking up", flush=True)
    time.sleep(60)

socket.getaddrinfo = look_up
from zerokie_action.cli import deploy
sys.exit(deploy())
"""
"""A deploy that waits for a name in a thread, which nothing can end."""


def unread(pipe: int) -> int:
    """Bytes that wait in a pipe."""
    size = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return size[0]


async def write_until_nobody_reads(runner: Runner) -> tuple[asyncio.subprocess.Process, int, int]:
    """A deploy that has filled the pipe of its log, and waits for somebody to read it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    process = await runner.start(writer, ZEROKIE_LOG_LEVEL="debug")  # a line for each attempt
    os.close(writer)
    deadline = time.monotonic() + PATIENCE
    while unread(reader) < PIPE - LINE:
        assert time.monotonic() < deadline, os.read(reader, PIPE)
        await asyncio.sleep(0.01)
    return process, reader, unread(reader)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_log_is_stalled(tmp_path: Path, signum: signal.Signals) -> None:
    """The lock is released with true counts, in time; what does not fit into the log is lost."""

    async def scenario() -> None:
        async with _platform(tmp_path) as (platform, runner):
            runner.write({f"{number:0100}.css": "a {}" for number in range(100)})
            platform.faults.add(Fault(Kind.STATUS, method="PUT", path="/files/", status=503, times=None))
            process, reader, logged = await write_until_nobody_reads(runner)
            began = time.monotonic()
            process.send_signal(signum)
            assert await process.wait() == 128 + signum
            assert time.monotonic() - began < LONGEST_RELEASE
            assert len(os.read(reader, PIPE)) == logged
            os.close(reader)
            assert platform.lock("site") is None
            assert [deployment.files_uploaded for deployment in platform.deployments("site")] == [0]

    asyncio.run(scenario())


def test_a_signal_where_no_thread_can_start(tmp_path: Path) -> None:
    """The handler needs none; the lock is released."""

    async def scenario() -> None:
        async with _platform(tmp_path) as (platform, runner):
            runner.write({"a.css": "a {}", "index.html": "<h1>"})
            platform.faults.add(Fault(Kind.HANG, "PUT", "/files/index.html", times=None))
            uploading = asyncio.Event()
            platform.on_request = lambda record: uploading.set() if "index.html" in record.path else None
            process = await runner.start(code=NO_THREADS, NO_THREADS=str(tmp_path / "limit"))
            await uploading.wait()
            (tmp_path / "limit").touch()
            process.send_signal(signal.SIGTERM)
            output, _ = await process.communicate()
            assert process.returncode == 128 + signal.SIGTERM, output.decode()
            assert b"can't start new thread" not in output
            assert platform.lock("site") is None
            assert [deployment.files_uploaded for deployment in platform.deployments("site")] == [1]

    asyncio.run(scenario())


def test_a_signal_while_something_blocks_the_end(tmp_path: Path) -> None:
    """The process ends in time all the same."""

    async def scenario() -> None:
        async with _platform(tmp_path) as (_, runner):
            runner.write({"index.html": "<h1>"})
            process = await runner.start(code=SLOW_NAMES, ZEROKIE_API_URL="https://api.example.com")
            assert process.stdout is not None
            while b"looking up" not in await process.stdout.readline():
                pass
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 128 + signal.SIGINT
            assert time.monotonic() - began < LONGEST_RELEASE

    asyncio.run(scenario())
