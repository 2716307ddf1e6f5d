from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action.files.manifest import (
    Document,
    Manifest,
    entries,
    is_manifest_path,
    new_manifest_path,
    parse,
    proof,
    render,
    without,
)
from zerokie_action.owner import Owner
from zerokie_action.platform.models import StoredFile
from zerokie_action.report.result import Uploaded

HASH = "0123456789abcdef" * 4
OTHER_HASH = "f" * 64
STAMP = "2026-03-07T12:00:00Z"

text = st.text(st.characters(codec="utf-8"), max_size=20)
proofs = st.builds(proof, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2**63), text)
manifests = st.dictionaries(text, proofs, max_size=5)
owners = st.just(Owner()) | st.builds(Owner, text, text.filter(bool), text, text)
documents = st.builds(Document, manifests, owners)


class TestPath:
    def test_each_has_its_own(self):
        """Nobody can guess it, and it is known as one, so that it is found."""
        paths = [new_manifest_path() for _ in range(3)]
        assert len(set(paths)) == 3
        assert all(re.fullmatch(r"\.zerokie/[0-9a-f]{64}\.json", path) for path in paths)
        assert all(map(is_manifest_path, paths))

    @pytest.mark.parametrize(
        "path",
        [
            f".zerokie/{HASH}.json.bak",
            f".zerokie/{HASH}.json\n",
            f".zerokie/a/{HASH}.json",
            f"x/.zerokie/{HASH}.json",
            f".zerokie/{HASH.upper()}.json",
            f".zerokie/{HASH[1:]}.json",
            f".zerokie/{HASH}xjson",
            f"xzerokie/{HASH}.json",
            ".zerokie/notes.json",
        ],
    )
    def test_other_files_are_not(self, path):
        """Nobody else's file is taken for a manifest."""
        assert not is_manifest_path(path)


class TestFormat:
    def test_the_text_is_fixed(self):
        """Compact JSON: what an earlier version wrote is read again."""
        manifest = {
            "a.css": proof(HASH, 12, "2026-03-07T17:00:00Z"),
            "é.html": proof(OTHER_HASH, 0, "2026-03-07T17:00:01Z"),
        }
        data = render(manifest.items(), Owner(), app="my-site")
        assert data == (
            b'{"version":2,"app":"my-site","files":{'
            b'"a.css":"%b 12 2026-03-07T17:00:00Z",'
            b'"\\u00e9.html":"%b 0 2026-03-07T17:00:01Z"}}'
        ) % (HASH.encode(), OTHER_HASH.encode())

    def test_the_owner_is_part_of_it(self):
        """If it is known; before the files, so that people find it."""
        owner = Owner("github.com", "7", "acme/shop", "https://github.com/acme/shop/actions/runs/1")
        assert render((), owner, app="a") == (
            b'{"version":2,"app":"a","owner":{"forge":"github.com","id":"7","name":"acme/shop",'
            b'"run":"https://github.com/acme/shop/actions/runs/1"},"files":{}}'
        )

    @given(document=documents, app=text)
    def test_what_was_written_is_read(self, document, app):
        """Whatever the names, nothing is lost."""
        assert parse(render(document.files.items(), document.owner, app=app), app=app) == document

    @pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
    def test_any_number_of_entries(self, count):
        """It is one JSON document, whatever is rendered at once."""
        manifest = {f"{number}.html": proof(HASH, number, STAMP) for number in range(count)}
        data = render(manifest.items(), Owner(), app="a")
        assert json.loads(data)["files"] == manifest

    def test_members_that_are_not_known(self):
        """A later version may write more."""
        assert parse(b'{"version":2,"app":"a","more":1,"files":{"p":"x"}}', app="a") == Document({"p": "x"})

    @pytest.mark.parametrize(
        ("owner", "known"),
        [
            (b"null", Owner()),
            (b'["github.com"]', Owner()),
            (b'{"id":7,"name":null,"run":"r","more":1}', Owner(run="r")),
        ],
    )
    def test_an_owner_of_another_shape(self, owner, known):
        """What is no text is not known; the files count all the same."""
        data = b'{"version":2,"app":"a","owner":%b,"files":{}}' % owner
        assert parse(data, app="a") == Document({}, known)


class TestOthers:
    @given(data=st.binary())
    def test_any_bytes(self, data):
        """Never an error, and never a manifest."""
        assert parse(data, app="a") is None

    @pytest.mark.parametrize(
        "data",
        [
            b'{"version":1,"app":"a","files":{}}',
            b'{"version":2,"app":"b","files":{}}',
            b'{"version":2,"app":"a"}',
            b'{"version":2,"app":"a","files":[]}',
            b'{"version":2,"app":"a","files":{"p":1}}',
            b'{"version":2,"app":"a","files":{"p":null}}',
            b"[]",
            b"null",
            b"",
            b"<html>",
            b"[" * 100_000,
        ],
    )
    def test_another_document(self, data):
        """Of another version, of another app, or of another shape: none."""
        assert parse(data, app="a") is None

    @given(document=documents, data=st.data())
    def test_cut_off(self, document, data):
        """A part of it is none."""
        whole = render(document.files.items(), document.owner, app="a")
        assert parse(whole[: data.draw(st.integers(0, len(whole) - 1))], app="a") is None


def recorded(
    shown: StoredFile | None,
    *,
    proved: Manifest | None = None,
    uploaded: Uploaded | None = None,
    before: StoredFile | None = None,
) -> Manifest:
    """The entries for the path `a`."""
    return dict(
        entries(
            {"a": shown},
            proved=proved or {},
            uploaded={} if uploaded is None else {"a": uploaded},
            before={} if before is None else {"a": before},
        )
    )


class TestUploads:
    record = Uploaded("a", 5, sha256=HASH)

    @pytest.mark.parametrize(
        "stamp", [STAMP, "Sat, 07 Mar 2026 12:00:00 GMT", "1772884800.123", "12:00", " "]
    )
    def test_proved(self, stamp):
        """However the platform writes times, and whatever its clock: the text is recorded as it is."""
        assert recorded(StoredFile("a", 5, stamp), uploaded=self.record) == {"a": proof(HASH, 5, stamp)}

    @pytest.mark.parametrize(
        "shown",
        [
            pytest.param(None, id="listed in two ways"),
            pytest.param(StoredFile("a", 4, STAMP), id="another length"),
            pytest.param(StoredFile("a", -1, STAMP), id="no length"),
            pytest.param(StoredFile("a", 5, ""), id="no time"),
        ],
    )
    def test_not_proved(self, shown):
        """Then it is not recorded, and the next deploy uploads it again."""
        assert recorded(shown, uploaded=self.record) == {}

    def test_not_listed(self):
        """Likewise."""
        assert list(entries({}, proved={}, uploaded={"a": self.record})) == []

    def test_one_that_looks_as_before(self):
        """It may not have reached the platform: only who has made sure of that may record it."""
        shown = StoredFile("a", 5, STAMP)
        assert recorded(shown, uploaded=self.record, before=shown) == {}
        assert recorded(shown, uploaded=self.record, before=StoredFile("a", 5, "")) != {}
        assert list(entries({"a": shown}, proved={}, uploaded={"a": self.record})) != []

    def test_an_upload_replaces_what_was_known(self):
        """An old entry says nothing about the new content."""
        old = {"a": proof(OTHER_HASH, 5, STAMP)}
        assert recorded(StoredFile("a", 5, STAMP), proved=old, uploaded=self.record) == {
            "a": proof(HASH, 5, STAMP)
        }
        assert recorded(StoredFile("a", 4, STAMP), proved=old, uploaded=self.record) == {}


class TestOtherFiles:
    entry = proof(HASH, 5, STAMP)

    def test_entries_carry_over(self):
        """What was proved once stays proved, as long as the listing agrees."""
        assert recorded(StoredFile("a", 5, STAMP), proved={"a": self.entry}) == {"a": self.entry}

    @pytest.mark.parametrize(
        "shown",
        [
            pytest.param(None, id="listed in two ways"),
            pytest.param(StoredFile("a", 4, STAMP), id="another length"),
            pytest.param(StoredFile("a", 5, STAMP.replace("12", "13")), id="another time"),
            pytest.param(StoredFile("a", 5, ""), id="no time"),
        ],
    )
    def test_entries_that_do_not(self, shown):
        """A doubt ends it."""
        assert recorded(shown, proved={"a": self.entry}) == {}

    def test_nothing_is_known(self):
        """A file of somebody else is not recorded, and one that is not listed is forgotten."""
        assert recorded(StoredFile("a", 5, STAMP), proved={"b": self.entry}) == {}


def test_without_some_paths():
    """The others stay."""
    assert without({"a": "1", "b": "2"}, {"b", "c"}) == {"a": "1"}
