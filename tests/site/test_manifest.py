import json

import pytest

from zerokie_action.ci import Source
from zerokie_action.site.manifest import (
    Manifest,
    find_manifests,
    mark_repository,
    new_manifest_name,
    parse_manifest,
)

ENTRY = ("0" * 64, 12, "2026-03-07T17:00:00Z")
SOURCE = Source("0" * 40, "actions/runs/12", 12)
SITE = mark_repository("github.com/acme/site")


def digest(*paths: str) -> str:
    return find_manifests([new_manifest_name(1, SITE, paths).path])[0].digest


def test_a_stored_manifest_is_read_back():
    """It has the files with or without entries, the number of files in the last folder, and their source."""
    manifest = Manifest(files={"a": ENTRY, "é\n": None}, count=3, stale={"a": 7}, **SOURCE._asdict())
    stored = {
        "version": 1,
        "files": {"a": [*ENTRY], "é\n": None},
        "finished": True,
        "count": 3,
        "stale": {"a": 7},
        "types": 0,
        "commit": "0" * 40,
        "run": "actions/runs/12",
        "sequence": 12,
    }
    assert json.loads(manifest.render()) == stored
    assert parse_manifest(manifest.render()) == manifest
    assert parse_manifest(Manifest().render()) == Manifest(files={}, count=None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>404</title>",
        b"{}",
        b'{"version":4,"files":{},"count":0}',
        b'{"version":1,"files":{"a":["x",1]}}',
        b'{"version":1,"files":',
    ],
)
def test_other_content_is_not_a_manifest(data):
    """For example, it is another version's manifest, or the app's page for missing files."""
    assert parse_manifest(data) is None


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("commit", '"abc1234"'),
        ("commit", f'"{"0" * 39}G"'),
        ("commit", f'"{"0" * 40}\\n"'),
        ("commit", '"<img src=x onerror=alert(1)>"'),
        ("commit", "12"),
        ("commit", "null"),
        ("run", '"../../x"'),
        ("run", '"actions/runs/12/../../x"'),
        ("run", '"actions/runs/"'),
        ("run", '"javascript:alert(1)"'),
        ("run", '"//evil.example.com/-/jobs/1"'),
        ("run", f'"-/jobs/{"1" * 40}"'),
        ("run", '["actions/runs/12"]'),
        ("sequence", "0"),
        ("sequence", "-1"),
        ("sequence", "1.5"),
        ("sequence", "true"),
        ("sequence", "1e400"),
        ("sequence", "9" * 400),
        ("sequence", '"x"'),
        ("sequence", "{}"),
    ],
)
def test_an_invalid_fact_is_ignored_and_the_rest_stays_valid(field: str, text: str) -> None:
    """Other users of the app can change the manifest, and facts become part of links."""
    facts = {name: json.dumps(value) for name, value in SOURCE._asdict().items()} | {field: text}
    fields = ", ".join(f'"{name}": {value}' for name, value in facts.items())
    manifest = parse_manifest(f'{{"version": 1, "files": {{"a": null}}, {fields}}}'.encode())
    assert manifest is not None
    assert manifest.files == {"a": None}
    assert manifest.source._asdict() == SOURCE._asdict() | {field: None if field == "sequence" else ""}


def test_manifests_are_sorted_by_number():
    """Files with other names are ignored."""
    names = [new_manifest_name(number, SITE, ["a"]).path for number in (2, 10, 1)]
    others = ["_zerokie/" + "0" * 64 + ".json", "_zerokie/notes.txt", names[0] + "/x", "x/" + names[0]]
    assert [found.path for found in find_manifests([*others, *names])] == [names[2], names[0], names[1]]


def test_a_name_has_128_random_bits():
    """The name doesn't reveal the repository."""
    one, other = (new_manifest_name(1, SITE, []).path for _ in range(2))
    assert one != other
    assert len(one.rpartition("-")[2].removesuffix(".json")) == 32
    assert "acme" not in one


def test_the_digest_identifies_the_set_of_paths():
    """Order and directories don't matter. Two paths differ from one path with the same characters."""
    assert digest("a", "b/c/d") == digest("b/c/d", "a") == digest("b/c/d", "b", "b/c", "a")
    assert digest("a", "b/c") != digest("a", "b", "c") != digest("a", "b")
