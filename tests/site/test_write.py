"""Uploads and deletions of repeated deploys, after successes and failures.

`test_plan.py` and `test_confirmed.py` have tables of the rules.
"""

import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.support.containers import tell
from tests.support.sites import many, require_equal, upper
from tests.support.timewarp import wall_clock
from tests.support.world import SITE, World
from zerokie_action.site.manifest import find_manifests

PAGE, ASSET = "index.html", "assets/style.css"


def manifests(world: World) -> list[str]:
    """Return the paths of the manifests, the newest last."""
    return [found.path for found in find_manifests(world.platform.files("site"))]


def test_the_second_deploy_uploads_nothing(world: World) -> None:
    """The next deploys follow immediately, without waiting for a clock. One edit causes one upload."""
    world.platform.zone._clock = lambda: wall_clock(world.loop) - 3600
    world.write(many(12))
    outcome = world.at_once(4).run()
    assert outcome.outputs["files_uploaded"] == 12
    assert outcome.seconds < 0.1
    for _ in range(2):
        outcome = world.run()
        assert (outcome.uploads, outcome.outputs["files_unchanged"]) == ([], 12)
        assert outcome.writes == []
    world.write(many(12) | {"0/0.html": b"y"})
    assert world.run().uploads == ["0/0.html"]
    assert world.run().uploads == []
    assert world.stored() == world.read()


def test_an_edit_within_the_same_second_succeeds_and_is_uploaded_again_later(world: World) -> None:
    """`index.html` of a Vite site keeps its length, and the same time can't verify the edit.

    The deploy doesn't wait for another second. The next one uploads the file again, the third one nothing.
    """
    now = wall_clock(world.loop)
    world.platform.zone._clock = lambda: now
    world.write({"index.html": b'<script src="/assets/index-1.js">', "assets/index-1.js": b"1"})
    world.run()
    world.write({"index.html": b'<script src="/assets/index-2.js">', "assets/index-2.js": b"2"})
    outcome = world.run()
    assert (outcome.exit_code, outcome.uploads) == (0, ["assets/index-2.js", "index.html"]), outcome.log
    assert outcome.seconds < 1
    assert "The next deploy uploads 1 file again, because the file list can't confirm it" in outcome.log
    assert world.stored() == world.read()
    world.platform.zone._clock = lambda: now + 2
    assert [world.run().uploads for _ in range(2)] == [["index.html"], []]


def test_incremental_false_uploads_everything(world: World) -> None:
    """It also stores a manifest, so the next incremental deploy uploads nothing."""
    world.run()
    assert world.run(incremental=False).outputs["files_uploaded"] == len(SITE)
    assert world.run().uploads == []


def test_a_second_deploy_sends_its_requests_in_this_order(world: World) -> None:
    """The run stores a manifest before the first upload and another after the last one."""
    world.write(SITE | {"old": b"x"})
    world.run()
    world.write(upper(PAGE))
    world.loop.jump(2)
    before = manifests(world)
    outcome = world.run()
    asked = [
        f"{record.method} {'MANIFEST' if '_zerokie' in record.path else record.path.rpartition('/')[2]}"
        for record in outcome.requests
    ]
    assert sorted(asked[:2]) == ["GET files", "GET site"]
    assert ", ".join(asked[2:8]) == (
        "GET MANIFEST, POST lock, GET files, PUT MANIFEST, PUT index.html, GET files"
    )
    assert sorted(asked[8:-1]) == ["DELETE MANIFEST", "DELETE MANIFEST", "DELETE old", "PUT MANIFEST"]
    assert asked[-1] == "POST finalize"
    assert len(manifests(world)) == 2
    assert set(manifests(world)).isdisjoint(before)
    assert "`-` `old` (1 B)" in outcome.summary


# --- the manifest


def test_an_edit_of_a_killed_deploy_can_be_reverted_within_the_same_second(world: World) -> None:
    """The first manifest doesn't verify files that the deploy replaces later, even with the same length."""
    now = wall_clock(world.loop)
    world.platform.zone._clock = lambda: now
    world.run()
    world.write(upper(PAGE))
    world.die(lambda record: record.path.endswith("/files/index.html"))
    world.run()
    assert world.stored() == world.read()
    world.revive()
    world.write(SITE)
    require_equal(world)


OUTAGES: dict[str, tuple[Kind, dict[str, Any]]] = {
    "503": (Kind.STATUS, {"status": 503}),
    "429": (Kind.STATUS, {"status": 429, "headers": {"Retry-After": "60"}}),
    "reset": (Kind.RESET, {}),
    "hang": (Kind.HANG, {}),
}


@pytest.mark.parametrize("case", OUTAGES)
def test_after_an_outage_of_the_site_nothing_is_uploaded_again(world: World, case: str) -> None:
    """The run retries the manifest for 10s, even if `retry-timeout` is 0."""
    world.run()
    kind, more = OUTAGES[case]
    world.fault(kind, "GET", "_zerokie", **more)
    outcome = world.run(retry_timeout=0)
    assert (outcome.exit_code, outcome.uploads) == (0, []), outcome.log
    assert len(outcome.sent("GET", "_zerokie")) == 2


@pytest.mark.parametrize("case", OUTAGES)
def test_a_manifest_that_stays_unreadable_uploads_all_files(world: World, case: str) -> None:
    """The run gives up after 10s and one last request."""
    world.run()
    kind, more = OUTAGES[case]
    world.fault(kind, "GET", "_zerokie", times=None, **more)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert 10 <= outcome.seconds < 25
    assert len(outcome.uploads) == len(SITE)
    world.platform.faults.clear()
    assert world.run().uploads == []


def test_a_404_for_the_manifest_is_not_retried(world: World) -> None:
    """A later response would be the same."""
    world.run()
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    outcome = world.run()
    assert (outcome.exit_code, outcome.seconds) == (0, 0), outcome.log
    assert len(outcome.sent("GET", "_zerokie")) == 1


def test_without_the_apps_url_the_manifest_is_unreadable_and_the_log_says_so(world: World) -> None:
    world.platform.dialect.speak("url=absent")
    world.run()
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert "can't be read (the platform doesn't return the app's URL)" in outcome.log


def test_no_cache_serves_the_manifest(world: World) -> None:
    """Its URL has another query in each run."""
    world.run()
    (first,), (second,) = (world.run().sent("GET", "/_zerokie/") for _ in range(2))
    assert first.path == second.path
    assert "" != first.query != second.query


def test_a_file_that_a_failed_deploy_deleted_is_unmanaged_if_uploaded_again(world: World) -> None:
    """Files that the failed deploy couldn't delete stay managed."""
    world.write(SITE | {"a": b"x", "b": b"x"})
    world.run()
    world.write(SITE | {"new": b""})
    world.fault(Kind.STATUS, "DELETE", "/files/[ab]", status=400, skip=1, times=None)
    outcome = world.at_once(1).run()
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].endswith("; 1 of 1 file uploaded, 1 of 2 files deleted")
    world.platform.faults.clear()
    (deleted,) = {"a", "b"} - world.stored().keys()
    world.platform.put_file("site", deleted, b"new")
    assert world.run().exit_code == 2
    world.platform.delete_file("site", deleted)
    require_equal(world)


def test_a_missing_file_is_not_counted_as_deleted(world: World) -> None:
    """A late file list may still show it. Without uploads or deletions, the log doesn't mention them."""
    world.write(SITE | {"old": b""})
    world.run()
    world.write(SITE)
    world.once("DELETE", "/files/old$", lambda: world.platform.delete_file("site", "old"))
    outcome = world.run()
    assert (outcome.exit_code, outcome.outputs["files_deleted"]) == (0, 0)
    assert "Uploaded" not in outcome.log
    assert "Deleted" not in outcome.log


@pytest.mark.parametrize("skip", [0, 1])
def test_a_rejected_manifest_fails_the_deploy(world: World, skip: int) -> None:
    """Without the first manifest, nothing changes. Without the last one, the site still equals the folder."""
    world.run()
    world.write(upper(PAGE))
    world.fault(Kind.STATUS, "PUT", "/files/_zerokie/", status=413, skip=skip, times=None)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert ("of 1 file uploaded" in outcome.outputs["error"]) is bool(skip)
    assert world.stored() == (world.read() if skip else SITE)
    world.platform.faults.clear()
    require_equal(world)
    assert world.run().uploads == []


@pytest.mark.parametrize(("status", "code"), [(403, 0), (409, 4)])
def test_a_failed_deletion_of_an_old_manifest_is_a_warning(world: World, status: int, code: int) -> None:
    """The site is deployed, so a rejection is a warning. A 409 is about the lock, so it fails the run."""
    world.run()
    (old, *_) = manifests(world)
    world.write(upper(PAGE))
    world.fault(Kind.STATUS, "DELETE", old.partition("/")[2], status=status, times=None)
    outcome = world.run()
    assert outcome.exit_code == code, outcome.log
    assert world.stored() == world.read()
    if code == 0:
        (warning,) = outcome.outputs["warnings"]
        assert warning.startswith(f"Can't delete '{old}', an old manifest of this action: Deleting")
    else:
        assert outcome.outputs["warnings"] == []


# --- finished uploads are kept


@pytest.mark.parametrize(("kind", "code"), [(Kind.STATUS, 4), (Kind.DELAY, 143), (Kind.HANG, 143)])
def test_after_a_rejection_or_sigterm_the_next_deploy_uploads_the_rest(
    world: World, kind: Kind, code: int
) -> None:
    """The next deploy uploads at most the files of pending requests again. The run releases its lock.

    After a signal, the run waits up to a second for responses, and then stores the manifest.
    """
    count, in_flight = 20, 4
    world.write(many(count))
    world.fault(kind, "PUT", "/files/[0-9]", status=400, seconds=0.5, skip=count // 2, times=None)
    if code == 143:
        tell(world, after=0.2)
    outcome = world.at_once(in_flight).run()
    assert outcome.exit_code == code, outcome.log
    assert outcome.seconds < 5
    assert " for the next deploy to skip" in outcome.log
    if code == 143:
        uploaded = f"{outcome.outputs['files_uploaded']} of {count} files uploaded"
        assert outcome.outputs["error"] == f"Cancelled by SIGTERM; {uploaded}; the site may be half new"
        assert outcome.outputs["hint"] == "Run the deploy again."
    assert world.platform.lock("site") is None
    world.revive()
    again = world.run()
    assert len(again.uploads) <= count / 2 + in_flight
    assert again.outputs["files_unchanged"] == outcome.outputs["files_uploaded"] >= count / 2 - in_flight
    assert world.stored() == world.read()


# --- the folder changes during the deploy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda world: (world.folder / "added").write_bytes(b""), "during the deploy: 'added'"),
        (lambda world: os.utime(world.folder / "empty", (0, 0)), "during the deploy: 'empty'"),
        (
            lambda world: world.folder.rename(world.folder.with_name("old")),
            "does not exist|No such file",  # before the scan, or in it
        ),
    ],
)
def test_a_folder_that_changes_before_the_file_list_is_complete_fails_the_deploy(
    world: World, change: Callable[[World], object], words: str
) -> None:
    """The error names the files, and nothing is deleted."""
    world.write(SITE | {"stale": b""})
    world.run()
    world.loop.jump(60)
    world.write(upper(PAGE, ASSET))
    world.platform.dialect.speak("listing=5s")
    world.loop.call_later(4, change, world)
    outcome = world.run()
    assert outcome.exit_code == 8, outcome.log
    assert re.search(words, outcome.outputs["error"])
    assert outcome.outputs["error"].endswith(", 0 of 1 file deleted")
    assert "stale" in world.stored()


def test_a_folder_that_changes_fails_a_deploy_without_uploads(world: World) -> None:
    """Otherwise, the run would report success for a folder that differs from the site."""
    world.run()
    world.once("GET", "_zerokie/", (world.folder / "added").touch)
    assert world.run().exit_code == 8


def test_file_modes_and_the_runs_own_files_may_change(world: World) -> None:
    """On GitLab, the state file is in the folder."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(world.folder)}
    assert world.run().exit_code == 0
    world.write(upper(PAGE, ASSET))
    world.once("PUT", "/files/index.html$", lambda: (world.folder / "empty").chmod(0o600))
    state = world.folder / "state.json"
    outcome = world.run(state_file=state)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()


# --- uploads are missing from the file list


@pytest.mark.parametrize("path", ["new.css", "_zerokie"])
def test_an_upload_missing_from_the_file_list_fails_the_deploy(world: World, path: str) -> None:
    """A gateway responded with 200 instead of the platform. Nothing is deleted."""
    world.write(SITE | {"old.css": b"x"})
    world.run()
    world.write(upper(PAGE) | {"new.css": b"x"})
    world.fault(Kind.STATUS, "PUT", f"/files/{path}", status=200, body=b"")
    outcome = world.run()
    assert outcome.exit_code == 5, outcome.log
    assert f"but doesn't list them: '{path}" in outcome.outputs["error"]
    assert outcome.outputs["hint"].startswith("Nothing was deleted. ")
    assert 25 <= outcome.seconds < 27
    assert {**world.stored(), path: b""} == {**world.read(), "old.css": b"x", path: b""}
    world.loop.jump(1)
    again = world.run()
    assert (again.exit_code, again.uploads) == (0, [path] * (path != "_zerokie"))
    assert world.stored() == world.read()


# --- old files in the way

FORMATS = (
    {"index.html": b"x", "about": b"old", "stale": b""},
    {"index.html": b"x", "about/index.html": b"new"},
)


@pytest.mark.parametrize(("before", "after"), [FORMATS, FORMATS[::-1]], ids=["file first", "folder first"])
@pytest.mark.parametrize("dialect", ["same-name=400", "same-name=500", "listed-paths=bare-directories"])
def test_a_file_may_become_a_folder_or_the_other_way_round(
    world: World, dialect: str, before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    """A platform may refuse to keep both, or delete the folder with the old file.

    The run deletes the old file right before the uploads, and other stale files after them.
    """
    world.platform.dialect.speak(dialect)
    world.write(before)
    require_equal(world)
    world.write(after)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    asked = [f"{record.method} {record.path.partition('/files/')[2]}" for record in outcome.writes]
    old, new = ({*before} - {*after} - {"stale"}).pop(), ({*after} - {*before} - {"stale"}).pop()
    assert asked[1:3] == [f"DELETE {old}", f"PUT {new}"]
    assert outcome.outputs["files_deleted"] == len({*before} - {*after})
    assert world.run().uploads == []


def test_a_failure_after_a_deletion_in_the_way_lists_the_deleted_file(world: World) -> None:
    """The hint doesn't say that nothing was deleted. `stale` stays, and the next deploy succeeds."""
    before, after = FORMATS
    world.write(before)
    world.run()
    world.write(after)
    world.fault(Kind.STATUS, "PUT", "/files/about/index.html", status=200, body=b"")
    outcome = world.run()
    assert outcome.exit_code == 5, outcome.log
    assert outcome.outputs["error"].endswith(
        "; 1 of 1 file uploaded, 1 of 2 files deleted; deleted before the uploads: 'about'"
    )
    assert "Nothing was deleted" not in outcome.outputs["hint"]
    assert world.stored() == {"index.html": b"x", "stale": b""}
    require_equal(world)


@pytest.mark.parametrize(("before", "after"), [FORMATS, FORMATS[::-1]], ids=["file first", "folder first"])
@pytest.mark.parametrize("inputs", [{"keep": "about"}, {"delete_stale": False}])
def test_a_file_in_the_way_that_is_kept_is_never_deleted(
    world: World, inputs: dict[str, object], before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    """Object storage keeps both. A file system refuses the upload, and the error names both files."""
    (old,), (new,) = ({*one} - {*other} - {"stale"} for one, other in ((before, after), (after, before)))
    world.write(before)
    world.run()
    world.write(after)
    assert world.run(**inputs).exit_code == 0
    assert world.stored()[old] == before[old]
    world.platform.delete_file("site", new)
    world.platform.dialect.speak("same-name=409")
    outcome = world.run(**inputs)
    assert outcome.exit_code == 4, outcome.log
    assert world.stored()[old] == before[old]
    assert f"Uploading '{new}' was refused (409" in outcome.outputs["error"]
    assert f", perhaps because the old '{old}' is in its way" in outcome.outputs["error"]
    assert outcome.outputs["hint"].startswith(f"Delete '{old}', or deploy once with `delete-stale: true`. ")
