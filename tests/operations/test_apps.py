"""Creating apps, telling their kinds apart, and inputs that can't have an effect."""

from types import SimpleNamespace
from typing import cast

import pytest

from tests.support.containers import NEW, OLD, asked, deploy, lines, running_web
from tests.support.settings import load, variables
from tests.support.world import World
from zerokie_action.operations.apps import registry_auth
from zerokie_action.operations.job import Job
from zerokie_action.sandbox.faults import Kind

MACHINE: dict[str, object] = {"port": 8080, "cpu": 512, "memory": 1024, "env": "A=1"}
IMAGE: dict[str, object] = {"image": NEW}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_a_container_app_is_created_as_asked(world: World) -> None:
    """With all that only counts at creation, and without a warning about it."""
    outcome = world.run(app="new", image=NEW, create=True, **MACHINE)
    assert outcome.exit_code == 0
    assert outcome.seconds == pytest.approx(8), "there is no status from before: the first one counts"
    app = world.platform.apps.get("new")
    assert (app.type, app.image, app.port, app.cpu, app.memory) == ("container", NEW, 8080, 512, 1024)
    assert app.env == {"A": "1"}
    assert f"Created container app 'new' with {NEW!r}" in lines(outcome)
    outputs = outcome.outputs
    assert (outputs["created"], outputs["image"], outputs["previous_image"]) == (True, NEW, None)
    assert outputs["kind"] == "container"
    assert outputs["deploy_id"]
    assert (outputs["changed"], outputs["warnings"]) == (True, [])


@pytest.mark.parametrize(("kind", "created"), [(Kind.RESET, None), (Kind.STATUS, False)])
def test_created_is_no_output_when_nobody_knows(world: World, kind: Kind, *, created: bool | None) -> None:
    """What is not known is in no output."""
    world.fault(kind, "POST", "/v1/apps$", status=400, times=None)
    outcome = world.run(app="new", create=True, retry_timeout=0)
    assert outcome.exit_code != 0
    assert outcome.outputs["created"] is created
    assert outcome.outputs["changed"] is (created is None)
    assert ("it is not known" in outcome.outputs["error"]) == (created is None)


@pytest.mark.parametrize("status", [409, 502])
def test_an_app_created_meanwhile_gets_the_image(world: World, status: int) -> None:
    """The image is deployed to it, and what only counts at creation is told as for any other app."""
    world.once("POST", "/v1/apps$", lambda: world.platform.apps.create_container("new", OLD))
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=status)
    outcome = world.run(app="new", image=NEW, create=True, port=8080)
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    outputs = outcome.outputs
    assert outputs["created"] is (None if status == 502 else False)
    assert (outputs["image"], outputs["previous_image"]) == (NEW, OLD)
    (warning,) = outputs["warnings"]
    assert warning.startswith("`port` has no effect")
    assert world.platform.apps.get("new").image == NEW


def test_an_app_of_another_kind_created_meanwhile_is_left_alone(world: World) -> None:
    world.once("POST", "/v1/apps$", lambda: world.platform.apps.create_container("new", OLD))
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2, outcome.log
    assert outcome.outputs["error"].startswith("App 'new' is a container app; `directory` is for static apps")
    assert [record.status for record in outcome.writes] == [409]


def test_a_name_taken_by_an_unseen_app_is_rejected_after_a_minute(world: World) -> None:
    """This key does not see the app that has the name."""
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=409, times=None)
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 4
    assert outcome.seconds == pytest.approx(60)
    assert "choose another `app`" in outcome.outputs["hint"]
    assert (
        "Waiting for the name 'new', which is taken by an app that is not found; 1 m 00 s left" in outcome.log
    )


def test_after_a_lost_answer_our_own_app_is_waited_for(world: World) -> None:
    """The app that is there then may be our own, if it has our image: it is waited for, and not restarted."""
    world.fault(Kind.RESET, "POST", "/v1/apps$", after=True)
    outcome = world.run(app="new", image=NEW, create=True)
    assert (outcome.exit_code, asked(outcome)) == (0, 0), outcome.log
    assert (outcome.outputs["created"], outcome.outputs["previous_image"]) == (None, None)
    assert outcome.outputs["image"] == NEW


def test_a_404_of_a_new_app_is_believed_after_a_minute(world: World) -> None:
    """After a minute, a 404 is the platform's word."""
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=404, times=None)
    outcome = world.run(app="new", image=NEW, create=True)
    assert outcome.exit_code == 4
    assert outcome.seconds == pytest.approx(60, abs=15)


def test_a_refused_look_up_does_not_say_that_there_is_no_app(world: World) -> None:
    """A firewall's refusal, for example; only a 404 says that there is none."""
    world.fault(Kind.STATUS, "GET", "/v1/apps/site$", status=403, times=None)
    outcome = world.run(create=True)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("Looking up app 'site' was refused (403"), outcome.log
    assert outcome.writes == []


@pytest.mark.parametrize("create", [True, False])
def test_a_refused_name_comes_with_a_better_one(world: World, *, create: bool) -> None:
    """The error names the input and what to write, also to who has not come as far as creating it."""
    outcome = world.run(app="My_Site", create=create)
    assert outcome.exit_code == 4
    assert outcome.outputs["hint"].endswith(
        "`app`: write for example 'my-site': the name is part of a host name (a to z, 0 to 9 and dashes)."
    )


@pytest.mark.parametrize(
    ("shows", "kind"),
    [
        ('"type": "static", "image": "nginx:1"', "static"),
        ('"image": "nginx:1"', "container"),
        ('"port": 80', "container"),
    ],
)
def test_type_image_or_port_tells_the_kind(world: World, shows: str, kind: str) -> None:
    """A type that is shown is believed; without one, an image tells, or a port where no image is shown."""
    body = f'{{"name": "web", "status": "running", {shows}}}'.encode()
    world.fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body)
    outcome = deploy(world)
    assert (outcome.exit_code, outcome.outputs["kind"]) == (0 if kind == "container" else 2, kind)


@pytest.mark.parametrize(
    ("inputs", "address"), [({}, {}), ({"registry_server": "r.io"}, {"server_address": "r.io"})]
)
def test_a_login_names_its_server_only_where_one_is_set(
    inputs: dict[str, str], address: dict[str, str]
) -> None:
    """Without a server, it is for the platform's default registry."""
    login = {"registry_username": "me", "registry_password": "pass-word"}
    env = variables(api_key="key", app="web", image=NEW, **login, **inputs)
    job = cast(Job, SimpleNamespace(settings=load(env)))
    assert registry_auth(job) == {"username": "me", "password": "pass-word", **address}


def test_another_port_cpu_or_memory_than_the_apps_is_warned_about(world: World) -> None:
    """A warning for each one that differs; a note names `env`, which the API does not show."""
    outcome = deploy(world, NEW, dry_run=True, **MACHINE)
    assert outcome.exit_code == 0
    used = "has no effect: it is used only when a container app is created"
    assert outcome.outputs["warnings"] == [
        f"`{name}` {used}; this app has {actual}, and the API can't change that"
        for name, actual in {"port": 80, "cpu": 256, "memory": 512}.items()
    ]
    (note,) = (
        note for note in outcome.outputs["notes"] if note.startswith("The app keeps the `env` of its ")
    )
    assert note.endswith("/docs/images.md#change-env.")
    assert "destroy" not in note, "at each deploy of a production"
    assert note.removesuffix(".") in lines(outcome)


@pytest.mark.parametrize("numbers", ["strings", "floats"])
def test_inputs_equal_to_the_app_are_not_mentioned(world: World, numbers: str) -> None:
    """Nothing is said of them, however numbers are written: a pipeline passes them on every deploy."""
    world.platform.dialect.speak(f"numbers={numbers}")
    outcome = deploy(world, NEW, port=80, cpu=256, memory=512)
    assert (outcome.exit_code, outcome.outputs["warnings"], outcome.outputs["notes"]) == (0, [], [])
    assert "no effect" not in outcome.log


def test_files_in_an_app_created_meanwhile_are_not_deleted(world: World) -> None:
    """A lost answer does not make it ours: what they put there is not deleted unasked."""

    def create() -> None:
        world.platform.apps.create_static("new")
        world.platform.put_file("new", "theirs.html", b"x")

    world.once("POST", "/v1/apps$", create)
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=502)
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2
    assert "take-over" in outcome.outputs["hint"]
    assert world.stored("new") == {"theirs.html": b"x"}
    assert outcome.outputs["created"] is None


# --- an app that is being deleted, and a name that is not free yet


def test_create_waits_for_the_end_of_an_app_that_is_being_deleted(world: World) -> None:
    """With `create`, a deploy waits for its end, and creates it; without, it says what is going on."""
    world.platform.dialect.speak("app-deletion=Terminating")
    world.platform.delete_app("site")
    refused = world.run()
    assert (refused.exit_code, refused.writes) == (4, [])
    assert refused.outputs["error"] == "App 'site' is being deleted: its status is 'Terminating'"
    preview = world.run(create=True, dry_run=True)
    assert (preview.exit_code, preview.seconds, preview.writes) == (0, 0, []), preview.log
    too_long = world.run(create=True, wait_timeout="5s")
    assert (too_long.exit_code, too_long.writes) == (9, [])
    assert "App 'site' is still being deleted after 5 s" in too_long.outputs["error"]
    outcome = world.run(create=True)
    assert (outcome.exit_code, outcome.outputs["created"]) == (0, True), outcome.log
    assert "Waiting for app 'site' to be gone: its status is 'Terminating'" in outcome.log


@pytest.mark.parametrize("exists", [False, True])
def test_lookup_and_creation_take_turns_for_a_minute(world: World, *, exists: bool) -> None:
    """A reader is behind, or the old app on its way out: looked up and created in turn, for a minute."""
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=404, times=3)
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=409, times=2)
    if exists:
        world.once("POST", "/v1/apps$", lambda: world.platform.apps.create_static("new"))
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["created"] is not exists


def test_an_app_that_is_there_again_counts_as_existing(world: World) -> None:
    """Somebody has created it between two looks: it is an existing app, and no deletion to wait for."""
    world.platform.dialect.speak("app-deletion=Terminating")
    world.platform.delete_app("web")
    world.loop.jump(0.5)

    def create() -> None:
        world.platform.apps.create_container("web", image=OLD, port=80)
        world.platform.apps.set_status("web", "running")

    world.loop.call_later(14.7, create)  # the deletion ends at 14.5
    outcome = deploy(world, create=True)
    assert outcome.exit_code == 0, outcome.log
    assert 29 <= outcome.seconds < 45


def test_a_deletion_that_shows_after_the_conflict_is_waited_for(world: World) -> None:
    """A reader was behind: the look-up found no app, and only after the 409 does it show the deletion."""
    going = b'{"name": "new", "status": "Terminating", "type": "container", "image": "nginx:1"}'
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=404)
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=200, times=None, body=going)
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=409, times=None)
    world.loop.call_later(90, world.platform.faults.clear)
    outcome = world.run(app="new", create=True, **IMAGE)
    assert (outcome.exit_code, outcome.outputs["created"]) == (0, True), outcome.log


@pytest.mark.parametrize("inputs", [{"image": NEW, "wait": False}, {}], ids=["image", "folder"])
def test_a_missing_url_is_asked_for_once_more(world: World, inputs: dict[str, object]) -> None:
    """POST's answer has none: the app is asked once more before a path can't be checked."""
    world.platform.dialect.speak("url=not-in-post")
    outcome = world.run(app="new", create=True, health_check="/", **inputs)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["url"].endswith("/_apps/new")
