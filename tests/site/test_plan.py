import pytest

from tests.site.remotes import (
    DOCS,
    LATER,
    NOON,
    NOW,
    SHOP,
    UNKNOWN,
    entry,
    file_list,
    plan,
    remote,
)
from zerokie_action.platform.models import RemoteFile
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.manifest import mark_repository

A = {"a": RemoteFile(1, NOON)}
ENTRY = entry(b"1")
CHANGED = [("~", "changed on the platform after its upload")]


@pytest.mark.parametrize(
    ("content", "listed", "entries", "types", "change"),
    [
        (b"1", A, {"a": ENTRY}, VERSION, []),
        (b"1", {}, {"a": ENTRY}, VERSION, [("+", "new")]),
        (b"2", A, {"a": ENTRY}, VERSION, [("~", "content differs")]),
        (b"12", A, {"a": ENTRY}, VERSION, [("~", "content differs")]),
        (b"1", A, {"a": None}, VERSION, [("~", "not verified by the manifest")]),
        (b"1", A, {}, VERSION, [("~", "not verified by the manifest")]),
        (b"1", {"a": RemoteFile(1, LATER)}, {"a": ENTRY}, VERSION, CHANGED),
        (b"1", {"a": RemoteFile(2, NOON)}, {"a": ENTRY}, VERSION, CHANGED),
        (
            b"1",
            A,
            {"a": ENTRY},
            VERSION - 1,
            [("~", "uploaded with another version's content types")],
        ),
    ],
)
def test_a_file_that_differs_from_its_manifest_entry_is_uploaded(content, listed, entries, types, change):
    """The entry has the hash, length and time. The manifest has the version of the content types."""
    made = plan({"a": content}, remote(listed, entries, types=types))
    assert [(sign, reason) for sign, _, reason in made.changes()] == change
    assert made.unchanged == ({} if change else {"a": ENTRY})


def test_a_file_without_a_hash_is_uploaded():
    """`incremental: false` doesn't compute hashes."""
    made = plan({"a": b"1"}, remote(A, {"a": ENTRY}), incremental=False)
    assert [*made.changes()] == [("~", "a", "not compared")]


OLD = {"old.css": b"x", "old.html": b"x", ".env": b"x", "unmanaged.css": b"x", "kept.css": b"x"}
MANAGED = dict.fromkeys([*OLD.keys() - {"unmanaged.css"}, "index.html"])


@pytest.mark.parametrize(
    ("delete_stale", "stale", "deleted", "pending"),
    [
        (True, {}, [".env", "old.css", "old.html", "unmanaged.css"], []),
        (False, {}, [], []),
        (60.0, {}, [".env", "old.html", "unmanaged.css"], ["old.css"]),
        (60.0, {"old.css": NOW - 59}, [".env", "old.html", "unmanaged.css"], ["old.css"]),
        (60.0, {"old.css": NOW - 60}, [".env", "old.css", "old.html", "unmanaged.css"], []),
        (60.0, {"old.css": NOW + 999}, [".env", "old.html", "unmanaged.css"], ["old.css"]),
    ],
    ids=["immediately", "never", "stale now", "within the delay", "after the delay", "a time in the future"],
)
def test_assets_are_deleted_after_a_delay(delete_stale, stale, deleted, pending):
    """Pages, secrets and unmanaged files are deleted immediately, and files that `keep` matches never."""
    before = remote(file_list(OLD | {"index.html": b"x"}), MANAGED, stale=stale)
    made = plan({"index.html": b"x"}, before, keep=["kept.css"], delete_stale=delete_stale)
    assert (list(made.delete), list(made.pending)) == (deleted, pending)


@pytest.mark.parametrize(("old", "new"), [("a", "a/b.css"), ("a/b.css", "a")])
def test_a_file_that_becomes_a_directory_or_was_one_is_in_the_way(old, new):
    """A platform may not keep both, so the delay doesn't apply."""
    before = remote(file_list({old: b"x"}), {old: None})
    made = plan({new: b"x"}, before, delete_stale=60.0)
    assert (made.delete, made.in_the_way, made.pending) == ((old,), (old,), ())


def test_only_listed_stale_files_have_a_time():
    """A time in the future becomes the current time, because the other run's clock was ahead."""
    times = {"again.css": 7, "gone.css": 7, "old.css": 7, "ahead.css": NOW + 999}
    listed = file_list(dict.fromkeys(times.keys() - {"gone.css"}, b"1"))
    made = plan({"again.css": b"1"}, remote(listed, dict.fromkeys(times), stale=times), delete_stale=60.0)
    assert made.stale == {"old.css": 7, "ahead.css": NOW}


SITE = {"index.html": b"x", "a.css": b"1"}
ENTRIES = {path: entry(content) for path, content in SITE.items()}
OF_SHOP = mark_repository(SHOP)
DELAY = {"delete_stale": 60.0}


@pytest.mark.parametrize(
    ("files", "manifest", "repository", "options", "is_needed"),
    [
        (SITE, {"mark": OF_SHOP}, SHOP, {}, False),
        (SITE, {"mark": "0"}, UNKNOWN, {}, False),
        (SITE | {"new": b"x"}, {"mark": OF_SHOP}, SHOP, {}, True),
        ({"index.html": b"x"}, {"mark": OF_SHOP, "count": 1}, SHOP, {}, True),
        ({"index.html": b"x"}, {"mark": OF_SHOP, "count": 1}, SHOP, {"delete_stale": False}, False),
        (SITE, {"mark": OF_SHOP}, DOCS, {}, True),
        (SITE, {"mark": OF_SHOP}, UNKNOWN, {}, True),
        (SITE, {"mark": "0"}, SHOP, {}, True),
        (SITE, {"mark": OF_SHOP, "finished": False}, SHOP, {}, True),
        ({"index.html": b"x"}, {"mark": OF_SHOP, "count": 1}, SHOP, DELAY, True),
        (
            {"index.html": b"x"},
            {"mark": OF_SHOP, "count": 1, "stale": {"a.css": int(NOW)}},
            SHOP,
            DELAY,
            False,
        ),
        (SITE, {"mark": OF_SHOP, "stale": {"a.css": 7}}, SHOP, DELAY, True),
    ],
    ids=[
        "the same folder",
        "the same folder, unknown repository",
        "a new file",
        "a file to delete",
        "a file that is never deleted",
        "taken over by another repository",
        "taken over by an unknown repository",
        "the repository becomes known",
        "the last deploy failed",
        "a file becomes stale",
        "a file is already pending deletion",
        "a file pending deletion is in the folder again",
    ],
)
def test_a_deploy_changes_the_app_if_files_or_the_manifest_change(
    files, manifest, repository, options, is_needed
):
    """In the manifest, the owner, the end of the deploy and the stale files matter."""
    before = remote(file_list(SITE), ENTRIES, **manifest)
    made = plan(files, before, repository=repository, **options)
    assert made.is_up_to_date is not is_needed


def test_an_empty_app_gets_a_manifest():
    """Its first manifest stores the owner."""
    assert not plan({}, remote({})).is_up_to_date
