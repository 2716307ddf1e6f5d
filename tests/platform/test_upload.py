"""Uploads and deletions at once, and how they end."""

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
    """How many uploads of such files were sent."""
    return sum(record.method == "PUT" and part in record.path for record in outcome.requests)


def test_each_file_has_the_type_of_its_name(world: World) -> None:
    """Each file is stored with the type of its name."""
    assert world.run().exit_code == 0
    types = world.platform.content_types("site")
    assert types["index.html"] == "text/html; charset=utf-8"
    assert types["assets/style.css"] == "text/css; charset=utf-8"


def test_as_many_requests_at_once_as_concurrency_says(world: World) -> None:
    """As many requests at once as `concurrency` says, for uploads and for deletions."""
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
        assert world.run(concurrency=4, max_deletes=50).exit_code == 0
    assert most == {"PUT": 4, "DELETE": 4}


@pytest.mark.parametrize(("seconds", "confirmed"), [(0.8, 7), (60, 4)])
def test_a_refusal_waits_for_what_was_sent(world: World, seconds: float, confirmed: int) -> None:
    """It takes effect whoever waits, so its answer is waited for, but not for ever; nothing more is sent."""
    world.write(MANY)
    refused = Fault(Kind.STATUS, "PUT", ".txt", skip=4, status=400)
    slow = Fault(Kind.DELAY, "PUT", ".txt", skip=4, times=None, seconds=seconds)
    world.platform.faults.add(refused, slow)
    outcome = world.run(concurrency=4)
    assert outcome.exit_code == 4
    assert (sent(outcome), outcome.outputs["files_uploaded"]) == (8, confirmed)
    assert outcome.seconds == pytest.approx(min(seconds, 10), abs=0.5)


@pytest.mark.parametrize(
    "step", [0, 8, 16, 24, *(pytest.param(step, marks=pytest.mark.exhaustive) for step in range(1, 40))]
)
def test_a_cancel_at_any_moment_waits_for_what_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Also in the step of the event loop in which a request would be sent: what is sent is waited for."""
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
    outcome = world.run(concurrency=2)
    world.loop.run_until_complete(ending)
    world.loop.run_until_complete(anyio.sleep(5))
    assert outcome.exit_code == 143
    assert outcome.outputs["files_uploaded"] == len(world.stored())


def test_a_large_upload_that_is_cut_is_sent_again(world: World) -> None:
    """It is sent again from the beginning."""
    size = 8_000_000
    world.write({"film.mp4": bytes(size)} | PAGE)
    world.platform.faults.add(Fault(Kind.RESET_UPLOAD, path="film", size=size // 2, times=2))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert sent(outcome, "film") == 3
