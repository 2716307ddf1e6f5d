"""Files that a file list verifies, and the next manifest: a row for each rule."""

from collections.abc import Iterable, Mapping
from typing import Any

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
    sha256,
)
from zerokie_action.platform.models import RemoteFile
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.manifest import (
    Entry,
    Manifest,
    ManifestName,
    find_manifests,
    mark_repository,
    new_manifest_name,
)
from zerokie_action.site.record import Record

WAS, IS = {"a": b"old"}, {"a": b"new"}
AT_NOON = file_list(WAS)


def shown(record: Record, a: tuple[int, str] | None) -> dict[str, RemoteFile]:
    """Return a file list with the newest manifest, and the file `a` unless it is None."""
    assert record.newest
    listed = {record.newest.path: RemoteFile(1, NOON)}
    return listed | ({"a": RemoteFile(*a)} if a else {})


class TestUploads:
    """File lists after the upload of the file `a`, whose three bytes change from `old` to `new`."""

    @pytest.mark.parametrize(
        ("before", "known", "after", "entries", "missing"),
        [
            ({}, {}, (3, NOON), {"a": entry(b"new")}, []),
            (AT_NOON, {"a": entry(b"old")}, (3, LATER), {"a": entry(b"new", LATER)}, []),
            (AT_NOON, {"a": entry(b"old")}, (3, NOON), {}, []),
            (AT_NOON, {"a": None}, (3, NOON), {}, []),
            (AT_NOON, {"a": entry(b"new")}, (3, NOON), {"a": entry(b"new")}, []),
            ({"a": RemoteFile(9, NOON)}, {"a": None}, (3, NOON), {"a": entry(b"new")}, []),
            (AT_NOON, {"a": entry(b"old")}, (3, ""), {}, []),
            (AT_NOON, {"a": entry(b"old")}, (-1, LATER), {}, []),
            (AT_NOON, {"a": entry(b"old")}, (4, LATER), {}, ["a"]),
            ({}, {}, None, {}, ["a"]),
        ],
        ids=[
            "a new file is verified",
            "a new time verifies an edit",
            "the old length and time don't, because a gateway may have dropped the upload",
            "they don't without a manifest entry",
            "they verify unchanged bytes, because some platforms keep the time",
            "the old time verifies another length",
            "an unknown time verifies nothing",
            "an unknown length verifies nothing",
            "a file with the wrong length is missing",
            "an unlisted file is missing",
        ],
    )
    def test_an_upload_is_verified_missing_or_neither(self, before, known, after, entries, missing):
        record = Record(plan(IS, remote(before, known), incremental=False))
        record.uploaded["a"] = sha256(b"new")
        assert record.verify(shown(record, after)) == (entries, missing, [])

    def test_an_unlisted_manifest_is_missing_and_an_unsent_file_is_not_verified(self):
        """The manifest's name is new, so it shows that a gateway drops uploads.

        After a failure, a listed file may have other content of the same length.
        """
        record = Record(plan(IS, remote({})))
        path, _ = record.begin_manifest({}, now=NOW)
        assert record.verify(file_list(IS)) == ({}, [path], [])


@pytest.mark.parametrize(
    ("after", "is_verified"),
    [((3, NOON), True), ((3, LATER), False), ((4, NOON), False), (None, False)],
    ids=["unchanged", "another time", "another length", "gone"],
)
def test_an_unchanged_file_is_compared_with_its_manifest_entry(after, is_verified):
    """Another tool, or a late upload of another run, may change the file during the deploy."""
    record = Record(plan(WAS, remote(AT_NOON, {"a": entry(b"old")})))
    judged = record.verify(shown(record, after))
    assert judged == (({"a": entry(b"old")}, [], []) if is_verified else ({}, [], ["a"]))


# --- the next manifest

STORED = dict.fromkeys(["index.html", "old.css", "old.html"], b"x")
FOLDER = dict.fromkeys(["index.html", "new.css"], b"x")


def following(
    manifest: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    unmanaged: Iterable[str] = (),
    entries: Mapping[str, Entry] | None = None,
    gone: Iterable[str] = (),
    now: float = NOW,
    **more: Any,
) -> tuple[ManifestName, Manifest]:
    """Return the next manifest of a deploy of `FOLDER`, and its name.

    The newest manifest has entries for `STORED`, and 7 files in its last folder.

    Args:
        manifest: other fields of the newest manifest.
        options: options of the plan.
        unmanaged: unmanaged files in the app.
        entries: the verified files. By default, the unchanged ones.
        gone: the deleted files.
        now: the time.
        more: other arguments of `next_manifest`.
    """
    known = {path: entry(content) for path, content in STORED.items()}
    listed = file_list(STORED | dict.fromkeys(unmanaged, b"s"))
    before = remote(listed, known, **{"count": 7} | dict(manifest or {}))
    record = Record(plan(FOLDER, before, **dict(options or {})))
    record.gone |= dict.fromkeys(gone, True)
    path, content = record.begin_manifest(
        record.plan.unchanged if entries is None else entries, now=now, **more
    )
    assert record.newest
    assert record.newest.path == path
    return record.newest, content


def test_the_first_manifest_lists_old_and_new_files_and_verifies_unchanged_ones():
    """If the deploy is killed, all these files are managed, and replaced files aren't verified."""
    name, manifest = following(unmanaged=["unmanaged.css"])
    assert manifest.files == {
        "index.html": entry(b"x"),
        "new.css": None,
        "old.css": entry(b"x"),
        "old.html": entry(b"x"),
    }
    assert (manifest.count, manifest.types) == (7, VERSION)
    assert find_manifests([name.path]) == [name]


def test_the_last_manifest_verifies_uploads_and_omits_deleted_files():
    """If another tool uploads a deleted file again, the file is unmanaged."""
    entries = {path: entry(b"x") for path in FOLDER}
    _, manifest = following(entries=entries, gone={"old.css", "old.html"}, is_finished=True)
    assert manifest.files == entries
    assert manifest.count == 2


def test_a_file_that_was_not_deleted_stays_managed():
    _, manifest = following(gone={"old.css"})
    assert manifest.files.keys() == {"index.html", "new.css", "old.html"}


WEEK = {"delete_stale": 604_800.0}
KEPT = {"keep": ["*.css"], "delete_stale": 604_800.0}


@pytest.mark.parametrize(
    ("options", "stale", "gone", "is_finished", "expected"),
    [
        (WEEK, {}, set(), False, {}),
        (WEEK, {}, set(), True, {"old.css": int(NOW)}),
        (WEEK, {"old.css": 970}, set(), False, {"old.css": 970}),
        (WEEK, {"old.css": 970}, set(), True, {"old.css": 970}),
        (WEEK, {"old.css": 970}, {"old.css"}, False, {}),
        (WEEK, {"index.html": 970, "gone.css": 970}, set(), True, {"old.css": int(NOW)}),
        ({"delete_stale": False}, {}, set(), True, {}),
        ({"delete_stale": False}, {"old.css": 970}, set(), True, {"old.css": 970}),
        (KEPT, {}, set(), True, {}),
        (KEPT, {"old.css": 970}, set(), True, {"old.css": 970}),
    ],
    ids=[
        "an unfinished deploy adds no time",
        "a finished deploy adds a time",
        "an unfinished deploy keeps earlier times",
        "a finished deploy keeps earlier times",
        "a deleted file loses its time",
        "a file that is in the folder again or unlisted loses its time",
        "a file that is never deleted gets no time",
        "a file that is never deleted keeps an earlier time",
        "a file that `keep` matches gets no time",
        "a file that `keep` matches keeps an earlier time",
    ],
)
def test_only_finished_deploys_add_times_of_stale_files(options, stale, gone, is_finished, expected):
    _, manifest = following(
        manifest={"stale": stale}, options=options, gone={"old.html"} | gone, is_finished=is_finished
    )
    assert manifest.stale == expected


def test_entries_with_other_content_types_are_not_kept():
    """The next deploy may send the file with another content type."""
    _, manifest = following(manifest={"types": VERSION - 1})
    assert manifest.files["old.css"] is None
    assert manifest.types == VERSION


@pytest.mark.parametrize(
    ("keep", "listed", "digested"),
    [
        ((), None, ["index.html", "new.css", "old.css", "old.html"]),
        (("old.*",), None, ["index.html", "new.css"]),
        ((), ["index.html", "old.css", "unmanaged.css"], ["index.html", "old.css"]),
    ],
    ids=["all entries", "without files that `keep` matches", "after a failure, listed files only"],
)
def test_a_manifests_name_has_a_digest_of_the_managed_files(keep, listed, digested):
    """If the manifest is unreadable, the file list and the digest still identify the managed files."""
    name, _ = following(options={"keep": keep}, listed=listed)
    assert name.digest == new_manifest_name(1, "0", digested).digest


@pytest.mark.parametrize(
    ("number", "now", "expected"),
    [(1, 1_000.0, 1_000_000), (2_000_000, 1_000.0, 2_000_001)],
    ids=["the time in milliseconds", "the newest number plus one, if the clock is behind"],
)
def test_a_manifests_number_is_at_least_the_time_and_above_the_newest(number, now, expected):
    """The newest manifest may be missing from a late file list, but its number is at most the time."""
    name, _ = following(manifest={"number": number}, now=now)
    assert name.number == expected


@pytest.mark.parametrize("mark", ["0", mark_repository(DOCS)])
@pytest.mark.parametrize("repository", [SHOP, UNKNOWN])
def test_a_manifests_mark_identifies_the_runs_repository(mark, repository):
    """If the repository is unknown, the mark is `0`, even after a deploy of a known one."""
    name, _ = following(manifest={"mark": mark}, options={"repository": repository})
    assert name.repository == mark_repository(repository)
