"""Real processes without threads, with hanging calls or an unread log."""

import array
import asyncio
import fcntl
import os
import pty
import select
import signal
import termios
import time
from pathlib import Path

import pytest

from sandbox.faults import Fault, Kind
from sandbox.platform import Platform
from sandbox.records import Record
from tests.promises.faults.processes import ENTRYPOINT, Runner
from tests.support.platform import fill

LONGEST_RELEASE = 5.0
MARGIN = 15.0
"""Seconds that a busy machine may need for the rest."""
PIPE = 4096

DEPLOY = """
from zerokie_action.cli import deploy
deploy()
"""
NO_THREADS = """
import os, threading

start = threading.Thread.start

def limited(thread):
    if os.path.exists(os.environ["NO_THREADS"]):
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = limited
"""
"""Simulates a limit on processes as soon as the file NO_THREADS exists."""
SLOW_NAMES = """
import socket, time
from zerokie_action import limits

def look_up(*_args, **_more):
    print("blocked", flush=True)
    time.sleep(60)

limits.EXIT = 1.0
socket.getaddrinfo = look_up
"""
"""A lookup that hangs in a thread. Python can't stop threads, so the process must not wait for it."""
SHORT_END = """
from zerokie_action import limits
limits.LAST_LINES = 0.1
"""
SLOW_SCAN = """
import time
from zerokie_action.site import deploy as static

scan, calls = static.scan, []

def blocked(*args, **more):
    calls.append(1)
    if len(calls) > 1:
        print("blocked", flush=True)
        time.sleep(60)
    return scan(*args, **more)

static.scan = blocked
"""
"""A second scan that never ends."""


async def ends_once_blocked(process: asyncio.subprocess.Process) -> None:
    """Send a signal after the process reports that it is blocked, and check that it ends in time."""
    assert process.stdout is not None
    while (line := await process.stdout.readline()) != b"blocked\n":
        assert line, "it has ended"
    began = time.monotonic()
    process.terminate()
    assert await process.wait() == 128 + signal.SIGTERM
    assert time.monotonic() - began < LONGEST_RELEASE + MARGIN


async def test_a_blocked_process_ends_in_time(real: tuple[Platform, Runner]) -> None:
    """A thread that hangs doesn't delay the end."""
    _, runner = real
    fill(runner.site, {"index.html": b"<h1>"})
    api = "https://api.example.com"
    await ends_once_blocked(await runner.start(("-c", SLOW_NAMES + DEPLOY), ZEROKIE_API_URL=api))


async def test_a_hanging_directory_does_not_keep_the_lock(real: tuple[Platform, Runner]) -> None:
    """Python can't stop the scan's thread, but the run still releases the lock."""
    platform, runner = real
    fill(runner.site, {"index.html": b"<h1>"})
    await ends_once_blocked(await runner.start(("-c", SLOW_SCAN + DEPLOY)))
    assert platform.lock("site") is None


async def test_a_signal_releases_the_lock_without_a_new_thread(
    real: tuple[Platform, Runner], tmp_path: Path
) -> None:
    """The handler works without threads, and releases the lock with the true counts."""
    platform, runner = real
    fill(runner.site, {"a.css": b"a {}", "index.html": b"<h1>"})
    platform.faults.add(Fault(Kind.HANG, "PUT", "/files/index.html", times=None))
    uploading, limit = asyncio.Event(), tmp_path / "limit"
    platform.on_request = lambda record: uploading.set() if "index.html" in record.path else None
    process = await runner.start(("-c", NO_THREADS + DEPLOY), NO_THREADS=str(limit))
    await uploading.wait()
    limit.touch()
    process.terminate()
    output, _ = await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, output.decode()
    assert b"can't start new thread" not in output
    assert platform.lock("site") is None
    assert [deployment.files_uploaded for deployment in platform.deployments("site")] == [1]


def unread(pipe: int) -> int:
    """Return the number of unread bytes in a pipe."""
    size = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return size[0]


async def test_a_stalled_log_does_not_keep_the_lock(real: tuple[Platform, Runner]) -> None:
    """After the signal, responses fill the pipe. The run drops the rest of its log."""
    platform, runner = real
    fill(runner.site, {f"{number:0200}.css": b"a {}" for number in range(40)})
    held, is_told = list[Record](), asyncio.Event()

    async def hold(record: Record) -> None:
        if record.path.endswith(".css"):
            held.append(record)
            await is_told.wait()

    platform.on_response = hold
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    process = await runner.start(ENTRYPOINT, writer, ZEROKIE_LOG_LEVEL="debug")
    os.close(writer)
    while len(held) < 40 or unread(reader):
        await asyncio.sleep(0.01)
        os.read(reader, unread(reader))
    process.terminate()
    await asyncio.sleep(0.1)
    is_told.set()
    assert await process.wait() == 128 + signal.SIGTERM
    assert unread(reader) > PIPE - 300, "the log has stalled"
    os.close(reader)
    assert platform.lock("site") is None
    assert [deployment.files_uploaded for deployment in platform.deployments("site")] == [40]


async def test_a_deploy_without_uploads_works_on_a_terminal(real: tuple[Platform, Runner]) -> None:
    """The progress bar has nothing to show."""
    platform, runner = real
    fill(runner.site, {"index.html": b"<h1>", "old.css": b"a {}"})
    assert (await runner.deploy())[0] == 0
    (runner.site / "old.css").unlink()
    reader, terminal = pty.openpty()
    process = await runner.start(ENTRYPOINT, terminal)
    assert await process.wait() == 0
    os.close(terminal)
    assert b"Deleted 1 stale file" in os.read(reader, PIPE)
    os.close(reader)
    assert [each.files_deleted for each in platform.deployments("site")] == [0, 1]


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_paused_terminal_stops_no_deploy(
    real: tuple[Platform, Runner], *, is_cancelled: bool
) -> None:
    """Ctrl-S, for good: all uploads and finalize arrive, the process ends, and a signal releases the lock."""
    platform, runner = real
    fill(runner.site, {f"{number}.css": b"a {}" for number in range(40)} | {"index.html": b"<h1>"})
    if is_cancelled:
        platform.faults.add(Fault(Kind.HANG, "PUT", "/files/index.html", times=None))
    uploading = asyncio.Event()
    platform.on_request = lambda record: uploading.set() if "index.html" in record.path else None
    reader, terminal = pty.openpty()
    os.write(reader, b"\x13")
    while select.select([], [terminal], [], 0)[1]:
        pass
    process = await runner.start(("-c", SHORT_END + DEPLOY), terminal, ZEROKIE_LOG_LEVEL="debug")
    await uploading.wait()
    if is_cancelled:
        process.terminate()
    assert await process.wait() == (128 + signal.SIGTERM if is_cancelled else 0)
    assert not select.select([reader], [], [], 0)[0], "the terminal has taken something"
    os.close(reader)
    os.close(terminal)
    assert platform.lock("site") is None
    assert [each.files_uploaded for each in platform.deployments("site")] == [40 if is_cancelled else 41]
