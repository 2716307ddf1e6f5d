from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import (
    Receipt,
    entries_to_record,
    is_manifest_path,
    manifest_path,
    parse,
    proof,
    render,
)
from zerokie_action.platform.models import StoredFile

HASH = "0123456789abcdef" * 4
OTHER_HASH = "f" * 64

text = st.text(st.characters(codec="utf-8"), max_size=20)
entries = st.builds(proof, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2**63), text)
manifests = st.dictionaries(text, entries, max_size=5)


class TestPath:
    def test_the_name_is_fixed(self):
        """A manifest that an earlier version wrote is found again."""
        name = "e4df76a5e6d91c4d3a37f051fb0eb7ae0be6a4cfc46ca8d822edde741aa488b2"
        assert manifest_path("zk_secret", "my-site") == f".zerokie/{name}.json"

    def test_each_key_and_app_has_its_own(self):
        """No two share one, not even when the texts could run into each other."""
        pairs = [
            ("key", "app"),
            ("key", "app2"),
            ("key2", "app"),
            ("keya", "pp"),
            ("", "keyapp"),
            ("é", "app"),
        ]
        assert len({manifest_path(*pair) for pair in pairs}) == len(pairs)

    @given(key=text, app=text)
    def test_it_is_recognised(self, key, app):
        """Whatever the key, its manifest is known as one, so that it can be removed."""
        assert is_manifest_path(manifest_path(key, app))

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
        """Compact JSON, sorted, whose last member is the MAC of all that is before it."""
        manifest = {
            "é.html": proof(OTHER_HASH, 0, "2026-03-07T17:00:01Z"),
            "a.css": proof(HASH, 12, "2026-03-07T17:00:00Z"),
        }
        data = render(manifest, api_key="zk_secret", app="my-site")
        assert data == (
            b'{"app":"my-site","files":{'
            b'"a.css":"%b 12 2026-03-07T17:00:00Z",'
            b'"\\u00e9.html":"%b 0 2026-03-07T17:00:01Z"},'
            b'"version":1,'
            b'"mac":"447018b3ef5974fc9329f37450f612c2b61b8f925e1ace8a26d91c8a4c684b06"}'
        ) % (HASH.encode(), OTHER_HASH.encode())
        assert list(json.loads(data)) == ["app", "files", "version", "mac"]

    @given(manifest=manifests, key=text, app=text)
    def test_what_was_written_is_read(self, manifest, key, app):
        """Whatever the names, nothing is lost."""
        assert parse(render(manifest, api_key=key, app=app), api_key=key, app=app) == manifest

    @pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
    def test_any_number_of_entries(self, count):
        """It is one JSON document, whatever is rendered at once."""
        manifest = {f"{number}.html": proof(HASH, number, STAMP) for number in range(count)}
        data = render(manifest, api_key="k", app="a")
        assert json.loads(data)["files"] == manifest
        assert list(json.loads(data)["files"]) == sorted(manifest)

    @given(manifest=manifests, order=st.randoms())
    def test_the_same_entries_give_the_same_bytes(self, manifest, order):
        """Their order does not matter."""
        shuffled = list(manifest.items())
        order.shuffle(shuffled)
        assert render(dict(shuffled), api_key="k", app="a") == render(manifest, api_key="k", app="a")


class TestForgeries:
    @given(data=st.binary())
    def test_any_bytes(self, data):
        """Never an error, and never a manifest."""
        assert parse(data, api_key="k", app="a") is None

    @given(manifest=manifests, pair=st.sampled_from([("k", "b"), ("K", "a"), ("", ""), ("a", "k")]))
    def test_of_another_key_or_app(self, manifest, pair):
        """Only the one that was written with this key for this app counts."""
        key, app = pair
        assert parse(render(manifest, api_key="k", app="a"), api_key=key, app=app) is None

    @given(manifest=manifests, data=st.data())
    def test_damaged(self, manifest, data):
        """A changed, lost or added byte anywhere makes it void."""
        whole = render(manifest, api_key="k", app="a")
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, len(whole)))
        damaged = whole[:start] + data.draw(st.binary(max_size=3)) + whole[end:]
        assert parse(damaged, api_key="k", app="a") == (manifest if damaged == whole else None)

    @given(manifest=manifests)
    def test_with_a_mac_that_belongs_to_another_text(self, manifest):
        """A MAC cannot be moved."""
        ours = render(manifest, api_key="k", app="a")
        forged = render(manifest | {"forged": proof(HASH, 1, "")}, api_key="x", app="a")
        assert parse(forged[:-74] + ours[-74:], api_key="k", app="a") is None


NOON = 1772884800  # 2026-03-07T12:00:00Z
STAMP = "2026-03-07T12:00:00Z"


def record(
    *,
    listed: list[StoredFile] | None = None,
    unchanged: dict[str, str] | None = None,
    answered: float | None = NOON,
    now: float = NOON + 1,
) -> dict[str, str]:
    return entries_to_record(
        [LocalFile("a", "/", 5, 0)],
        [StoredFile("a", 5, STAMP)] if listed is None else listed,
        unchanged=unchanged or {},
        uploaded={} if answered is None else {"a": Receipt(HASH, answered)},
        now=now,
    )


class TestUploads:
    proved = {"a": proof(HASH, 5, STAMP)}  # noqa: RUF012 - a constant

    def test_proved(self):
        """Listed with its length, not written after our upload, and that second is over."""
        assert record() == self.proved
        assert record(answered=NOON + 7, now=NOON + 8) == self.proved

    @pytest.mark.parametrize(
        "stamp",
        [
            "2026-03-07T12:00:00+00:00",
            "2026-03-07T13:00:00+01:00",
            "2026-03-07T12:00:00.999Z",
            "20260307T120000Z",
            "2026-03-07t12:00:00z",
        ],
    )
    def test_ways_to_write_a_time(self, stamp):
        """ISO 8601 with a time zone; fractions belong to their second; the text is recorded as it is."""
        assert record(listed=[StoredFile("a", 5, stamp)]) == {"a": proof(HASH, 5, stamp)}
        assert record(listed=[StoredFile("a", 5, stamp)], now=NOON) == {}

    @pytest.mark.parametrize(
        "stamp", ["", "yesterday", "2026-03-07T12:00:00", "2026-03-07", "1772884800", "Sat"]
    )
    def test_times_that_say_nothing(self, stamp):
        """What does not parse, or names no time zone, proves nothing."""
        assert record(listed=[StoredFile("a", 5, stamp)], now=NOON + 10**6) == {}

    @pytest.mark.parametrize(
        "facts",
        [
            pytest.param({"now": NOON}, id="the second is not over"),
            pytest.param({"now": NOON - 3600, "answered": NOON - 3600}, id="the time lies in the future"),
            pytest.param({"answered": NOON - 1}, id="somebody wrote after us"),
            pytest.param({"listed": []}, id="not listed"),
            pytest.param({"listed": [StoredFile("b", 5, STAMP)]}, id="another path is listed"),
            pytest.param({"listed": [StoredFile("a", 4, STAMP)]}, id="another length is listed"),
        ],
    )
    def test_not_proved(self, facts):
        """Then it is not recorded, and the next deploy uploads it again."""
        assert record(**facts) == {}

    @pytest.mark.parametrize(
        "doubtful",
        [
            pytest.param([], id="not listed"),
            pytest.param([StoredFile("a", 5, "yesterday")], id="listed with a time that says nothing"),
        ],
    )
    def test_one_doubt_costs_nobody_else(self, doubtful):
        """What is proved of the files after it is recorded."""
        recorded = entries_to_record(
            [LocalFile("a", "/", 5, 0), LocalFile("b", "/", 5, 0)],
            [*doubtful, StoredFile("b", 5, STAMP)],
            unchanged={},
            uploaded={"a": Receipt(HASH, NOON), "b": Receipt(OTHER_HASH, NOON)},
            now=NOON + 1,
        )
        assert recorded == {"b": proof(OTHER_HASH, 5, STAMP)}

    @given(stamp=text)
    def test_any_text_as_a_time(self, stamp):
        """Never an error; what is recorded is recorded as it is."""
        assert record(listed=[StoredFile("a", 5, stamp)]) in ({}, {"a": proof(HASH, 5, stamp)})

    def test_an_upload_replaces_what_was_known(self):
        """An old entry says nothing about the new content."""
        assert record(unchanged={"a": proof(OTHER_HASH, 5, STAMP)}) == self.proved
        assert record(unchanged=self.proved, now=NOON) == {}
        assert record(unchanged=self.proved, answered=NOON - 1) == {}


class TestUnchangedFiles:
    entry = proof(HASH, 5, STAMP)

    def test_entries_carry_over(self):
        """What was proved once stays proved, as long as the listing agrees."""
        assert record(answered=None, unchanged={"a": self.entry}) == {"a": self.entry}

    @pytest.mark.parametrize(
        "facts",
        [
            pytest.param({"unchanged": {}}, id="nothing was known of it"),
            pytest.param({"unchanged": {"a": proof(HASH, 4, STAMP)}}, id="another length"),
            pytest.param({"unchanged": {"a": proof(HASH, 5, "")}}, id="written since"),
            pytest.param({"unchanged": {"a": entry}, "now": NOON}, id="the clock went backwards"),
            pytest.param({"unchanged": {"a": entry}, "listed": []}, id="deleted behind our back"),
        ],
    )
    def test_entries_that_do_not(self, facts):
        """A doubt ends it."""
        assert record(answered=None, **facts) == {}

    def test_other_paths_are_forgotten(self):
        """The manifest holds what the folder holds."""
        assert record(unchanged={"b": self.entry}) == {"a": self.entry}
