from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.content_type import is_page
from zerokie_action.files.local import LocalFile, is_addressable
from zerokie_action.files.manifest import Manifest, new_manifest_path, proof
from zerokie_action.files.plan import Plan, keep_patterns, make_plan
from zerokie_action.files.scan import Scan
from zerokie_action.platform.models import StoredFile

MANIFEST = new_manifest_path()
NOON = "2026-03-07T12:00:00Z"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder(files: dict[str, bytes]) -> Scan:
    return Scan(tuple(LocalFile(path, "/", len(files[path]), 0) for path in sorted(files)), ignored=0)


def plan(
    local: dict[str, bytes],
    remote: list[StoredFile],
    *,
    manifest: Manifest | None = None,
    keep: tuple[str, ...] = (),
    delete_stale: bool = True,
) -> Plan:
    return make_plan(
        folder(local),
        remote,
        hashes={path: sha256(content) for path, content in local.items()},
        manifest=manifest,
        keep=keep_patterns(keep),
        delete_stale=delete_stale,
    )


def paths(files: tuple[LocalFile, ...]) -> list[str]:
    return [file.path for file in files]


class TestOrder:
    def test_assets_go_before_pages(self):
        """No page goes live before what it refers to; within each, by path."""
        local = dict.fromkeys(("b.html", "a.html", "z.css", "img/a.png", "LICENSE", "x.xhtml"), b"1")
        found = plan(local, [])
        assert paths(found.upload_assets) == ["LICENSE", "img/a.png", "z.css"]
        assert paths(found.upload_pages) == ["a.html", "b.html", "x.xhtml"]
        assert paths(found.uploads) == [*paths(found.upload_assets), *paths(found.upload_pages)]

    def test_sizes(self):
        """Bytes are those to upload."""
        assert plan({"a": b"12", "b.html": b"345"}, []).upload_bytes == 5

    def test_a_file_where_the_zone_has_a_directory(self):
        """An object store has no directories: both are just paths."""
        found = plan({"a": b"1", "b/c": b"2"}, [StoredFile("a/x", 1, NOON), StoredFile("b", 1, NOON)])
        assert paths(found.uploads) == ["a", "b/c"]
        assert found.delete == ("a/x", "b")


class TestUnchanged:
    remote = StoredFile("a", 1, NOON)
    entry = proof(sha256(b"1"), 1, NOON)

    def test_proved_by_manifest_and_listing(self):
        """Same hash, and the listing still shows what the manifest says: nothing to do."""
        found = plan({"a": b"1"}, [self.remote], manifest={"a": self.entry})
        assert found.unchanged == {"a": self.entry}
        assert found.replaced == {}
        assert (found.uploads, found.delete, found.upload_bytes) == ((), (), 0)

    @pytest.mark.parametrize(
        ("remote", "manifest"),
        [
            pytest.param([remote], None, id="no manifest"),
            pytest.param([remote], {}, id="not in the manifest"),
            pytest.param([remote], {"b": entry}, id="another path in the manifest"),
            pytest.param([], {"a": entry}, id="not in the zone"),
            pytest.param([remote], {"a": proof(sha256(b"2"), 1, NOON)}, id="an edit of the same length"),
            pytest.param([StoredFile("a", 2, NOON)], {"a": entry}, id="another length in the zone"),
            pytest.param(
                [StoredFile("a", 2, NOON)], {"a": proof(sha256(b"1"), 2, NOON)}, id="another length in both"
            ),
            pytest.param([remote], {"a": proof(sha256(b"1"), 2, NOON)}, id="another length in the manifest"),
            pytest.param([StoredFile("a", 1, "2026-03-07T12:00:01Z")], {"a": entry}, id="written since"),
            pytest.param([StoredFile("a", 1, "")], {"a": entry}, id="no time in the listing"),
            pytest.param([remote, StoredFile("a", 1, "")], {"a": entry}, id="listed in two ways"),
            pytest.param(
                [StoredFile("a", 1, ""), remote], {"a": entry}, id="listed in two ways, the other first"
            ),
        ],
    )
    def test_anything_else_is_uploaded(self, remote, manifest):
        """A proof with a hole is none."""
        found = plan({"a": b"1"}, remote, manifest=manifest)
        assert (paths(found.uploads), found.unchanged) == (["a"], {})

    def test_what_is_replaced(self):
        """Of what is uploaded, the plan keeps what was there before, and nothing else of the listing."""
        other = StoredFile("b", 9, NOON)
        found = plan({"a": b"1", "c": b"3"}, [self.remote, other])
        assert found.replaced == {"a": self.remote}

    def test_without_a_hash(self):
        """A file that was not hashed is uploaded."""
        found = make_plan(
            folder({"a": b"1"}),
            [self.remote],
            hashes={},
            manifest={"a": self.entry},
            keep=keep_patterns(()),
            delete_stale=True,
        )
        assert paths(found.uploads) == ["a"]

    def test_listed_twice_in_the_same_way(self):
        """A repetition changes nothing; a stale file is deleted once."""
        found = plan({"a": b"1"}, [self.remote, self.remote], manifest={"a": self.entry})
        assert list(found.unchanged) == ["a"]
        assert plan({}, [self.remote, self.remote]).delete == ("a",)


class TestDeletes:
    remote = [StoredFile(path, 1, NOON) for path in ("up/b", "up/a", "x", "up.txt")]  # noqa: RUF012 - a constant

    def test_what_the_directory_no_longer_has(self):
        """Stale files are deleted, in order."""
        found = plan({"x": b"1"}, self.remote)
        assert (found.delete, found.kept) == (("up.txt", "up/a", "up/b"), ())

    def test_keep(self):
        """Patterns of remote paths, as in an ignore file; negation included."""
        found = plan({"x": b"1"}, self.remote, keep=("/up/*", "!up/b"))
        assert (found.delete, found.kept) == (("up.txt", "up/b"), ("up/a",))

    def test_keep_does_not_keep_from_uploading(self):
        """It says what is not deleted, and nothing else."""
        found = plan({"up/a": b"1"}, self.remote, keep=("up/",))
        assert (paths(found.uploads), found.kept) == (["up/a"], ("up/b",))

    def test_no_deletes_wanted(self):
        """`delete-stale: false` keeps everything."""
        found = plan({"x": b"1"}, self.remote, delete_stale=False)
        assert (found.delete, found.kept) == ((), ("up.txt", "up/a", "up/b"))

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "./a",
            "../a",
            "a/../b",
            "a/.",
            "a/..",
            "\ud800",
            "a/\udfff",
        ],
    )
    def test_paths_that_no_url_can_name(self, path):
        """They are never touched, and named for a warning."""
        found = plan({"x": b"1"}, [StoredFile(path, 1, NOON)])
        assert (found.delete, found.kept, found.unaddressable) == ((), (), (path,))

    @pytest.mark.parametrize(
        "path", ["...", "a..", ".a", "a/...", "%2e%2e", "a\\..\\b", "..\\a", " ", "a\n", "é", "🎈"]
    )
    def test_paths_that_only_look_like_it(self, path):
        """Percent-encoded, they are names like any other."""
        found = plan({"x": b"1"}, [StoredFile(path, 1, NOON)])
        assert (found.delete, found.unaddressable) == ((path,), ())

    def test_our_own_directory(self):
        """What lies in it is no file of the user's: it is neither deleted nor kept by a plan."""
        listed = [
            MANIFEST,
            ".zerokie/notes.txt",
            ".zerokie/sub/" + MANIFEST.removeprefix(".zerokie/"),
            ".zerokie",
        ]
        remote = [StoredFile(path, 1, NOON) for path in listed]
        for delete_stale in (True, False):
            found = plan({"x": b"1"}, remote, delete_stale=delete_stale)
            assert {*found.delete, *found.kept} == {".zerokie"}

    @pytest.mark.parametrize(
        ("manifest", "foreign"),
        [
            pytest.param({"up.txt": "our own"}, ("up/a", "up/b"), id="not in the manifest"),
            pytest.param({}, ("up.txt", "up/a", "up/b"), id="no deploy of ours"),
            pytest.param(None, (), id="not known"),
        ],
    )
    def test_what_somebody_else_put_there(self, manifest, foreign):
        """Of what is deleted, the plan names what no deploy of ours has put there."""
        assert plan({"x": b"1"}, self.remote, manifest=manifest).foreign == foreign
        assert plan({"x": b"1"}, self.remote, manifest=manifest, delete_stale=False).foreign == ()


class TestChanges:
    remote = StoredFile("a", 1, NOON)
    entry = proof(sha256(b"1"), 1, NOON)

    @pytest.mark.parametrize(
        ("content", "remote", "manifest", "change"),
        [
            pytest.param(b"1", [], {"a": entry}, ("+", "not on the platform"), id="new"),
            pytest.param(b"2", [remote], {"a": entry}, ("~", "hash differs"), id="edited"),
            pytest.param(b"12", [remote], {"a": entry}, ("~", "size differs"), id="edited, another size"),
            pytest.param(b"1", [remote], {}, ("~", "not in the manifest"), id="not recorded"),
            pytest.param(b"1", [remote], None, ("~", "not in the manifest"), id="no manifest"),
            pytest.param(
                b"1",
                [StoredFile("a", 1, "later")],
                {"a": entry},
                ("~", "changed on the platform since"),
                id="somebody else's",
            ),
            pytest.param(
                b"1",
                [remote, StoredFile("a", 2, NOON)],
                {"a": entry},
                ("~", "changed on the platform since"),
                id="listed in two ways",
            ),
        ],
    )
    def test_why_a_file_is_uploaded(self, content, remote, manifest, change):
        """The sign says whether it replaces something, the reason what is known of that."""
        sign, reason = change
        found = plan({"a": content}, remote, manifest=manifest)
        assert list(found.changes()) == [(sign, "a", reason)]

    def test_nothing_is_compared(self):
        """Without `incremental`, that is the reason."""
        found = make_plan(
            folder({"a": b"1", "b": b"1"}),
            [self.remote],
            hashes=None,
            manifest={"a": self.entry},
            keep=keep_patterns(()),
            delete_stale=True,
        )
        assert list(found.changes()) == [("~", "a", "not compared"), ("+", "b", "not on the platform")]

    def test_deletions_come_first(self):
        """That is what nobody wants to overlook; each group is sorted by path, pages among the rest."""
        remote = [StoredFile(path, 1, NOON) for path in ("y", "x")]
        found = plan(dict.fromkeys(("b", "a.html"), b"1"), remote)
        assert [(change.sign, change.path) for change in found.changes()] == [
            ("-", "x"),
            ("-", "y"),
            ("+", "a.html"),
            ("+", "b"),
        ]


class TestKeepPatterns:
    def test_patterns_that_are_refused(self):
        """They would protect nothing, or something else: all are named."""
        with pytest.raises(ConfigurationError) as caught:
            keep_patterns(["ok", "!", "b//c"])
        assert caught.value.problems == (
            "`keep` line 2: the pattern '!' can never match: it names nothing; remove it",
            "`keep` line 3: the pattern 'b//c' can never match: no path has '//' in it; write '/'",
        )

    def test_the_plan_refuses_them_too(self):
        """No plan is made that deletes what somebody wanted to keep."""
        with pytest.raises(ConfigurationError):
            plan({}, [], keep=("[",))


segments = st.sampled_from(("a", "b", "c.html", "d.css", "é", "", ".", "..", ".zerokie", "\ud800"))
any_path = st.lists(segments, min_size=1, max_size=3).map("/".join)
local_path = any_path.filter(lambda path: is_addressable(path) and not path.startswith(".zerokie/"))
contents = st.sampled_from((b"", b"1", b"2", b"12", b"21"))
times = st.sampled_from(("T0", "T1", "T2"))
zones = st.dictionaries(any_path | local_path | st.just(MANIFEST), st.tuples(contents, times), max_size=12)


@st.composite
def situations(draw):
    """A directory, a zone, and a manifest that holds truths about the zone, and what was true once."""
    zone = draw(zones)
    local = draw(st.dictionaries(local_path, contents, max_size=8))
    local |= {path: zone[path][0] for path in zone if path in local and draw(st.booleans())}
    once = draw(st.dictionaries(local_path, st.tuples(contents, st.just("long ago")), max_size=8))
    facts = [*once.items(), *zone.items()]
    manifest = {
        path: proof(sha256(content), len(content), time)
        for path, (content, time) in draw(st.permutations(facts))
        if draw(st.booleans())
    }
    return local, zone, draw(st.none() | st.just(manifest))


@given(
    situation=situations(),
    keep=st.lists(st.sampled_from(("a/", "*.html", "!a/b", "/b", "é")), max_size=3),
    delete_stale=st.booleans(),
)
def test_the_zone_equals_the_directory(situation, keep, delete_stale):
    """Whatever was there: after the plan it is the directory, plus what stays and says so."""
    local, zone, manifest = situation
    remote = [StoredFile(path, len(content), time) for path, (content, time) in zone.items()]
    found = plan(local, remote, manifest=manifest, keep=tuple(keep), delete_stale=delete_stale)

    after = {path: content for path, (content, _) in zone.items()}
    after |= {file.path: local[file.path] for file in found.uploads}
    for path in found.delete:
        del after[path]

    ours = {path for path in zone if path.startswith(".zerokie/") and is_addressable(path)}
    extra = zone.keys() - local.keys() - ours
    left = {path: zone[path][0] for path in (*found.kept, *found.unaddressable, *ours)}
    assert after == local | left
    assert set(found.unaddressable) == {path for path in extra if not is_addressable(path)}
    matched = {path for path in extra if is_addressable(path) and keep_patterns(keep).match_file(path)}
    assert set(found.kept) == (matched if delete_stale else extra - set(found.unaddressable))
    assert sorted([*found.delete, *found.kept, *found.unaddressable]) == sorted(extra)
    assert sorted([*paths(found.uploads), *found.unchanged]) == sorted(local)
    assert [is_page(file.path) for file in found.uploads] == sorted(
        is_page(file.path) for file in found.uploads
    )


@given(situation=situations())
def test_every_proof_counts(situation):
    """What the manifest proves is not uploaded again."""
    local, zone, manifest = situation
    remote = [StoredFile(path, len(content), time) for path, (content, time) in zone.items()]
    found = plan(local, remote, manifest=manifest)
    proved = {
        path
        for path, content in local.items()
        if path in zone
        and content == zone[path][0]
        and (manifest or {}).get(path) == proof(sha256(content), len(content), zone[path][1])
    }
    assert set(found.unchanged) == proved
