"""Lookup and creation of apps, their kinds, and inputs without effect."""

import pytest

from sandbox.faults import Kind
from tests.support.containers import NEW, OLD, asked, deploy, lines, running_web
from tests.support.settings import load, variables
from tests.support.world import World
from zerokie_action.docs import page

MACHINE: dict[str, object] = {"port": 8080, "cpu": 512, "memory": 1024, "env": "A=1"}
IMAGE: dict[str, object] = {"image": NEW}


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_a_container_app_is_created_with_its_inputs(world: World) -> None:
    """There is no warning about inputs that apply only to new apps."""
    outcome = world.run(app="new", image=NEW, create=True, **MACHINE)
    assert outcome.exit_code == 0
    assert outcome.seconds == pytest.approx(8), "a new app has no old status, so its first status is trusted"
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
def test_created_is_empty_after_a_lost_response(world: World, kind: Kind, *, created: bool | None) -> None:
    """A rejection proves that the app wasn't created."""
    world.fault(kind, "POST", "/v1/apps$", status=400, times=None)
    outcome = world.run(app="new", create=True, retry_timeout=0)
    assert outcome.exit_code != 0
    assert outcome.outputs["created"] is created
    assert outcome.outputs["changed"] is (created is None)
    assert ("this run may have created app 'new'" in outcome.outputs["error"]) == (created is None)


@pytest.mark.parametrize("status", [409, 502])
def test_an_app_that_another_job_just_created_gets_the_image(world: World, status: int) -> None:
    """The run warns about inputs that apply only to new apps."""
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


def test_a_lost_creation_has_no_note_about_env(world: World) -> None:
    """This run created the app with its own `env`, but the response was lost."""
    world.fault(Kind.STATUS, "POST", "/v1/apps$", after=True, status=502)
    outcome = world.run(app="new", image=NEW, create=True, port=80, env="A=1")
    assert (outcome.exit_code, outcome.outputs["notes"]) == (0, []), outcome.log


def test_a_new_app_of_another_kind_is_not_changed(world: World) -> None:
    world.once("POST", "/v1/apps$", lambda: world.platform.apps.create_container("new", OLD))
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2, outcome.log
    said = "App 'new' is a container app, but `directory` is for static apps"
    assert outcome.outputs["error"].startswith(said)
    assert [record.status for record in outcome.writes] == [409]


def test_a_taken_name_that_shows_no_app_is_rejected_immediately(world: World) -> None:
    """Another account may have the app. One GET decides, because the commonest cause is a taken name."""
    body = b'{"error": "app name already exists"}'
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=409, body=body, times=None)
    outcome = world.run(app="new", create=True)
    assert (outcome.exit_code, outcome.seconds, outcome.outputs["created"]) == (4, 0, False), outcome.log
    taken = "The platform says that the name is taken, but shows no such app"
    assert outcome.outputs["error"] == f'{taken} (409: "app name already exists")'
    assert outcome.outputs["hint"] == (
        "If another job has just created or deleted it, run again. Otherwise choose another name."
    )
    assert [record.method for record in outcome.requests] == ["GET", "GET", "POST", "GET"]


def test_after_a_lost_response_the_app_is_deployed_once_more(world: World) -> None:
    """The app is most likely the run's own, but another job may have created it."""
    world.fault(Kind.RESET, "POST", "/v1/apps$", after=True)
    outcome = world.run(app="new", image=NEW, create=True)
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert (outcome.outputs["created"], outcome.outputs["image"]) == (None, NEW)


def test_a_404_of_a_new_app_is_retried_for_a_minute(world: World) -> None:
    """After a minute, the 404 ends the run."""
    world.fault(Kind.STATUS, "GET", "/v1/apps/new$", status=404, times=None)
    outcome = world.run(app="new", image=NEW, create=True)
    assert outcome.exit_code == 4
    assert outcome.seconds == pytest.approx(60, abs=15)


def test_a_rejected_lookup_does_not_mean_that_the_app_is_missing(world: World) -> None:
    """A firewall may send a 403. Only a 404 means that the app is missing."""
    world.fault(Kind.STATUS, "GET", "/v1/apps/site$", status=403, times=None)
    outcome = world.run(create=True)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("Looking up app 'site' was refused (403"), outcome.log
    assert outcome.writes == []


def test_a_rejected_name_gets_no_advice(world: World) -> None:
    """The action doesn't know the platform's rules for names."""
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
    """Without a type, an image or a port shows that the app is a container."""
    body = f'{{"name": "web", "status": "running", {shows}}}'.encode()
    world.fault(Kind.STATUS, "GET", "/v1/apps/web$", status=200, body=body)
    outcome = deploy(world)
    assert (outcome.exit_code, outcome.outputs["kind"]) == (0 if kind == "container" else 2, kind)


@pytest.mark.parametrize(
    ("inputs", "address"), [({}, {}), ({"registry_server": "r.io"}, {"server_address": "r.io"})]
)
def test_credentials_have_a_server_only_if_one_is_set(
    inputs: dict[str, str], address: dict[str, str]
) -> None:
    """Without a server, the credentials are for the platform's default registry."""
    login = {"registry_username": "me", "registry_password": "pass-word"}
    env = variables(api_key="key", app="web", image=NEW, **login, **inputs)
    assert load(env).registry_auth == {"username": "me", "password": "pass-word", **address}


def test_inputs_that_differ_from_the_app_get_a_warning(world: World) -> None:
    """Each input that differs gets a warning. `env` gets a note, because the API doesn't show it."""
    outcome = deploy(world, NEW, dry_run=True, **MACHINE)
    assert outcome.exit_code == 0
    exists = "has no effect because the app already exists with"
    assert outcome.outputs["warnings"] == [
        f"`{name}` {exists} {actual}, and the API can't change that"
        for name, actual in {"port": 80, "cpu": 256, "memory": 512}.items()
    ]
    keeps = "The app keeps the `env` of its creation"
    (note,) = (note for note in outcome.outputs["notes"] if note.startswith(keeps))
    assert note.endswith(f" {page('images.md#change-env')}.")
    assert "destroy" not in note, "the note appears at each deploy of a production app"
    assert note.removesuffix(".") in lines(outcome)


@pytest.mark.parametrize("numbers", ["strings", "floats"])
def test_inputs_equal_to_the_app_are_not_mentioned(world: World, numbers: str) -> None:
    """A pipeline passes these inputs on every deploy. The API may write numbers in any form."""
    world.platform.dialect.speak(f"numbers={numbers}")
    outcome = deploy(world, NEW, port=80, cpu=256, memory=512)
    assert (outcome.exit_code, outcome.outputs["warnings"], outcome.outputs["notes"]) == (0, [], [])
    assert "no effect" not in outcome.log


def test_files_in_an_app_that_another_job_just_created_are_not_deleted(world: World) -> None:
    """After a lost response, the run doesn't assume that the app is its own."""

    def create() -> None:
        world.platform.apps.create_static("new")
        world.platform.put_file("new", "other.html", b"x")

    world.once("POST", "/v1/apps$", create)
    world.fault(Kind.STATUS, "POST", "/v1/apps$", status=502)
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2
    assert "take-over" in outcome.outputs["hint"]
    assert world.stored("new") == {"other.html": b"x"}
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
    """Uploads into a dying app would succeed. The run doesn't wait until the app is gone."""
    name = "web" if "image" in inputs else "site"
    world.platform.apps.set_status(name, status)
    outcome = world.run(app=name, **inputs)
    assert (outcome.exit_code, outcome.seconds, outcome.writes) == (4, 0, []), outcome.log
    assert outcome.outputs["error"] == (
        f"App {name!r} is being deleted; run the job again when it is gone (status {status!r})"
    )
    assert "Nothing was changed." in outcome.log


def test_an_app_that_is_being_deleted_is_not_restarted(world: World) -> None:
    world.platform.apps.set_status("web", "Terminating")
    outcome = world.run(app="web", operation="restart")
    assert (outcome.exit_code, outcome.seconds, outcome.writes) == (4, 0, []), outcome.log
    assert outcome.outputs["error"] == (
        "App 'web' is being deleted; it can't be restarted (status 'Terminating')"
    )


@pytest.mark.parametrize("status", NO_DELETIONS)
def test_a_dead_app_is_deployed(world: World, status: str) -> None:
    """A dead container or a failed deletion doesn't prevent a deploy."""
    world.platform.apps.set_status("site", status)
    world.platform.apps.set_status("web", status)
    for outcome in (world.run(), deploy(world), world.run(app="web", operation="restart")):
        assert outcome.exit_code == 0, outcome.log


@pytest.mark.parametrize("inputs", [{}, IMAGE], ids=["folder", "image"])
def test_a_deletion_that_shows_after_the_conflict_ends_the_deploy(
    world: World, inputs: dict[str, object]
) -> None:
    """A replica's response to the first GET may be late."""
    world.platform.dialect.speak("app-deletion=Terminating")
    name = "web" if inputs else "site"
    world.platform.delete_app(name)
    world.fault(Kind.STATUS, "GET", f"/v1/apps/{name}$", status=404)
    outcome = world.run(app=name, create=True, **inputs)
    assert (outcome.exit_code, outcome.seconds) == (4, 0), outcome.log
    assert "is being deleted; run the job again when it is gone" in outcome.outputs["error"]
    asked = [f"{record.method} {record.path}" for record in outcome.requests]
    assert [line for line in asked if not line.endswith("/files")] == [
        f"GET /v1/apps/{name}",
        "POST /v1/apps",
        f"GET /v1/apps/{name}",
    ]


@pytest.mark.parametrize("inputs", [IMAGE, {"operation": "restart"}], ids=["deploy", "restart"])
def test_a_deletion_that_starts_before_the_deploy_ends_the_run(
    world: World, inputs: dict[str, object]
) -> None:
    """Both cause a 409. Only for another deploy, the run retries."""
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
    """The POST is retried. Its 409 may be about the run's own app, and a GET may not show that yet."""
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
    assert "this run may have created app 'new'" in outcome.outputs["error"]
    assert len(outcome.sent("POST", "/v1/apps$")) == 2


@pytest.mark.parametrize("inputs", [{"image": NEW}, {}], ids=["image", "folder"])
def test_a_missing_url_causes_one_more_lookup(world: World, inputs: dict[str, object]) -> None:
    """A health check of a path needs the URL, which is missing from the response to the POST."""
    world.platform.dialect.speak("url=not-in-post")
    outcome = world.run(app="new", create=True, health_check="/", **inputs)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["url"].endswith("/_apps/new")
