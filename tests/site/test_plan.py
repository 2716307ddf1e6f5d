import pytest

from tests.site.remotes import (
    DOCS,
    LATER,
    NOON,
    NOW,
    SHOP,
    UNKNOWN,
    entry,
    folder,
    listing,
    patterns,
    plan,
    remote,
)
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.manifest import mark_repository
from zerokie_action.site.plan import make_plan, needs_update

A = {"a": (1, NOON)}
PROOF = entry(b"1")


@pytest.mark.parametrize(
    ("content", "listed", "entries", "types", "change"),
    [
        (b"1", A, {"a": PROOF}, VERSION, []),
        (b"1", {}, {"a": PROOF}, VERSION, [("+", "new")]),
        (b"2", A, {"a": PROOF}, VERSION, [("~", "content differs")]),
        (b"12", A, {"a": PROOF}, VERSION, [("~", "content differs")]),
        (b"1", A, {"a": None}, VERSION, [("~", "not verified by the manifest")]),
        (b"1", A, {}, VERSION, [("~", "not verified by the manifest")]),
        (b"1", {"a": (1, LATER)}, {"a": PROOF}, VERSION, [("~", "changed on the platform after its upload")]),
        (b"1", {"a": (2, NOON)}, {"a": PROOF}, VERSION, [("~", "changed on the platform after its upload")]),
        (
            b"1",
            A,
            {"a": PROOF},
            VERSION - 1,
            [("~", "uploaded with another version's content types")],
        ),
    ],
)
def test_each_reason_for_an_upload(content, listed, entries, types, change):
    """Unless hash, length, time and the table of types are those of the manifest."""
    made = plan({"a": content}, remote(listed, entries, types=types))
    assert [(sign, reason) for sign, _, reason in made.changes()] == change
    assert made.unchanged == ({} if change else {"a": PROOF})


def test_a_file_without_a_hash_is_uploaded():
    """`incremental: false`."""
    made = make_plan(
        folder({"a": b"1"}), remote(A, {"a": PROOF}), {}, keep=patterns(), delete_stale=True, now=NOW
    )
    assert [*made.changes()] == [("~", "a", "not compared")]


OLD = {"old.css": b"x", "old.html": b"x", ".env": b"x", "theirs.css": b"x", "kept.css": b"x"}
OURS = dict.fromkeys([*OLD.keys() - {"theirs.css"}, "index.html"])


@pytest.mark.parametrize(
    ("delete_stale", "stale", "deleted", "waits"),
    [
        (True, {}, [".env", "old.css", "old.html", "theirs.css"], []),
        (False, {}, [], []),
        (60.0, {}, [".env", "old.html", "theirs.css"], ["old.css"]),
        (60.0, {"old.css": NOW - 59}, [".env", "old.html", "theirs.css"], ["old.css"]),
        (60.0, {"old.css": NOW - 60}, [".env", "old.css", "old.html", "theirs.css"], []),
        (60.0, {"old.css": NOW + 999}, [".env", "old.html", "theirs.css"], ["old.css"]),
    ],
    ids=["at once", "never", "waits from now on", "waits", "has waited", "a time in the future is now"],
)
def test_pages_go_and_assets_wait(delete_stale, stale, deleted, waits):
    """Pages, secrets and a stranger's files never wait, and what `keep` matches is not deleted."""
    before = remote(listing(OLD | {"index.html": b"x"}), OURS, stale=stale)
    made = plan({"index.html": b"x"}, before, keep=["kept.css"], delete_stale=delete_stale)
    assert (list(made.delete), list(made.pending)) == (deleted, waits)


@pytest.mark.parametrize(("old", "new"), [("a", "a/b.css"), ("a/b.css", "a")])
def test_a_file_in_the_place_of_a_directory_does_not_wait(old, new):
    """A server may take one for the other. Only the deletion of a directory's path may take files along."""
    before = remote(listing({old: b"x"}), {old: None})
    made = plan({new: b"x"}, before, delete_stale=60.0)
    assert (made.delete, made.pending) == ((old,), ())
    assert made.replaces_file is (old == "a")


def test_only_what_is_stale_and_listed_has_a_time():
    """A time in the future is now: a clock may have been ahead."""
    times = {"again.css": 7, "gone.css": 7, "old.css": 7, "ahead.css": NOW + 999}
    listed = listing(dict.fromkeys(times.keys() - {"gone.css"}, b"1"))
    made = plan({"again.css": b"1"}, remote(listed, dict.fromkeys(times), stale=times), delete_stale=60.0)
    assert made.stale == {"old.css": 7, "ahead.css": NOW}


SITE = {"index.html": b"x", "a.css": b"1"}
PROOFS = {path: entry(content) for path, content in SITE.items()}
OF_SHOP = mark_repository(SHOP)
WAITS = {"delete_stale": 60.0}


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
        (SITE, {"mark": OF_SHOP, "count": None}, SHOP, {}, True),
        ({"index.html": b"x"}, {"mark": OF_SHOP, "count": 1}, SHOP, WAITS, True),
        (
            {"index.html": b"x"},
            {"mark": OF_SHOP, "count": 1, "stale": {"a.css": int(NOW)}},
            SHOP,
            WAITS,
            False,
        ),
        (SITE, {"mark": OF_SHOP, "stale": {"a.css": 7}}, SHOP, WAITS, True),
    ],
    ids=[
        "the same folder",
        "the same folder, of no repository",
        "a new file",
        "a file to delete",
        "a file that stays",
        "taken over by another repository",
        "taken over by a run that knows no repository",
        "the repository is known from now on",
        "the last deploy failed",
        "a file begins to wait",
        "a file goes on waiting",
        "a file that waited is in the folder again",
    ],
)
def test_a_deploy_has_something_to_do_when_its_manifest_changes(
    files, manifest, repository, options, is_needed
):
    """A file has to change, or the next manifest says something new."""
    made = plan(files, remote(listing(SITE), PROOFS, **manifest), **options)
    assert needs_update(made, repository) is is_needed


def test_an_empty_zone_needs_a_manifest():
    """Its first manifest says whose the app is."""
    assert needs_update(plan({}, remote({})), SHOP)
