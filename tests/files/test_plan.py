from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import keep_patterns
from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import Manifest, Proof, RemoteFile
from zerokie_action.files.plan import Plan, make_plan, require_few_deletions, require_known_deletions

NOON = "2026-03-07T12:00:00Z"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plan(
    local: dict[str, bytes],
    remote: list[RemoteFile],
    *,
    proofs: dict[str, Proof | None] | None = None,
    hashes: dict[str, str] | None = None,
    keep: tuple[str, ...] = (),
    delete_stale: bool = True,
) -> Plan:
    """Without `proofs`, the manifest can't be read; without `hashes`, all files are hashed."""
    return make_plan(
        [LocalFile(path, "/", len(local[path]), 0, 0) for path in sorted(local)],
        {file.path: file for file in remote},
        hashes={path: sha256(content) for path, content in local.items()} if hashes is None else hashes,
        manifest=None if proofs is None else Manifest(files=proofs),
        keep=keep_patterns(keep),
        delete_stale=delete_stale,
    )


def paths(found: Plan) -> list[str]:
    return [file.path for file in found.uploads]


A = RemoteFile("a", 1, NOON)
PROOF = (sha256(b"1"), 1, NOON)


class TestUploads:
    def test_proved_by_manifest_and_listing(self):
        """Same hash, and the listing still shows what the manifest says: nothing to do."""
        found = plan({"a": b"1"}, [A], proofs={"a": PROOF})
        assert (found.uploads, found.delete, found.upload_bytes) == ((), (), 0)
        assert found.unchanged == {"a": PROOF}

    @pytest.mark.parametrize(
        ("content", "remote", "proofs", "sign", "reason"),
        [
            (b"1", [], {"a": PROOF}, "+", "not on the platform"),
            (b"2", [A], {"a": PROOF}, "~", "hash differs"),
            (b"12", [A], {"a": PROOF}, "~", "size differs"),
            (b"1", [A], {"b": PROOF}, "~", "not proved by the manifest"),
            (b"1", [A], {"a": None}, "~", "not proved by the manifest"),
            (b"1", [A], None, "~", "not proved by the manifest"),
            (b"1", [RemoteFile("a", 1, "later")], {"a": PROOF}, "~", "changed on the platform since"),
            (b"1", [RemoteFile("a", 2, NOON)], {"a": PROOF}, "~", "changed on the platform since"),
            (b"1", [RemoteFile("a", 1, "")], {"a": PROOF}, "~", "changed on the platform since"),
        ],
    )
    def test_anything_else_is_uploaded(self, content, remote, proofs, sign, reason):
        """A proof with a hole is none; the sign says whether the upload replaces something."""
        found = plan({"a": content}, remote, proofs=proofs)
        assert list(found.changes()) == [(sign, "a", reason)]
        assert found.unchanged == {}

    def test_without_a_hash(self):
        """A file that was not hashed is uploaded."""
        found = plan({"a": b"1"}, [A], proofs={"a": PROOF}, hashes={})
        assert list(found.changes()) == [("~", "a", "not compared")]

    def test_a_file_where_the_zone_has_a_directory(self):
        """An object store has no directories: both are just paths."""
        found = plan({"a": b"1", "b/c": b"2"}, [RemoteFile("a/x", 1, NOON), RemoteFile("b", 1, NOON)])
        assert (paths(found), found.delete) == (["a", "b/c"], ("a/x", "b"))


class TestDeletions:
    remote = [RemoteFile(path, 1, NOON) for path in ("up/b", "up/a", "x", "up.txt")]  # noqa: RUF012 - a constant

    @pytest.mark.parametrize(
        ("local", "inputs", "delete", "kept"),
        [
            ("x", {}, ("up.txt", "up/a", "up/b"), ()),
            ("x", {"keep": ("/up/*", "!up/b")}, ("up.txt", "up/b"), ("up/a",)),
            ("up/a", {"keep": ("up/",)}, ("up.txt", "x"), ("up/b",)),
            ("x", {"delete_stale": False}, (), ("up.txt", "up/a", "up/b")),
        ],
    )
    def test_what_the_directory_does_not_have(self, local, inputs, delete, kept):
        """It is deleted, unless an input keeps it; the site has what was uploaded and what was kept."""
        found = plan({local: b"1"}, self.remote, **inputs)
        assert (paths(found), found.delete, found.kept) == ([local], delete, kept)
        assert found.count == 1 + len(kept)

    @pytest.mark.parametrize(
        ("proofs", "foreign"),
        [
            ({"up.txt": None}, ("up/a", "up/b")),
            ({}, ("up.txt", "up/a", "up/b")),
            (None, ()),
        ],
    )
    def test_what_somebody_else_put_there(self, proofs, foreign):
        """Of what is deleted, the plan names what no manifest names, if there is one that can be read."""
        assert plan({"x": b"1"}, self.remote, proofs=proofs).foreign == foreign
        assert plan({"x": b"1"}, self.remote, proofs=proofs, delete_stale=False).foreign == ()

    def test_they_come_first(self):
        """That is what nobody wants to overlook; each group is sorted by path."""
        found = plan(dict.fromkeys(("b", "a.html"), b"1"), self.remote[2:])
        assert [change.sign + change.path for change in found.changes()] == [
            "-up.txt",
            "-x",
            "+a.html",
            "+b",
        ]


def site(count: int) -> list[RemoteFile]:
    return [RemoteFile(f"{number:03}", 1, NOON) for number in range(count)]


def ours(remote: list[RemoteFile]) -> dict[str, Proof | None]:
    return dict.fromkeys(file.path for file in remote)


class TestIntent:
    """What is not deleted unasked."""

    def test_foreign_files(self):
        """The message names and counts them, and the inputs that allow it."""
        remote = site(5)
        found = plan({"000": b"1"}, remote, proofs=ours(remote[:3]))
        with pytest.raises(
            ConfigurationError, match="2 files that no deploy of this action has uploaded: '003', '004'"
        ) as caught:
            require_known_deletions(found, Manifest())
        for words in ("`keep`", "`delete-stale: false`", "`take-over: true` for one run by hand"):
            assert words in caught.value.hint
        for inputs in ({"keep": ("003", "004")}, {"delete_stale": False}):
            require_known_deletions(
                plan({"000": b"1"}, remote, proofs=ours(remote[:3]), **inputs), Manifest()
            )

    def test_a_manifest_that_cannot_be_read(self):
        """Nothing is deleted then; what deletes nothing goes on."""
        found = plan({"000": b"1"}, site(2))
        with pytest.raises(ConfigurationError, match=r"1 file \('001'\)") as caught:
            require_known_deletions(found, None)
        for words in ("`delete-stale: false`", "`take-over: true` for one run by hand"):
            assert words in caught.value.hint
        require_known_deletions(plan({"000": b"1"}, site(2), delete_stale=False), None)

    @pytest.mark.parametrize(
        ("local", "remote", "count", "is_refused"),
        [
            (9, 30, 30, True),  # 21 are deleted, 9 of 30 stay
            (10, 30, 30, False),  # 20 are deleted
            (25, 50, 50, False),  # half stays
            (24, 50, 50, True),
            (24, 50, 48, False),  # the others are from deploys that did not finish
            (1, 30, 0, False),  # no deploy has finished yet
        ],
    )
    def test_less_than_half(self, local, remote, count, is_refused):
        """More than 20 deletions have to leave half of what the last deploy that finished has left."""
        found = plan(dict.fromkeys((file.path for file in site(local)), b"1"), site(remote))
        if not is_refused:
            require_few_deletions(found, count=count, max_deletes=None)
            return
        with pytest.raises(ConfigurationError) as caught:
            require_few_deletions(found, count=count, max_deletes=None)
        deletions = len(found.delete)
        assert f"{local:,} of {count} files, and delete {deletions} files (" in str(caught.value)
        assert f"`max-deletes: {deletions}`" in caught.value.hint
        require_few_deletions(found, count=count, max_deletes=deletions)

    def test_what_is_kept_counts_for_the_half(self):
        """Each path once: one that the directory has as well is not counted twice."""
        keep = tuple(f"{number:03}" for number in range(15))
        local = dict.fromkeys((file.path for file in site(10)), b"1")
        found = plan(local, site(50), keep=keep)
        assert found.count == 15
        require_few_deletions(found, count=30, max_deletes=None)
        with pytest.raises(ConfigurationError):
            require_few_deletions(found, count=31, max_deletes=None)

    def test_max_deletes(self):
        """It decides alone, in both directions."""
        found = plan({"000": b"1"}, site(4))
        with pytest.raises(
            ConfigurationError, match=r"`max-deletes` is 2, and .* 3 files \('001', '002', '003'\)"
        ):
            require_few_deletions(found, count=4, max_deletes=2)
        require_few_deletions(plan({"000": b"1"}, site(100)), count=100, max_deletes=99)


class TestKeepPatterns:
    def test_patterns_that_are_refused(self):
        """They would protect nothing, or something else: all are named."""
        with pytest.raises(ConfigurationError) as caught:
            keep_patterns(["ok", "!", "b//c"])
        assert [problem.partition(":")[0] for problem in caught.value.problems] == [
            "`keep` line 2",
            "`keep` line 3",
        ]


segments = st.sampled_from(("a", "b", "c.html", "d.css", "é"))
any_path = st.lists(segments, min_size=1, max_size=3).map("/".join)
contents = st.sampled_from((b"", b"1", b"2", b"12", b"21"))
times = st.sampled_from(("T0", "T1", "T2"))
zones = st.dictionaries(any_path, st.tuples(contents, times), max_size=12)


@st.composite
def situations(draw):
    """A directory, a zone, and a manifest that holds truths about the zone, and what was true once."""
    zone = draw(zones)
    local = draw(st.dictionaries(any_path, contents, max_size=8))
    local |= {path: zone[path][0] for path in zone if path in local and draw(st.booleans())}
    once = draw(st.dictionaries(any_path, st.tuples(contents, st.just("long ago")), max_size=8))
    facts = [*once.items(), *zone.items()]
    proofs = {
        path: (sha256(content), len(content), time)
        for path, (content, time) in draw(st.permutations(facts))
        if draw(st.booleans())
    }
    return local, zone, draw(st.none() | st.just(proofs))


@given(
    situation=situations(),
    keep=st.lists(st.sampled_from(("a/", "*.html", "!a/b", "/b", "é")), max_size=3),
    delete_stale=st.booleans(),
)
def test_the_zone_equals_the_directory(situation, keep, delete_stale):
    """Whatever was there: after the plan it is the directory and what is kept; no proof is left unused."""
    local, zone, proofs = situation
    remote = [RemoteFile(path, len(content), time) for path, (content, time) in zone.items()]
    found = plan(local, remote, proofs=proofs, keep=tuple(keep), delete_stale=delete_stale)

    after = {path: content for path, (content, _) in zone.items()}
    after |= {file.path: local[file.path] for file in found.uploads}
    for path in found.delete:
        del after[path]

    assert after == local | {path: zone[path][0] for path in found.kept}
    extra = zone.keys() - local.keys()
    assert set(found.kept) == (set(filter(keep_patterns(keep).match_file, extra)) if delete_stale else extra)
    assert sorted([*paths(found), *found.unchanged]) == sorted(local)
    assert set(found.unchanged) == {
        path
        for path, content in local.items()
        if path in zone
        and (proofs or {}).get(path) == (sha256(content), len(content), zone[path][1])
        and content == zone[path][0]
    }
