"""The second deploy of the same directory uploads nothing, and one after a failure the rest only."""

import os
import shutil
from collections.abc import Callable

import anyio
import pytest

from tests.support import timewarp
from tests.support.containers import tell
from tests.support.sites import many, require_equal, upper
from tests.support.timewarp import wall_clock
from tests.support.world import SITE, World
from zerokie_action.files.manifest import Manifest, find_manifests, parse_manifest
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.records import Record

MANIFEST = r"/files/_zerokie/"
PAGE, ASSET = "index.html", "assets/style.css"


def manifests(world: World) -> list[str]:
    """Their paths, the newest last."""
    return [found.path for found in find_manifests(world.platform.files("site"))]


def newest(world: World) -> Manifest:
    manifest = parse_manifest(world.platform.files("site")[manifests(world)[-1]])
    assert manifest
    return manifest


# --- whatever the platform's clock says


def test_the_second_deploy_uploads_nothing(world: World) -> None:
    """Neither by the second nor by the third deploy, which follow at once; one edit is one upload."""
    count = 12
    world.platform.zone._clock = lambda: wall_clock(world.loop) - 3600
    world.write(many(count))
    outcome = world.run(concurrency=4)
    assert outcome.outputs["files_uploaded"] == count
    assert outcome.seconds < 0.1, "it waits for no clock"
    for _ in range(2):
        outcome = world.run()
        assert (outcome.uploads, outcome.outputs["files_unchanged"]) == ([], count)
        assert [record.method for record in outcome.writes] == ["POST"]
    world.write(many(count) | {"0/0.html": b"y"})
    assert world.run().uploads == ["0/0.html"]
    assert world.run().uploads == []
    assert world.stored() == world.read()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_the_first_redeploy_of_a_vite_site_is_green_at_once(world: World, seconds: float) -> None:
    """`index.html` keeps its length. Within the same second its time is that of before, which proves nothing.

    No time is waited for: the next deploy sends it once more, and then nothing.
    """
    now = wall_clock(world.loop)
    builds = [
        {
            "index.html": b'<script src="/assets/index-%d.js">' % build,
            f"assets/index-{build}.js": b"%d" % build,
        }
        for build in (1, 2)
    ]
    world.platform.zone._clock = lambda: now
    world.write(builds[0] | {"vite.svg": b"<svg/>"})
    assert world.run().exit_code == 0
    world.platform.zone._clock = lambda: now + seconds
    shutil.rmtree(world.folder)
    world.write(builds[1] | {"vite.svg": b"<svg/>"})
    outcome = world.run()
    assert (outcome.exit_code, outcome.uploads) == (0, ["assets/index-2.js", "index.html"]), outcome.log
    assert outcome.seconds < 1
    assert ("The next deploy sends 1 file again" in outcome.log) is (seconds == 0)
    assert world.stored() == world.read()
    world.platform.zone._clock = lambda: now + seconds + 2
    again = world.run()
    assert (again.exit_code, again.uploads) == (0, ["index.html"] * (seconds == 0))
    assert world.run().uploads == []


def test_incremental_false_uploads_everything(world: World) -> None:
    """`incremental: false` uploads everything, and leaves a manifest for those who compare."""
    world.run()
    assert world.run(incremental=False).outputs["files_uploaded"] == len(SITE)
    assert world.run().uploads == []


# --- what an update asks for


def test_the_requests_of_an_update_are_these_in_this_order(world: World) -> None:
    """One after another as many as there are decisions; manifests around what is written."""
    world.write(SITE | {"old": b""})
    world.run()
    world.write(upper(PAGE))
    world.loop.jump(2)
    before = manifests(world)
    asked = [
        f"{record.method} {'MANIFEST' if '_zerokie' in record.path else record.path.rpartition('/')[2]}"
        for record in world.run().requests
    ]
    assert ", ".join(asked[:7]) == (
        "GET site, POST lock, GET files, GET MANIFEST, PUT MANIFEST, PUT index.html, GET files"
    )
    assert sorted(asked[7:-1]) == ["DELETE MANIFEST", "DELETE MANIFEST", "DELETE old", "PUT MANIFEST"]
    assert asked[-1] == "POST finalize"
    assert len(manifests(world)) == 2
    assert set(manifests(world)).isdisjoint(before)


# --- the manifest is true whenever a deploy ends


@pytest.mark.usefixtures("handlers")
def test_files_of_a_deploy_killed_within_the_second_are_sent_again(world: World) -> None:
    """What it replaced, by something of the same length, is not taken for what was there before."""
    now = wall_clock(world.loop)
    world.platform.zone._clock = lambda: now
    world.run()
    world.write(upper(PAGE))
    world.die(lambda record: record.path.endswith("/files/index.html"))
    world.run()
    assert world.stored() == world.read()
    world.revive()
    del world.platform.zone._clock
    world.platform.zone._clock = lambda: now + 60
    world.write(SITE)
    assert world.run().outputs["files_uploaded"] == 1
    assert world.stored() == SITE


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("times", ["seconds", "created"])
def test_an_upload_that_lands_after_the_next_deploy_is_noticed(world: World, times: str) -> None:
    """The deploy after that replaces it; where no time ever changes, only one that compares nothing does."""
    world.platform.dialect.speak(f"last-modified={times}")
    world.run()
    world.loop.jump(60)
    killed, wanted = (SITE | {PAGE: content} for content in (b"killed", b"wanted"))
    world.write(killed)
    world.fault(Kind.LATE, "PUT", "/files/index.html", seconds=20.0)
    world.die(lambda record: record.path.endswith("/files/index.html"))
    world.run()
    world.revive()
    world.write(wanted)
    require_equal(world)
    timewarp.run(world.loop, anyio.sleep(20))
    assert world.stored() == killed
    if times == "created":
        assert world.run().exit_code == 0
        assert world.stored() == killed
        assert world.run(incremental=False).exit_code == 0
    require_equal(world)


@pytest.mark.usefixtures("handlers")
def test_after_a_kill_a_file_with_its_old_time_is_sent_again(world: World) -> None:
    """Nothing proves the killed run's file until its content changes: each deploy sends it."""
    world.platform.dialect.speak("same-content=old-time")
    world.run()
    world.loop.jump(60)
    world.write(upper(PAGE))
    world.die(lambda record: record.path.endswith("/files/index.html"))
    world.run()
    world.revive()
    assert [world.run().uploads for _ in range(3)] == [[PAGE]] * 3
    world.loop.jump(60)
    world.write(SITE)
    assert [world.run().uploads for _ in range(2)] == [[PAGE], []]


def test_an_unreadable_manifest_is_asked_for_once_and_all_is_uploaded(world: World) -> None:
    """Then all is uploaded: the manifest is asked for once, for 10 seconds at most."""
    world.run()
    world.fault(Kind.HANG, "GET", "_zerokie")
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds < 12
    assert len(outcome.uploads) == len(SITE)
    assert world.run().uploads == []


def test_a_strangers_file_at_a_deleted_path_stops_the_next_deploy(world: World) -> None:
    """It is theirs: the next deploy stops. So it does after a deletion that was confirmed and not done."""
    world.write(SITE | {"sitemap.xml": b"old"})
    world.run()
    world.write(SITE)
    world.fault(Kind.STATUS, "DELETE", "sitemap", status=204)
    assert world.run().outputs["files_deleted"] == 1
    for _ in range(2):
        outcome = world.run()
        assert outcome.exit_code == 2
        assert "'sitemap.xml'" in outcome.log
        world.platform.delete_file("site", "sitemap.xml")
        assert world.run().exit_code == 0
        world.platform.put_file("site", "sitemap.xml", b"new")


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("is_killed", [True, False])
def test_after_an_end_between_deletions_what_was_deleted_is_not_ours(
    world: World, *, is_killed: bool
) -> None:
    """What was about to be deleted is ours still, and what was deleted no longer, but after a kill."""
    world.write(SITE | {"a": b"x", "b": b"x"})
    world.run()
    world.write(SITE | {"new": b""})
    if is_killed:
        world.die(lambda record: record.method == "DELETE" and record.path.endswith(("/a", "/b")))
    else:
        world.fault(Kind.STATUS, "DELETE", "/files/[ab]", status=400, skip=1, times=None)
    outcome = world.run(concurrency=1)
    assert outcome.exit_code == (143 if is_killed else 4)
    assert is_killed or outcome.outputs["error"].endswith("; 1 of 1 file uploaded, 1 of 2 files deleted")
    world.revive()
    (deleted,) = {"a", "b"} - world.stored().keys()
    world.platform.put_file("site", deleted, b"new")
    assert world.run().exit_code == (0 if is_killed else 2)
    if not is_killed:
        world.platform.delete_file("site", deleted)
        assert world.run().exit_code == 0
    assert world.stored() == world.read()


@pytest.mark.parametrize("skip", [0, 1])
def test_a_refused_first_manifest_ends_the_deploy_before_any_write(world: World, skip: int) -> None:
    """Without the first one nothing is written; without the last one the site is right all the same."""
    world.run()
    world.write(upper(PAGE))
    world.fault(Kind.STATUS, "PUT", MANIFEST, status=413, skip=skip, times=None)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert ("of 1 file uploaded" in outcome.outputs["error"]) is bool(skip)
    assert world.stored() == (world.read() if skip else SITE)
    world.platform.faults.clear()
    assert world.run().exit_code == 0
    assert world.stored() == world.read()
    assert world.run().uploads == []


def test_older_manifests_are_deleted(world: World) -> None:
    """Whatever a killed deploy or an earlier version left there."""
    world.run()
    left = ["_zerokie/notes.txt", f"_zerokie/9-0-0-{'0' * 16}-{'0' * 32}.json"]
    for path in left:
        world.platform.put_file("site", path, b"x")
    world.write(upper(PAGE))
    assert world.run().exit_code == 0
    assert len([path for path in world.platform.files("site") if path.startswith("_zerokie/")]) == 2


@pytest.mark.parametrize(("status", "code"), [(403, 0), (409, 4), (500, 5)])
def test_an_old_manifest_that_stays_is_a_warning(world: World, status: int, code: int) -> None:
    """The site is deployed: a refusal is a warning that says whose file it is; 409 concerns the lock."""
    world.run()
    (old, *_) = manifests(world)
    world.write(upper(PAGE))
    world.fault(Kind.STATUS, "DELETE", old.partition("/")[2], status=status, times=None)
    outcome = world.run(retry_timeout=5)
    assert outcome.exit_code == code, outcome.log
    assert world.stored() == world.read()
    if not code:
        (warning,) = outcome.outputs["warnings"]
        assert warning.startswith(
            f"'{old}', an old manifest of this action's own, stays in the app: Deleting"
        )
    world.platform.faults.clear()
    assert world.run().exit_code == 0


# --- what was achieved is kept


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("kind", "code"), [(Kind.STATUS, 4), (Kind.DELAY, 143), (Kind.HANG, 143)])
def test_after_half_of_the_uploads_the_next_deploy_sends_the_rest(
    world: World, kind: Kind, code: int
) -> None:
    """The next deploy uploads the rest, and at most what was in flight again.

    After a signal the answers in flight are waited for, for a second; then there is time to record what
    arrived.
    """
    count, in_flight = 60, 8
    world.write(many(count))
    world.fault(kind, "PUT", "/files/[0-9]", status=400, seconds=0.5, skip=count // 2, times=None)
    if code == 143:
        tell(world, after=0.2)
    outcome = world.run(concurrency=in_flight)
    assert outcome.exit_code == code, outcome.log
    assert outcome.seconds < 5
    assert " for the next deploy to skip" in outcome.log
    if code == 143:
        uploaded = f"{outcome.outputs['files_uploaded']} of {count} files uploaded"
        assert outcome.outputs["error"] == f"Cancelled by SIGTERM; {uploaded}; the site may be half new"
        assert outcome.outputs["hint"] == "Run the deploy again."
    assert world.platform.lock("site") is None
    world.platform.faults.clear()
    world.reset_signals()
    again = world.run()
    assert again.exit_code == 0, again.log
    assert len(again.uploads) <= count / 2 + in_flight
    assert again.outputs["files_unchanged"] == outcome.outputs["files_uploaded"] >= count / 2 - in_flight
    assert world.stored() == world.read()


def test_a_swallowed_upload_of_a_failed_deploy_is_sent_again(world: World) -> None:
    """A proxy answered 200 in the platform's place, then the deploy failed: nobody relies on that answer."""
    world.run()
    world.write(upper("about/index.html") | {"z.html": b""})
    world.fault(Kind.STATUS, "PUT", "/files/about/index.html", status=200, body=b"")
    world.fault(Kind.STATUS, "PUT", "/files/z.html", status=400, times=None)
    assert world.run().exit_code == 4
    world.platform.faults.clear()
    assert "about/index.html" in world.run().uploads
    assert world.stored() == world.read()


# --- the directory moves


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda world: (world.folder / "added").write_bytes(b""), "during the deploy: 'added'"),
        (lambda world: (world.folder / "empty").unlink(), "during the deploy: 'empty'"),
        (lambda world: (world.folder / "empty").write_bytes(b"x"), "during the deploy: 'empty'"),
        (lambda world: os.utime(world.folder / "empty", (0, 0)), "during the deploy: 'empty'"),
        (lambda world: world.folder.rename(world.folder.with_name("old")), "cannot be read (No such file"),
    ],
)
def test_a_folder_that_changes_while_a_listing_is_waited_for_ends_the_deploy(
    world: World, change: Callable[[World], object], words: str
) -> None:
    """While a listing is waited for: files are named, nothing is deleted, and the next deploy is right."""
    world.write(SITE | {"stale": b""})
    world.run()
    world.loop.jump(60)
    world.write(upper(PAGE, ASSET))
    world.platform.dialect.speak("listing=5s")
    world.loop.call_later(4, change, world)
    outcome = world.run()
    assert outcome.exit_code == 8, outcome.log
    assert words in outcome.outputs["error"]
    assert outcome.outputs["error"].endswith(", 0 of 1 file deleted")
    assert "stale" in world.stored()
    if world.folder.exists():
        assert world.run().exit_code == 0
        assert world.stored() == world.read()


@pytest.mark.parametrize(
    "change",
    [
        lambda world: (world.folder / "empty").chmod(0o600),
        lambda world: ((world.folder / "new").touch(), (world.folder / "new").unlink()),
    ],
    ids=["mode", "seen by nobody"],
)
def test_modes_and_the_runs_own_files_are_no_change_of_the_folder(
    world: World, change: Callable[[World], object]
) -> None:
    """Modes, files that nobody has seen and the run's own are no reason. On GitLab, its state is there."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(world.folder), "CI_JOB_ID": "42"}
    assert world.run().exit_code == 0
    world.write(upper(PAGE, ASSET))
    world.once("PUT", "/files/index.html$", lambda: change(world))
    state = world.folder / "state.json"
    outcome = world.run(state_file=state)
    assert outcome.exit_code == 0, outcome.log
    state.unlink()
    assert world.stored() == world.read()


def test_a_folder_that_changes_without_an_upload_ends_the_deploy(world: World) -> None:
    """A success would not be true."""
    world.run()
    world.once("POST", "/lock$", (world.folder / "added").touch)
    assert world.run().exit_code == 8


# --- a gateway that says 200 in the platform's place


def lie(world: World, path: str) -> None:
    world.fault(Kind.STATUS, "PUT", f"/files/{path}", status=200, body=b"")


def test_a_swallowed_edit_of_equal_length_is_sent_by_the_next_deploy(world: World) -> None:
    """With the length of before, it looks stored. Nothing proves it, so the next deploy sends it, once."""
    world.run()
    world.loop.jump(60)
    world.write(upper(PAGE))
    lie(world, PAGE)
    outcome = world.run()
    assert (outcome.exit_code, outcome.uploads) == (0, [PAGE]), outcome.log
    assert outcome.seconds < 1
    assert "The next deploy sends 1 file again: the platform lists no length, or no new time" in outcome.log
    assert world.stored() == SITE
    assert world.run().uploads == [PAGE]
    assert world.stored() == world.read()
    assert world.run().uploads == []


@pytest.mark.parametrize("path", ["longer.css", "new.css", "_zerokie"])
def test_an_upload_that_the_listing_lacks_is_exit_5_and_nothing_is_deleted(world: World, path: str) -> None:
    """Another length, a new file, the manifest: exit 5, nothing is deleted, and the rest has arrived."""
    world.write(SITE | {"old.css": b"x", "longer.css": b"x"})
    world.run()
    world.write(upper(PAGE) | {"new.css": b"x", "longer.css": b"xx"})
    lie(world, path)
    outcome = world.run()
    assert outcome.exit_code == 5, outcome.log
    assert f"but does not list it: '{path}" in outcome.outputs["error"]
    assert outcome.outputs["hint"].startswith("Nothing was deleted. ")
    assert 25 <= outcome.seconds < 27
    assert sorted(outcome.uploads) == [PAGE, "longer.css", "new.css"]
    assert {**world.stored(), path: b""} == {**world.read(), "old.css": b"x", path: b""}
    world.loop.jump(1)
    again = world.run()
    assert (again.exit_code, again.uploads) == (0, [path] * (path != "_zerokie"))
    assert world.stored() == world.read()


def test_a_path_in_another_spelling_is_missing_and_nothing_is_deleted(world: World) -> None:
    """Of a platform that stores files under other names: nothing is deleted; the message has ours."""
    world.write(SITE | {"old": b"x"})
    world.run()
    world.write(SITE | {"Über.html": b"x"})

    def rename(_: Record) -> None:
        if "Über.html" in world.platform.files("site"):
            world.platform.delete_file("site", "Über.html")
            world.platform.put_file("site", "über.html", b"x")

    world.platform.on_request = rename
    outcome = world.run()
    assert outcome.exit_code == 5
    assert "does not list it: 'Über.html'" in outcome.outputs["error"]
    assert "old" in world.stored()


@pytest.mark.parametrize("listed", ["plain", "bare-directories"])
def test_a_page_may_become_a_file(world: World, listed: str) -> None:
    """`about/index.html` becomes `about`, whether directories are listed or not; also without a manifest."""
    world.platform.dialect.speak(f"listed-paths={listed}")
    flat = {"about": b"x", **{path: body for path, body in SITE.items() if path != "about/index.html"}}
    for files in (SITE, flat):
        shutil.rmtree(world.folder)
        world.write(files)
        require_equal(world)
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404)
        require_equal(world)


def test_a_file_may_become_a_directory(world: World) -> None:
    """Some platforms delete it with the file of its name: exit 5, and the rerun sends what it had."""
    flat = {"index.html": b"x", "about": b"x"}
    for listed in ("plain", "bare-directories"):
        shutil.rmtree(world.folder)
        world.write(flat)
        require_equal(world)
        world.platform.dialect.speak(f"listed-paths={listed}")
        world.write(SITE)
        if listed == "bare-directories":
            outcome = world.run()
            assert outcome.exit_code == 5, outcome.log
            assert "does not list it: 'about/index.html'" in outcome.outputs["error"]
            assert "Nothing was deleted" not in outcome.outputs["hint"]
            assert "may delete a directory together with the file of its name" in outcome.outputs["hint"]
        require_equal(world)
        assert world.run().uploads == []


def test_a_named_file_beside_a_directory_of_its_name_is_deleted(world: World) -> None:
    """`about` beside `about/index.html` is no directory if the manifest names it: it is deleted at last."""
    shutil.rmtree(world.folder)
    world.write({"index.html": b"x", "about": b"x"})
    world.run()
    (world.folder / "about").unlink()
    world.write(SITE)
    world.fault(Kind.STATUS, "DELETE", "/files/about", status=400)
    assert world.run().exit_code == 4
    assert "about" in world.stored()
    require_equal(world)
