"""What a listing proves, and what the next manifest says: a row for each rule."""

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
    listing,
    patterns,
    plan,
    remote,
    sha256,
)
from zerokie_action.ci import Source
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.manifest import (
    Manifest,
    ManifestName,
    find_manifests,
    mark_repository,
    new_manifest_name,
)
from zerokie_action.site.verify import next_manifest, verify_files

MANIFEST = "_zerokie/manifest"
WAS, IS = {"a": b"old"}, {"a": b"new"}
AT_NOON = listing(WAS)


class TestUploads:
    """A listing after the upload of the file `a`, three bytes that were `old` and are `new`."""

    @pytest.mark.parametrize(
        ("before", "known", "after", "entries", "missing"),
        [
            ({}, {}, (3, NOON), {"a": entry(b"new")}, []),
            (AT_NOON, {"a": entry(b"old")}, (3, LATER), {"a": entry(b"new", LATER)}, []),
            (AT_NOON, {"a": entry(b"old")}, (3, NOON), {}, []),
            (AT_NOON, {"a": None}, (3, NOON), {}, []),
            (AT_NOON, {"a": entry(b"new")}, (3, NOON), {"a": entry(b"new")}, []),
            ({"a": (9, NOON)}, {"a": None}, (3, NOON), {"a": entry(b"new")}, []),
            (AT_NOON, {"a": entry(b"old")}, (3, ""), {}, []),
            (AT_NOON, {"a": entry(b"old")}, (-1, LATER), {}, []),
            (AT_NOON, {"a": entry(b"old")}, (4, LATER), {}, ["a"]),
            ({}, {}, None, {}, ["a"]),
        ],
        ids=[
            "a new file is proved",
            "a new time proves an edit",
            "length and time of before prove nothing: a gateway may have swallowed the upload",
            "nor do they where no manifest proved the file",
            "they prove what the last manifest proved: some platforms keep the time of the same bytes",
            "the time of before proves another length",
            "no time proves nothing",
            "no length proves nothing, and is no other length",
            "another length is not the file",
            "a file that is not listed is missing",
        ],
    )
    def test_a_listed_upload_is_proved_missing_or_unproved(self, before, known, after, entries, missing):
        made = plan(IS, remote(before, known), incremental=False)
        listed = {MANIFEST: (1, NOON)} | ({"a": after} if after else {})
        judged = verify_files(made, {"a": sha256(b"new")}, listed, MANIFEST)
        assert (judged.entries, judged.missing, judged.changed) == (entries, missing, [])

    def test_a_manifest_that_is_not_listed_is_missing_and_an_unsent_file_not_proved(self):
        """Its name is new: a gateway that swallows all uploads is found by it.

        What is listed after a failure may be anything of this length.
        """
        judged = verify_files(plan(IS, remote({})), {}, listing(IS), MANIFEST)
        assert judged == ({}, [MANIFEST], [])


@pytest.mark.parametrize(
    ("after", "is_proved"),
    [((3, NOON), True), ((3, LATER), False), ((4, NOON), False), (None, False)],
    ids=["as it was", "another time", "another length", "gone"],
)
def test_an_unchanged_file_is_compared_with_its_proof(after, is_proved):
    """Something else has changed it meanwhile: another run's upload that lands late, or a stranger."""
    made = plan(WAS, remote(AT_NOON, {"a": entry(b"old")}))
    judged = verify_files(made, {}, {MANIFEST: (1, NOON)} | ({"a": after} if after else {}), MANIFEST)
    assert judged.entries == ({"a": entry(b"old")} if is_proved else {})
    assert judged.changed == ([] if is_proved else ["a"])
    assert judged.missing == []


# --- the next manifest

STORED = dict.fromkeys(["index.html", "old.css", "old.html"], b"x")
FOLDER = dict.fromkeys(["index.html", "new.css"], b"x")


def following(
    manifest: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    strange: Iterable[str] = (),
    **more: Any,
) -> tuple[ManifestName, Manifest]:
    """The next manifest of a deploy of `FOLDER`, and its name.

    Args:
        manifest: fields of the newest manifest, which names and proves `STORED`, and was stored for 7 files.
        options: of the plan.
        strange: a stranger's files in the app.
        more: other arguments of `next_manifest`.
    """
    entries = {path: entry(content) for path, content in STORED.items()}
    listed = listing(STORED | dict.fromkeys(strange, b"s"))
    before = remote(listed, entries, **{"count": 7} | dict(manifest or {}))
    made = plan(FOLDER, before, **dict(options or {}))
    arguments: dict[str, Any] = {
        "keep": patterns(),
        "repository": SHOP,
        "now": NOW,
        "entries": made.unchanged,
    }
    arguments["source"] = Source()
    return next_manifest(made, newest=before.newest, **arguments | more)


def test_the_first_manifest_names_what_may_be_there_and_proves_what_stays():
    """If the deploy is killed, all of it is ours, and nothing vouches for what was replaced."""
    name, manifest = following(strange=["theirs.css"])
    assert manifest.files == {
        "index.html": entry(b"x"),
        "new.css": None,
        "old.css": entry(b"x"),
        "old.html": entry(b"x"),
    }
    assert (manifest.count, manifest.types) == (7, VERSION)
    assert find_manifests([name.path]) == [name]


def test_the_last_manifest_proves_what_was_sent_and_names_nothing_deleted():
    """Whoever puts a deleted file there again is a stranger."""
    entries = {path: entry(b"x") for path in FOLDER}
    _, manifest = following(entries=entries, gone={"old.css", "old.html"}, is_finished=True)
    assert manifest.files == entries
    assert manifest.count == 2


def test_a_deletion_that_did_not_happen_leaves_its_file_ours():
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
        "no time begins before the deploy is finished",
        "a time begins when it is finished",
        "an unfinished deploy carries earlier times",
        "so does a finished one",
        "a deleted file has no time",
        "nor has what is in the folder again, or is not listed",
        "what is never deleted begins no time",
        "but it carries an earlier one",
        "what `keep` matches begins no time",
        "but it carries an earlier one as well",
    ],
)
def test_times_begin_in_finished_deploys_only(options, stale, gone, is_finished, expected):
    _, manifest = following(
        manifest={"stale": stale}, options=options, gone={"old.html"} | gone, is_finished=is_finished
    )
    assert manifest.stale == expected


def test_proofs_of_another_table_of_types_are_not_carried():
    """The file may have another type than the next deploy would send."""
    _, manifest = following(manifest={"types": VERSION - 1})
    assert manifest.files["old.css"] is None
    assert manifest.types == VERSION


@pytest.mark.parametrize(
    ("keep", "listed", "digested"),
    [
        ((), None, ["index.html", "new.css", "old.css", "old.html"]),
        (("old.*",), None, ["index.html", "new.css"]),
        ((), ["index.html", "old.css", "theirs.css"], ["index.html", "old.css"]),
    ],
    ids=["all that is named", "but what `keep` matches", "after a failure, what is listed"],
)
def test_a_manifests_name_has_a_digest_of_what_is_there(keep, listed, digested):
    """So the listing tells whose the files are, where the manifest can't be read."""
    name, _ = following(keep=patterns(*keep), listed=listed)
    assert name.digest == new_manifest_name(1, "0", digested).digest


@pytest.mark.parametrize(
    ("number", "now", "expected"),
    [(1, 1_000.0, 1_000_000), (2_000_000, 1_000.0, 2_000_001)],
    ids=["the time in milliseconds", "one more than the newest, if the clock is behind it"],
)
def test_a_manifests_number_is_ahead_of_clock_and_listing(number, now, expected):
    """A listing that is late may lack the newest manifest: the clock is ahead of its number as well."""
    name, _ = following(manifest={"number": number}, now=now)
    assert name.number == expected


@pytest.mark.parametrize("mark", ["0", mark_repository(DOCS)])
@pytest.mark.parametrize("repository", [SHOP, UNKNOWN])
def test_a_manifests_mark_is_of_the_run(mark, repository):
    """`0` of a run that knows no repository, whoever deployed before."""
    name, _ = following(manifest={"mark": mark}, repository=repository)
    assert name.repository == mark_repository(repository)
