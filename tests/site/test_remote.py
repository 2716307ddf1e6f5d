"""The managed files in a file list, for each state of the manifest."""

import pytest

from tests.site.remotes import file_list, patterns, remote
from zerokie_action.site.manifest import new_manifest_name
from zerokie_action.site.remote import FileList, make_remote

SITE = dict.fromkeys(["index.html", "a.css", "b/c.js"], b"x")


@pytest.mark.parametrize(
    ("named", "more", "keep", "managed"),
    [
        ({*SITE}, {}, (), {*SITE}),
        ({*SITE}, {"other": b"x"}, (), None),
        ({*SITE}, {"other": b"x"}, ("other",), {*SITE}),
        ({*SITE, "new"}, {}, (), None),
        ({*SITE}, {"b": b""}, (), {*SITE}),
    ],
    ids=[
        "the file list matches the digest",
        "the app has an unmanaged file",
        "`keep` matches the unmanaged file",
        "a managed file is missing",
        "a directory is listed",
    ],
)
def test_an_unreadable_manifest_identifies_managed_files_by_its_name(named, more, keep, managed):
    """If the digest in its name doesn't match the file list, the managed files are unknown."""
    name = new_manifest_name(1, "0", named)
    found = make_remote(FileList(file_list(SITE | more)), name, None, patterns(*keep))
    assert found.managed == managed
    assert found.is_unread


def test_a_readable_manifest_lists_the_managed_files():
    """A managed file that is gone becomes unmanaged, because another tool may upload it again."""
    found = remote(file_list(SITE | {"other": b"x"}), dict.fromkeys([*SITE, "gone"]))
    assert found.managed == {*SITE}
    assert found.unmanaged(["a.css", "gone", "other"]) == ["gone", "other"]


def test_without_a_manifest_all_files_are_unmanaged():
    found = remote(file_list(SITE))
    assert (found.managed, found.is_unread) == (set(), False)


@pytest.mark.parametrize(("named", "is_file"), [({"about/index.html"}, False), ({"about"}, True)])
def test_a_path_with_files_below_it_is_a_directory_unless_the_manifest_lists_it(named, is_file):
    """Some platforms list directories. Deleting one also deletes its files."""
    found = remote(file_list({"about": b"", "about/index.html": b"x"}), dict.fromkeys(named))
    assert ("about" in found.files) is is_file


def test_unsafe_paths_and_manifests_are_not_part_of_the_site():
    """Every file in the manifest's folder is a manifest. The action doesn't touch unsafe paths."""
    found = remote(file_list({"a/../b": b"x", "/": b"x", "_zerokie/notes": b"x", "a": b"x"}), {"a": None})
    assert found.files.keys() == {"a"}
    assert found.unsafe == ["/", "a/../b"]
    assert found.manifests == ["_zerokie/notes"]
