"""Where the intent is unclear, nothing is changed: exit 2, in a dry run as well, and a lock with zeros.

`tests/test_doubts.py` has the rules, as tables.
"""

from collections.abc import Iterable

import pytest

from tests.support.checkouts import DOCS, SHOP, run_in_checkout
from tests.support.containers import running_web, tell
from tests.support.schema import check_result
from tests.support.world import SITE, Outcome, World
from zerokie_action.sandbox.faults import Kind

OURS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
}
THEIRS = OURS | {"GITHUB_REPOSITORY": "acme/docs"}
SHELL: dict[str, str] = {}
PIPELINE = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.com/acme/web/shop",
}
CHECKOUT = {
    "index.html": b'<script type="module" src="/src/main.ts"></script>',
    "package.json": b"{}",
    "src/main.ts": b"x",
    "public/vite.svg": b"x",
}
BUILD = {f"dist/{path}": b"x" for path in ("index.html", "a.js", "b.js", "c.js", "d.js", "about.html")}
TAKE_OVER = "`take-over: true` for one run by hand: https://"


def run(world: World, env: dict[str, str], **inputs: object) -> Outcome:
    world.env = dict(env)
    return world.run(**inputs)


def put(world: World, paths: Iterable[str]) -> None:
    """Somebody puts files there by hand."""
    for path in paths:
        world.platform.put_file("site", path, b"by hand")


def bundle(build: int, count: int = 30) -> dict[str, bytes]:
    """A site whose assets have new names in each build."""
    return SITE | {f"assets/{number}.{build:x}.js": b"%d" % build for number in range(count)}


def require_refused(world: World, words: Iterable[str], **inputs: object) -> None:
    """Both a deploy and its dry run change nothing, and say so in these words."""
    before = world.platform.files("site")
    for dry_run in (True, False):
        outcome = world.run(dry_run=dry_run, **inputs)
        assert outcome.exit_code == 2, outcome.log
        said = f"{outcome.outputs['error']} {outcome.outputs['hint']}"
        assert [word for word in words if word not in said] == []
        assert world.platform.files("site") == before
        check_result(outcome.outputs)
        for text in (" · deploy `", "CDN cache", "unchanged"):  # the lock was finalized with zeros
            assert text not in outcome.summary
        if dry_run:
            assert {record.method for record in outcome.requests} == {"GET"}
        else:
            assert [record.path.rpartition("/")[2] for record in outcome.writes] == ["finalize"]
            finalized = world.platform.deployments("site")[-1]
            assert (finalized.files_uploaded, finalized.files_deleted, finalized.total_bytes) == (0, 0, 0)
        assert world.platform.lock("site") is None


def require_done(world: World, **inputs: object) -> Outcome:
    outcome = world.run(**inputs)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    return outcome


class TestFiles:
    """An app that was filled by hand, or with another tool."""

    words = ("App 'site' has 5 files that no deploy of this action has uploaded", "'old.html'", TAKE_OVER)

    @pytest.fixture(autouse=True)
    def filled(self, world: World) -> None:
        put(world, ["index.html", "old.html", *(f"uploads/{number}.jpg" for number in range(3))])

    @pytest.mark.parametrize("inputs", [{}, {"keep": "*"}])
    def test_files_without_a_manifest_stop_the_deploy(self, world: World, inputs: dict[str, object]) -> None:
        """It may be somebody else's app, whatever would be deleted."""
        require_refused(world, self.words, **inputs)

    def test_take_over_makes_the_app_ours(self, world: World) -> None:
        """Once, and the log names what goes; then the app is ours."""
        outcome = require_done(world, take_over=True)
        assert "has uploaded: 'index.html', 'old.html', 'uploads/0.jpg' and 2 more; continuing" in outcome.log
        require_done(world)

    def test_kept_files_stay_foreign_after_take_over(self, world: World) -> None:
        """What was kept stays somebody else's: it is not deleted unasked later."""
        assert world.run(take_over=True, keep="uploads/").exit_code == 0
        require_refused(world, ["3 files", "'uploads/0.jpg'", "`keep`", "`delete-stale: false`", TAKE_OVER])
        assert world.run(keep="uploads/").exit_code == 0
        assert world.run(delete_stale=False).exit_code == 0
        require_done(world, take_over=True)

    def test_one_message_asks_for_take_over_and_max_deletes(self, world: World) -> None:
        """That needs a second answer, and one message asks for both."""
        put(world, [f"{number}.html" for number in range(12)])
        require_refused(world, ["17 files", "`take-over: true` and `max-deletes: 16` for one run by hand"])
        require_refused(world, ["`max-deletes: 16` for one run by hand"], take_over=True)
        require_done(world, take_over=True, max_deletes=16)
        require_done(world)

    def test_a_lock_that_stays_is_told_beside_the_doubts(self, world: World) -> None:
        """What is left behind is said beside two reasons, too."""
        put(world, [f"{number}.html" for number in range(12)])
        world.fault(Kind.STATUS, "POST", "/finalize$", times=None)
        outcome = world.run()
        assert len(outcome.sent("PUT", "/files/")) == 0
        for report in (outcome.log, outcome.summary, outcome.outputs["error"]):
            assert "fewer than half" in report
            assert "the deploy lock may still be held, and expires at" in report


class TestForeignFiles:
    """Files that appear in an app of ours."""

    def test_foreign_files_stop_the_deploy(self, world: World) -> None:
        """The message names and counts them; each input that it names goes on."""
        world.run()
        put(world, ["a", "b", "c", "d"])
        require_refused(
            world, ["4 files that", "'a', 'b', 'c' and 1 more", "`keep`", "`delete-stale: false`", TAKE_OVER]
        )
        assert world.run(keep=["/a", "/b", "/c", "/d"]).exit_code == 0
        assert world.run(delete_stale=False).exit_code == 0
        require_done(world, take_over=True)
        require_done(world)

    def test_a_foreign_file_that_the_folder_replaces_stops_nothing(self, world: World) -> None:
        """A path that the directory has is ours."""
        world.run()
        put(world, ["index.html", "new"])
        world.write(SITE | {"new": b"ours"})
        require_done(world)


class TestUnreadable:
    """A manifest that can't be read."""

    words = (
        "2 files ('empty', 'stranger')",
        "can't be read",
        "`delete-stale: false`",
        "`take-over: true` for one run by hand",
    )

    def test_an_unreadable_manifest_stops_a_deletion(self, world: World) -> None:
        """`delete-stale: false` and `take-over` go on."""
        world.run()
        world.write({path: body for path, body in SITE.items() if path != "empty"})
        put(world, ["stranger"])
        world.fault(Kind.STATUS, "GET", r"_zerokie", status=404, times=None)
        require_refused(world, self.words)
        assert world.run(delete_stale=False).exit_code == 0
        require_refused(world, self.words)
        require_done(world, take_over=True)

    def test_an_unreadable_manifest_stops_no_upload(self, world: World) -> None:
        """Where nothing would be deleted, it goes on."""
        world.run()
        put(world, ["stranger"])
        world.write(SITE | {"stranger": b"ours"})
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        assert require_done(world).seconds < 5

    def test_the_digest_in_the_name_lets_deletions_go_on(self, world: World) -> None:
        """The zone holds just the paths that the manifest names: none of them is a stranger's."""
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        for count in (3, 1, 2, 4, 2, 1):
            world.write(dict(list(SITE.items())[:count]))
            require_done(world, max_deletes=4)

    @pytest.mark.usefixtures("handlers")
    @pytest.mark.parametrize("delete_stale", [True, False])
    def test_the_digest_lets_a_rerun_after_a_kill_go_on(self, world: World, *, delete_stale: bool) -> None:
        """So it does after a deploy that was killed among its uploads, for a rerun."""
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        world.run()
        world.write({f"{number}.html": b"x" for number in range(9)} | {"index.html": b"y", "empty": b""})
        world.die(lambda _: len(world.stored()) >= 8)
        assert world.run(concurrency=1, delete_stale=delete_stale).exit_code == 143
        world.revive()
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        require_done(world)

    def test_the_digest_of_a_failed_deploy_tells_what_arrived(self, world: World) -> None:
        """The name of a failed deploy's manifest tells what had arrived, also to a deploy of other files."""
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        world.run()
        world.write(SITE | {"new.html": b"x", "z.html": b"x"})
        world.fault(Kind.STATUS, "PUT", "/files/z.html", status=400, times=None)
        assert world.run(concurrency=1).exit_code == 4
        assert "new.html" in world.stored()
        world.write({path: body for path, body in SITE.items() if path != "empty"})
        require_done(world)

    def test_kept_files_are_not_in_the_digest(self, world: World) -> None:
        """Others may put files where `keep` matches: they are no reason to stop, and do not become ours."""
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        world.run(keep="uploads/")
        put(world, ["uploads/1.jpg"])
        world.write({path: body for path, body in SITE.items() if path != "empty"})
        assert world.run(keep="uploads/").exit_code == 0
        assert world.stored() == world.read() | {"uploads/1.jpg": b"by hand"}
        world.platform.faults.clear()
        words = ["would delete 1 file that no deploy of this action has uploaded: 'uploads/1.jpg'"]
        require_refused(world, words)


class TestManyDeletions:
    """What a wrong directory does."""

    def test_fewer_than_half_of_the_files_stops(self, world: World) -> None:
        """The message says how many of how many; `max-deletes` goes on, and the next deploy needs nothing."""
        world.write(bundle(1))
        world.run()
        world.write({"index.html": b"the wrong one"})
        require_refused(
            world,
            [
                "The directory has 1 file, fewer than half of the site's 34",
                "33 files ('about/index.html', 'assets/0.1.js', 'assets/1.1.js' and 30 more)",
                "`max-deletes: 33` for one run by hand",
            ],
        )
        require_refused(world, ["`max-deletes` is 32", "33 files ("], max_deletes=32)
        require_done(world, max_deletes=33)
        require_done(world)

    def test_another_site_of_the_same_size_stops(self, world: World) -> None:
        """Its pages are not those of the site. The advice of the message goes on."""
        for name in ("x", "y"):
            world.write({"index.html": b"", **{f"{name}{number}/index.html": b"" for number in range(40)}})
            if name == "x":
                require_done(world)
        require_refused(
            world,
            [
                "The directory has 1 of the site's 41 pages, fewer than half",
                "would delete 40 files ('x0/index.html', 'x1/index.html', 'x10/index.html' and 37 more)",
                "Check that `directory` is the right one, and that the build is complete.",
                "`max-deletes: 40` for one run by hand",
            ],
        )
        require_done(world, max_deletes=40)
        require_done(world)

    def test_a_front_page_that_would_go_stops(self, world: World) -> None:
        """A build that lost it. The next deploy needs no answer, nor does an app that this run creates."""
        world.run()
        world.write({path: body for path, body in SITE.items() if path != "index.html"})
        require_refused(world, ["no index.html", "the site's front page", "`max-deletes: 1`"])
        outcome = require_done(world, max_deletes=1)
        assert "may show no page" in outcome.log
        require_done(world)
        assert world.run(app="new", create=True).exit_code == 0

    def test_without_a_manifest_the_listing_counts(self, world: World) -> None:
        """Without a manifest that can be read, the listing says how many files there were, the kept aside."""
        world.write(bundle(1))
        world.run()
        put(world, [f"uploads/{number}" for number in range(9)])
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
        world.write({"index.html": b"the wrong one"})
        require_refused(world, ["fewer than half of the site's 34"], keep="uploads/")

    def test_max_deletes_decides_alone(self, world: World) -> None:
        """It decides alone, and what is kept does not count."""
        world.run()
        world.write({"index.html": b"new"})
        require_refused(world, ["`max-deletes` is 2", "3 files ("], max_deletes=2, incremental=False)
        assert world.run(max_deletes=0, keep=["assets/", "about/", "empty"]).exit_code == 0
        assert world.run(max_deletes=0, delete_stale=False).exit_code == 0
        require_done(world, max_deletes=3)

    def test_the_half_is_not_counted_from_a_failed_deploy(self, world: World) -> None:
        """A deploy that failed has deleted nothing: the site is as large as before."""
        pages = {"index.html": b"x"} | {f"{number}.html": b"x" for number in range(9)}
        world.write(pages)
        world.run()
        world.write(dict(list(pages.items())[:6]) | {"new.html": b""})
        world.fault(Kind.STATUS, "PUT", "/files/new.html", status=400)
        assert world.run().exit_code == 4
        world.write(dict(list(pages.items())[:4]))
        require_refused(world, ["4 files, fewer than half of the site's 10"])

    def test_the_half_is_counted_from_the_last_finished_deploy(self, world: World) -> None:
        """A deploy that has nothing left to do counts, one that failed at its very end does not."""
        world.run()
        world.write(bundle(1, 60))
        world.fault(Kind.STATUS, "PUT", r"/files/_zerokie", status=400, skip=1)
        assert world.run().exit_code == 4
        assert world.stored() == world.read()
        assert require_done(world).outputs["files_uploaded"] == 0
        world.write(SITE)
        require_refused(world, ["4 files, fewer than half of the site's 64"])


class TestAnotherRepository:
    words = (
        "App 'site' was last deployed from another repository, whose name is not kept, only its hash.",
        "This run is of 'github.com/acme/docs'",
        "according to the CI system's variables, or else to the remote `origin` of the checkout",
        "A repository that was renamed or moved, and a clone of a fork, count as another repository.",
        TAKE_OVER,
    )

    @pytest.mark.parametrize("inputs", [{}, {"incremental": False}, {"operation": "destroy"}])
    def test_another_repositorys_app_stops(self, world: World, inputs: dict[str, object]) -> None:
        """Whatever it wants to do, and even if the app's URL can't be read."""
        run(world, OURS)
        world.env = dict(THEIRS)
        require_refused(world, self.words, **inputs)
        world.fault(Kind.STATUS, "GET", r"_zerokie", status=404, times=None)
        put(world, ["by hand"])
        began = world.loop.now
        require_refused(world, self.words, **inputs)
        assert world.loop.now - began < 5  # a later listing could not change that

    def test_take_over_makes_the_other_repository_a_stranger(self, world: World) -> None:
        """Once and for all, even if not a single file differs; then the former owner is the other one."""
        run(world, OURS)
        assert run(world, THEIRS, take_over=True).outputs["files_uploaded"] == 0
        assert run(world, THEIRS).exit_code == 0
        assert run(world, OURS).exit_code == 2

    def test_take_over_destroys_another_repositorys_app(self, world: World) -> None:
        """If it is told to; files without a manifest are no reason against that."""
        run(world, OURS)
        assert run(world, THEIRS, take_over=True, operation="destroy").exit_code == 0
        world.platform.apps.create_static("site")
        put(world, ["by hand"])
        assert run(world, THEIRS, operation="destroy").exit_code == 0

    @pytest.mark.parametrize(
        ("env", "code"),
        [
            pytest.param(OURS | {"GITHUB_REPOSITORY": "Acme/Shop"}, 0, id="in another case"),
            pytest.param(OURS | {"GITHUB_REPOSITORY": "acme/store"}, 2, id="renamed"),
            pytest.param(SHELL, 2, id="not known"),
        ],
    )
    def test_host_and_full_name_make_the_repository(
        self, world: World, env: dict[str, str], code: int
    ) -> None:
        """One that has the same host and full name; any other run takes over once."""
        run(world, OURS)
        for operation in ({}, {"operation": "destroy", "dry_run": True}):
            assert run(world, env, **operation).exit_code == code
        assert run(world, env, take_over=True).exit_code == 0
        assert run(world, env).exit_code == 0

    def test_a_repository_takes_an_app_of_none_unasked(self, world: World) -> None:
        """The app is its own from then on, even if nothing was to be done."""
        run(world, SHELL)
        assert run(world, OURS).outputs["files_unchanged"] == len(SITE)
        assert run(world, THEIRS).exit_code == 2

    @pytest.mark.parametrize("inputs", [{}, {"operation": "destroy"}])
    def test_a_run_that_knows_no_repository_stops(self, world: World, inputs: dict[str, object]) -> None:
        """`docker run` with a subfolder mounted: the message says what tells a run its repository."""
        run(world, OURS)
        world.env = SHELL
        require_refused(
            world,
            [
                "App 'site' was last deployed from a repository, whose name is not kept",
                "neither variables of GitHub or GitLab nor the remote `origin` of a checkout",
                "in a container, mount all of it, with its `.git` directory",
                TAKE_OVER,
            ],
            **inputs,
        )
        assert world.run(take_over=True, **inputs).exit_code == 0

    def test_take_over_of_a_run_that_knows_none_marks_the_app(self, world: World) -> None:
        """It marks the app as of none; a run of the repository makes the app its own again."""
        run(world, OURS)
        assert run(world, SHELL, take_over=True).outputs["files_uploaded"] == 0
        assert run(world, SHELL).exit_code == 0
        assert run(world, OURS).exit_code == 0
        assert run(world, SHELL).exit_code == 2

    def test_a_container_app_asks_nobody(self, world: World) -> None:
        """They have no storage that could say so."""
        running_web(world)
        for env in (OURS, THEIRS):
            assert run(world, env, app="web", image="nginx:2").exit_code == 0
        assert run(world, OURS, app="web", operation="destroy").exit_code == 0


class TestHistories:
    """What ends green without `take-over`, as all that is there is ours."""

    @pytest.mark.usefixtures("handlers")
    def test_after_a_killed_first_deploy_the_next_one_goes_on(self, world: World) -> None:
        """Then another folder, with other hashed names; another repository is refused at once."""
        world.write(bundle(1))
        world.die(lambda _: len(world.stored()) >= 15)
        run(world, OURS, concurrency=4)
        world.revive()
        assert len(world.stored()) >= 15
        world.write(bundle(2))
        assert run(world, THEIRS).exit_code == 2
        world.env = dict(OURS)
        require_done(world)

    @pytest.mark.usefixtures("handlers")
    def test_leftovers_of_cancelled_deploys_stop_nothing(self, world: World) -> None:
        """20 of 29 names are new each time: the leftovers do not count for the half."""
        rest = {f"img/{number}.svg": b"x" for number in range(5)}
        world.write(bundle(1, 20) | rest)
        require_done(world)
        for build in (2, 3):
            world.write(bundle(build, 20) | rest)
            world.fault(Kind.DELAY, "PUT", "/files/index.html", seconds=60)
            world.fault(Kind.DELAY, "PUT", f"/files/assets/0.{build}", seconds=60)
            tell(world, after=5)
            assert world.run().exit_code == 143
            world.revive()
        assert len(world.stored()) > 60
        world.write(bundle(4, 20) | rest)
        require_done(world)


def test_paths_that_no_url_can_name_stay_with_one_warning(world: World) -> None:
    """They are left alone, with one warning for all: the URL of each would name another file."""
    require_done(world)
    put(world, ["a/" * 600 + "b", *(f"a/../{number}.html" for number in range(300))])
    outcome = world.run()
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning.startswith("Remote paths that can't be addressed safely are left alone: 'a/../0.html', ")
    assert len(warning) < 300
    assert {record.method for record in outcome.writes} == {"POST"}


# --- a checkout tells which repository a run is of


@pytest.mark.parametrize("env", [{}, PIPELINE], ids=["shell", "GitLab"])
def test_another_checkout_stops_and_the_same_one_goes_on(world: World, env: dict[str, str]) -> None:
    """A shell in the checkout goes on with what the CI has deployed; another one does not.

    `take-over` goes on, and the app is the other's from then on.
    """
    assert run_in_checkout(world, "" if env else SHOP, env).exit_code == 0
    assert run_in_checkout(world, SHOP).exit_code == 0
    before = world.platform.files("site")
    for inputs in ({}, {"operation": "destroy"}):
        outcome = run_in_checkout(world, DOCS, {}, **inputs)
        assert outcome.exit_code == 2, outcome.log
        assert "This run is of 'github.com/acme/docs'" in outcome.outputs["error"]
        assert "`take-over: true` for one run by hand" in outcome.outputs["hint"]
        assert world.platform.files("site") == before
        assert world.platform.lock("site") is None
    assert run_in_checkout(world, DOCS, PIPELINE).exit_code == 0  # the variables say which repository it is
    assert run_in_checkout(world, DOCS, take_over=True).exit_code == 0
    assert run_in_checkout(world, SHOP, env).exit_code == 2
    assert run_in_checkout(world, DOCS, operation="destroy").exit_code == 0


# --- a project in place of a site: its sources would be public


def test_a_project_stops_the_first_deploy_too(world: World) -> None:
    """Nothing is created, in a dry run as well, and the directory that the message names is deployed."""
    world.write(CHECKOUT | BUILD)
    for dry_run in (True, False):
        outcome = world.run(app="new", create=True, dry_run=dry_run)
        assert outcome.exit_code == 2, outcome.log
        said = outcome.outputs["error"]
        assert (
            f"'{world.folder}' is a project, not a site: it has package.json and an index.html that" in said
        )
        assert f"`directory: {world.folder / 'dist'}`" in said
        assert {record.method for record in outcome.requests} <= {"GET"}
    assert world.run(app="new", create=True, directory=world.folder / "dist").exit_code == 0


def test_a_checkout_that_was_not_built_leaves_a_live_site_as_it_is(world: World) -> None:
    """Whatever is kept. The input that the message names goes on, and `max-deletes` is asked for then."""
    world.write(CHECKOUT | BUILD)
    assert world.run(directory=world.folder / "dist").exit_code == 0
    before = world.stored()
    world.write(CHECKOUT)
    for inputs in ({}, {"keep": "*"}, {"max_deletes": 99}, {"take_over": True}):
        outcome = world.run(**inputs)
        assert outcome.exit_code == 2
        assert "name the directory that the build writes" in outcome.outputs["error"]
    assert world.stored() == before
    outcome = world.run(ignore="!/package.json", max_deletes=5)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
