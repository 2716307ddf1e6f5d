"""The second deploy of the same directory uploads nothing, and one after a failure the rest only."""

import os
import random
import re
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.operations.containers import tell
from tests.support.timewarp import wall_clock
from tests.support.world import SITE, World
from zerokie_action.files.manifest import Manifest, find_manifests, parse_manifest
from zerokie_action.sandbox import bodies, static
from zerokie_action.sandbox.bodies import listing
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.platform import Platform
from zerokie_action.sandbox.records import Record

MANIFEST = r"/files/_zerokie/"
PAGE, ASSET = "index.html", "assets/style.css"


def many(count: int) -> dict[str, bytes]:
    """So many files, a tenth of them pages."""
    return {f"{number % 7}/{number}.{'css' if number % 10 else 'html'}": b"x" for number in range(count)}


def manifests(world: World) -> list[str]:
    """Their paths, the newest last."""
    return [found.path for found in find_manifests(world.platform.files("site"))]


def newest(world: World) -> Manifest:
    manifest = parse_manifest(world.platform.files("site")[manifests(world)[-1]])
    assert manifest
    return manifest


def upper(*paths: str) -> dict[str, bytes]:
    """The site, with other bytes of the same length in these files."""
    return SITE | {path: SITE[path].upper() for path in paths}


def require_equal(world: World) -> None:
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()


# --- whatever the platform's clock says


def test_nothing_is_uploaded_twice(world: World) -> None:
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


def test_a_listing_without_lengths(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference only shows examples. It proves nothing then, and is no reason to fail."""

    def without_lengths(platform: Platform, app: str) -> list[dict[str, Any]]:
        return [row | {"length": None} for row in listing(platform, app)]

    monkeypatch.setattr(bodies, "listing", without_lengths)
    assert [world.run().exit_code, world.run().outputs["files_uploaded"]] == [0, len(SITE)]
    assert world.stored() == world.read()


def test_without_comparing(world: World) -> None:
    """`incremental: false` uploads everything, and leaves a manifest for those who compare."""
    world.run()
    assert world.run(incremental=False).outputs["files_uploaded"] == len(SITE)
    assert world.run().uploads == []


# --- what an update asks for


def test_the_requests_of_an_update(world: World) -> None:
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
def test_a_deploy_that_is_killed_within_the_second(world: World) -> None:
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


def test_a_site_that_does_not_answer(world: World) -> None:
    """Then all is uploaded: the manifest is asked for once, for 10 seconds at most."""
    world.run()
    world.fault(Kind.HANG, "GET", "_zerokie")
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds < 12
    assert len(outcome.uploads) == len(SITE)
    assert world.run().uploads == []


def test_a_file_that_somebody_puts_where_we_have_deleted_one(world: World) -> None:
    """It is theirs: the next deploy stops. So it does after a deletion that was confirmed and not done."""
    world.write(SITE | {"sitemap.xml": b"old"})
    world.run()
    world.write(SITE)
    world.fault(Kind.STATUS, "DELETE", "sitemap", status=204)
    assert world.run().outputs["files_deleted"] == 1
    for _ in range(2):
        outcome = world.run()
        assert outcome.exit_code == 2
        assert "would delete 1 file that the last manifest does not name: 'sitemap" in outcome.log
        world.platform.delete_file("site", "sitemap.xml")
        assert world.run().exit_code == 0
        world.platform.put_file("site", "sitemap.xml", b"new")


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("is_killed", [True, False])
def test_an_end_between_deletions(world: World, *, is_killed: bool) -> None:
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
def test_a_manifest_that_the_platform_refuses(world: World, skip: int) -> None:
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


def test_older_manifests_go(world: World) -> None:
    """Whatever a killed deploy or an earlier version left there."""
    world.run()
    left = ["_zerokie/notes.txt", f"_zerokie/9-0-0-{'0' * 16}-{'0' * 32}.json"]
    for path in left:
        world.platform.put_file("site", path, b"x")
    world.write(upper(PAGE))
    assert world.run().exit_code == 0
    assert len([path for path in world.platform.files("site") if path.startswith("_zerokie/")]) == 2


@pytest.mark.parametrize(("status", "code"), [(403, 0), (409, 4), (500, 5)])
def test_an_old_manifest_that_the_platform_does_not_delete(world: World, status: int, code: int) -> None:
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


def test_a_corrected_content_type(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches files that have not changed, once. They are ours still, and go with the folder's."""
    world.write(SITE | {"a.md": b"x", "old.md": b"x"})
    world.run()
    for module in ("plan", "zone"):
        monkeypatch.setattr(f"zerokie_action.files.{module}.VERSION", 2)
    monkeypatch.setattr("zerokie_action.operations.update.VERSION", 2)
    (world.folder / "old.md").unlink()
    outcome = world.run(log_level="debug")
    assert (outcome.exit_code, outcome.outputs["files_deleted"]) == (0, 1), outcome.log
    assert sorted(outcome.uploads) == sorted(world.read())
    assert "  ~ a.md (sent with another version's table of content types)\n" in outcome.log
    assert world.run().uploads == []


# --- what was achieved is kept


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("kind", "code"), [(Kind.STATUS, 4), (Kind.DELAY, 143), (Kind.HANG, 143)])
def test_half_of_an_upload(world: World, kind: Kind, code: int) -> None:
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


def test_an_upload_that_did_not_arrive(world: World) -> None:
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
        (lambda world: world.folder.rename(world.folder.with_name("old")), "does not exist"),
    ],
)
def test_a_directory_that_moves(world: World, change: Callable[[World], object], words: str) -> None:
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
def test_a_directory_that_stays_the_same(world: World, change: Callable[[World], object]) -> None:
    """Modes, files that nobody has seen and the run's own are no reason. On GitLab, its state is there."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(world.folder), "CI_JOB_ID": "42"}
    assert world.run().exit_code == 0
    world.write(upper(PAGE, ASSET))
    world.once("PUT", "/files/index.html$", lambda: change(world))
    outcome = world.run(state_file=world.folder / "state.json")
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()


def test_a_directory_that_moves_while_nothing_is_uploaded(world: World) -> None:
    """A success would not be true."""
    world.run()
    world.once("POST", "/lock$", (world.folder / "added").touch)
    assert world.run().exit_code == 8


# --- a gateway that says 200 in the platform's place


def lie(world: World, path: str, times: int) -> None:
    world.fault(Kind.STATUS, "PUT", f"/files/{path}", status=200, body=b"", times=times)


@pytest.mark.parametrize(("path", "sent"), [(PAGE, [PAGE, PAGE]), ("_zerokie", [PAGE])])
def test_a_gateway_lies_once(world: World, path: str, sent: list[str]) -> None:
    """The file is sent once more, a second later, and so is the first manifest."""
    world.run()
    world.write(upper(PAGE))
    lie(world, path, 1)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert ("Sending 'index.html' again: the listing does not show" in outcome.log) == (path == PAGE)
    assert (outcome.outputs["files_uploaded"], outcome.uploads) == (1, sent)
    assert world.stored() == world.read()
    assert world.run().uploads == []


@pytest.mark.parametrize("path", [PAGE, "new.css", "_zerokie"])
def test_a_gateway_lies_again(world: World, path: str) -> None:
    """About an edit, a new file, or the manifest: exit 5, nothing is deleted, and the rest has arrived."""
    world.write(SITE | {"old.css": b"x"})
    world.run()
    world.write(upper(PAGE) | {"new.css": b"x"})
    lie(world, path, 2)
    outcome = world.run()
    assert outcome.exit_code == 5, outcome.log
    assert f"does not list it: '{path}" in outcome.outputs["error"]
    assert "Nothing was deleted." in outcome.outputs["hint"]
    assert world.stored().get(path) == SITE.get(path)
    assert {**world.stored(), path: b""} == {**world.read(), "old.css": b"x", path: b""}
    again = world.run()
    assert (again.exit_code, again.uploads) == (0, [path] * (path != "_zerokie"))
    assert world.stored() == world.read()


def test_a_new_time_that_is_listed_late(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few seconds are waited for it: nothing is sent twice."""
    world.run()
    world.loop.jump(60)
    monkeypatch.setitem(static._LATE, "entries", 3.0)
    world.platform.dialect.speak("listing=entries")
    outcome = world.run(incremental=False)
    assert (outcome.exit_code, sorted(outcome.uploads)) == (0, sorted(SITE)), outcome.log


def test_a_platform_that_keeps_the_time_of_the_same_content(world: World) -> None:
    """That is no lie, and no reason to wait: the manifest still proves that these bytes are there."""
    now = wall_clock(world.loop)
    world.platform.zone._clock = lambda: now
    world.run()
    outcome = world.run(incremental=False)
    assert outcome.exit_code == 0, outcome.log
    assert {*outcome.uploads} == {*SITE}
    assert outcome.seconds < 1
    assert world.run().uploads == []


def test_an_upload_of_which_the_listing_says_nothing_new(world: World) -> None:
    """Of a file that no manifest proved: it may not have arrived, so it is sent once more, seconds later.

    If that changes nothing, the next deploy sends it again.
    """
    now = wall_clock(world.loop)
    world.platform.zone._clock = lambda: now
    world.platform.put_file("site", PAGE, SITE[PAGE])
    outcome = world.run(take_over=True)
    assert outcome.exit_code == 0, outcome.log
    assert "The next deploy sends 1 file again" in outcome.log
    assert outcome.seconds < 12
    assert [*outcome.uploads].count(PAGE) == 2
    assert {*world.run().uploads} == {PAGE}


def test_a_gateway_lies_about_a_file_that_no_manifest_proves(world: World) -> None:
    """It is listed as before, with the same length."""
    world.platform.put_file("site", PAGE, SITE[PAGE].upper())
    world.loop.jump(60)
    lie(world, PAGE, 1)
    outcome = world.run(take_over=True)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()


@pytest.mark.parametrize(
    ("path", "spelling"),
    [("Über.html", "über.html"), ("ü.html", "u\u0308.html"), ("a b.html", "a%20b.html")],
)
def test_another_spelling(world: World, path: str, spelling: str) -> None:
    """Of a platform that stores files under other names: nothing is deleted, and the message shows both."""
    world.write(SITE | {"old": b"x"})
    world.run()
    world.write(SITE | {path: b"x"})

    def rename(_: Record) -> None:
        if path in world.platform.files("site"):
            world.platform.delete_file("site", path)
            world.platform.put_file("site", spelling, b"x")

    world.platform.on_request = rename
    outcome = world.run()
    assert outcome.exit_code == 5
    assert f"does not list it: {path!r}; it lists {spelling!r}" in outcome.outputs["error"]
    assert "old" in world.stored()
    for take_over, what in ((False, "what the last manifest names"), (True, "it")):
        again = world.run(take_over=take_over)
        assert again.exit_code == 5, again.log
        assert f"does not list {what}: {path!r}; it lists {spelling!r}" in again.outputs["error"]
    assert "old" in world.stored()


@pytest.mark.parametrize("listed", ["plain", "bare-directories"])
def test_a_page_that_becomes_a_file(world: World, listed: str) -> None:
    """`about/index.html` becomes `about`, whether directories are listed or not; also without a manifest."""
    world.platform.dialect.speak(f"listed-paths={listed}")
    flat = {"about": b"x", **{path: body for path, body in SITE.items() if path != "about/index.html"}}
    for files in (SITE, flat):
        shutil.rmtree(world.folder)
        world.write(files)
        require_equal(world)
        world.fault(Kind.STATUS, "GET", "_zerokie", status=404)
        require_equal(world)


@pytest.mark.parametrize("listed", ["plain", "bare-directories"])
def test_a_file_that_becomes_a_directory(world: World, listed: str) -> None:
    """A platform that deletes a directory with the file of its name gets the directory's files once more."""
    world.platform.dialect.speak(f"listed-paths={listed}")
    for files in ({"index.html": b"x", "about": b"x"}, SITE):
        shutil.rmtree(world.folder)
        world.write(files)
        require_equal(world)
    assert world.run().uploads == []


def test_a_file_that_becomes_a_page(world: World) -> None:
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


def test_an_edit_within_the_second(world: World) -> None:
    """The listing shows length and time of what was replaced: it is sent once more, in the next second."""
    began = world.loop.now
    world.run()
    between = world.loop.now - began
    world.platform.zone._clock = lambda: wall_clock(world.loop) - between
    world.write(upper(PAGE))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds < 32
    assert outcome.uploads == [PAGE, PAGE]
    assert world.stored() == world.read()
    assert world.run().uploads == []


# --- what the first listing does not show yet


@pytest.mark.parametrize("listing", ["5s", "12s", "20s", "entries", "cached"])
def test_a_minute_between_two_deploys(world: World, listing: str) -> None:
    """However late the listing is: both are green and equal, and nothing is uploaded twice."""
    world.platform.dialect.speak(f"listing={listing}", "listed-paths=bare-directories")
    for files in (SITE | {"old.css": b"x"}, upper(PAGE) | {"new/a.css": b"x"}):
        world.write(files)
        outcome = world.run()
        assert outcome.exit_code == 0, outcome.log
        assert outcome.seconds < 30
        assert world.stored() == world.read()
        world.loop.jump(60)
        assert world.run().uploads == []


def changed_between(world: World, listing: str, end: str) -> None:
    """Deploy the site, and a minute later a version with `new.css`, which ends like this."""
    world.run()
    world.loop.jump(60)
    world.platform.dialect.speak(f"listing={listing}")
    world.write(upper(PAGE) | {"new.css": b"x"})
    if end == "killed":
        world.die(lambda record: record.path.endswith("/files/index.html"))
    elif end == "failed":
        world.fault(Kind.STATUS, "PUT", "/files/index.html", status=400)
    world.run()
    world.revive()
    assert "new.css" in world.stored()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("listing", ["12s", "cached"])
@pytest.mark.parametrize("end", ["killed", "failed"])
def test_a_deploy_that_begins_within_the_lag(world: World, end: str, listing: str) -> None:
    """The first listing is believed: what it lacks stays, and the next deploy asks, once."""
    changed_between(world, listing, end)
    world.write(upper(ASSET))
    assert world.run().exit_code == 0
    assert world.stored() == world.read() | {"new.css": b"x"}
    world.loop.jump(60)
    outcome = world.run()
    assert outcome.exit_code == 2
    assert "would delete 1 file that the last manifest does not name: 'new.css'" in outcome.log
    assert world.run(take_over=True).exit_code == 0
    assert world.stored() == world.read()
    assert world.run().exit_code == 2, "the listing still shows what was deleted"
    world.loop.jump(60)
    require_equal(world)


@pytest.mark.usefixtures("handlers")
def test_back_to_the_version_before_within_the_lag(world: World) -> None:
    """It is green on what the listing still shows; a minute later it is right."""
    changed_between(world, "12s", "killed")
    world.write(SITE)
    outcome = world.run()
    assert (outcome.exit_code, outcome.uploads) == (0, [])
    assert "new.css" in world.stored()
    world.loop.jump(60)
    require_equal(world)


def is_put(path: str, record: Record) -> bool:
    return record.method == "PUT" and re.search(path, record.path) is not None


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    "seed", [seed if seed < 5 else pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(150)]
)
def test_any_history_on_a_platform_that_lists_late(world: World, seed: int) -> None:
    """Whatever failed and was killed, and however soon: no stranger's file goes; later all is right."""
    chance = random.Random(seed)  # noqa: S311
    answers = ["5s", "12s", "20s", "entries", "cached"]

    def vary(_: Record) -> None:
        world.platform.dialect.speak(f"listing={chance.choice([*answers[:-1], 'now'])}")

    world.platform.dialect.speak(f"listing={chance.choice(answers)}")
    world.platform.on_response = vary if seed % 3 == 0 else None  # how late it is changes all the time
    names = [f"{folder}/{name}" for folder in "ab" for name in ("x.css", "y.js", "z.html")]
    versions = [
        SITE | {name: chance.choice([b"1", b"2", b"333"]) for name in names if chance.random() < 0.6}
        for _ in range(3)
    ]
    for step in range(8):
        world.write(chance.choice(versions))
        at, end = chance.choice(["index.html", "[ab]/", "_zerokie"]), chance.choice(["", "killed", "failed"])
        if step > 1 and end == "failed":
            world.fault(Kind.STATUS, "PUT", f"/files/{at}", status=400, skip=chance.randrange(3))
        elif step > 1 and end == "killed":
            world.die(partial(is_put, at))
        if step == 1:
            world.platform.put_file("site", "a/theirs.css", b"1")
            world.loop.jump(60)
        outcome = world.run()
        world.revive()
        world.platform.faults.clear()
        assert outcome.exit_code in {0, 2, 4, 143}, outcome.log
        world.loop.jump(60 if step < 2 else chance.choice([0, 1, 3, 8, 60]))
    assert world.stored()["a/theirs.css"] == b"1"
    world.loop.jump(60)
    assert world.run(take_over=True).exit_code == 0
    assert world.stored() == world.read()
    world.loop.jump(60)
    assert world.run().uploads == []


def test_a_new_app_whose_listing_is_late(world: World) -> None:
    """A 404 is waited for."""
    world.platform.dialect.speak("listing=5s", "empty-zone=404")
    assert world.run(app="new", create=True).exit_code == 0
    assert world.stored("new") == world.read()
    world.loop.jump(20)
    outcome = world.run(app="new")
    assert (outcome.exit_code, outcome.uploads) == (0, [])
