"""Concurrent uploads and deletions, and their end."""

import os
import signal

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.support.world import Outcome, World
from zerokie_action.http import Request, Response
from zerokie_action.http.transport import Transport

PAGE = {"index.html": b"x"}
MANY = {f"{number}.txt": b"x" for number in range(12)} | PAGE


def sent(outcome: Outcome, part: str = ".txt") -> int:
    """Return the number of uploads whose path matches."""
    return sum(record.method == "PUT" and part in record.path for record in outcome.requests)


def test_a_files_name_determines_its_type(world: World) -> None:
    """The platform stores each file with this type."""
    assert world.run().exit_code == 0
    types = world.platform.content_types("site")
    assert types["index.html"] == "text/html; charset=utf-8"
    assert types["assets/style.css"] == "text/css; charset=utf-8"


def test_concurrency_limits_the_parallel_requests(world: World) -> None:
    """The limit applies to uploads and to deletions."""
    running = {"PUT": 0, "DELETE": 0}
    most = dict(running)

    async def count(record: Record) -> None:
        if record.method in running and ".txt" in record.path:
            running[record.method] += 1
            most[record.method] = max(most[record.method], running[record.method])
            await anyio.sleep(0.1)
            running[record.method] -= 1

    world.platform.on_request = count
    for files in (MANY, PAGE):
        world.write(files)
        assert world.at_once(4).run(max_deletes=50).exit_code == 0
    assert most == {"PUT": 4, "DELETE": 4}


@pytest.mark.parametrize(("seconds", "confirmed"), [(0.8, 7), (60, 4)])
def test_a_rejected_upload_waits_for_requests_in_flight(world: World, seconds: float, confirmed: int) -> None:
    """They may still take effect, so their responses matter."""
    world.write(MANY)
    refused = Fault(Kind.STATUS, "PUT", ".txt", skip=4, status=400)
    slow = Fault(Kind.DELAY, "PUT", ".txt", skip=4, times=None, seconds=seconds)
    world.platform.faults.add(refused, slow)
    outcome = world.at_once(4).run()
    assert outcome.exit_code == 4
    assert (sent(outcome), outcome.outputs["files_uploaded"]) == (8, confirmed)
    assert outcome.seconds == pytest.approx(min(seconds, 10), abs=0.5)


@pytest.mark.parametrize(
    "step", [0, 8, 16, 24, *(pytest.param(step, marks=pytest.mark.exhaustive) for step in range(1, 40))]
)
def test_a_cancelled_run_waits_for_requests_in_flight(
    world: World, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The cancellation may come in the step of the event loop that sends a request."""
    begun = anyio.Event()
    handle = Transport.handle_async_request

    async def begin(self: Transport, request: Request) -> Response:
        if ".txt" in request.url.path:
            begun.set()
        return await handle(self, request)

    async def end() -> None:
        await begun.wait()
        for _ in range(step):
            await checkpoint()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Transport, "handle_async_request", begin)
    world.signals.install()
    world.platform.faults.add(Fault(Kind.DELAY, "PUT", times=None, seconds=0.5))
    world.write(MANY)
    ending = world.loop.create_task(end())
    outcome = world.at_once(2).run()
    world.loop.run_until_complete(ending)
    world.loop.run_until_complete(anyio.sleep(5))
    assert outcome.exit_code == 143
    assert outcome.outputs["files_uploaded"] == len(world.stored())


def test_an_interrupted_large_upload_is_retried(world: World) -> None:
    """The retry starts again with the first byte."""
    size = 8_000_000
    world.write({"film.mp4": bytes(size)} | PAGE)
    world.platform.faults.add(Fault(Kind.RESET_UPLOAD, path="film", size=size // 2, times=2))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert sent(outcome, "film") == 3
