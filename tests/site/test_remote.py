"""Whose the files of a listing are, for each manifest that there can be."""

import pytest

from tests.site.remotes import listing, patterns, remote
from zerokie_action.site.manifest import new_manifest_name
from zerokie_action.site.remote import make_remote

SITE = dict.fromkeys(["index.html", "a.css", "b/c.js"], b"x")


@pytest.mark.parametrize(
    ("named", "more", "keep", "ours"),
    [
        ({*SITE}, {}, (), {*SITE}),
        ({*SITE}, {"theirs": b"x"}, (), None),
        ({*SITE}, {"theirs": b"x"}, ("theirs",), {*SITE}),
        ({*SITE, "new"}, {}, (), None),
        ({*SITE}, {"b": b""}, (), {*SITE}),
    ],
    ids=[
        "the listing is just what its name tells",
        "a stranger's file is beside it",
        "but what `keep` matches does not count",
        "something that it names is missing",
        "an entry for a directory does not count",
    ],
)
def test_an_unreadable_manifest_tells_by_its_name_whose_the_files_are(named, more, keep, ours):
    """Else it is not known."""
    name = new_manifest_name(1, "0", named)
    found = make_remote(listing(SITE | more), name, None, patterns(*keep))
    assert found.managed == ours
    assert found.is_unread


def test_a_manifest_that_can_be_read_names_our_files():
    """What it names and is not listed is not ours any more: somebody else may put it there."""
    found = remote(listing(SITE | {"theirs": b"x"}), dict.fromkeys([*SITE, "gone"]))
    assert found.managed == {*SITE}
    assert found.unmanaged(["a.css", "gone", "theirs"]) == ["gone", "theirs"]


def test_without_a_manifest_no_file_is_ours():
    found = remote(listing(SITE))
    assert (found.managed, found.is_unread) == (set(), False)


@pytest.mark.parametrize(("named", "is_file"), [({"about/index.html"}, False), ({"about"}, True)])
def test_a_path_that_others_go_below_is_a_directory_unless_the_manifest_names_it(named, is_file):
    """Some platforms list directories, and delete what is in them as well."""
    found = remote(listing({"about": b"", "about/index.html": b"x"}), dict.fromkeys(named))
    assert ("about" in found.files) is is_file


def test_what_no_url_can_name_and_what_is_ours_are_no_files_of_the_site():
    """Manifests are found, whatever their names; unsafe paths are left alone."""
    found = remote(listing({"a/../b": b"x", "/": b"x", "_zerokie/notes": b"x", "a": b"x"}), {"a": None})
    assert found.files.keys() == {"a"}
    assert found.unsafe == ["/", "a/../b"]
    assert found.manifests == ["_zerokie/notes"]
