"""Creating apps, telling their kinds apart, and inputs that can't have an effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import NEW, OLD, deploy, lines, running_web
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import World

MACHINE: dict[str, object] = {"port": 8080, "cpu": 512, "memory": 1024, "env": "A=1"}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_a_container_app_is_created_as_asked(world: World) -> None:
    """With all that only counts at creation, and without a warning about it."""
    outcome = world.run(app="new", image=NEW, create=True, **MACHINE)
    assert outcome.exit_code == 0
    app = world.platform.apps.get("new")
    assert (app.type, app.image, app.port, app.cpu, app.memory) == ("container", NEW, 8080, 512, 1024)
    assert app.env == {"A": "1"}
    assert outcome.outputs["created"] is True
    assert outcome.outputs["previous_image"] is None
    assert outcome.outputs["warnings"] == []


def test_a_static_app_is_created(world: World) -> None:
    """And deployed to at once."""
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 0
    assert world.platform.apps.get("new").type == "static"
    assert world.stored("new") == world.read()
    assert outcome.outputs["created"] is True


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
@pytest.mark.parametrize(
    ("fault", "created"),
    [
        (Fault(Kind.RESET, "POST", "/v1/apps$", times=None), None),
        (Fault(Kind.STATUS, "POST", "/v1/apps$", status=400), False),
        (Fault(Kind.STATUS, "POST", "/v1/apps$", status=401), False),
    ],
    ids=["ambiguous", "refused", "unauthorized"],
)
def test_whether_it_was_created(
    world: World, inputs: dict[str, object], fault: Fault, *, created: bool | None
) -> None:
    """What is not known is in no output."""
    world.platform.faults.add(fault)
    outcome = world.run(app="new", create=True, retries=0, **inputs)
    assert outcome.exit_code != 0
    assert outcome.outputs["created"] is created
    assert ("it is not known" in outcome.outputs["error"]) == (created is None)


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
@pytest.mark.parametrize("create", [True, False])
def test_a_name_that_the_platform_refuses(world: World, inputs: dict[str, object], *, create: bool) -> None:
    """The error names the input and what to write, also to who has not come as far as creating it."""
    outcome = world.run(app="My_Site", create=create, **inputs)
    assert outcome.exit_code == 4
    assert outcome.outputs["hint"].endswith(
        "`app`: write for example 'my-site': the name is part of a host name (a to z, 0 to 9 and dashes)."
    )


@pytest.mark.parametrize("kind", ["static", "container"])
def test_a_type_that_the_platform_shows_is_believed(world: World, kind: str) -> None:
    """Whatever else it shows; without one, an image tells a container app."""
    body = f'{{"name": "web", "type": "{kind}", "image": "{OLD}", "status": "running"}}'.encode()
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body))
    assert deploy(world).exit_code == (2 if kind == "static" else 0)


@pytest.mark.parametrize("dry_run", [False, True])
def test_inputs_that_only_count_at_creation(world: World, *, dry_run: bool) -> None:
    """A warning for each one that differs; a note names `env`, which the API does not show."""
    outcome = deploy(world, NEW, dry_run=dry_run, **MACHINE)
    assert outcome.exit_code == 0
    used = "has no effect: it is used only when a container app is created"
    assert outcome.outputs["warnings"] == [
        f"`{name}` {used}; this app has {actual}, and the API can't change that"
        for name, actual in {"port": 80, "cpu": 256, "memory": 512}.items()
    ]
    (note,) = (note for note in outcome.outputs["notes"] if note.startswith("`env` was not applied: "))
    assert "`operation: destroy`" in note
    assert "`create: true`" in note
    assert note.removesuffix(".") in lines(outcome)


def test_inputs_that_are_what_the_app_has(world: World) -> None:
    """Nothing is said of them: a pipeline passes them on every deploy."""
    outcome = deploy(world, NEW, port=80, cpu=256, memory=512)
    assert outcome.exit_code == 0
    assert outcome.outputs["warnings"] == []
    assert "no effect" not in outcome.log
