"""Whole platforms, each with many answers of its own: what they do to one another."""

import pytest

from tests.promises.test_dialects import EDITED, HIDDEN, folder_story, image_story, step
from tests.support.world import World
from zerokie_action.sandbox.dialects import PLATFORMS
from zerokie_action.sandbox.faults import parse_fault

FAULTS = [
    "PUT /files/ reset after x2",
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


def test_a_folder_is_deployed_on_each_platform(world: World, answers: list[str]) -> None:
    folder_story(world, answers)


def test_an_image_is_deployed_on_each_platform(world: World, answers: list[str]) -> None:
    image_story(world, answers)


def test_create_after_a_delete_waits_until_the_app_is_gone(world: World) -> None:
    """A deploy with `create` right after somebody else's DELETE waits until the app has gone."""
    step(world)
    world.platform.delete_app("site")
    outcome = world.run(create=True)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["created"] is True
    assert world.stored() == world.read()


def test_more_files_than_the_platform_takes_at_once_are_slower_and_green(world: World) -> None:
    """More than the platform takes at once, or a second: slower, and green."""
    world.write(MANY)
    assert step(world).outputs["files_uploaded"] == len(MANY)
    assert world.stored() == MANY


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_site_and_lock_right(world: World, fault: str) -> None:
    """The site is the folder, every write was made under the run's own lock, and the lock is free."""
    step(world)
    world.write({path: content for path, content in EDITED.items() if path != HIDDEN})
    world.platform.faults.add(parse_fault(fault))
    world.loop.jump(90)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert world.platform.lock("site") is None
    writes = outcome.sent("PUT", "/files/") + outcome.sent("DELETE", "/files/")
    assert {record.lock_holder for record in writes} == outcome.sessions
    assert len(outcome.sessions) == 1
