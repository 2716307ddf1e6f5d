from __future__ import annotations

import json

import pytest

from zerokie_action.files.manifest import (
    Manifest,
    Marks,
    find_manifests,
    is_anothers,
    new_manifest_path,
    parse,
)

PROOF = ("0" * 64, 12, "2026-03-07T17:00:00Z")


class TestContent:
    def test_as_it_is_stored(self):
        """Names, a proof or nothing for each, and the number of files after the last finished deploy."""
        manifest = Manifest(files={"a": PROOF, "é\n": None}, count=3)
        assert json.loads(manifest.render()) == {
            "version": 3,
            "files": {"a": [*PROOF], "é\n": None},
            "count": 3,
        }
        assert parse(manifest.render()) == manifest

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<!doctype html><title>404</title>",
            b"null",
            b'{"version":2,"app":"site","files":{}}',
            b'{"version":3,"files":{"a":["x",1]}}',
            b'{"version":3,"files":{"a":"x 1 2026-03-07T17:00:00Z"}}',
            b'{"version":3,"files":',
        ],
    )
    def test_anything_else(self, data):
        """Such as another version's, or the app's own page for what it does not find."""
        assert parse(data) is None


class TestNames:
    owner = Marks.of("github.com", "7", "acme/site")

    def test_the_newest_is_last(self):
        """By number; other names are none of ours."""
        names = [new_manifest_path(number, Marks()) for number in (2, 10, 1)]
        others = ["_zerokie/" + "0" * 64 + ".json", "_zerokie/notes.txt", names[0] + "/x", "x/" + names[0]]
        assert [found.path for found in find_manifests([*others, *names])] == [names[2], names[0], names[1]]

    def test_nobody_guesses_it(self):
        """It has a random part of 128 bits, and names nobody."""
        one, other = (new_manifest_path(1, self.owner) for _ in range(2))
        assert one != other
        assert len(one.rpartition("-")[2].removesuffix(".json")) == 32
        assert "acme" not in one

    def test_one_of_several(self):
        """After a deploy that was killed there are more: one that agrees is enough."""
        theirs = Marks.of("github.com", "8", "acme/docs")
        paths = [new_manifest_path(1, self.owner), new_manifest_path(2, theirs)]
        assert not is_anothers(find_manifests(paths), self.owner)
        assert is_anothers(find_manifests(paths), Marks.of("github.com", "9", "acme/x"))
