from __future__ import annotations

import json

import pytest

from zerokie_action.files.manifest import (
    Manifest,
    Marks,
    belong_to_another,
    completed_marks,
    find_manifests,
    new_manifest_path,
    parse_manifest,
)

PROOF = ("0" * 64, 12, "2026-03-07T17:00:00Z")


class TestContent:
    def test_as_it_is_stored(self):
        """Names, a proof or nothing for each, what is deleted, and how many files the last folder had."""
        manifest = Manifest(files={"a": PROOF, "é\n": None}, gone={"b": (1, PROOF[2])}, count=3)
        assert json.loads(manifest.render()) == {
            "version": 4,
            "files": {"a": [*PROOF], "é\n": None},
            "gone": {"b": [1, PROOF[2]]},
            "count": 3,
        }
        assert parse_manifest(manifest.render()) == manifest

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<!doctype html><title>404</title>",
            b"null",
            b'{"version":2,"app":"site","files":{}}',
            b'{"version":4,"files":{"a":["x",1]}}',
            b'{"version":4,"files":{"a":"x 1 2026-03-07T17:00:00Z"}}',
            b'{"version":4,"files":',
        ],
    )
    def test_anything_else(self, data):
        """Such as another version's, or the app's own page for what it does not find."""
        assert parse_manifest(data) is None


class TestNames:
    owner = Marks.of("github.com", "7", "acme/site")

    def test_the_newest_is_last(self):
        """By number; other names are none of ours."""
        names = [new_manifest_path(number, Marks(), ["a"]) for number in (2, 10, 1)]
        others = ["_zerokie/" + "0" * 64 + ".json", "_zerokie/notes.txt", names[0] + "/x", "x/" + names[0]]
        assert [found.path for found in find_manifests([*others, *names])] == [names[2], names[0], names[1]]

    def test_nobody_guesses_it(self):
        """It has a random part of 128 bits, and names nobody."""
        one, other = (new_manifest_path(1, self.owner, []) for _ in range(2))
        assert one != other
        assert len(one.rpartition("-")[2].removesuffix(".json")) == 32
        assert "acme" not in one

    def test_one_of_several(self):
        """After a deploy that was killed there are more: one that agrees is enough."""
        theirs = Marks.of("github.com", "8", "acme/docs")
        paths = [new_manifest_path(1, self.owner, []), new_manifest_path(2, theirs, [])]
        assert not belong_to_another(find_manifests(paths), self.owner)
        assert belong_to_another(find_manifests(paths), Marks.of("github.com", "9", "acme/x"))

    def test_its_digest_tells_which_paths_it_names(self):
        """In whatever order; two paths are not one with their characters."""
        one, two = (new_manifest_path(1, self.owner, paths) for paths in (["a", "b/c"], ["b/c", "a"]))
        other = new_manifest_path(1, self.owner, ["a", "b", "c"])
        digests = [found.digest for found in find_manifests([one, two, other])]
        assert len(set(digests)) == 2

    def test_what_is_not_known_stays(self):
        """A shell in the same checkout knows no ID; one without a checkout knows nothing."""
        theirs = Marks.of("github.com", "8", "acme/docs")
        found = find_manifests([new_manifest_path(1, self.owner, []), new_manifest_path(2, theirs, [])])
        assert completed_marks(found, Marks.of("github.com", "", "acme/site")) == self.owner
        assert completed_marks(found, Marks()) == theirs
        taken_over = completed_marks(found, Marks.of("github.com", "", "acme/new"))
        assert taken_over == (theirs.id, Marks.of("github.com", "", "acme/new").name)
        assert completed_marks([], self.owner) == self.owner
