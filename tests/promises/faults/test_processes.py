"""Processes of their own, in real time: no more threads, what hangs, an unread log."""

import array
import asyncio
import fcntl
import os
import signal
import termios
import time
from pathlib import Path

from tests.promises.faults.processes import Runner
from tests.support.platform import fill
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.platform import Platform

LONGEST_RELEASE = 5.0
MARGIN = 15.0
"""Seconds that a busy machine may take for the rest."""
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


async def test_a_signal_releases_the_lock_where_no_thread_can_start(
    real: tuple[Platform, Runner], tmp_path: Path
) -> None:
    """The handler needs none; the lock is released."""
    platform, runner = real
    fill(runner.site, {"a.css": b"a {}", "index.html": b"<h1>"})
    platform.faults.add(Fault(Kind.HANG, "PUT", "/files/index.html", times=None))
    uploading = asyncio.Event()
    platform.on_request = lambda record: uploading.set() if "index.html" in record.path else None
    process = await runner.start(("-c", NO_THREADS), NO_THREADS=str(tmp_path / "limit"))
    await uploading.wait()
    (tmp_path / "limit").touch()
    process.send_signal(signal.SIGTERM)
    output, _ = await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, output.decode()
    assert b"can't start new thread" not in output
    assert platform.lock("site") is None
    assert [deployment.files_uploaded for deployment in platform.deployments("site")] == [1]


async def _ends_in_time(process: asyncio.subprocess.Process, number: int, *, after: bytes) -> None:
    """A signal ends it, when it has said so much."""
    assert process.stdout is not None
    line = b""
    while after not in line:
        line = await process.stdout.readline()
        assert line, "it has ended"
    began = time.monotonic()
    process.send_signal(number)
    assert await process.wait() == 128 + number
    assert time.monotonic() - began < LONGEST_RELEASE + MARGIN


async def test_a_blocked_end_ends_in_time(real: tuple[Platform, Runner]) -> None:
    """The process ends in time all the same."""
    _, runner = real
    fill(runner.site, {"index.html": b"<h1>"})
    process = await runner.start(("-c", SLOW_NAMES), ZEROKIE_API_URL="https://api.example.com")
    await _ends_in_time(process, signal.SIGINT, after=b"looking up")


BLOCKED = """
import sys, time
from zerokie_action.operations.site import static

scan, calls = static.scan, []

def blocked(*args, **more):
    calls.append(1)
    if len(calls) > 1:
        print("blocked", flush=True)
        time.sleep(30)
    return scan(*args, **more)

static.scan = blocked
from zerokie_action.cli import deploy
sys.exit(deploy())
"""
"""A deploy whose second scan takes for ever."""


async def test_a_directory_that_hangs_keeps_no_lock(real: tuple[Platform, Runner]) -> None:
    """A thread that nothing can end keeps no lock."""
    platform, runner = real
    fill(runner.site, {"index.html": b"<h1>"})
    process = await runner.start(("-c", BLOCKED))
    await _ends_in_time(process, signal.SIGTERM, after=b"blocked")
    assert platform.lock("site") is None


PIPE = 4096
LINE = 200
PATIENCE = 120.0


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


async def test_a_stalled_log_keeps_no_lock(real: tuple[Platform, Runner]) -> None:
    """The lock is released with true counts, in time; what does not fit into the log is lost."""
    platform, runner = real
    fill(runner.site, {f"{number:0100}.css": b"a {}" for number in range(100)})
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


async def test_a_log_that_stalls_after_the_signal_keeps_no_lock(real: tuple[Platform, Runner]) -> None:
    """The answers to what was sent fill the pipe after the handler has found it empty."""
    platform, runner = real
    fill(runner.site, {f"{number:0200}.css": b"a {}" for number in range(100)})
    platform.faults.add(Fault(Kind.DELAY, "PUT", "/files/0", seconds=0.8, times=None))
    uploading = asyncio.Event()
    platform.on_request = lambda record: uploading.set() if ".css" in record.path else None
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    process = await runner.start(("entrypoint.py",), writer, ZEROKIE_LOG_LEVEL="debug")
    os.close(writer)
    while not uploading.is_set() or unread(reader):
        await asyncio.sleep(0.01)
        os.read(reader, unread(reader))
    process.terminate()
    assert await process.wait() == 128 + signal.SIGTERM
    os.close(reader)
    assert platform.lock("site") is None
