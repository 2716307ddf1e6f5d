"""A deploy plans before it locks. The lock, the file list and the manifest may change in between."""

from collections.abc import Callable, Mapping

import pytest

from sandbox.faults import Kind
from tests.support.world import SITE, Outcome, World
from zerokie_action.site.manifest import Entry, Manifest, mark_repository, new_manifest_name

OURS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
}
SHOP, DOCS = "github.com/acme/shop", "github.com/acme/docs"
PAGES = {f"{number}.html": b"x" for number in range(9)}


def other_deploy(
    world: World,
    files: Mapping[str, bytes] = {},
    *,
    app: str = "site",
    repository: str = SHOP,
    finished: bool = True,
    content: bytes | None = None,
) -> None:
    """Store these files and a manifest, as another run does. `content` replaces the manifest's content."""
    for path, body in files.items():
        world.platform.put_file(app, path, body)
    managed = world.stored(app)
    number = int(world.loop.now + 10**10) * 1000
    name = new_manifest_name(number, mark_repository(repository), managed)
    entries: dict[str, Entry | None] = dict.fromkeys(managed)
    manifest = Manifest(files=entries, count=len(managed), finished=finished)
    world.platform.put_file(app, name.path, manifest.render() if content is None else content)


def orders(outcome: Outcome) -> list[str]:
    """Return the method and the last part of the path of each request."""
    return [
        f"{record.method} {'MANIFEST' if '_zerokie' in record.path else record.path.rpartition('/')[2]}"
        for record in outcome.requests
    ]


def test_a_deploy_without_changes_takes_no_lock(world: World) -> None:
    """It reads the app, its files and the manifest."""
    world.env = dict(OURS)
    world.run()
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert sorted(orders(outcome)) == ["GET MANIFEST", "GET files", "GET site"]
    assert (outcome.outputs["status"], outcome.outputs["changed"]) == ("deployed", False)
    assert outcome.outputs["deploy_id"] is None
    assert "site is up to date" in outcome.log
    assert "`site` is up to date" in outcome.summary


def test_a_deploy_without_changes_still_checks_domains_and_health(world: World) -> None:
    world.run()
    outcome = world.run(domains="www.example.com", health_check="/")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.sent("POST", "/lock$") == []
    assert len(outcome.sent("POST", "/domains$")) == 1
    assert "serves 'index.html' as deployed" in outcome.log


def test_the_plan_stays_if_nothing_changed_before_the_lock(world: World) -> None:
    world.run()
    world.write(SITE | {"index.html": b"new"})
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.log.count("Plan: ") == 1


def test_a_deploy_that_ends_between_plan_and_lock_leads_to_a_new_plan(world: World) -> None:
    """The log has both plans, and the site equals the folder."""
    world.env = dict(OURS)
    world.run()
    world.write(SITE | {"index.html": b"new"})
    world.once("POST", "/lock$", lambda: other_deploy(world, {"theirs.css": b"x"}))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    first, second = (line for line in outcome.log.splitlines() if "Plan: " in line)
    assert "0 to delete" in first
    assert "1 to delete" in second
    assert world.stored() == world.read()


def unmanaged(world: World) -> None:
    world.platform.put_file("site", "by-hand.html", b"x")


def unreadable(world: World) -> None:
    other_deploy(world, {"a.css": b""}, content=b"?")
    unmanaged(world)


Change = Callable[[World], None]

CHECKS: dict[str, tuple[Change, dict[str, object], str]] = {
    # name: what changes before the lock, the inputs, words of the error
    "other owner": (
        lambda world: other_deploy(world, repository=DOCS),
        {},
        "was last deployed from another repository",
    ),
    "unmanaged files": (unmanaged, {}, "would delete 1 file that this action didn't upload"),
    "unreadable manifest": (
        unreadable,
        {},
        "Can't read the manifest",
    ),
    "fewer than half": (lambda world: other_deploy(world, PAGES), {}, "fewer than half"),
    "max-deletes": (
        lambda world: other_deploy(world, {"a.css": b"", "b.css": b""}),
        {"max_deletes": 1},
        "`max-deletes` is 1",
    ),
}


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_runs_again_if_the_app_changed_before_the_lock(world: World, check: str) -> None:
    """The stop releases the lock, and changes no file."""
    change, inputs, words = CHECKS[check]
    world.env = dict(OURS)
    world.run()
    world.write(SITE | {"index.html": b"new"})
    world.once("POST", "/lock$", lambda: change(world))
    outcome = world.run(**inputs)
    assert outcome.exit_code == 2, outcome.log
    assert words in outcome.outputs["error"]
    assert outcome.sent("PUT", "/files/") == outcome.sent("DELETE", "") == []
    assert "Nothing was changed." in outcome.log
    assert world.platform.lock("site") is None


def test_the_front_page_is_checked_again_under_the_lock(world: World) -> None:
    world.env = dict(OURS)
    world.write({"about.html": b"x"})
    world.run()
    world.write({"about.html": b"new"})
    world.once("POST", "/lock$", lambda: other_deploy(world, {"index.html": b"x"}))
    outcome = world.run()
    assert (outcome.exit_code, outcome.sent("PUT", "/files/")) == (2, []), outcome.log
    assert "index.html" in outcome.outputs["error"]


@pytest.mark.parametrize("page", [SITE["index.html"], b"new"], ids=["the old folder", "a new folder"])
def test_a_deploy_during_another_one_waits_for_the_lock(world: World, page: bytes) -> None:
    """The other deploy's first manifest is unfinished, so even "nothing to do" isn't final."""
    world.env = dict(OURS)
    world.run()
    other_deploy(world, finished=False)
    world.platform.take_lock("site", "another")

    def end() -> None:
        other_deploy(world, {"index.html": b"theirs"})
        world.platform.expire_lock("site")

    world.loop.call_later(30, end)
    world.write(SITE | {"index.html": page})
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds > 29
    assert world.stored() == world.read()


def test_a_stop_next_to_an_unfinished_deploy_is_final_only_under_the_lock(world: World) -> None:
    """The other deploy deletes the files that would stop this one."""
    world.env = dict(OURS)
    world.run()
    other_deploy(world, PAGES, finished=False)
    world.platform.take_lock("site", "another")

    def end() -> None:
        for path in PAGES:
            world.platform.delete_file("site", path)
        other_deploy(world)
        world.platform.expire_lock("site")

    world.loop.call_later(30, end)
    assert world.run(dry_run=True).exit_code == 2
    assert world.run().exit_code == 0
    assert world.stored() == world.read()


def test_an_interrupted_deploy_is_finished_even_without_an_upload(world: World) -> None:
    """The run stores a finished manifest, so that the next one takes no lock."""
    world.env = dict(OURS)
    world.run()
    other_deploy(world, finished=False)
    world.run()
    outcome = world.run()
    assert (outcome.exit_code, outcome.writes) == (0, []), outcome.log


@pytest.mark.parametrize("is_stopped", [False, True], ids=["planned", "stopped"])
@pytest.mark.parametrize("operation", ["deploy", "destroy"])
def test_a_dry_run_next_to_an_unfinished_deploy_notes_that_once(
    world: World, operation: str, *, is_stopped: bool
) -> None:
    """It decides without the lock, so a run may decide differently."""
    world.env = dict(OURS)
    world.run()
    other_deploy(world, repository=DOCS if is_stopped else SHOP, finished=False)
    folder = world.folder if operation == "deploy" else None
    outcome = world.run(operation=operation, directory=folder, dry_run=True)
    assert outcome.exit_code == (2 if is_stopped else 0), outcome.log
    notes = [note for note in outcome.outputs["notes"] if "in progress or was interrupted" in note]
    assert notes == ["A deploy of 'site' is in progress or was interrupted, so the plan may change."]


def test_a_destroy_checks_again_if_the_app_changed_before_the_lock(world: World) -> None:
    world.env = dict(OURS)
    world.run()
    world.once("POST", "/lock$", lambda: unmanaged(world))
    outcome = world.run(operation="destroy")
    assert (outcome.exit_code, outcome.sent("DELETE", "")) == (2, []), outcome.log
    assert "Nothing was changed." in outcome.log
    assert world.platform.lock("site") is None


def test_a_destroy_that_stops_takes_no_lock(world: World) -> None:
    world.env = dict(OURS)
    world.run()
    unmanaged(world)
    outcome = world.run(operation="destroy")
    assert (outcome.exit_code, outcome.writes) == (2, []), outcome.log


def test_a_deploy_that_finds_nothing_to_do_under_the_lock_has_no_deploy_id(world: World) -> None:
    """The unfinished manifest disappears during the wait, so the last complete one is the newest."""
    world.env = dict(OURS)
    world.run()
    complete = set(world.platform.files("site"))
    other_deploy(world, finished=False)
    (unfinished,) = world.platform.files("site").keys() - complete
    world.once("POST", "/lock$", lambda: world.platform.delete_file("site", unfinished))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert len(outcome.sent("POST", "/finalize$")) == 1
    assert outcome.sent("PUT", "/files/") == []
    assert "site is up to date" in outcome.log
    assert (outcome.outputs["changed"], outcome.outputs["deploy_id"]) == (False, None)


def test_a_second_plan_repeats_no_note_and_no_warning_in_the_reports(world: World) -> None:
    world.env = dict(OURS)
    world.platform.dialect.speak("empty-zone=404")
    world.write({"about.html": b"x"})
    outcome = world.run(take_over=True)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.log.count("Plan: ") == 2
    assert len(outcome.outputs["notes"]) == len(outcome.outputs["warnings"]) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_the_first_file_list_is_retried_like_any_request(world: World, status: int) -> None:
    """The run waits for as long as the response asks."""
    world.fault(Kind.STATUS, "GET", "/files$", status=status, headers={"retry-after": "30"})
    outcome = world.run(dry_run=True)
    assert outcome.exit_code == 0, outcome.log
    first, second = outcome.sent("GET", "/files$")
    assert second.received - first.received >= 30


def test_another_repositorys_deploy_into_the_new_app_stops_the_run(world: World) -> None:
    """It gets the lock first. The app that this run created then has that deploy's manifest."""
    world.env = dict(OURS)
    world.once(
        "POST", "/lock$", lambda: other_deploy(world, {"theirs.html": b"x"}, app="new", repository=DOCS)
    )
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2, outcome.log
    assert "was last deployed from another repository" in outcome.outputs["error"]
    assert world.stored("new") == {"theirs.html": b"x"}
    assert world.platform.lock("new") is None


@pytest.mark.parametrize(("times", "code"), [(1, 0), (None, 5)])
def test_after_a_list_with_files_a_404_under_the_lock_is_retried(
    world: World, times: int | None, code: int
) -> None:
    """Otherwise, `take-over` would accept it as the list of an empty app, and old files would stay."""
    world.platform.put_file("site", "old.html", b"x")
    world.fault(Kind.STATUS, "GET", "/files$", status=404, skip=1, times=times)
    outcome = world.run(take_over=True)
    assert outcome.exit_code == code, outcome.log
    assert world.stored() == (world.read() if code == 0 else {"old.html": b"x"})
    assert world.platform.lock("site") is None


@pytest.mark.parametrize(
    "damage",
    [
        f'"count": {10**400}',
        '"count": -1',
        f'"stale": {{"old.css": {10**12}}}',
        '"stale": {"old.css": -1}',
        f'"x": {"[" * 100_000}',
    ],
    ids=["count", "negative", "far", "past", "deep"],
)
def test_a_damaged_manifest_is_unreadable(world: World, damage: str) -> None:
    """The deploy uploads everything again instead of failing."""
    world.env = dict(OURS)
    content = f'{{"version": 1, "files": {{"index.html": null, "old.css": null}}, {damage}}}'.encode()
    other_deploy(world, {"index.html": b"x", "old.css": b""}, content=content)
    outcome = world.run(delete_stale="7d")
    assert outcome.exit_code == 0, outcome.log
    assert "The manifest of the last deploy can't be read" in outcome.log
    assert sorted(outcome.uploads) == sorted(SITE)
