"""The reference deploys that every fault and every signal is tried on, at every request."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.timewarp import TimeWarpLoop, wall_clock
from tests.support.world import API_KEY, World
from zerokie_action.sandbox.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.world import Outcome
    from zerokie_action.sandbox.records import Record

FIRST = {"index.html": b"<h1>one</h1>", "a.css": b"body{}", "b/c.js": b"c()"}
SECOND = {"index.html": b"<h1>two</h1>", "a.css": b"body{}", "new.txt": b"new"}


@dataclass(frozen=True)
class Scenario:
    """A deploy, and how to tell whether it is right.

    Attributes:
        inputs: what the run is asked for.
        prepare: makes the world before it.
        is_right: whether the platform is as a successful run must leave it.
        usual: the exit code when nothing goes wrong but what the scenario is about.
        more: exit codes that a fault that lasts may bring, besides the fault's own.
    """

    name: str
    inputs: dict[str, object]
    prepare: Callable[[World], None]
    is_right: Callable[[World], bool]
    usual: int = 0
    more: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def world(self, loop: TimeWarpLoop, folder: Path) -> Iterator[World]:
        """A new world, ready for the run."""
        platform = Platform(folder / "platform", clock=lambda: wall_clock(loop), api_keys={API_KEY})
        (folder / "site").mkdir()
        world = World(folder / "site", platform, loop)
        self.prepare(world)
        try:
            yield world
        finally:
            world.signals.close()
            world.platform.store.close()

    def rehearse(self, loop: TimeWarpLoop, folder: Path) -> list[Record]:
        """The requests of an undisturbed run; each one's index is where the same request comes again."""
        with self.world(loop, folder) as world:
            return self.run(world).requests

    def run(self, world: World, **more: object) -> Outcome:
        """The run under test."""
        return world.run(**self.inputs | more)


def _empty_app(world: World) -> None:
    world.platform.apps.create_static("site")
    world.write(FIRST)


def _deployed_app(world: World) -> None:
    _empty_app(world)
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/site"}  # the manifest has an owner
    assert world.run().exit_code == 0
    world.write(SECOND)


def _no_app(world: World) -> None:
    world.write(FIRST)


def _running_image(world: World) -> None:
    world.platform.apps.create_container("site", image="nginx:1", port=80)
    world.loop.jump(5)


def _nothing(_world: World) -> None:
    pass


def _equals_the_folder(world: World) -> bool:
    return world.stored() == world.read()


def _runs(world: World) -> bool:
    app = world.platform.apps.get("site")
    return app.image == "nginx:2" and world.platform.apps.status(app) == "running"


def _still_runs(world: World) -> bool:
    app = world.platform.apps.get("site")
    return app.image == "nginx:1" and world.platform.apps.status(app) == "running"


def _domains_before(world: World) -> None:
    _deployed_app(world)
    world.platform.domains.add("site", "old.example.com")


def _domains_after(world: World) -> bool:
    return _equals_the_folder(world) and world.platform.domains.list("site") == ["www.example.com"]


def _is_gone(world: World) -> bool:
    return not world.platform.apps.list()


IMAGE: dict[str, object] = {"image": "nginx:2"}
DOMAINS: dict[str, object] = {"domains": "www.example.com", "remove_domains": "old.example.com"}
UNHEALTHY = frozenset({10})
SCENARIOS = (
    Scenario("first static deploy", {}, _empty_app, _equals_the_folder),
    Scenario("static update with deletes", {}, _deployed_app, _equals_the_folder),
    Scenario("create and deploy a folder", {"create": True}, _no_app, _equals_the_folder),
    Scenario("image deploy", IMAGE, _running_image, _runs),
    Scenario("create and deploy an image", IMAGE | {"create": True}, _nothing, _runs),
    Scenario("restart", {"operation": "restart"}, _running_image, _still_runs),
    Scenario("checked folder", {"health_check": "/"}, _deployed_app, _equals_the_folder, more=UNHEALTHY),
    Scenario("checked image", IMAGE | {"health_check": "/h"}, _running_image, _runs, more=UNHEALTHY),
    Scenario("domains", DOMAINS, _domains_before, _domains_after),
    Scenario("rollback", {"image": "nginx:broken", "rollback": True}, _running_image, _still_runs, usual=8),
    Scenario("destroy", {"operation": "destroy"}, _deployed_app, _is_gone),
)
