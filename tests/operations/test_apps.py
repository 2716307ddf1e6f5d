"""Creating apps, telling their kinds apart, and inputs that can't have an effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import NEW, OLD, deploy, lines, running_web
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import Outcome, World

HINT = "The kind of an app can't be changed. Name another app in `app`, or destroy this one first."
MACHINE: dict[str, object] = {"port": 8080, "cpu": 512, "memory": 1024, "env": "A=1"}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def nothing_changed(outcome: Outcome) -> bool:
    """Whether only questions were asked."""
    return {record.method for record in outcome.requests} == {"GET"}


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
    ],
    ids=["ambiguous", "refused"],
)
def test_whether_it_was_created(
    world: World, inputs: dict[str, object], fault: Fault, *, created: bool | None
) -> None:
    """What is not known is in no output."""
    world.platform.faults.add(fault)
    outcome = world.run(app="new", create=True, retries=0, **inputs)
    assert outcome.exit_code != 0
    assert outcome.outputs["created"] is created


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
def test_the_platform_says_later_where_a_new_app_answers(world: World, inputs: dict[str, object]) -> None:
    """Then it is asked."""
    body = b'{"name": "new", "status": "deploying"}'
    world.platform.faults.add(Fault(Kind.STATUS, "POST", "/v1/apps$", status=201, body=body, after=True))
    outcome = world.run(app="new", create=True, wait=False, **inputs)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["url"].endswith("/_apps/new")


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
def test_without_create(world: World, inputs: dict[str, object]) -> None:
    """The error names `app` and `create`."""
    outcome = world.run(app="wev", **inputs)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"] == "Looking up app 'wev' was refused (404: \"app not found\")"
    assert outcome.outputs["hint"] == "Correct `app`, or set `create: true` to create it."
    assert nothing_changed(outcome)


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
@pytest.mark.parametrize("create", [True, False])
def test_a_name_that_the_platform_refuses(world: World, inputs: dict[str, object], *, create: bool) -> None:
    """The error names the input and what to write, also to who has not come as far as creating it."""
    outcome = world.run(app="My_Site", create=create, **inputs)
    assert outcome.exit_code == 4
    assert outcome.outputs["hint"] == (
        "`app`: write for example 'my-site': the name is part of a host name (a to z, 0 to 9 and dashes)."
    )


def test_an_image_for_a_static_app(world: World) -> None:
    """Refused before anything changes, although the platform does not tell the app's type."""
    outcome = world.run(image=NEW, create=True)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"] == "App 'site' is a static app; `image` is for container apps"
    assert outcome.outputs["hint"] == HINT
    assert nothing_changed(outcome)


def test_a_directory_for_a_container_app(world: World) -> None:
    """Refused before anything changes; the directory is not even asked for the lock."""
    outcome = world.run(app="web", create=True)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"] == "App 'web' is a container app; `directory` is for static apps"
    assert outcome.outputs["hint"] == HINT
    assert nothing_changed(outcome)


@pytest.mark.parametrize("kind", ["static", "container"])
def test_a_type_that_the_platform_shows_is_believed(world: World, kind: str) -> None:
    """Whatever else it shows; without one, an image tells a container app."""
    body = f'{{"name": "web", "type": "{kind}", "image": "{OLD}", "status": "running"}}'.encode()
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body))
    assert deploy(world).exit_code == (2 if kind == "static" else 0)


@pytest.mark.parametrize("dry_run", [False, True])
def test_inputs_that_only_count_at_creation(world: World, *, dry_run: bool) -> None:
    """One warning has both values of those that differ; a note names `env`, which the API does not show."""
    outcome = deploy(world, NEW, dry_run=dry_run, **MACHINE)
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning == (
        "`port` 8080 (the app has 80), `cpu` 512 (the app has 256), `memory` 1024 (the app has 512) have no "
        "effect: used only when a container app is created; the API can't change it later"
    )
    used = "`env` has no effect: used only when a container app is created"
    note = f"{used}; the API does not show what this app has"
    assert note in lines(outcome)
    assert f"{note}." in outcome.outputs["notes"]


def test_inputs_that_are_what_the_app_has(world: World) -> None:
    """Nothing is said of them: a pipeline passes them on every deploy."""
    outcome = deploy(world, NEW, port=80, cpu=256, memory=512)
    assert outcome.exit_code == 0
    assert outcome.outputs["warnings"] == []
    assert "no effect" not in outcome.log


def test_one_that_differs(world: World) -> None:
    outcome = deploy(world, NEW, port=80, cpu=256, memory=1024)
    (warning,) = outcome.outputs["warnings"]
    assert warning.startswith("`memory` 1024 (the app has 512) has no effect: ")


@pytest.mark.parametrize("port", ["null", '"web"', "[]"])
def test_what_the_platform_does_not_show(world: World, port: str) -> None:
    """Nobody can say whether it differs."""
    body = f'{{"name": "web", "image": "{OLD}", "status": "running", "port": {port}}}'.encode()
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body))
    outcome = deploy(world, port=8080)
    assert outcome.exit_code == 0
    assert outcome.outputs["warnings"] == []
    assert "`port` has no effect: used only when a container app is created; the API does not" in outcome.log


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
def test_an_app_that_appears_a_moment_later(world: World, inputs: dict[str, object]) -> None:
    """It is looked up once: then it did not exist."""
    world.platform.faults.add(Fault(Kind.STATUS, "GET", "/v1/apps/(web|site)$", status=404))
    outcome = world.run(app="web" if inputs else "site", **inputs)
    assert outcome.exit_code == 4
    assert outcome.outputs["hint"] == "Correct `app`, or set `create: true` to create it."
    assert len(outcome.requests) == 1
