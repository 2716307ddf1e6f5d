"""Whole runs of `operation: destroy`."""

from pathlib import Path
from typing import NamedTuple

import pytest

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.support.containers import OLD, lines, running_web, tell
from tests.support.world import Outcome, World
from zerokie_action.docs import page

ALREADY = "App 'site' is already deleted or being deleted."
NO_OWNER = "No owner is recorded for 'web', so only the name in `app` protects it"


def destroy(world: World, app: str = "site", **inputs: object) -> Outcome:
    return world.run(operation="destroy", app=app, **inputs)


def until_a_heartbeat(world: World) -> None:
    """Make the platform request a wait under the lock that ends shortly before a heartbeat."""
    world.fault(Kind.STATUS, "GET", "/files$", skip=1, status=429, headers={"retry-after": "175"})


def test_a_static_app_is_deleted_with_its_files_and_its_lock(world: World, tmp_path: Path) -> None:
    """The outputs don't have a deploy ID or a URL.

    The checks come before the lock, and the lock before the DELETE. The lock ends with the app, so the run
    sends no finalize and leaves nothing to the lock cleanup.
    """
    world.run()
    state = tmp_path / "state.json"
    outcome = destroy(world, state_file=state)
    assert outcome.exit_code == 0
    assert world.platform.apps.list() == []
    outputs = outcome.outputs
    assert (outputs["status"], outputs["deploy_id"], outputs["url"]) == ("destroyed", None, None)
    assert (outputs["changed"], outputs["created"]) == (True, None)
    deleted = ["Deleted app 'site' with 4 files", "Deleted site in 0s"]
    assert lines(outcome) == ["Acquired the deploy lock", *deleted]
    names = [record.path.partition("_zerokie/")[0].rpartition("/")[2] for record in outcome.requests]
    asked = [f"{record.method} {name}" for record, name in zip(outcome.requests, names, strict=True)]
    assert asked == ["GET site", "GET files", "GET ", "POST lock", "GET files", "DELETE site"]
    assert not state.exists()


def test_a_container_app_is_deleted_without_a_lock(world: World) -> None:
    """A container app doesn't have a lock. The outputs have its image."""
    running_web(world)
    outcome = destroy(world, "web")
    assert [record.method for record in outcome.requests] == ["GET", "GET", "DELETE"]
    outputs = outcome.outputs
    assert (outputs["kind"], outputs["previous_image"], outputs["status"]) == ("container", OLD, "destroyed")
    assert f"{NO_OWNER}\n" in outcome.log
    assert "- No owner is recorded" in outcome.summary


@pytest.mark.parametrize("dialect", ["image=full", "image=not-in-get container-files=404"])
def test_a_dry_run_shows_the_image_and_the_url_of_a_container_app(world: World, dialect: str) -> None:
    """Nothing else protects a container app from a wrong name."""
    running_web(world)
    world.platform.dialect.speak(*dialect.split())
    outcome = destroy(world, "web", dry_run=True, take_over=True)
    image = " with image 'docker.io/library/nginx:1'" if dialect == "image=full" else ""
    plan = f"would delete app 'web'{image} (http://platform/_apps/web)"
    assert lines(outcome) == [NO_OWNER, f"Plan: {plan}", "Dry run: nothing was changed"]


def test_a_dry_run_masks_a_secret_in_the_name_of_an_image(world: World) -> None:
    world.platform.apps.create_container("web", image="registry.test/s3cret:1", port=80)
    outcome = destroy(world, "web", dry_run=True, env="TOKEN=s3cret")
    assert "with image 'registry.test/***:1'" in outcome.log


def test_a_missing_app_is_a_success_without_a_change(world: World) -> None:
    """A pull request may be closed twice. The reports don't claim a deletion."""
    destroy(world)
    outcome = destroy(world)
    assert "`site`: nothing to delete" in outcome.summary
    assert "eleted" not in outcome.summary
    assert outcome.exit_code == 0
    assert (outcome.outputs["status"], outcome.outputs["changed"]) == ("destroyed", False)
    assert outcome.outputs["notes"] == ["App 'site' doesn't exist, so there is nothing to delete."]
    assert lines(outcome)[-1] == "Nothing to delete"
    assert [record.path for record in outcome.requests] == ["/v1/apps/site"]


# --- safety checks

SHOP = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/shop"}


def put(world: World, count: int) -> None:
    """Upload files by hand."""
    for number in range(count):
        world.platform.put_file("site", f"uploads/{number}.jpg", b"by hand")


def test_an_app_without_a_manifest_needs_take_over(world: World) -> None:
    """Run and dry run change nothing without `take-over`. With it, they log the number of files."""
    put(world, 4)
    for dry_run in (True, False):
        outcome = destroy(world, dry_run=dry_run)
        assert (outcome.exit_code, "Nothing was changed." in outcome.log) == (2, True), outcome.log
        assert "has 4 files, and this action didn't upload 4 files" in outcome.outputs["error"]
        assert (
            f"To continue, set `take-over: true` for one manual run: {page('safety-checks.md')}"
            in outcome.outputs["hint"]
        )
        assert world.platform.lock("site") is None
    what = "with 4 files, 4 of them unmanaged"
    plan = destroy(world, take_over=True, dry_run=True)
    assert plan.outputs["notes"] == [f"Dry run: would delete app 'site' {what}."]
    outcome = destroy(world, take_over=True)
    assert outcome.exit_code == 0
    assert f"Deleted app 'site' {what}" in lines(outcome)
    assert f"- Deleted app 'site' {what}." in outcome.summary


def test_an_unmanaged_file_among_managed_files_stops_the_run(world: World) -> None:
    world.run()
    put(world, 1)
    outcome = destroy(world)
    assert outcome.exit_code == 2
    words = "has 5 files, and this action didn't upload 1 file ('uploads/0.jpg')"
    assert words in outcome.outputs["error"]


def test_another_repositorys_app_is_not_destroyed(world: World) -> None:
    """The run sent no DELETE, so a later 404 doesn't count as a deletion."""
    world.env = SHOP | {"GITHUB_REPOSITORY": "acme/docs"}
    world.run()
    world.env = dict(SHOP)
    world.fault(Kind.STATUS, "GET", "/v1/apps/site$", skip=1, times=2, status=404)
    outcome = destroy(world)
    assert (outcome.exit_code, "Nothing was changed." in outcome.log) == (2, True), outcome.log
    assert "was last deployed from another repository" in outcome.outputs["error"]


def test_this_repositorys_app_behind_a_login_is_destroyed_unless_it_may_have_unmanaged_files(
    world: World,
) -> None:
    """The manifest is unreadable. The digest in its name proves that all listed files are managed."""
    world.env = dict(SHOP)
    world.platform.dialect.speak("url=login")
    world.run()
    put(world, 1)
    for dry_run in (True, False):
        outcome = destroy(world, dry_run=dry_run)
        assert (outcome.exit_code, "Nothing was changed." in outcome.log) == (2, True), outcome.log
        assert (
            "Can't read the manifest of app 'site', so any of its files may be unmanaged: 5 files"
            in outcome.outputs["error"]
        )
    plan = destroy(world, take_over=True, dry_run=True).outputs["notes"]
    assert plan == ["Dry run: would delete app 'site' with 5 files, any of which may be unmanaged."]
    world.platform.delete_file("site", "uploads/0.jpg")
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert world.platform.apps.list() == []


@pytest.mark.parametrize("times", [1, None])
def test_an_outage_of_the_site_does_not_hide_unmanaged_files(world: World, times: int | None) -> None:
    """Ten unmanaged files stop the run, after one failure or a permanent outage."""
    world.run()
    put(world, 10)
    world.fault(Kind.STATUS, "GET", "_zerokie", status=503, times=times)
    outcome = destroy(world)
    assert outcome.exit_code == 2, outcome.log
    assert len(world.stored()) == 14


def test_a_404_for_the_file_list_of_a_static_app_stops(world: World) -> None:
    """With `take-over`, the run deletes the app."""
    world.platform.dialect.speak("shown-type=yes")
    world.run()
    for dry_run in (True, False):
        world.fault(Kind.STATUS, "GET", "/files$", status=404)
        outcome = destroy(world, dry_run=dry_run)
        assert outcome.exit_code == 2, outcome.log
        assert "The platform lists no files of app 'site' (404" in outcome.outputs["error"]
    world.fault(Kind.STATUS, "GET", "/files$", status=404)
    assert destroy(world, take_over=True).exit_code == 0
    assert world.platform.apps.list() == []


# --- the kind of the app


class Shown(NamedTuple):
    """How the platform shows an app, and the exit codes without and with `take-over`."""

    dialect: str
    code: int
    with_take_over: int = 0
    kind: str | None = None


CONTAINERS = {
    "type": Shown("shown-type=yes image=not-in-get", 0, kind="container"),
    **{
        f"image, list {answer}": Shown(f"container-files={answer}", 0, kind="container")
        for answer in ("400", "404", "405", "list")
    },
    **{
        f"neither, list {answer}": Shown(f"image=not-in-get container-files={answer}", 2)
        for answer in ("400", "404", "405", "list")
    },
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_a_container_app_needs_take_over_unless_the_platform_shows_its_kind(world: World, case: str) -> None:
    """A rejected lock request doesn't prove that an app is a container."""
    running_web(world)
    shown = CONTAINERS[case]
    world.platform.dialect.speak(*shown.dialect.split())
    has_empty_list = case == "neither, list list"
    plan = destroy(world, "web", dry_run=True)
    assert plan.exit_code == (0 if has_empty_list else shown.code), plan.log  # no lock in a dry run
    if shown.code:
        stopped = destroy(world, "web")
        assert stopped.exit_code == shown.code, stopped.log
        assert "doesn't show whether 'web' is a container app or a static app" in stopped.outputs["error"]
        assert "set `take-over: true`" in stopped.outputs["hint"]
    outcome = destroy(world, "web", take_over=bool(shown.code))
    assert (outcome.exit_code, outcome.outputs["kind"]) == (0, shown.kind), outcome.log
    assert {app.name for app in world.platform.apps.list()} == {"site"}
    assert bool(outcome.sent("POST", "/lock$")) is has_empty_list


@pytest.mark.parametrize("status", [400, 404])
def test_a_static_app_is_not_deleted_without_its_lock(world: World, status: int) -> None:
    """GET shows fields of a container app, as in the reference, but neither type nor image."""
    world.platform.dialect.speak("static-app=machine")
    world.env = dict(SHOP)
    world.run()
    for take_over in (False, True):
        world.fault(Kind.STATUS, "POST", "/lock$", status=status)
        outcome = destroy(world, take_over=take_over)
        assert (outcome.exit_code, outcome.sent("DELETE", "")) == (4, []), outcome.log


@pytest.mark.parametrize(("status", "code"), [(409, 4), (502, 5)])
def test_any_other_failure_of_the_file_list_ends_the_run(world: World, status: int, code: int) -> None:
    running_web(world)
    world.fault(Kind.STATUS, "GET", "/files$", status=status, times=None)
    for dry_run in (True, False):
        outcome = destroy(world, "web", dry_run=dry_run, retry_timeout=5)
        assert (outcome.exit_code, outcome.sent("DELETE", "")) == (code, []), outcome.log


def test_an_unsafe_path_is_deleted_with_the_app_without_a_warning(world: World) -> None:
    """Only a deploy skips such a path and warns."""
    world.platform.put_file("site", "a//b", b"x")
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (0, [])
    assert world.platform.apps.list() == []


# --- under the lock


def test_another_runs_lock_keeps_the_app(world: World) -> None:
    """The app is still there after `lock-timeout`."""
    world.platform.take_lock("site", "somebody")
    outcome = destroy(world, lock_timeout="45s")
    assert outcome.exit_code == 6, outcome.log
    assert "45s of it waiting for the deploy lock" in outcome.summary
    assert world.platform.lock("site") == "somebody"
    assert outcome.writes == []
    world.loop.call_later(20, world.platform.expire_lock, "site")
    assert destroy(world).exit_code == 0


def test_an_app_that_another_run_deletes_during_the_wait_for_the_lock_is_a_success(world: World) -> None:
    world.platform.take_lock("site", "somebody")
    world.loop.call_later(20, world.platform.apps.delete, "site")
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert outcome.outputs["notes"] == [ALREADY]
    assert outcome.outputs["changed"] is False
    assert lines(outcome)[-1] == "Nothing to delete"


@pytest.mark.parametrize("number", range(1, 6))
def test_an_app_that_vanishes_before_any_request_is_a_success(world: World, number: int) -> None:
    """The requests are two lists, the manifest, the lock and the DELETE."""
    world.run()
    seen: list[Record] = []

    def look(record: Record) -> None:
        seen.append(record)
        if len(seen) == number + 1:
            world.platform.apps.delete("site")

    world.platform.on_request = look
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert (outcome.outputs["notes"], outcome.outputs["changed"]) == ([ALREADY], False)
    assert world.platform.apps.list() == []


def test_an_app_that_something_else_deletes_under_the_lock_is_a_success(world: World) -> None:
    """The run loses the lock with the app. One GET shows that the app is gone."""
    until_a_heartbeat(world)
    world.fault(Kind.DELAY, "GET", "/files$", seconds=25)
    world.loop.call_later(10, world.platform.apps.delete, "site")
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert (outcome.sent("DELETE", ""), outcome.outputs["changed"]) == ([], False)


def test_a_conflict_with_another_deletion_is_looked_up(world: World) -> None:
    """An app that is being deleted counts as gone."""
    running_web(world)
    world.platform.dialect.speak("app-deletion=deleting")
    world.once("DELETE", "/web$", lambda: world.platform.delete_app("web"))
    world.fault(Kind.STATUS, "DELETE", status=409)
    outcome = destroy(world, "web")
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log


@pytest.mark.parametrize(
    "status", ["deleting", "Terminating", "deleted", "DELETE_IN_PROGRESS", "pending-delete"]
)
def test_after_a_409_an_app_that_is_being_deleted_is_destroyed(world: World, status: str) -> None:
    """After the 409, one GET decides. The log doesn't call the lock lost."""
    world.fault(Kind.STATUS, "DELETE", status=409)
    world.once("DELETE", "/site$", lambda: world.platform.apps.set_status("site", status))
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert lines(outcome)[:2] == ["Acquired the deploy lock", ALREADY.removesuffix(".")]
    assert [record.method for record in outcome.requests][-2:] == ["DELETE", "GET"]


@pytest.mark.parametrize("status", ["running", "terminated", "delete_failed"])
def test_after_a_409_an_app_that_stays_is_exit_4(world: World, status: str) -> None:
    """The error quotes the platform. The run doesn't retry the DELETE, and releases the lock."""
    world.platform.dialect.speak("locked-app=refused")
    world.platform.apps.set_status("site", status)
    outcome = destroy(world)
    assert outcome.exit_code == 4, outcome.log
    assert '409: "the app is locked by a deploy in progress"' in outcome.outputs["error"]
    requests = [f"{record.method} {record.path.rpartition('/')[2]}" for record in outcome.requests]
    assert requests[-3:] == ["DELETE site", "GET site", "POST finalize"]
    assert world.platform.lock("site") is None


@pytest.mark.parametrize("answer", ["deleting", "Terminating"])
def test_an_app_that_another_run_deletes_before_the_delete_is_destroyed(world: World, answer: str) -> None:
    """A 404 or 409 to the DELETE doesn't mean that the lock is lost."""
    world.platform.dialect.speak(f"app-deletion={answer}")
    world.once("DELETE", "/site$", lambda: world.platform.delete_app("site"))
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert lines(outcome)[:2] == ["Acquired the deploy lock", ALREADY.removesuffix(".")]


@pytest.mark.parametrize(
    "status", ["deleted", "DELETE_IN_PROGRESS", "terminated", "delete_failed", "removed"]
)
def test_only_an_exact_status_ends_the_run_without_a_delete(world: World, status: str) -> None:
    world.platform.apps.set_status("site", status)
    assert len(destroy(world).sent("DELETE", "/site$")) == 1
    assert world.platform.apps.list() == []


@pytest.mark.parametrize("status", ["deleting", "Terminating", "DESTROYING", "removing", "deprovisioning"])
def test_an_app_that_is_being_deleted_gets_no_other_request(world: World, status: str) -> None:
    world.platform.apps.set_status("site", status)
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"], len(outcome.requests)) == (0, "destroyed", 1)


def test_a_rejected_deletion_finalizes_the_lock_with_zeros(world: World, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    world.fault(Kind.STATUS, "DELETE", status=400)
    outcome = destroy(world, state_file=state)
    assert outcome.exit_code == 4
    assert "not known" not in outcome.outputs["error"]
    assert "Nothing was changed." in outcome.log
    assert world.platform.lock("site") is None
    (finalized,) = world.platform.deployments("site")
    assert (finalized.files_uploaded, finalized.files_deleted, finalized.total_bytes) == (0, 0, 0)
    assert not state.exists()


def test_a_rejected_deletion_keeps_its_exit_code_in_an_outage(world: World) -> None:
    """The GET afterwards has a time limit of ten seconds."""
    world.fault(Kind.STATUS, "DELETE", status=400)
    world.fault(Kind.HANG, "GET", "/v1/apps/site$", skip=1, times=None)
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (4, "failed"), outcome.log
    assert outcome.seconds < 15


def test_a_lost_lock_ends_the_deletion(world: World) -> None:
    """Another run gets the lock while the deletion is being retried."""
    world.fault(Kind.STATUS, "DELETE", status=429, times=None)
    world.loop.call_later(20, world.platform.take_lock, "site", "somebody")
    outcome = destroy(world, retry_timeout="10m")
    assert outcome.exit_code == 7, outcome.log
    assert "Nothing was changed." in outcome.log, "a rejected request isn't unknown"
    assert world.platform.lock("site") == "somebody"
    assert outcome.sent("POST", "/finalize$") == []


# --- lost responses


@pytest.mark.parametrize(
    "lost",
    [
        Fault(Kind.RESET, "DELETE", after=True),
        Fault(Kind.HANG, "DELETE", after=True),
        Fault(Kind.DELAY, "DELETE", seconds=25, after=True),
    ],
    ids=["a reset", "silence", "late"],
)
@pytest.mark.parametrize("dialect", ["at-once", "deleting"])
def test_heartbeats_after_the_deletion_do_not_report_a_lost_lock(
    world: World, lost: Fault, dialect: str
) -> None:
    """Heartbeats don't find the app or the lock. One GET shows that the app is gone or is being deleted."""
    world.platform.dialect.speak(f"app-deletion={dialect}")
    until_a_heartbeat(world)
    world.platform.faults.add(lost)
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert "lost" not in outcome.log
    assert lines(outcome)[0] == "Acquired the deploy lock"
    assert "Deleted app 'site'" in lines(outcome)
    assert len(outcome.sent("DELETE", "")) == 1


def test_a_lost_deletion_is_not_repeated_on_a_new_app(world: World) -> None:
    """The new app belongs to another owner and has another lock. The run doesn't delete it."""
    world.fault(Kind.STATUS, "DELETE", after=True, status=502)

    def create() -> None:
        world.platform.apps.create_static("site")
        world.platform.take_lock("site", "somebody")
        world.platform.put_file("site", "other.html", b"x")

    world.once("DELETE", "/site$", lambda: world.once("GET", "/v1/apps/site$", create))
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (5, "failed"), outcome.log
    assert outcome.outputs["changed"] is True
    assert outcome.outputs["error"].endswith("it is not known whether app 'site' was deleted")
    assert len(outcome.sent("DELETE", "")) == 1
    assert world.stored() == {"other.html": b"x"}
    assert world.platform.lock("site") == "somebody"


def test_a_lost_deletion_without_effect_finalizes_the_lock_with_zeros(world: World) -> None:
    """The app is still there, so the run fails and releases its lock."""
    world.fault(Kind.RESET, "DELETE", "/site$")
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (5, "failed"), outcome.log
    (finalized,) = world.platform.deployments("site")
    assert finalized.files_deleted == 0
    assert world.platform.lock("site") is None


def test_no_response_after_a_lost_deletion_is_exit_5(world: World) -> None:
    """The error mentions the unknown result. The next run succeeds."""
    world.fault(Kind.RESET, "DELETE", after=True)
    world.once("DELETE", "/site$", lambda: world.fault(Kind.HANG, "GET", times=None))
    outcome = destroy(world, retry_timeout=20)
    assert (outcome.exit_code, outcome.outputs["status"]) == (5, "failed"), outcome.log
    assert outcome.outputs["error"].endswith("it is not known whether app 'site' was deleted")
    world.platform.faults.clear()
    assert destroy(world).exit_code == 0


def test_a_deletion_is_retried_after_a_429(world: World) -> None:
    """A 429 has no effect, so a retry is safe."""
    world.fault(Kind.STATUS, "DELETE", status=429, times=3)
    outcome = destroy(world)
    assert (outcome.exit_code, len(outcome.sent("DELETE", ""))) == (0, 4), outcome.log


# --- the end of a run


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_signal_waits_briefly_for_the_deletion_and_releases_the_lock(
    world: World, *, is_answered: bool
) -> None:
    """The run still releases the lock in time."""
    world.fault(Kind.DELAY if is_answered else Kind.HANG, "DELETE", seconds=5.5)
    tell(world, after=5)
    outcome = destroy(world)
    assert outcome.exit_code == 143, outcome.log
    assert outcome.seconds < 10
    assert outcome.outputs["status"] == "cancelled"
    assert (world.platform.apps.list() == []) is is_answered
    assert world.platform.lock("site") is None
    accepted, unknown = "the deletion of app {} was accepted", "it is not known whether app {} was deleted"
    left = (accepted if is_answered else unknown).format("'site'")
    assert outcome.outputs["error"] == f"Cancelled by SIGTERM; {left}"


def test_a_signal_waits_for_the_deletion_of_a_container_app(world: World) -> None:
    running_web(world)
    world.fault(Kind.DELAY, "DELETE", "/web$", seconds=0.5)
    tell(world, after=0.2)
    outcome = destroy(world, "web")
    assert outcome.outputs["error"] == "Cancelled by SIGTERM; the deletion of app 'web' was accepted"


def test_timeout_waits_ten_seconds_for_the_deletion(world: World) -> None:
    """After that, the run releases the lock."""
    world.fault(Kind.HANG, "DELETE")
    outcome = destroy(world, timeout="5s")
    assert outcome.exit_code == 9, outcome.log
    assert outcome.seconds < 5 + 11
    assert world.platform.lock("site") is None


@pytest.mark.parametrize("request_", [("POST", "/lock$"), ("DELETE", "/site$")])
def test_a_404_for_an_existing_app_is_exit_4(world: World, request_: tuple[str, str]) -> None:
    """The run keeps the app and releases the lock."""
    world.run()
    world.fault(Kind.STATUS, *request_, status=404)
    outcome = destroy(world)
    assert outcome.exit_code == 4
    assert [app.name for app in world.platform.apps.list()] == ["site"]
    assert world.platform.lock("site") is None


# --- slow deletions


def test_the_run_ends_with_the_accepted_deletion(world: World) -> None:
    """It doesn't wait until the app is gone. The next run sends no DELETE."""
    world.platform.dialect.speak("app-deletion=deleting")
    outcome = destroy(world)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "destroyed"), outcome.log
    assert (outcome.outputs["warnings"], outcome.outputs["url"], outcome.seconds) == ([], None, 0)
    assert outcome.outputs["notes"] == ["Deleted app 'site'."]
    again = destroy(world)
    assert (again.exit_code, again.writes, again.outputs["changed"]) == (0, [], False), again.log
    assert {record.method for record in again.requests} == {"GET"}


def test_an_app_that_disappears_under_the_lock_leaves_no_saved_lock(world: World, tmp_path: Path) -> None:
    """The lock was deleted with its app."""
    state = tmp_path / "state.json"
    world.once("POST", "/lock$", lambda: world.loop.call_soon(world.platform.apps.delete, "site"))
    outcome = destroy(world, state_file=state)
    assert outcome.exit_code == 0, outcome.log
    assert ALREADY in outcome.outputs["notes"]
    assert not state.exists()
