"""Reference deploys for tests that disturb each of their requests."""

import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest

from sandbox.records import Record
from tests.support.timewarp import TimeWarpLoop
from tests.support.world import Outcome, World, open_world

FIRST = {"index.html": b"<h1>one</h1>", "a.css": b"body{}", "b/c.js": b"c()"}
SECOND = {"index.html": b"<h1>two</h1>", "a.css": b"body{}", "new.txt": b"new"}
OWNER = {"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/acme/site"}

_numbers = count()


@dataclass(frozen=True, eq=False)
class Scenario:
    """A deploy, and a check of its result.

    Attributes:
        inputs: the run's inputs.
        prepare: prepares the world for the run.
        is_right: whether the platform has the state after a successful run.
        own: a regular expression for the requests that earlier scenarios don't make, as `METHOD PATH`.
        usual: the exit code without a fault.
        more: additional exit codes after a permanent fault.
        dialect: the platform's API variants.
    """

    name: str
    inputs: dict[str, object]
    prepare: Callable[[World], None]
    is_right: Callable[[World], bool]
    own: str = ""
    usual: int = 0
    more: frozenset[int] = frozenset()
    dialect: str = ""

    def __str__(self) -> str:
        return f"{self.name} in {self.dialect.split()[0]} and so on" if self.dialect else self.name

    @contextmanager
    def world(self, loop: TimeWarpLoop, tmp_path: Path) -> Iterator[World]:
        """Return a new world that is ready for the run, as a copy of the rehearsed one."""
        folder = tmp_path / str(next(_numbers))
        shutil.copytree(_rehearsals[self].prepared, folder)
        with open_world(folder, loop, dialect=self.dialect.split()) as world:
            world.env = OWNER
            yield world

    def rehearse(self, loop: TimeWarpLoop, folders: pytest.TempPathFactory) -> list[Record]:
        """The requests of an undisturbed run. The same request has the same index in each run.

        The scenario is prepared and run once per process. The loop's time continues from there.
        """
        if self not in _rehearsals:
            prepared = folders.mktemp("prepared")
            with open_world(prepared, loop, dialect=self.dialect.split()) as world:
                world.env = OWNER
                self.prepare(world)
            _rehearsals[self] = _Rehearsal(prepared, loop.now)
            with self.world(loop, folders.mktemp("rehearsed")) as world:
                _rehearsals[self].requests += self.run(world).requests
        loop.jump(max(0.0, _rehearsals[self].ends_at - loop.now))
        return _rehearsals[self].requests

    def is_own(self, record: Record) -> bool:
        """Whether no earlier scenario covers this kind of request."""
        return re.search(self.own, f"{record.method} {record.path}") is not None

    def run(self, world: World, **more: object) -> Outcome:
        """Run the scenario with the same jitter as in the rehearsal, so that the requests are the same."""
        random.seed(1)
        return world.run(**self.inputs | more)


@dataclass
class _Rehearsal:
    prepared: Path
    ends_at: float
    requests: list[Record] = field(default_factory=list)


_rehearsals: dict[Scenario, _Rehearsal] = {}


def _no_app(world: World) -> None:
    world.write(FIRST)


def _deployed_app(world: World) -> None:
    world.platform.apps.create_static("site")
    world.write(FIRST)
    assert world.run().exit_code == 0
    world.write(SECOND)


def _deployed_app_with_a_domain(world: World) -> None:
    _deployed_app(world)
    world.platform.domains.add("site", "old.example.com")


def _running_image(world: World) -> None:
    world.platform.apps.create_container("site", image="nginx:1", port=80)
    world.loop.jump(5)


def _nothing(_world: World) -> None:
    pass


def _equals_the_folder(world: World) -> bool:
    return world.stored() == world.read()


def _has_the_new_domain(world: World) -> bool:
    return _equals_the_folder(world) and world.platform.domains.list("site") == ["www.example.com"]


def _runs(world: World, image: str = "nginx:2") -> bool:
    app = world.platform.apps.get("site")
    # After a rollback, the image is as the platform showed it before.
    return image in (app.image or "") and world.platform.apps.status(app) == "running"


def _still_runs(world: World) -> bool:
    return _runs(world, "nginx:1")


def _is_gone(world: World) -> bool:
    return not world.platform.apps.list()


IMAGE: dict[str, object] = {"image": "nginx:2"}
DOMAINS: dict[str, object] = {"domains": "www.example.com", "remove_domains": "old.example.com"}
UNHEALTHY = frozenset({10})

UPDATE = Scenario("update", {}, _deployed_app, _equals_the_folder)
FIRST_DEPLOY = Scenario("first deploy", {"create": True}, _no_app, _equals_the_folder, own="POST /v1/apps$")
PLAIN = (
    UPDATE,
    FIRST_DEPLOY,
    Scenario(
        "domains",
        DOMAINS | {"health_check": "/"},
        _deployed_app_with_a_domain,
        _has_the_new_domain,
        own="/domains|/_apps/site/$",
        more=UNHEALTHY,
    ),
    Scenario("image", IMAGE | {"health_check": "/h"}, _running_image, _runs, more=UNHEALTHY),
    Scenario("first image", IMAGE | {"create": True}, _nothing, _runs, own="POST /v1/apps$"),
    Scenario("restart", {"operation": "restart"}, _running_image, _still_runs, own="/deploy$"),
    Scenario(
        "rollback",
        {"image": "nginx:broken", "rollback": True},
        _running_image,
        _still_runs,
        own="/deploy$",
        usual=8,
    ),
    Scenario("destroy", {"operation": "destroy"}, _deployed_app, _is_gone, own="DELETE /v1/apps/site$"),
)
DIALECTS = (
    (
        "last-modified=absent listed-paths=slash empty-zone=null conflict=empty heartbeat=204 delete=202 "
        "finalize=no-deploy-id domain-attached=422 image=full-in-get updated-at=absent times=numbers"
    ),
    (
        "hidden=refused last-modified=rfc1123 listed-paths=directories empty-zone=204 conflict=text "
        "lock-lost=404 heartbeat=empty delete=body finalize=201 domain-attached=400 "
        "image=tag-and-digest updated-at=image deploying=image-first before-deploying=stopped"
    ),
)
"""Platforms with many API variants."""
MIXED = tuple(
    replace(scenario, dialect=dialect, own="/lock$|/finalize$|/deploy$")
    for scenario in PLAIN
    for dialect in DIALECTS
)
SCENARIOS = PLAIN + MIXED
SAMPLE = (
    *PLAIN,
    *MIXED[: len(DIALECTS)],
    *(pytest.param(scenario, marks=pytest.mark.exhaustive) for scenario in MIXED[len(DIALECTS) :]),
)
"""All scenarios. `make test` uses API variants only for the update."""
