"""Deploys with an unclear intent change nothing.

They end with exit code 2, even in a dry run, and take no lock.
`tests/site/test_safety_checks.py` has tables of the rules. The tests here run a deploy for each message, and
the next one. `tests/ci/test_repository.py` has the rules for the run's repository.
"""

from collections.abc import Iterable

import pytest

from sandbox.faults import Kind
from tests.support.containers import running_web
from tests.support.schema import check_result
from tests.support.world import SITE, Outcome, World
from zerokie_action.docs import page

OURS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
}
THEIRS = OURS | {"GITHUB_REPOSITORY": "acme/docs"}
PAGES = {f"{number}.html": b"x" for number in range(8)}
TAKE_OVER = f"To continue, set `take-over: true` for one manual run: {page('safety-checks.md')}"


def put(world: World, paths: Iterable[str]) -> None:
    """Upload files by hand."""
    for path in paths:
        world.platform.put_file("site", path, b"by hand")


def require_refused(world: World, problem: str, *advice: str, **inputs: object) -> None:
    """Check that a deploy and its dry run change nothing and show this message."""
    before = world.platform.files("site")
    for dry_run in (True, False):
        outcome = world.run(dry_run=dry_run, **inputs)
        assert outcome.exit_code == 2, outcome.log
        assert problem in outcome.outputs["error"]
        assert [words for words in advice if words not in outcome.outputs["hint"]] == []
        assert world.platform.files("site") == before
        check_result(outcome.outputs)
        for text in (" · deploy `", "CDN cache", "unchanged"):
            assert text not in outcome.summary
        assert {record.method for record in outcome.requests} == {"GET"}
        assert world.platform.lock("site") is None


def require_done(world: World, **inputs: object) -> Outcome:
    outcome = world.run(**inputs)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    return outcome


# --- whose files are there?


def test_an_app_with_files_of_another_tool_requires_take_over(world: World) -> None:
    """The override is needed once. The log shows the existing files, and the action then manages the app."""
    put(world, ["index.html", "old.html", *(f"uploads/{number}.jpg" for number in range(3))])
    problem = "App 'site' has 5 files that this action didn't upload: 'index.html', 'old.html'"
    require_refused(world, problem, TAKE_OVER)
    outcome = require_done(world, take_over=True)
    continuing = (
        "Continuing because `take-over` is set: App 'site' has 5 files that this action didn't upload"
    )
    assert f"{continuing}: 'index.html', 'old.html', 'uploads/0.jpg' and 2 more" in outcome.log
    require_done(world)


def test_unmanaged_files_stop_the_deploy(world: World) -> None:
    """The message names and counts them. Each input in the message lets the deploy continue."""
    world.run()
    put(world, "abcd")
    problem = "would delete 4 files that this action didn't upload: 'a', 'b', 'c' and 1 more"
    require_refused(world, problem, "`keep`", "`delete-stale: false`", TAKE_OVER)
    kept = world.run(keep=["/a", "/b", "/c", "/d"])
    assert (kept.exit_code, ", 4 kept\n" in kept.log) == (0, True), kept.log
    assert world.run(delete_stale=False).exit_code == 0
    require_done(world, take_over=True)
    require_done(world)


def test_an_unreadable_manifest_stops_a_deletion(world: World) -> None:
    """With an unmanaged file in the app, the manifest's name doesn't show which files are managed."""
    world.run()
    world.write({path: body for path, body in SITE.items() if path != "empty"})
    put(world, ["stranger"])
    world.fault(Kind.STATUS, "GET", r"_zerokie", status=404, times=None)
    problem = "Can't read the manifest, so this deploy might delete unmanaged files: 2 files ('empty', "
    require_refused(world, problem, "`delete-stale: false`", TAKE_OVER)
    assert world.run(delete_stale=False).exit_code == 0
    require_done(world, take_over=True)


def test_an_unreadable_manifest_of_a_killed_deploy_stops_the_rerun(world: World) -> None:
    """The manifest's name covers files that the killed deploy didn't upload."""
    world.run()
    world.write(PAGES | {"index.html": b"y", "empty": b""})
    world.die(lambda _: len(world.stored()) >= 8)
    assert world.at_once(1).run().exit_code == 143
    world.revive()
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    require_refused(world, "Can't read the manifest", "`delete-stale: false`", TAKE_OVER)
    require_done(world, take_over=True)


def test_an_unreadable_manifest_of_a_failed_deploy_shows_its_uploads(world: World) -> None:
    """Its name covers them, even for a deploy of other files. Files that match `keep` don't matter."""
    world.env["ZEROKIE_KEEP"] = "uploads/\nassets/"
    world.run()
    put(world, ["uploads/1.jpg"])
    world.write(SITE | {"new.html": b"x", "z.html": b"x"})
    world.fault(Kind.STATUS, "PUT", "/files/z.html", status=400, times=None)
    assert world.at_once(1).run().exit_code == 4
    assert "new.html" in world.stored()
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    world.write({path: body for path, body in SITE.items() if path != "empty"})
    assert world.run().exit_code == 0
    assert world.stored() == world.read() | {"uploads/1.jpg": b"by hand"}


def test_paths_unsafe_in_a_url_are_kept_with_one_warning(world: World) -> None:
    """The URL of each path would mean another file, so the deploy doesn't touch them."""
    require_done(world)
    put(world, ["a/" * 600 + "b", *(f"a/../{number}.html" for number in range(300))])
    outcome = world.run()
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning.startswith("Skipped remote paths that can't be addressed safely: 'a/../0.html', ")
    assert len(warning) < 300
    assert outcome.writes == []


# --- is it the right folder?


def test_a_folder_with_fewer_than_half_of_the_pages_requires_max_deletes(world: World) -> None:
    """Kept files don't count as pages. With `max-deletes`, only that number decides, even if it is lower."""
    world.env["ZEROKIE_KEEP"] = "uploads/"
    world.write(PAGES | {"index.html": b""})
    world.run()
    put(world, [f"uploads/{page}" for page in PAGES])
    world.write({"index.html": b"the wrong one"} | {f"{number}.js": b"" for number in range(8)})
    problem = (
        "The folder has 1 of the site's 9 pages, fewer than half, and this deploy would delete "
        "8 files ('0.html', '1.html', '2.html' and 5 more)"
    )
    advice = "Check that `directory` is the right folder and that the build is complete."
    require_refused(world, problem, advice, "`max-deletes: 8` for one manual run")
    require_refused(world, "`max-deletes` is 7, and this deploy would delete 8 files (", max_deletes=7)
    assert world.run(max_deletes=8).exit_code == 0
    assert world.run().exit_code == 0


def test_one_message_asks_for_take_over_and_max_deletes(world: World) -> None:
    """If one of them is set, the message asks only for the other one."""
    put(world, PAGES)
    both = f"set `take-over: true` and `max-deletes: 8` for one manual run: {page('safety-checks.md')}"
    require_refused(world, "The folder has 0 of the site's 8 pages", both)
    require_refused(
        world,
        "8 files",
        f"set `max-deletes: 8` for one manual run: {page('safety-checks.md')}",
        take_over=True,
    )
    require_done(world, take_over=True, max_deletes=8)


def test_the_message_about_two_safety_checks_mentions_a_held_lock(world: World) -> None:
    """Only the lock makes a stop final if the last deploy is unfinished, so such a run takes the lock."""
    world.die(lambda record: record.path.endswith("/files/index.html"))
    assert world.run().exit_code == 143
    world.revive()
    world.platform.expire_lock("site")
    put(world, PAGES)
    world.write({"index.html": b""})
    world.fault(Kind.STATUS, "POST", "/finalize$", times=None)
    outcome = world.run()
    assert outcome.sent("PUT", "/files/") == []
    for report in (outcome.log, outcome.summary, outcome.outputs["error"]):
        assert "fewer than half" in report
        assert "the deploy lock may still be held until 20" in report
        assert "Nothing was changed" not in report
    assert [
        "If the lock is still held, it expires by" in warning for warning in outcome.outputs["warnings"]
    ] == [True]


def test_a_project_folder_stops_even_the_first_deploy(world: World) -> None:
    """Nothing is created, even in a dry run. The directory in the message can be deployed."""
    source = b'<script type="module" src="/src/main.ts"></script>'
    world.write({"index.html": source, "package.json": b"{}", "src/main.ts": b"", "dist/index.html": b""})
    for dry_run in (True, False):
        outcome = world.run(app="new", create=True, dry_run=dry_run)
        assert outcome.exit_code == 2, outcome.log
        said = outcome.outputs["error"]
        assert (
            f"'{world.folder}' is a project, not a built site, because it has package.json and an index.html "
            "that loads from src/"
        ) in said
        assert f"`directory: {world.folder / 'dist'}`" in outcome.outputs["hint"]
        assert {record.method for record in outcome.requests} <= {"GET"}
    assert world.run(app="new", create=True, directory=world.folder / "dist").exit_code == 0


# --- whose is the app?


@pytest.mark.parametrize(
    ("env", "problem", "advice", "owners_code"),
    [
        (
            THEIRS,
            "App 'site' was last deployed from another repository, not from 'github.com/acme/docs'",
            "Correct `app` if it names the wrong app.",
            2,
        ),
        (
            {},
            "Can't determine this run's repository. Another repository may own app 'site'",
            "in a container, mount all of it, with its `.git` folder",
            0,
        ),
    ],
    ids=["another repository", "a run that knows none"],
)
def test_another_repositorys_app_requires_take_over(
    world: World, env: dict[str, str], problem: str, advice: str, owners_code: int
) -> None:
    """It is needed once, even without changes. Without a repository, the former owner can deploy again."""
    world.env = dict(OURS)
    world.run()
    world.env = dict(env)
    require_refused(world, problem, advice, TAKE_OVER)
    assert world.run(take_over=True).outputs["files_uploaded"] == 0
    assert world.run().exit_code == 0
    world.env = dict(OURS)
    assert world.run().exit_code == owners_code


def test_a_container_app_needs_no_take_over(world: World) -> None:
    """A container app has no storage for an owner."""
    running_web(world)
    for env in (OURS, THEIRS):
        world.env = dict(env)
        assert world.run(app="web", image="nginx:2").exit_code == 0
    assert world.run(app="web", operation="destroy").exit_code == 0
