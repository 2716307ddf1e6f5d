"""Failures before the DELETE of an app.

No static app of another owner is deleted. `tests/test_destroy.py` has the rules for the type of an app.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.previews.code_host import GITHUB, CodeHost, run
from tests.support.world import Outcome, World

APP = "my-site-pr-1"
ANOTHER = GITHUB | {"GITHUB_REPOSITORY": "o/another"}
FAULTS = {
    "400": Fault(Kind.STATUS, status=400),
    "404": Fault(Kind.STATUS, status=404),
    "409": Fault(Kind.STATUS, status=409),
    "502": Fault(Kind.STATUS, status=502),
    "lost": Fault(Kind.RESET, after=True),
}
SHOWN = {
    "machine": "static-app=machine",
    "image": "static-app=image",
    "type": "shown-type=yes",
    "type and image": "shown-type=yes static-app=image",
}
"""The forms in which GET may show a static app."""
CONTAINERS = {
    "image": "shown-type=no",
    "type": "shown-type=yes image=not-in-get",
    "neither": "image=not-in-get",
}
"""The forms in which GET may show a container app."""
LISTS = ("400", "404", "405", "list")
"""The possible responses to GET of a container app's files."""
RUNS: dict[str, dict[str, Any]] = {
    "destroy": {"operation": "destroy", "app": APP},
    "destroy, dry run": {"operation": "destroy", "app": APP, "dry_run": True},
    "sweep": {"operation": "sweep", "app": "my-site-pr-*"},
    "sweep, dry run": {"operation": "sweep", "app": "my-site-pr-*", "dry_run": True},
}


def another_repositorys(world: World) -> None:
    world.platform.apps.create_static(APP)
    world.env = ANOTHER
    assert world.run(app=APP).exit_code == 0


def ours_with_unmanaged_files(world: World) -> None:
    world.platform.apps.create_static(APP)
    world.env = GITHUB
    assert world.run(app=APP).exit_code == 0
    fill_by_hand(world)


def filled_by_hand(world: World) -> None:
    world.platform.apps.create_static(APP)
    fill_by_hand(world)


def fill_by_hand(world: World) -> None:
    for number in range(4):
        world.platform.put_file(APP, f"uploads/{number}.jpg", b"by hand")


def make(world: World, prepare: Callable[[World], None], shown: str) -> None:
    """Create the app, and let GET show it in this form."""
    world.platform.faults.clear()
    world.platform.dialect.speak("shown-type=no", "static-app=bare")
    prepare(world)
    world.platform.dialect.speak(*SHOWN[shown].split())


def container(world: World) -> None:
    world.platform.apps.create_container(APP, image="nginx:1")
    world.platform.apps.set_status(APP, "running")


APPS = [
    pytest.param(name, prepare, id=f"{name} {prepare.__name__}")
    for name in RUNS
    for prepare in (another_repositorys, filled_by_hand if "sweep" in name else ours_with_unmanaged_files)
]
"""The runs, each with the apps that it keeps. The cleanup deletes this repository's previews."""


class Trouble(NamedTuple):
    """A fault at one request of a run, or at this request and all later ones of the same kind."""

    name: str
    record: Record
    is_for_ever: bool

    def __str__(self) -> str:
        return f"{self.name} {'for ever' if self.is_for_ever else 'once'} at {self.record}"

    def fault(self, first: int) -> Fault:
        """Return the fault for a run whose first request has this index."""
        path = f"{re.escape(self.record.path)}$"
        fault = replace(FAULTS[self.name], method=self.record.method, path=path)
        return replace(fault, index=first + self.record.index, times=None if self.is_for_ever else 1)


def go(world: World, name: str, trouble: Trouble | None = None) -> Outcome:
    """A run with this trouble."""
    world.platform.expire_lock(APP)
    world.platform.faults.clear()
    if trouble:
        world.platform.faults.add(trouble.fault(len(world.platform.requests)))
    host = CodeHost(states={1: "closed"})
    outcome = run(world, host, retry_timeout="5s", lock_timeout="5s", **RUNS[name])
    assert "Traceback" not in outcome.log, f"{trouble}\n{outcome.log}"
    return outcome


def troubles(world: World, name: str, choose: Callable[[list[Trouble]], list[Trouble]]) -> Iterator[Trouble]:
    """Return each fault at each request of an undisturbed run, for one hit and without an end."""
    first = len(world.platform.requests)
    records = [replace(record, index=record.index - first) for record in go(world, name).requests]
    yield from choose([Trouble(*one) for one in product(FAULTS, records, (False, True))])


@pytest.fixture(params=["a sample", pytest.param("all", marks=pytest.mark.exhaustive)])
def choose(request: pytest.FixtureRequest) -> Callable[[list[Trouble]], list[Trouble]]:
    """Choose all troubles, or two of them."""
    dice = random.Random(request.node.name)  # noqa: S311
    return lambda troubles: troubles if request.param == "all" else dice.sample(troubles, 2)


def is_there(world: World) -> bool:
    return APP in {app.name for app in world.platform.apps.list()}


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize(("name", "prepare"), APPS)
def test_static_apps_of_other_owners_are_never_deleted(
    world: World,
    name: str,
    shown: str,
    prepare: Callable[[World], None],
    choose: Callable[[list[Trouble]], list[Trouble]],
) -> None:
    """Test each failure at each request of each operation, for one hit and without an end.

    There is one exception. If GET shows an image without a type, a 400 or 404 for the first file list proves
    a container.
    """
    make(world, prepare, shown)
    files = world.platform.files(APP)
    deciding = 1 if "destroy" in name else 2  # the index of the list that decides the kind
    for trouble in troubles(world, name, choose):
        is_list = trouble.record.index == deciding and trouble.record.path.endswith("/files")
        is_container = shown == "image" and is_list and trouble.name in {"400", "404"}
        outcome = go(world, name, trouble)
        is_deleted = not is_there(world)
        assert is_deleted is (is_container and "dry" not in name), f"{trouble}\n{outcome.log}"
        if is_deleted:
            make(world, prepare, shown)
        assert world.platform.files(APP).keys() >= {path for path in files if "_zerokie" not in path}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("shown", CONTAINERS)
@pytest.mark.parametrize("answer", LISTS)
def test_a_container_app_is_deleted_only_if_its_type_is_certain(
    world: World,
    name: str,
    shown: str,
    answer: str,
    choose: Callable[[list[Trouble]], list[Trouble]],
) -> None:
    """A run that deletes the app succeeds. Any other run shows the reason, and changes nothing."""
    container(world)
    world.platform.dialect.speak(*CONTAINERS[shown].split(), f"container-files={answer}")
    for trouble in troubles(world, name, choose):
        if not is_there(world):
            container(world)
        outcome = go(world, name, trouble)
        if not is_there(world):
            assert (outcome.exit_code, shown != "neither", "dry" in name) == (0, True, False), f"{trouble}"
