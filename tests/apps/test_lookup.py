"""Creating apps, telling their kinds apart, and inputs that can't have an effect."""

from types import SimpleNamespace
from typing import cast

import pytest

from sandbox.faults import Kind
from tests.support.containers import NEW, OLD, asked, deploy, lines, running_web
from tests.support.settings import load, variables
from tests.support.world import World
from zerokie_action.apps.job import Job
from zerokie_action.apps.lookup import registry_auth

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


def test_a_taken_name_that_shows_no_app_is_rejected_immediately(world: World) -> None:
    """Another account may have the app. One GET decides, because the commonest cause is a taken name."""
    body = b'{"error": "app name already exists"}'
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=409, body=body, times=None)
    outcome = world.run(app="new", create=True)
    assert (outcome.exit_code, outcome.seconds, outcome.outputs["created"]) == (4, 0, False), outcome.log
    assert outcome.outputs["error"] == (
        'The platform says that the name is taken, but shows no such app (409: "app name already exists")'
    )
    assert outcome.outputs["hint"] == (
        "If another job has just created or deleted it, run again. Otherwise choose another name."
    )
    assert [record.method for record in outcome.requests] == ["GET", "POST", "GET"]


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


def test_a_refused_name_is_quoted_without_advice(world: World) -> None:
    """The platform knows its rules for names, and the action doesn't."""
    outcome = world.run(app="My_Site", create=True)
    assert outcome.exit_code == 4
    refusal = world.platform.requests[-1]
    assert (refusal.method, refusal.status) == ("POST", 400)
    assert "Creating app 'My_Site' was refused (400: \"" in outcome.outputs["error"]
    assert "my-site" not in outcome.log


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


# --- an app that is being deleted, and a name that is taken

DELETIONS = [
    "deleting", "Terminating", "DESTROYING", "removing", "Deprovisioning",
    "deleted", "DELETE_IN_PROGRESS", "pending-deletion",
]  # fmt: skip
NO_DELETIONS = ["terminated", "TERMINATED", "delete_failed", "deletion protected", "removed", "in progress"]


@pytest.mark.parametrize("status", DELETIONS)
@pytest.mark.parametrize(
    "inputs",
    [{}, {"create": True}, {"create": True, "dry_run": True}, IMAGE, {**IMAGE, "create": True}],
    ids=["folder", "create", "dry run", "image", "create image"],
)
def test_an_app_that_is_being_deleted_ends_a_deploy(
    world: World, status: str, inputs: dict[str, object]
) -> None:
    """Uploads into a dying app would succeed. Nothing waits for its end."""
    name = "web" if "image" in inputs else "site"
    world.platform.apps.set_status(name, status)
    outcome = world.run(app=name, **inputs)
    assert (outcome.exit_code, outcome.seconds, outcome.writes) == (4, 0, []), outcome.log
    assert outcome.outputs["error"] == (
        f"App {name!r} is being deleted; run the job again when it is gone (its status is {status!r})"
    )
    assert "Nothing was changed." in outcome.log


def test_an_app_that_is_being_deleted_is_not_restarted(world: World) -> None:
    world.platform.apps.set_status("web", "Terminating")
    outcome = world.run(app="web", operation="restart")
    assert (outcome.exit_code, outcome.seconds, outcome.writes) == (4, 0, []), outcome.log
    assert outcome.outputs["error"] == (
        "App 'web' is being deleted; it can't be restarted (its status is 'Terminating')"
    )


@pytest.mark.parametrize("status", NO_DELETIONS)
def test_a_dead_app_is_deployed(world: World, status: str) -> None:
    """A dead container is one more reason to deploy. So is a deletion that failed."""
    world.platform.apps.set_status("site", status)
    world.platform.apps.set_status("web", status)
    for outcome in (world.run(), deploy(world), world.run(app="web", operation="restart")):
        assert outcome.exit_code == 0, outcome.log


@pytest.mark.parametrize("inputs", [{}, IMAGE], ids=["folder", "image"])
def test_a_deletion_that_shows_after_the_conflict_ends_the_deploy(
    world: World, inputs: dict[str, object]
) -> None:
    """A replica may have answered the first GET late."""
    world.platform.dialect.speak("app-deletion=Terminating")
    name = "web" if inputs else "site"
    world.platform.delete_app(name)
    world.fault(Kind.STATUS, "GET", f"/v1/apps/{name}$", status=404)
    outcome = world.run(app=name, create=True, **inputs)
    assert (outcome.exit_code, outcome.seconds) == (4, 0), outcome.log
    assert "is being deleted; run the job again when it is gone" in outcome.outputs["error"]
    assert [record.method for record in outcome.requests] == ["GET", "POST", "GET"]


@pytest.mark.parametrize("inputs", [IMAGE, {"operation": "restart"}], ids=["deploy", "restart"])
def test_a_deletion_that_begins_before_the_deploy_is_no_other_deploy(
    world: World, inputs: dict[str, object]
) -> None:
    """Both are a 409. Another deploy is waited for, and a deletion isn't."""
    world.platform.dialect.speak("app-deletion=Terminating")
    world.once("POST", "/deploy$", lambda: world.platform.delete_app("web"))
    outcome = world.run(app="web", **inputs)
    assert outcome.exit_code == 4, outcome.log
    assert outcome.seconds < 5
    assert "App 'web' is being deleted; " in outcome.outputs["error"]
    assert "Nothing was changed." in outcome.log


@pytest.mark.parametrize("inputs", [{}, IMAGE], ids=["folder", "image"])
def test_after_a_lost_create_the_app_is_looked_up_for_a_minute(
    world: World, inputs: dict[str, object]
) -> None:
    """The POST is sent once more. Its 409 may be about our own app, which a GET may not show yet."""
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=502, after=True)
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=404, skip=1, times=4)
    outcome = world.run(app="new", create=True, **inputs)
    assert (outcome.exit_code, outcome.outputs["created"]) == (0, None), outcome.log
    assert [record.status for record in outcome.sent("POST", "/v1/apps$")] == [502, 409]
    assert "Waiting for the new app 'new'" in outcome.log


def test_after_a_lost_create_an_app_that_never_shows_is_exit_4(world: World) -> None:
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=502, after=True)
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=404, times=None)
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 4, outcome.log
    assert 60 <= outcome.seconds < 65
    assert "shows no such app" in outcome.outputs["error"]
    assert "it is not known whether this run created app 'new'" in outcome.outputs["error"]
    assert len(outcome.sent("POST", "/v1/apps$")) == 2


@pytest.mark.parametrize("inputs", [{"image": NEW, "wait": False}, {}], ids=["image", "folder"])
def test_a_missing_url_is_asked_for_once_more(world: World, inputs: dict[str, object]) -> None:
    """POST's answer has none: the app is asked once more before a path can't be checked."""
    world.platform.dialect.speak("url=not-in-post")
    outcome = world.run(app="new", create=True, health_check="/", **inputs)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["url"].endswith("/_apps/new")
