"""Whole platforms, each with many answers of its own: what they do to one another."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.operations.test_dialects import EDITED, HIDDEN, folder_story, image_story, step
from tests.support import timewarp
from tests.support.world import World
from zerokie_action.sandbox.dialects import PLATFORMS
from zerokie_action.sandbox.faults import parse_fault

if TYPE_CHECKING:
    from pathlib import Path

    from zerokie_action.sandbox.records import Record

FAULTS = [
    "PUT /files/ 503 x3",
    "PUT /files/ reset after x2",
    "DELETE /files/ reset after",
    "GET /files$ html x2",
    "POST /deploy/lock$ reset after",
    "POST /deploy/finalize$ reset after",
    "* ^/v1/ reset x* for=20",
]
MANY = {f"page-{number}.html": b"%d" % number for number in range(40)}


@pytest.fixture(params=PLATFORMS, autouse=True)
def answers(request: pytest.FixtureRequest, world: World) -> list[str]:
    """The platform's own answers."""
    world.platform.dialect.speak(request.param)
    return PLATFORMS[request.param].split()


def test_a_folder(world: World, answers: list[str]) -> None:
    folder_story(world, answers)


def test_an_image(world: World, answers: list[str]) -> None:
    image_story(world, answers)


def test_an_app_comes_again(world: World) -> None:
    """A deploy with `create` right after somebody else's DELETE waits until the app has gone."""
    step(world)
    world.platform.delete_app("site")
    outcome = world.run(create=True)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["created"] is True
    assert world.stored() == world.read()


def test_many_files(world: World) -> None:
    """More than the platform takes at once, or a second: slower, and green."""
    world.write(MANY)
    assert step(world).outputs["files_uploaded"] == len(MANY)
    assert world.stored() == MANY


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault(world: World, fault: str) -> None:
    """The site is the folder, every write was made under the run's own lock, and the lock is free."""
    step(world)
    world.write({path: content for path, content in EDITED.items() if path != HIDDEN})
    world.platform.faults.add(parse_fault(fault))
    world.loop.jump(90)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert world.platform.lock("site") is None
    writes = [record for record in outcome.requests if "/files/" in record.path and record.method != "GET"]
    sessions = {record.session for record in outcome.requests if record.path.endswith("/deploy/lock")}
    assert {record.lock_holder for record in writes} == sessions
    assert len(sessions) == 1


def test_two_deploys_at_once(world: World, tmp_path: Path) -> None:
    """They take turns: no write of one lies between the other's, and the site is the last one's."""
    world.loop.jump(90)
    folder = tmp_path / "other" / "folder"
    folder.mkdir(parents=True)
    other = World(folder, world.platform, world.loop)
    other.write(MANY)
    locked = asyncio.Event()

    async def hold(record: Record) -> None:
        assert other.server
        if record.path.endswith("/lock") and other.server.url.endswith(record.headers["host"]):
            await locked.wait()

    def release(record: Record) -> None:
        if record.path.endswith("/lock"):
            locked.set()

    async def both() -> list[int]:
        runs = asyncio.gather(world.arun(max_deletes=99), other.arun(max_deletes=99))
        return [outcome.exit_code for outcome in await runs]

    world.platform.on_request, world.platform.on_response = hold, release
    first = len(world.platform.requests)
    codes = timewarp.run(world.loop, both())
    other.signals.close()
    assert codes == [0, 0]
    writes = [record for record in world.platform.requests[first:] if "/files/" in record.path]
    holders = [record.lock_holder for record in writes if record.method in {"PUT", "DELETE"}]
    assert None not in holders
    assert sum(before != after for before, after in pairwise(holders)) == 1
    assert world.stored() == other.read() == MANY
